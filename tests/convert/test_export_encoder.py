"""The encoder as TFLite: all of it int8 and per channel, the fine-tuned tail in its place."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from support.smoke import SIZE_PX, Done, Smoke
from support.tflite_graph import Operator, operators

from seealoud.convert import export as module
from seealoud.convert.export import calibration_pictures, whole_encoder
from seealoud.device.vision.preprocess import preprocess
from seealoud.device.vision.runtime import Encoder
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.data.readers import open_dataset
from seealoud.training.features import read_picture
from seealoud.training.model import BuiltCaptioner
from seealoud.training.run_folder import RunFolder, load_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
]

# The same float32 operations, batch normalisation folded into the convolutions; a grid of 0..6.
FLOAT_TOLERANCE = 1e-3
# Of a picture like those it was calibrated with; 0.97 on average was measured at 64 px.
SMALLEST_COSINE = 0.9


@pytest.fixture(scope="module")
def built(smoke: Smoke, converted: Done) -> BuiltCaptioner:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEALOUD_CACHE", str(smoke.cache))
        return load_run(RunFolder(smoke.run))[1]


@pytest.fixture(scope="module")
def pictures(smoke: Smoke) -> list[np.ndarray]:
    """Test pictures as the encoder takes them, uint8 [size, size, 3]."""
    return [preprocess(read_picture(p.path), SIZE_PX) for p in open_dataset(smoke.data).test[:4]]


@pytest.fixture(scope="module")
def expected(built: BuiltCaptioner, pictures: list[np.ndarray]) -> np.ndarray:
    """The grids that training saw: the frozen trunk, then the captioner's own tail."""
    normalised = (np.stack(pictures).astype(np.float32) - built.spec.mean) / built.spec.scale
    return built.model.grid(built.source.build()(normalised, training=False)).numpy()


def int8(smoke: Smoke) -> bytes:
    return (smoke.run / "int8" / "encoder.tflite").read_bytes()


@pytest.fixture(scope="module")
def in_int8(smoke: Smoke, converted: Done) -> list[Operator]:
    assert converted.returncode == 0, converted.stderr[-2000:]
    return list(operators(int8(smoke)))


def open_encoder(path: Path, built: BuiltCaptioner) -> Encoder:
    return Encoder(path, mean=built.spec.mean, scale=built.spec.scale, threads=1)


def test_the_fine_tuned_tail_is_put_in(
    built: BuiltCaptioner,
    pictures: list[np.ndarray],
    expected: np.ndarray,
    smoke: Smoke,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEEALOUD_CACHE", str(smoke.cache))
    normalised = (np.stack(pictures).astype(np.float32) - built.spec.mean) / built.spec.scale
    whole = whole_encoder(built)
    found = whole(normalised, training=False).numpy().reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=FLOAT_TOLERANCE)
    monkeypatch.setattr(module, "apply_weights", lambda *args, **kwargs: 0)
    untuned = whole_encoder(built)(normalised, training=False).numpy().reshape(expected.shape)
    assert np.abs(untuned - expected).max() > 100 * FLOAT_TOLERANCE


def test_float_says_what_keras_says(
    built: BuiltCaptioner, pictures: list[np.ndarray], expected: np.ndarray, smoke: Smoke
) -> None:
    encoder = open_encoder(smoke.run / "float32" / "encoder.tflite", built)
    for picture, grid in zip(pictures, expected, strict=True):
        np.testing.assert_allclose(encoder.encode(picture), grid, atol=FLOAT_TOLERANCE)


def test_int8_says_nearly_what_keras_says(
    built: BuiltCaptioner, pictures: list[np.ndarray], expected: np.ndarray, smoke: Smoke
) -> None:
    encoder = open_encoder(smoke.bundle / "encoder.tflite", built)
    for picture, grid in zip(pictures, expected, strict=True):
        found = encoder.encode(picture)
        cosine = (found * grid).sum() / np.linalg.norm(found) / np.linalg.norm(grid)
        assert cosine > SMALLEST_COSINE
        # A wrong scale would leave the cosine as it is.
        assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(grid), rel=0.3)


def test_a_picture_goes_in_as_levels_and_a_grid_comes_out(smoke: Smoke, converted: Done) -> None:
    interpreter = Interpreter(model_content=int8(smoke))
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (taken["dtype"], taken["shape"].tolist()) == (np.int8, [1, SIZE_PX, SIZE_PX, 3])
    assert (given["dtype"], given["shape"].tolist()) == (np.int8, [1, 2, 2, 1280])
    scale, _ = taken["quantization"]
    # A level is a pixel value, 1 / 128, or less: calibration saw no 0 and no 255.
    assert 0.8 / 128 < scale < 1.02 / 128


def test_everything_inside_is_whole_numbers(in_int8: list[Operator]) -> None:
    kinds = {
        (tensor.name, tensor.dtype)
        for operator in in_int8
        for tensor in (*operator.inputs, *operator.outputs)
        if tensor.dtype not in (np.int8, np.int32)
    }
    assert kinds == set()
    counts = Counter(operator.name for operator in in_int8)
    # 16 blocks with a depthwise convolution each; 15 expansions, 16 projections, stem and head.
    assert counts["DEPTHWISE_CONV_2D"] == 16
    assert counts["CONV_2D"] == 15 + 16 + 2
    assert counts["QUANTIZE"] == 0  # the device writes the levels itself
    assert counts["DEQUANTIZE"] == 0
    assert all(operator.is_builtin for operator in in_int8)


def test_convolutions_are_quantized_by_channel(in_int8: list[Operator]) -> None:
    convolutions = [o for o in in_int8 if o.name in ("CONV_2D", "DEPTHWISE_CONV_2D")]
    assert convolutions
    for operator in convolutions:
        _, weights, bias = operator.inputs
        channels = operator.outputs[0].shape[-1]
        assert weights.dtype == np.int8
        assert weights.is_constant
        assert weights.n_scales == channels, weights.name
        assert (bias.dtype, bias.n_scales) == (np.int32, channels)


# --- calibration ------------------------------------------------------------------------------


def test_calibration_takes_training_pictures_as_the_device_sees_them(
    smoke: Smoke, built: BuiltCaptioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "N_CALIBRATION", 5)
    train = open_dataset(smoke.data).train
    found = calibration_pictures(train, built.spec)
    assert [picture.shape for picture in found] == 5 * [(1, SIZE_PX, SIZE_PX, 3)]
    assert {picture.dtype for picture in found} == {np.dtype(np.float32)}
    seen = {normalised(picture, built).tobytes() for picture in train}
    assert {picture.tobytes() for picture in found} <= seen
    assert len({picture.tobytes() for picture in found}) == 5
    again = calibration_pictures(train, built.spec)
    np.testing.assert_array_equal(np.stack(again), np.stack(found))


def normalised(picture: CaptionedPicture, built: BuiltCaptioner) -> np.ndarray:
    square = preprocess(read_picture(picture.path), SIZE_PX).astype(np.float32)
    return ((square - 127) / 128)[None]


def test_a_small_data_set_calibrates_with_all_it_has(smoke: Smoke, built: BuiltCaptioner) -> None:
    assert len(calibration_pictures(open_dataset(smoke.data).dev, built.spec)) == 12
