"""Finds copies of a picture whatever its size, brightness and compression: a 64-bit DCT hash.

The "pHash" of https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html: which
of the 8 x 8 lowest frequencies lie above their median. Five lines here; the package imagehash
would bring Pillow, SciPy and PyWavelets for them.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

_SIDE_PX = 32  # the hash's own; 8 of its 32 frequencies a side are kept
_KEPT = 8
N_BITS = _KEPT * _KEPT

Hashes = npt.NDArray[np.bool_]


def perceptual_hash(image_hw: npt.NDArray[np.uint8]) -> Hashes:
    """Return the 64 bits of a grey picture, uint8 [height, width]."""
    small = cv2.resize(image_hw, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    lowest = cv2.dct(small.astype(np.float32))[:_KEPT, :_KEPT].ravel()
    return np.asarray(lowest > np.median(lowest))


def hamming_distances(left: Hashes, right: Hashes) -> npt.NDArray[np.int32]:
    """Return how many bits differ, int32 [left, right], of hashes [left, 64] and [right, 64]."""
    signs_left, signs_right = (np.where(bits, 1, -1).astype(np.float32) for bits in (left, right))
    return ((N_BITS - signs_left @ signs_right.T) / 2).astype(np.int32)
