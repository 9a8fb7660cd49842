"""The original ImageNet classifier's probabilities for pictures: the teacher of the names.

Its probabilities are kept in the user's cache; see ``training.names.pictures.kept``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device.vision.preprocess import preprocess
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
Probabilities = npt.NDArray[np.float16]


def teacher_probabilities(
    paths: Sequence[Path], *, threads: int = 1, cache_dir: Path | None = None
) -> Probabilities:
    """Return float16 [pictures, 1000]: ImageNet's classes in each whole picture, squashed.

    18 ms a picture on one core (x86_64); what was computed before is read. Crops beside the whole
    picture cost as much again each and were no help: on household_dev the 100 surest names are
    confirmed in 90 % from the whole, in 82 % from the best of it and three crops.

    Raises:
        DatasetError: a picture cannot be read.
        WeightsError: the teacher's weights are missing or broken.
    """
    folder = (cache_dir or default_cache_dir()) / "names" / f"{TEACHER}-{_key()}"
    teacher = _Teacher(threads)
    found: Probabilities = kept(paths, folder, teacher.look)
    return found


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
        """Return float16 [1000] of one picture."""
        square_hwc = preprocess(read_picture(path), self._spec.input_size_px)
        logits_k = self._model((square_hwc.astype(np.float32) - self._spec.mean) / self._spec.scale)
        odds_k = np.exp(logits_k - logits_k.max())
        return np.asarray(odds_k / odds_k.sum(), np.float16)


def _key() -> str:
    facts = f"{weights_fingerprint(TEACHER)} {encoder_spec(TEACHER)}"
    return hashlib.sha256(facts.encode()).hexdigest()[:16]
