"""The decoder's language: reading sentences, training on them, and going on from there."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from support.untrained import Untrained, train_nothing

import training.optimise
import training.train
from device.vocabulary import START, Vocabulary
from training.config import RunConfig
from training.data.dataset import CaptionedPicture, Dataset
from training.encoders import load_encoder_weights
from training.errors import CheckpointError, DatasetError
from training.language import default_sentences, read_sentences, without_pictures
from training.model import build_captioner, feature_shape
from training.run_folder import RunFolder, load_run
from training.train import train

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword"  # Keras' saving, NumPy 2
)

COLOURS = ("red", "green", "blue", "white")
MAX_WORDS = 5
SIZE_PX = 32


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ImageNet's weights are kept; never the user's."""
    monkeypatch.setenv("SEEALOUD_CACHE", str(cache))


# --- reading ----------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sentences.tsv"


def test_the_sentences_of_one_picture_come_together(file: Path) -> None:
    file.write_text("2.jpg\tA dog .\n1.jpg\tZwei Hünde .\n2.jpg\tIt\truns .\n", encoding="utf-8")
    assert read_sentences(file) == (
        CaptionedPicture("2.jpg", file, ("A dog .", "It\truns .")),
        CaptionedPicture("1.jpg", file, ("Zwei Hünde .",)),
    )


@pytest.mark.parametrize("line", ["no tab", "1.jpg\t", "1.jpg\t ", ""])
def test_a_line_that_is_none_is_named(file: Path, line: str) -> None:
    file.write_text(f"1.jpg\tA dog .\n{line}\n2.jpg\tA cat .\n")
    with pytest.raises(DatasetError, match=r"sentences\.tsv, line 2: expected 'name<TAB>sentence'"):
        read_sentences(file)


def test_an_empty_file_is_refused(file: Path) -> None:
    file.write_text("")
    with pytest.raises(DatasetError, match=r"sentences\.tsv has no sentences"):
        read_sentences(file)


@pytest.mark.parametrize("content", [None, b"1.jpg\tcaf\xe9 .\n"], ids=["missing", "latin-1"])
def test_what_cannot_be_read_says_what_to_set(file: Path, content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DatasetError, match=r"cannot read .*sentences\.tsv.*SEEALOUD_SENTENCES"):
        read_sentences(file)


def test_the_default_file_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEALOUD_SENTENCES", "/elsewhere/mine.tsv")
    assert default_sentences() == Path("/elsewhere/mine.tsv")
    monkeypatch.delenv("SEEALOUD_SENTENCES")
    assert default_sentences().parts[-3:] == ("shared", "flickr30k_text", "captions.tsv")


# --- batches ----------------------------------------------------------------------------------


def config(name: str, **changes: object) -> RunConfig:
    plain = {
        "name": name,
        "text": {"minimum_count": 1, "max_words": MAX_WORDS},
        "encoder": {"name": "efficientnet_lite0", "input_size_px": SIZE_PX, "views": 1},
        "decoder": {
            "name": "transformer",
            "width": 16,
            "n_heads": 2,
            "n_encoder_layers": 1,
            "n_decoder_layers": 1,
        },
        "optimiser": {
            "epochs": 3,
            "batch_pictures": 4,
            "learning_rate": 0.01,
            "warmup_epochs": 0,
            "ema_decay": 0.5,
        },
    }
    return RunConfig.model_validate({**plain, **changes})


def sentences(count: int) -> list[CaptionedPicture]:
    return [
        CaptionedPicture(
            f"{n}.jpg", Path(f"{n}.jpg"), (f"A {COLOURS[n % 4]} dog .", f"It is {COLOURS[n % 4]}")
        )
        for n in range(count)
    ]


WORDS = Vocabulary.from_words(["a", "it", "is", "dog", *COLOURS])


@pytest.mark.parametrize("trainable_from_block", [None, 15])
def test_every_sentence_has_an_empty_grid(trainable_from_block: int | None) -> None:
    encoder = {"name": "efficientnet_lite0", "input_size_px": SIZE_PX}
    encoder |= {"trainable_from_block": trainable_from_block}
    built = build_captioner(config("mine", encoder=encoder), WORDS)
    found = without_pictures(sentences(6), built, MAX_WORDS)
    shape = feature_shape(built.source)
    assert found.plain_features().shape == (6, *shape)
    assert set(found.plain_features().strides) == {0}  # however many, they take no memory
    (batch,) = found.epoch(6, seed=1, epoch=0)
    assert batch.features.shape == (6, *shape)
    assert (batch.features.dtype, batch.features.any()) == (np.float16, False)
    assert batch.inputs.shape == batch.targets.shape == (6, 2, MAX_WORDS + 1)
    assert (batch.inputs[:, :, 0] == START).all()


