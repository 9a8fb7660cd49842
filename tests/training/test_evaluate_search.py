"""Searching many pictures at once finds what the device finds for each alone."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from support.weights import draw_weights

from seealoud.device.records import Hypothesis
from seealoud.device.vision.beam_search import SearchOptions, Sequence, State, search
from seealoud.training import evaluate as module
from seealoud.training.decoders import DECODERS, DecoderSize
from seealoud.training.errors import TrainingError
from seealoud.training.evaluate import TracedCaptioner, caption_features, require_words
from seealoud.training.model import KerasCaptioner

N_PICTURES = 7
SIZE = DecoderSize(
    n_words=12, max_words=5, n_cells=4, n_channels=3, width=8, n_heads=2, n_decoder_layers=1
)
# The same float32 sums over another number of rows.
TOLERANCE = 1e-4


@pytest.fixture(scope="module", params=DECODERS)
def model(request: pytest.FixtureRequest) -> KerasCaptioner:
    made = KerasCaptioner(DECODERS[request.param](SIZE), tail=None)
    made((features(), np.zeros((N_PICTURES, 1, SIZE.max_words + 1), np.int32)))
    draw_weights(made)
    return made


def features() -> np.ndarray:
    return np.random.default_rng(3).normal(0, 2, (N_PICTURES, 2, 2, 3)).astype(np.float16)


def alone(model: KerasCaptioner, picture_hwc: np.ndarray, options: SearchOptions) -> list[Sequence]:
    """As ``device.vision.captioner`` does: one picture, its beam's rows."""
    memory = model.decoder.prepare(model.grid(picture_hwc[None]))

    def step(tokens_r: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        logits, grown = model.decoder.step(
            tf.constant(tokens_r), memory, tuple(map(tf.constant, state))
        )
        return logits.numpy(), tuple(array.numpy() for array in grown)

    zeros = tuple(array.numpy() for array in model.decoder.initial_state(options.beam_width))
    return search(step, zeros, options)[0]


def test_of_both_grids_the_mean_is_captioned(model: KerasCaptioner) -> None:
    options = SearchOptions(beam_width=2, max_words=4)
    plain = features()
    mirrored = np.random.default_rng(4).normal(0, 2, plain.shape).astype(np.float16)
    mean = (plain.astype(np.float32) + mirrored.astype(np.float32)[:, :, ::-1]) / 2
    found = list(caption_features(TracedCaptioner(model), plain, options, mirrored))
    expected = list(caption_features(TracedCaptioner(model), mean.astype(np.float32), options))
    for sequences, wanted in zip(found, expected, strict=True):
        assert [s.ids for s in sequences] == [s.ids for s in wanted]
        assert [s.score for s in sequences] == pytest.approx(
            [s.score for s in wanted], abs=TOLERANCE
        )


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(beam_width=1, max_words=5, length_penalty=0.0),
        SearchOptions(beam_width=3, max_words=3, length_penalty=0.7),
    ],
    ids=str,
)
def test_many_at_once_are_as_one_by_one(
    model: KerasCaptioner, options: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PICTURES_AT_ONCE", 3)  # 3 + 3 + 1
    together = list(caption_features(TracedCaptioner(model), features(), options))
    assert len(together) == N_PICTURES
    for found, picture in zip(together, features(), strict=True):
        expected = alone(model, picture, options)
        assert [sequence.ids for sequence in found] == [sequence.ids for sequence in expected]
        np.testing.assert_allclose(
            [(s.log_probability, s.score) for s in found],
            [(s.log_probability, s.score) for s in expected],
            atol=TOLERANCE,
        )
    assert len({found[0].ids for found in together}) > 1


def test_no_picture_is_no_caption(model: KerasCaptioner) -> None:
    assert list(caption_features(TracedCaptioner(model), features()[:0], SearchOptions())) == []


def test_captions_without_any_word_are_refused() -> None:
    silent = {f"{k}.jpg": Hypothesis("", -1.0, -1.0) for k in range(3)}
    with pytest.raises(TrainingError, match=r"run mine is trained, but its captions of 3 dev pict"):
        require_words("run mine", silent)
    require_words("run mine", {**silent, "3.jpg": Hypothesis("a dog", -1.0, -1.0)})
