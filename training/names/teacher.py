"""What the original ImageNet classifier says of pictures: the teacher of the names.

Its probabilities are kept in the user's cache; see ``training.names.pictures.kept``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device.preprocess import preprocess
from training.encoders import (
    apply_weights,
    build_efficientnet_lite,
    default_cache_dir,
    encoder_spec,
    load_encoder_weights,
    weights_fingerprint,
)
from training.features import LiteModel, read_picture
from training.names.pictures import kept

TEACHER = "efficientnet_lite2"
# Left, top, right and bottom of each view as a share of the picture. Three upright crops: the
# pictures are mostly squashed from 4:3, so 0.6 x 0.8 of one shows things as wide as they are.
VIEWS: tuple[tuple[float, float, float, float], ...] = (
    (0.0, 0.0, 1.0, 1.0),
    (0.0, 0.1, 0.6, 0.9),
    (0.2, 0.1, 0.8, 0.9),
    (0.4, 0.1, 1.0, 0.9),
)

Probabilities = npt.NDArray[np.float16]


def teacher_probabilities(
    paths: Sequence[Path], *, threads: int = 1, cache_dir: Path | None = None
) -> Probabilities:
    """Return float16 [pictures, views, 1000]: ImageNet's classes in each view of each picture.

    About 100 ms a picture on one core (x86_64); what was computed before is read.

    Raises:
        DatasetError: a picture cannot be read.
        WeightsError: the teacher's weights are missing or broken.
    """
    folder = (cache_dir or default_cache_dir()) / "names" / f"{TEACHER}-{_key()}"
    teacher = _Teacher(threads)
    found: Probabilities = kept(paths, folder, teacher.look)
    return found


def cut(
    image_hwc: npt.NDArray[np.uint8], view: tuple[float, float, float, float]
) -> npt.NDArray[np.uint8]:
    """Return the part of a picture that a view shows, at least one pixel."""
    height, width = image_hwc.shape[:2]
    left, top = int(view[0] * width), int(view[1] * height)
    right, bottom = max(left + 1, round(view[2] * width)), max(top + 1, round(view[3] * height))
    return image_hwc[top:bottom, left:right]


class _Teacher:
    """The classifier, built when it is first needed."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._spec = encoder_spec(TEACHER)

    @cached_property
    def _model(self) -> LiteModel:
        network = build_efficientnet_lite(TEACHER, self._spec.input_size_px, classifier=True)
        apply_weights(network, load_encoder_weights(TEACHER))
        return LiteModel(network, threads=self._threads)

    def look(self, path: Path) -> Probabilities:
        """Return float16 [views, 1000] of one picture."""
        image_hwc = read_picture(path)
        squares = [preprocess(cut(image_hwc, view), self._spec.input_size_px) for view in VIEWS]
        mean, scale = self._spec.mean, self._spec.scale
        logits_vk = np.stack([self._model((s.astype(np.float32) - mean) / scale) for s in squares])
        odds_vk = np.exp(logits_vk - logits_vk.max(axis=1, keepdims=True))
        return (odds_vk / odds_vk.sum(axis=1, keepdims=True)).astype(np.float16)


def _key() -> str:
    facts = f"{weights_fingerprint(TEACHER)} {encoder_spec(TEACHER)} {VIEWS}"
    return hashlib.sha256(facts.encode()).hexdigest()[:16]
