"""Photographs of a captioning data set as a camera of 640x480 would give them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from seealoud.device.pictures.decode import read_picture_file
from seealoud.training.data.dataset import Split
from seealoud.training.data.readers import open_dataset

Image = npt.NDArray[np.uint8]
_CAMERA_PX = (640, 480)


def camera_pictures(data: Path, split: Split, count: int) -> Iterator[Image]:
    """Yield uint8 [480, 640, 3] RGB photographs, evenly spread over a split.

    Raises:
        SeeAloudError: the data set or a picture cannot be read.
    """
    pictures = open_dataset(data).split(split)
    for picture in pictures[:: max(1, len(pictures) // count)][:count]:
        image_hwc = read_picture_file(picture.path, picture.path.name).image_hwc
        resized_hwc = cv2.resize(image_hwc, _CAMERA_PX, interpolation=cv2.INTER_CUBIC)
        yield np.asarray(resized_hwc, dtype=np.uint8)
