"""Measures how many names of a detector are confirmed by captions of household photographs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seealoud.convert import detector as source
from seealoud.convert.coco_classes import COCO_CLASSES
from seealoud.device.vision.boxes import find_peaks, letterbox
from seealoud.device.vision.detector import LEAST_SCORE, MOST_DETECTIONS, DetectorModel
from seealoud.device.vision.thing_words import THINGS

SCORES = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
_SURE = 0.4

Image = npt.NDArray[np.uint8]
Found = dict[str, float]  # best score by class


def read_captions(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the captions of each picture."""
    captions: defaultdict[str, list[str]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, caption = line.partition("\t")
        captions[name].append(caption)
    return {name: tuple(of_name) for name, of_name in captions.items()}


def read_picture(path: Path) -> Image:
    """Return a picture, RGB."""
    return np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), dtype=np.uint8)


def best(log_odds: npt.NDArray[np.float32], sides: npt.NDArray[np.float32]) -> Found:
    """Return the best score of each class that is found."""
    peaks = find_peaks(
        log_odds, sides, stride_px=source.STRIDE_PX, least_score=LEAST_SCORE, most=MOST_DETECTIONS
    )
    found: Found = {}
    for number, score in zip(peaks.classes_n, peaks.scores_n, strict=True):
        found.setdefault(COCO_CLASSES[number], float(score))
    return found


def sure(found: Found) -> set[str]:
    """Return the classes found with a high score."""
    return {name for name, score in found.items() if score >= _SURE}


Fit = Callable[[Image, int], Image]


def boxed(image: Image, size_px: int) -> Image:
    """As the device does it."""
    return letterbox(image, size_px).square_hwc


def squashed(image: Image, size_px: int) -> Image:
    """Make the aspect 1."""
    scaled = cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, dtype=np.uint8)


def cropped(image: Image, size_px: int) -> Image:
    """Take the middle square."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return boxed(image[top : top + side, left : left + side], size_px)


def bgr(image: Image, size_px: int) -> Image:
    """As the device does it, red and blue exchanged."""
    return np.ascontiguousarray(boxed(image, size_px)[..., ::-1])


def quality(
    model: DetectorModel, fit: Fit, images: dict[str, Image], captions: dict[str, tuple[str, ...]]
) -> dict[str, Any]:
    """Return names, precision, recall and pictures with a right name, by score."""
    found = {name: best(*model.maps(fit(image, model.size_px))) for name, image in images.items()}
    right = {
        name: {c for c in COCO_CLASSES if any(map(THINGS[c].is_in, captions[name]))}
        for name in images
    }
    judged = [
        (score, c in right[name], name) for name in images for c, score in found[name].items()
    ]
    n_right = sum(map(len, right.values()))
    hits = np.array([is_right for _, is_right, _ in sorted(judged, reverse=True)], np.float64)
    precision_at = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    table = []
    for least in SCORES:
        said = [(is_right, name) for score, is_right, name in judged if score >= least]
        n_hits = sum(is_right for is_right, _ in said)
        table.append(
            {
                "score": least,
                "names": len(said),
                "precision": round(n_hits / max(1, len(said)), 3),
                "recall": round(n_hits / n_right, 3),
                "pictures_with_a_right_name": len({name for is_right, name in said if is_right}),
            }
        )
    return {
        "average_precision": round(float((precision_at * hits).sum()) / n_right, 3),
        "by_score": table,
    }
