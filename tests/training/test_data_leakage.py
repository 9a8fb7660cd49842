"""Nothing of dev or test is in what is trained on: no picture, no copy of one, no caption."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.perceptual_hash import N_BITS, Hashes, hamming_distances, perceptual_hash
from support.untrained import Untrained, train_nothing

from seealoud.training import train, views
from seealoud.training.config import RunConfig, read_run_config
from seealoud.training.data.dataset import (
    SPLITS,
    CaptionedPicture,
    Dataset,
    drop_captions,
    held_out_captions,
    without_held_out_captions,
)
from seealoud.training.data.extra import open_extra
from seealoud.training.data.readers import open_dataset
from seealoud.training.run_folder import RunFolder
from seealoud.training.text import words_of

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SEEALOUD_FLICKR8K", ROOT.parent / "shared" / "flickr8k"))
# Bits. Measured: 100 recompressed, brightened, cropped and shrunken copies lie 0 to 8 bits from
# their originals, while of all pairs of pictures in two splits the nearest are 10 apart and half
# are 32 or more. (Against mirrored pictures two pairs are 8 apart, by chance: other scenes.)
NEAR_DUPLICATE_BITS = 8
N_COPIES = 100


def picture(name: str, *captions: str) -> CaptionedPicture:
    return CaptionedPicture(name, Path(name), captions)


SMALL = Dataset(
    train=(
        picture("a", "A dog runs .", "Two dogs !"),
        picture("b", "the CAT sits", "A tail ."),
        picture("c", "Snow ."),
    ),
    dev=(picture("d", "The cat sits .", "A red ball ."),),
    test=(picture("e", "Two dogs", "snow"),),
)


def train_captions(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    return {picture.name: picture.captions for picture in dataset.train}


# --- the filter -------------------------------------------------------------------------------


def test_what_is_held_out_are_the_words_of_dev_and_test() -> None:
    assert held_out_captions(SMALL) == {
        ("the", "cat", "sits"),
        ("a", "red", "ball"),
        ("two", "dogs"),
        ("snow",),
    }


def test_shared_captions_are_dropped_whatever_their_case_and_marks() -> None:
    assert train_captions(without_held_out_captions(SMALL)) == {
        "a": ("A dog runs .",),
        "b": ("A tail .",),
    }


def test_dev_and_test_stay_as_they_are() -> None:
    filtered = without_held_out_captions(SMALL)
    assert (filtered.dev, filtered.test) == (SMALL.dev, SMALL.test)


def test_filtering_twice_changes_nothing_more() -> None:
    once = without_held_out_captions(SMALL)
    assert without_held_out_captions(once) == once


def test_what_shares_no_caption_is_left_alone() -> None:
    alone = Dataset(train=SMALL.train, dev=(picture("d", "A boat ."),), test=(picture("e", "Sea"),))
    assert without_held_out_captions(alone) == alone


def test_part_of_a_caption_is_not_the_caption() -> None:
    assert drop_captions(SMALL.train, frozenset({("a", "dog")})) == SMALL.train


# --- every way in goes through the filter -----------------------------------------------------

CONFIG = {
    "name": "mine",
    "text": {"minimum_count": 1, "max_words": 4},
    "encoder": {"name": "efficientnet_lite0", "input_size_px": 32, "views": 1},
    "decoder": {"name": "merge", "width": 8},
}
Taught = list[Untrained]


@pytest.fixture
def taught(monkeypatch: pytest.MonkeyPatch) -> Taught:
    """What the trainer is given to train on; nothing is trained."""
    return train_nothing(monkeypatch)


def words_taught(taught: Taught) -> set[tuple[str, ...]]:
    (given,) = taught
    return {tuple(words_of(text)) for picture in given.train.pictures for text in picture.captions}


def test_training_never_sees_what_is_held_out(taught: Taught, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "mine")
    train.train(RunConfig.model_validate(CONFIG), SMALL, folder)
    assert words_taught(taught) == {("a", "dog", "runs"), ("a", "tail")}
    assert "snow" not in folder.vocabulary.read_text().split()


HOMES = """\
one.jpg\tA red ball !
one.jpg\tA cup .
two.jpg\tSnow
three.jpg\tA bed in a room
"""


def write_extra(root: Path, name: str, text: str) -> None:
    (root / name).mkdir()
    (root / name / "captions.tsv").write_text(text)
    for line in text.splitlines():
        (root / name / line.split("\t")[0]).touch()


@pytest.fixture
def with_homes(tmp_path: Path) -> Dataset:
    """Further pictures beside the main ones, and household photographs to choose by."""
    (tmp_path / "main").mkdir()
    write_extra(tmp_path, "homes", HOMES)
    write_extra(tmp_path, "household_dev", "four.jpg\tA bed , in a room !\n")
    return dataclasses.replace(SMALL, root=tmp_path / "main")


def config_with_homes() -> RunConfig:
    homes = {"name": "homes", "batch_pictures": 1}
    return RunConfig.model_validate(CONFIG | {"extra_data": [homes]})


def test_further_pictures_teach_nothing_that_is_held_out(
    taught: Taught, with_homes: Dataset, tmp_path: Path
) -> None:
    """Nor what is said of the household photographs, which choose the epoch."""
    folder = RunFolder(tmp_path / "mine")
    train.train(config_with_homes(), with_homes, folder)
    (given,) = taught
    (homes,) = given.sets.extra
    assert [picture.captions for picture in homes.captioned.pictures] == [("A cup .",)]
    assert [picture.name for picture in given.sets.household.pictures] == ["four.jpg"]
    words = folder.vocabulary.read_text().split()
    assert "cup" in words
    assert not {"ball", "snow", "bed"} & set(words)


def test_without_household_photographs_dev_chooses_alone(
    taught: Taught, with_homes: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(tmp_path / "household_dev")
    train.train(config_with_homes(), with_homes, RunFolder(tmp_path / "mine"))
    assert taught[0].sets.household is None
    assert f"no folder {tmp_path / 'household_dev'}: epochs of mine are chosen" in caplog.text


def test_runs_on_the_main_data_set_alone_look_at_no_other(
    taught: Taught, with_homes: Dataset, tmp_path: Path
) -> None:
    train.train(RunConfig.model_validate(CONFIG), with_homes, RunFolder(tmp_path / "mine"))
    assert (taught[0].sets.household, list(taught[0].sets.extra)) == (None, [])


# --- the hash ---------------------------------------------------------------------------------


def test_distances_are_counted_bit_by_bit() -> None:
    rng = np.random.default_rng(1)
    left, right = rng.random((3, N_BITS)) > 0.5, rng.random((2, N_BITS)) > 0.5
    expected = [[np.count_nonzero(a != b) for b in right] for a in left]
    np.testing.assert_array_equal(hamming_distances(left, right), expected)
    assert hamming_distances(left[:1], ~left[:1]) == N_BITS


# --- Flickr8k itself, where it is -------------------------------------------------------------

real = pytest.mark.skipif(
    not (DATA / "Flickr8k.token.txt").is_file(),
    reason=f"no Flickr8k in {DATA} (set SEEALOUD_FLICKR8K)",
)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return open_dataset(DATA)


@pytest.fixture(scope="module")
def hashes(dataset: Dataset) -> dict[str, Hashes]:
    """The hashes of all pictures by split, bool [pictures, 64]."""
    return {
        split: np.stack([perceptual_hash(grey(picture.path)) for picture in dataset.split(split)])
        for split in SPLITS
    }


def grey(path: Path) -> np.ndarray:
    # Half the size: the hash needs an eighth, and the JPEG decoder then works a third as long.
    return cv2.imread(str(path), cv2.IMREAD_REDUCED_GRAYSCALE_2)


def altered_copy(path: Path) -> np.ndarray:
    """Return a picture as it might be published again: cut, brighter, smaller, worse."""
    image_bgr = cv2.imread(str(path))
    height, width = image_bgr.shape[:2]
    y, x = height // 50, width // 50
    cut = cv2.convertScaleAbs(image_bgr[y:-y, x:-x], alpha=1.1, beta=10)
    small = cv2.resize(cut, (int(0.8 * width), int(0.8 * height)), interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 60])
    return cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE)


def two_splits() -> Iterator[tuple[str, str]]:
    yield from (("train", "dev"), ("train", "test"), ("dev", "test"))


@real
@pytest.mark.flickr8k
def test_no_picture_is_in_two_splits_by_name_or_by_content(dataset: Dataset) -> None:
    names = {split: {p.name for p in dataset.split(split)} for split in SPLITS}
    contents = {
        split: {hashlib.sha256(p.path.read_bytes()).digest() for p in dataset.split(split)}
        for split in SPLITS
    }
    for one, other in two_splits():
        assert not names[one] & names[other]
        assert not contents[one] & contents[other]


@real
@pytest.mark.flickr8k
def test_altered_copies_are_found(dataset: Dataset, hashes: dict[str, Hashes]) -> None:
    """Else finding none would say nothing."""
    numbers = range(0, len(dataset.train), len(dataset.train) // N_COPIES)
    copies = np.stack([perceptual_hash(altered_copy(dataset.train[i].path)) for i in numbers])
    distances = hamming_distances(copies, hashes["train"])
    of_originals = distances[np.arange(len(numbers)), list(numbers)]
    assert of_originals.max() <= NEAR_DUPLICATE_BITS
    assert of_originals.max() > 0
    # And hardly anything else is taken for one.
    assert np.count_nonzero(distances <= NEAR_DUPLICATE_BITS) <= 1.1 * len(numbers)


@real
@pytest.mark.flickr8k
def test_no_picture_has_a_near_duplicate_in_another_split(
    dataset: Dataset, hashes: dict[str, Hashes]
) -> None:
    for one, other in two_splits():
        near = np.argwhere(hamming_distances(hashes[one], hashes[other]) <= NEAR_DUPLICATE_BITS)
        found = [(dataset.split(one)[i].name, dataset.split(other)[j].name) for i, j in near]
        assert not found, f"{one} and {other}"


@real
@pytest.mark.flickr8k
def test_no_held_out_caption_is_among_the_training_captions(dataset: Dataset) -> None:
    held_out = held_out_captions(dataset)
    filtered = without_held_out_captions(dataset)
    kept = [tuple(words_of(text)) for p in filtered.train for text in p.captions]
    assert held_out.isdisjoint(kept)
    # Nor do they become one where the picture is mirrored, and left is right.
    assert held_out.isdisjoint(tuple(views.mirror_words(list(words))) for words in kept)
    n_captions = sum(len(picture.captions) for picture in dataset.train)
    assert n_captions - len(kept) == 137  # so there was something to drop, and no more than that
    assert len(filtered.train) == len(dataset.train)


# --- further pictures, where they are ---------------------------------------------------------

HOMES_CONFIG = "lite2-homes"
# Of 34 million pairs, five are 8 bits apart by chance: drawings and jewels beside photographs.
NEAR_DUPLICATE_BITS_OF_MANY = NEAR_DUPLICATE_BITS - 1
HOUSEHOLD = DATA.parent / "household_dev"
further = pytest.mark.skipif(
    not all((DATA.parent / name).is_dir() for name in ("web_captions", "rooms", "household_dev")),
    reason=f"no web_captions, rooms and household_dev beside {DATA}",
)


@pytest.fixture(scope="module")
def learned(dataset: Dataset) -> list[CaptionedPicture]:
    """The further pictures that the shipped chain learns from."""
    found = train.open_extra_data(read_run_config(HOMES_CONFIG), dataset)
    return [picture for _, pictures in found for picture in pictures]


@real
@further
@pytest.mark.flickr8k
def test_no_held_out_caption_is_among_the_further_captions(
    dataset: Dataset, learned: list[CaptionedPicture]
) -> None:
    household = open_extra(HOUSEHOLD, plain_sentences=False)
    of_homes = {tuple(words_of(text)) for picture in household for text in picture.captions}
    held_out = held_out_captions(dataset) | of_homes
    kept = {tuple(words_of(text)) for picture in learned for text in picture.captions}
    assert len(kept) > 10_000
    assert held_out.isdisjoint(kept)
    assert held_out.isdisjoint(tuple(views.mirror_words(list(words))) for words in kept)


@real
@further
@pytest.mark.flickr8k
def test_no_held_out_picture_is_among_the_further_pictures(
    dataset: Dataset, hashes: dict[str, Hashes], learned: list[CaptionedPicture]
) -> None:
    household = open_extra(HOUSEHOLD, plain_sentences=False)
    of_homes = np.stack([perceptual_hash(grey(picture.path)) for picture in household])
    held_out = np.concatenate([hashes["dev"], hashes["test"], of_homes])
    names = [p.name for p in (*dataset.dev, *dataset.test, *household)]
    ours = np.stack([perceptual_hash(grey(picture.path)) for picture in learned])
    near = np.argwhere(hamming_distances(ours, held_out) <= NEAR_DUPLICATE_BITS_OF_MANY)
    assert not [(learned[i].path, names[j]) for i, j in near]
