"""How different two pictures are: by a tiny grey version, and by the encoder's features; pure.

Invariant: a change of light is not a change. Thumbnails that differ only by gain and offset
(automatic exposure, flicker, a cloud) have a difference of 0; only other differences count.

Measured by ``calibrate_change.py`` on 300 photographs of the Flickr8k dev split, shown as
frames of 640x480 with a noise of 6 levels; features of lite2-scst-meteor (those of
lite2-homes-soup, on 100 photographs, are similar):

                            picture_change              feature_change
                            1 %    median   99 %        1 %    median   99 %
    same, noise             .0000  .0000    .0000       .002   .008     .043
    same, 15 % darker       .0000  .0000    .0000       .004   .014     .077
    same, 15 % brighter     .0000  .0000    .0378       .003   .011     .092
    same, shifted 2 px      .0000  .0000    .0013       .006   .015     .053
    same, 1 % larger        .0000  .0000    .0052       .004   .013     .051
    object on 2 % of it     .0065  .0195    .0352       .007   .036     .178
    object on 6 % of it     .0260  .0508    .0795       .015   .085     .332
    object on 16 % of it    .0794  .1263    .1934       .062   .217     .557
    another scene           .3301  .6484    .8842       .476   .775     .926

The picture shows nearly every object; whether the features show a small one depends on what it is.
A false alarm costs a run of the encoder or the decoder, but nothing is spoken, because the words
are compared last.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

THUMBNAIL_WIDTH_PX = 32
THUMBNAIL_HEIGHT_PX = 24
LARGEST = 1.0
# From these values on, the picture or the scene has changed: between the rows "same" and "object
# on 6 %" of the table above. Smaller values detect more and cost more runs of the models.
PICTURE_CHANGE = 0.008
FEATURE_CHANGE = 0.06

# A cell (at 640x480 the mean of 20x20 pixels, so that the sensor's noise averages out) counts as
# changed beyond this many of 255 grey levels ...
_CELL_LEVELS = 10.0
# ... and this share of the range of the cells around it: at an edge, a camera that moves by two
# pixels changes a cell by a tenth of that range in either direction.
_EDGE_SHARE = 0.25
_NEIGHBOURS = np.ones((3, 3), np.uint8)
# Automatic exposure stays within these gains.
_SMALLEST_GAIN = 0.5
_LARGEST_GAIN = 2.0
_SMALLEST_VARIANCE = 1.0
_TINY = 1e-12

Thumbnail = npt.NDArray[np.uint8]
Pooled = npt.NDArray[np.float32]


def thumbnail(image_hwc: npt.NDArray[np.uint8]) -> Thumbnail:
    """Return uint8 [24, 32], the grey picture in a few cells, squeezed to that shape.

    Args:
        image_hwc: uint8 [height, width, 3], RGB, 0..255, not empty.
    """
    size = (THUMBNAIL_WIDTH_PX, THUMBNAIL_HEIGHT_PX)
    small_hwc = cv2.resize(image_hwc, size, interpolation=cv2.INTER_AREA)
    return cast(Thumbnail, cv2.cvtColor(small_hwc, cv2.COLOR_RGB2GRAY))


def picture_change(before_hw: Thumbnail, after_hw: Thumbnail) -> float:
    """Return the share of cells that differ by more than brightness and contrast, 0..1.

    Thumbnails of different shapes return the largest difference.
    """
    if before_hw.shape != after_hw.shape or before_hw.size == 0:
        return LARGEST
    before_n = before_hw.astype(np.float32).ravel()
    after_n = after_hw.astype(np.float32).ravel()
    span_hw = cv2.morphologyEx(before_hw, cv2.MORPH_GRADIENT, _NEIGHBOURS)
    tolerance_n = _CELL_LEVELS + np.float32(_EDGE_SHARE) * span_hw.astype(np.float32).ravel()
    excess_n = _unexplained(before_n, after_n, np.ones(before_n.shape, np.bool_)) / tolerance_n
    # Once more without the half that fits worst, because new objects are not a change of exposure.
    is_kept_n = excess_n <= np.median(excess_n)
    return float(np.mean(_unexplained(before_n, after_n, is_kept_n) > tolerance_n))


def _unexplained(
    before_n: npt.NDArray[np.float32],
    after_n: npt.NDArray[np.float32],
    is_kept_n: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float32]:
    """Return each cell's difference without gain and offset, which are fitted to the kept cells."""
    x_n, y_n = before_n[is_kept_n], after_n[is_kept_n]
    x_mean, y_mean = float(x_n.mean()), float(y_n.mean())
    variance = float(np.mean((x_n - x_mean) ** 2))
    gain = 1.0
    if variance >= _SMALLEST_VARIANCE:
        gain = float(np.mean((x_n - x_mean) * (y_n - y_mean))) / variance
        gain = min(max(gain, _SMALLEST_GAIN), _LARGEST_GAIN)
    # The sensor saturates, so the expected value does as well.
    expected_n = np.clip(gain * (before_n - x_mean) + y_mean, 0.0, 255.0)
    return np.asarray(np.abs(after_n - expected_n), dtype=np.float32)


def feature_change(before_d: Pooled, after_d: Pooled) -> float:
    """Return the cosine distance of two pooled feature vectors, 0 (the same) .. 1.

    Vectors with a negative cosine, of different sizes, of length 0, or with NaN or infinity return
    the largest distance.
    """
    if before_d.shape != after_d.shape:
        return LARGEST
    before, after = before_d.astype(np.float64), after_d.astype(np.float64)
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        return LARGEST
    norms = float(np.linalg.norm(before)) * float(np.linalg.norm(after))
    if norms < _TINY:
        return LARGEST
    return float(np.clip(1.0 - float(before @ after) / norms, 0.0, LARGEST))
