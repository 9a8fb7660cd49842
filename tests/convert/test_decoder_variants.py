"""The decoder's number formats: calibrated on real searches, each a decoder of the device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from support.tflite_graph import operators
from support.weights import draw_weights

from convert.decoder_variants import (
    FORMATS,
    Format,
    Sample,
    convert_apart,
    export_format,
    rollouts,
)
from convert.one_hot_position import with_one_hot_position
from device.vision.beam_search import SearchOptions, search_rows
from device.vision.runtime import Decoder as DeviceDecoder
from training.decoders import DECODERS, Decoder, DecoderSize
from training.errors import TrainingError
from training.run_folder import RunFolder

# TensorFlow's own calibrator uses its own interpreter.
pytestmark = pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")

SIZE = DecoderSize(n_words=60, max_words=5, n_cells=4, n_channels=64, width=64, n_heads=4)
SEARCH = SearchOptions(beam_width=3, max_words=5, length_penalty=1.0)
N_PICTURES = 2
# exp(-16) instead of zero for a masked slot, on logits of about 5.
ONE_HOT_TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    # The merge decoder has no position and no mask, which integers cannot hold.
    made = DECODERS["merge"](SIZE)
    made((grids()[:1], np.zeros((1, 1, SIZE.max_words + 1), np.int32)))
    draw_weights(made)
    return made


def grids() -> np.ndarray:
    shape = (N_PICTURES, SIZE.n_cells, SIZE.n_channels)
    return np.random.default_rng(3).uniform(0, 3, shape).astype(np.float32)


@pytest.fixture(scope="module")
def floating(decoder: Decoder, tmp_path_factory: pytest.TempPathFactory) -> DeviceDecoder:
    path = tmp_path_factory.mktemp("float32") / "decoder.tflite"
    path.write_bytes(export_format(decoder, SEARCH.beam_width, "float32"))
    return DeviceDecoder(path)


@pytest.fixture(scope="module")
def samples(decoder: Decoder, floating: DeviceDecoder) -> list[Sample]:
    return rollouts(decoder, floating, grids(), SEARCH)


def test_samples_are_what_the_search_sees(
    decoder: Decoder, floating: DeviceDecoder, samples: list[Sample]
) -> None:
    prepared = [s.inputs["features"] for s in samples if s.signature == "prepare"]
    np.testing.assert_array_equal(np.concatenate(prepared), grids())
    tokens: list[np.ndarray] = []
    for grid in grids():
        floating.prepare(grid)

        def advance(tokens_r: np.ndarray, parents_r: np.ndarray | None) -> np.ndarray:
            tokens.append(tokens_r)
            return floating.advance(tokens_r, parents_r)

        search_rows(advance, SEARCH)
    steps = [s.inputs for s in samples if s.signature == "decode"]
    np.testing.assert_array_equal([s["tokens"] for s in steps], tokens)
    # The last step sees the memory of the last picture, and a state that is no longer empty.
    for i, memory in enumerate(decoder.prepare(grids()[-1:])):
        np.testing.assert_array_equal(steps[-1][f"memory_{i}"], memory.numpy())
    assert any(np.any(a) for name, a in steps[-1].items() if name.startswith("state"))


@pytest.mark.parametrize("number_format", FORMATS)
def test_every_format_is_a_decoder_of_the_device(
    decoder: Decoder, samples: list[Sample], number_format: Format, tmp_path: Path
) -> None:
    content = export_format(decoder, SEARCH.beam_width, number_format, samples)
    path = tmp_path / "decoder.tflite"
    path.write_bytes(content)
    made = DeviceDecoder(path)
    made.prepare(grids()[0])
    assert search_rows(made.advance, SEARCH)[0]
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    assert [code.customCode for code in model.operatorCodes if code.customCode] == []


def test_int8_computes_in_integers(decoder: Decoder, samples: list[Sample]) -> None:
    kinds = {
        number_format: {
            operator.outputs[0].dtype
            for operator in operators(
                export_format(decoder, SEARCH.beam_width, number_format, samples)
            )
            if operator.name == "FULLY_CONNECTED"
        }
        for number_format in ("dynamic range", "int8")
    }
    assert kinds == {"dynamic range": {np.dtype(np.float32)}, "int8": {np.dtype(np.int8)}}


def test_what_the_converter_died_of_is_told(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "nothing")
    with pytest.raises(TrainingError, match=r"^int8: .*nothing"):
        convert_apart(run, "int8", tmp_path / "grids.npy", tmp_path / "out.tflite")


def test_a_one_hot_position_says_the_same() -> None:
    """To the last slot, rows changing places; in float32, so to its own rounding."""
    plain = DECODERS["transformer"](SIZE)
    plain((grids()[:1], np.zeros((1, 1, SIZE.max_words + 1), np.int32)))
    draw_weights(plain)
    one_hot = with_one_hot_position(plain)
    memory = plain.prepare(grids()[:1])
    states = [made.initial_state(SEARCH.beam_width) for made in (plain, one_hot)]
    assert not any(np.any(array) for array in states[1])
    rng = np.random.default_rng(7)
    for _ in range(SIZE.max_words + 1):
        tokens = tf.constant(rng.integers(4, SIZE.n_words, SEARCH.beam_width, dtype=np.int32))
        order = rng.integers(SEARCH.beam_width, size=SEARCH.beam_width)
        logits, states[0] = plain.step(tokens, memory, states[0])
        same, states[1] = one_hot.step(tokens, memory, states[1])
        np.testing.assert_allclose(same.numpy(), logits.numpy(), atol=ONE_HOT_TOLERANCE)
        states = [tuple(tf.gather(array, order) for array in state) for state in states]


def test_what_counts_nothing_stays(decoder: Decoder) -> None:
    assert with_one_hot_position(decoder) is decoder
