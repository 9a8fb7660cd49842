"""What the device sees is what training saw: files to features, along both paths.

Training: ``load_features`` (OpenCV's reader, cache). Device: its own sources, preprocessing and
interpreter, on the float encoder as ``seealoud-convert`` exports it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.pictures import TURNS_RIGHT_BY_90, Image, encoded, four_colours, jpeg_turned, write

from seealoud.device.commands.describe_sources import expand_sources
from seealoud.device.pictures.decode import read_picture_file
from seealoud.device.vision.preprocess import preprocess
from seealoud.device.vision.runtime import Encoder

ENCODER_NAME = "efficientnet_lite0"
SIZE_PX = 96
END_BLOCK = 4  # the first ones see colours and edges already, and are converted in seconds
# The cache is float16, which rounds by up to 2 ** -11 of the value.
RELATIVE_TOLERANCE, TOLERANCE = 2**-10, 2**-9

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None,
        reason="TensorFlow is not installed: pip install -e '.[training]'",
    ),
]


def scene(height_px: int, width_px: int) -> Image:
    """Return a picture with edges, shades and noise, different in every part."""
    rng = np.random.default_rng(height_px)
    image = four_colours(height_px, width_px)
    cv2.circle(image, (width_px // 5, height_px // 3), height_px // 5, (250, 200, 0), -1)
    shade = np.linspace(-60, 60, width_px)[None, :, None]
    noise = rng.normal(0, 12, image.shape)
    return np.clip(image + shade + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return a camera's wide frame, a small portrait, and a photograph that EXIF turns."""
    folder = tmp_path_factory.mktemp("pictures")
    turned = jpeg_turned(encoded(scene(240, 320), ".jpg"), TURNS_RIGHT_BY_90)
    return [
        write(folder / "wide.jpg", encoded(scene(360, 640), ".jpg")),
        write(folder / "small.png", encoded(scene(80, 60), ".png")),
        write(folder / "turned.jpg", turned),
    ]


@pytest.fixture(scope="module")
def trained_on(pictures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Return the cached features, float32 [pictures, cells, channels]."""
    from seealoud.training.data.dataset import CaptionedPicture
    from seealoud.training.features import FeatureSource, load_features

    grids = load_features(
        FeatureSource(ENCODER_NAME, SIZE_PX, END_BLOCK),
        [CaptionedPicture(path.name, path, ("a picture",)) for path in pictures],
        cache_dir=tmp_path_factory.mktemp("cache"),
    )
    return grids.astype(np.float32).reshape(len(pictures), -1, grids.shape[-1])


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    from seealoud.convert.export import float_encoder
    from seealoud.training.encoders import encoder_spec
    from seealoud.training.features import FeatureSource

    path = tmp_path_factory.mktemp("encoder") / "encoder.tflite"
    path.write_bytes(float_encoder(FeatureSource(ENCODER_NAME, SIZE_PX, END_BLOCK).build()))
    spec = encoder_spec(ENCODER_NAME, input_size_px=SIZE_PX)
    return Encoder(path, mean=spec.mean, scale=spec.scale, threads=1)


def test_the_device_sees_what_training_saw(
    pictures: list[Path], trained_on: np.ndarray, encoder: Encoder
) -> None:
    sources = expand_sources(str(path) for path in pictures)
    for path, source, expected in zip(pictures, sources, trained_on, strict=True):
        found = encoder.encode(preprocess(source.read().image_hwc, encoder.size_px))
        assert found.shape == expected.shape
        np.testing.assert_allclose(
            found, expected, rtol=RELATIVE_TOLERANCE, atol=TOLERANCE, err_msg=path.name
        )


def test_the_pictures_would_show_a_difference(
    pictures: list[Path], trained_on: np.ndarray, encoder: Encoder
) -> None:
    """Squashing the wide frame whole, swapping colours or not turning it moves the features."""
    wide, _, turned = (read_picture_file(path, path.name).image_hwc for path in pictures)
    squashed = cv2.resize(wide, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
    for image, expected in [
        (squashed, trained_on[0]),
        (preprocess(wide[:, :, ::-1], SIZE_PX), trained_on[0]),
        (preprocess(np.rot90(turned), SIZE_PX), trained_on[2]),
    ]:
        assert np.abs(encoder.encode(image) - expected).max() > 1000 * TOLERANCE
