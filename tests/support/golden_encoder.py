"""The photographs of the encoders' golden file, and the ports' outputs for them.

PyTorch's own implementation wrote the golden numbers; the code that ran it is in commit a1c6c38,
``training/encoders/prove_port.py``.
"""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray
from skimage import data

from seealoud.training.encoders.efficientnet_lite import build_efficientnet_lite
from seealoud.training.encoders.named_weights import apply_weights
from seealoud.training.encoders.port import load_imagenet_weights
from seealoud.training.encoders.registry import EncoderSpec

PICTURES = ("chelsea", "coffee", "rocket", "astronaut")
TOP = 5
TOLERANCE = 2e-4  # of features 0..6; float32 sums in another order differ by 3e-5


def golden_pictures(size_px: int) -> NDArray[np.uint8]:
    """Return scikit-image's photographs as uint8 RGB ``[len(PICTURES), size_px, size_px, 3]``."""
    return np.stack([_square(getattr(data, name)(), size_px) for name in PICTURES])


def normalised(images_bhwc: NDArray[np.uint8], spec: EncoderSpec) -> NDArray[np.float32]:
    """Return the pictures as the input of the encoder of ``spec``."""
    return ((images_bhwc.astype(np.float32) - spec.mean) / spec.scale).astype(np.float32)


def keras_outputs(
    spec: EncoderSpec, x_bhwc: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the grid features ``[B, h, w, 1280]`` and logits ``[B, 1000]`` of the port."""
    whole = build_efficientnet_lite(spec.name, spec.input_size_px, classifier=True)
    apply_weights(whole, load_imagenet_weights(spec.name))
    both = keras.Model(whole.input, [whole.get_layer("head_relu6").output, whole.output])
    grid, logits = both(x_bhwc, training=False)
    return np.asarray(grid), np.asarray(logits)


def top_classes(logits: NDArray[np.float32]) -> list[list[int]]:
    """Return per picture the ``TOP`` ImageNet class indices (0..999), best first."""
    best: list[list[int]] = np.argsort(-logits, axis=-1)[:, :TOP].tolist()
    return best


def _square(image_hwc: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Cut the middle square and resize it bilinearly.

    Written out here because libraries' resizing differs between versions, and then so would
    the golden numbers.
    """
    height, width, _ = image_hwc.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image_hwc[top : top + side, left : left + side].astype(np.float64)
    centres = np.clip((np.arange(size_px) + 0.5) * side / size_px - 0.5, 0, side - 1)
    low = np.minimum(centres.astype(np.int64), side - 2)
    share = centres - low
    rows = square[low] * (1 - share)[:, None, None] + square[low + 1] * share[:, None, None]
    both = rows[:, low] * (1 - share)[:, None] + rows[:, low + 1] * share[:, None]
    pixels: NDArray[np.uint8] = np.rint(both).astype(np.uint8)
    return pixels