# --- a run, and one that goes on from it ------------------------------------------------------

LANGUAGE = "language"


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Pictures that nobody looks at; what is held out stands in no other split."""
    dev = (CaptionedPicture("dev.jpg", Path("dev.jpg"), ("The dog is red .",)),)
    test = (CaptionedPicture("test.jpg", Path("test.jpg"), ("The dog is blue .",)),)
    return Dataset((*sentences(8), CaptionedPicture("8.jpg", Path("8"), ("The dog",))), dev, test)


@pytest.fixture(scope="module")
def file_of_many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "sentences.tsv"
    lines = [f"{p.name}\t{caption}\n" for p in sentences(48) for caption in p.captions]
    path.write_text("".join(lines))
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset, file_of_many: Path) -> Path:
    """A folder of runs with the trained language in it."""
    root = tmp_path_factory.mktemp("runs")
    train(language(file_of_many), dataset, RunFolder(root / LANGUAGE))
    return root


def language(path: Path) -> RunConfig:
    return config(LANGUAGE, language_model={"sentences": path})


def test_the_decoder_learns_its_language(runs: Path, dataset: Dataset, file_of_many: Path) -> None:
    folder = RunFolder(runs / LANGUAGE)
    history = folder.read_history()
    assert len(history) == 3
    assert history[-1].train_loss < 0.9 * history[0].train_loss
    assert all(math.isnan(result.dev_cider) for result in history)
    assert all(math.isfinite(result.dev_loss) for result in history)
    # The same command again finds it done.
    again = train(language(file_of_many), dataset, folder)
    assert [dataclasses.astuple(r)[:3] for r in again] == [
        dataclasses.astuple(r)[:3] for r in history
    ]


def test_the_best_epoch_is_the_one_with_the_least_dev_loss(runs: Path, dataset: Dataset) -> None:
    folder = RunFolder(runs / LANGUAGE)
    settings, built = load_run(folder)
    batches = without_pictures(dataset.dev, built, MAX_WORDS).plain(
        settings.optimiser.batch_pictures
    )
    (batch,) = batches
    logits = built.model((batch.features, batch.inputs))
    loss = training.optimise.caption_loss(logits, batch.targets, smoothing=0.0)
    least = min(result.dev_loss for result in folder.read_history())
    assert float(loss) == pytest.approx(least, rel=1e-4)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Untrained]:
    """What a trainer was given, which trains nothing."""
    return train_nothing(monkeypatch)


TUNED = {"name": "efficientnet_lite0", "input_size_px": SIZE_PX, "trainable_from_block": 15}


def test_a_run_that_goes_on_has_its_decoder_and_imagenets_encoder(
    runs: Path, dataset: Dataset, started: list[Untrained]
) -> None:
    settings = config("seeing", encoder={**TUNED, "views": 1}, start_from=LANGUAGE)
    train(settings, dataset, RunFolder(runs / "seeing"))
    ((given,), (_, spoken)) = started, load_run(RunFolder(runs / LANGUAGE))
    for ours, theirs in zip(
        given.built.model.decoder.get_weights(), spoken.model.decoder.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    imagenet = load_encoder_weights("efficientnet_lite0")
    for layer in given.built.model.tail.layers:
        for variable in layer.weights:
            expected = imagenet[f"{layer.name}/{variable.name}"]
            np.testing.assert_array_equal(variable.numpy(), expected, err_msg=variable.path)


def test_a_decoder_of_another_shape_is_refused(
    runs: Path, dataset: Dataset, started: list[Untrained]
) -> None:
    wide = {"name": "transformer", "width": 32, "n_heads": 2, "n_decoder_layers": 1}
    settings = config("wide", decoder=wide, start_from=LANGUAGE)
    with pytest.raises(CheckpointError, match=r"language has weights of other shapes"):
        train(settings, dataset, RunFolder(runs / "wide"))
    assert started == []


def test_other_words_are_refused(runs: Path, dataset: Dataset, started: list[Untrained]) -> None:
    settings = config(
        "terse", text={"minimum_count": 3, "max_words": MAX_WORDS}, start_from=LANGUAGE
    )
    with pytest.raises(CheckpointError, match="language was trained with other words"):
        train(settings, dataset, RunFolder(runs / "terse"))
    assert started == []
