"""What the encoder's features show of a caption's mentions, and whether a picture is unfamiliar.

Invariant: only this module knows ``confidence.npz``; the arrays that it returns fit the manifest.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seealoud.device.errors import BundleError
from seealoud.device.records import Hypothesis
from seealoud.device.vision.manifest import ConfidenceSpec, NoveltySpec
from seealoud.device.vision.mentions import Mention, Mentions
from seealoud.device.vision.thing_words import detectable_names, log_odds

# The signals of a mention, in the order of ``Signals.of``.
SIGNALS = (
    "word_log_prob",
    "mean_log_prob",
    "seen_log_odds",
    "detected_log_odds",
    "is_detectable",
)

FARTHEST = 1.0
_NOTHING = 1e-12
_STORED = ("mean_d", "axes_dk", "class_weights_ck", "class_bias_c", "familiar_da")
_HALVED = ("axes_dk", "familiar_da")

Floats = npt.NDArray[np.float32]
Scores = Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class ConfidenceArrays:
    """Content of ``confidence.npz``; d channels, k axes, c classes, a axes of familiar pictures.

    Attributes:
        mean_d: float32, mean of the training pictures' pooled features.
        axes_dk: float32, their orthonormal principal axes, the widest first.
        class_weights_ck: float32, log-odds of each class per unit along each axis.
        class_bias_c: float32, log-odds of each class at the mean.
        familiar_da: float32, orthonormal directions from the origin that explain most of the square
            roots of the training pictures' pooled features, the most important first.
    """

    mean_d: Floats
    axes_dk: Floats
    class_weights_ck: Floats
    class_bias_c: Floats
    familiar_da: Floats

    @classmethod
    def read(cls, path: Path, spec: ConfidenceSpec) -> ConfidenceArrays:
        """Return the arrays in a file.

        Raises:
            BundleError: the file cannot be read, or does not fit the manifest.
        """
        try:
            # Opened here, because NumPy leaves a file open that is not an archive.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = cls(*(stored[name].astype(np.float32) for name in _STORED))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as exc:
            raise BundleError(f"cannot read {path}: {exc}; copy the bundle again") from exc
        arrays._check(path, spec)
        return arrays

    def write(self, path: Path) -> None:
        """Write the file; the axes, which take most of the space, in half precision."""
        stored = {name: getattr(self, name) for name in _STORED}
        halved = {name: stored[name].astype(np.float16) for name in _HALVED}
        np.savez(path, **{**stored, **halved})

    def _check(self, path: Path, spec: ConfidenceSpec) -> None:
        n_channels, n_axes = len(self.mean_d), self.axes_dk.shape[-1]
        n_classes = len(spec.classes)
        claims = (
            ("mean_d", self.mean_d, (n_channels,)),
            ("axes_dk", self.axes_dk, (n_channels, n_axes)),
            ("class_weights_ck", self.class_weights_ck, (n_classes, n_axes)),
            ("class_bias_c", self.class_bias_c, (n_classes,)),
            ("familiar_da", self.familiar_da, (n_channels, *self.familiar_da.shape[1:2])),
        )
        for name, array, shape in claims:
            if array.shape != shape or not np.isfinite(array).all():
                raise BundleError(
                    f"{path}: {name} is {array.shape}, expected {shape} of finite numbers; "
                    "calibrate the bundle again"
                )


class Signals:
    """Turns a caption and the picture's features into the signals of each mention.

    Args:
        classes: as in ``ConfidenceSpec``.
        arrays: those of the same bundle.
    """

    def __init__(self, classes: dict[str, str], arrays: ConfidenceArrays) -> None:
        self.mentions = Mentions(classes)
        self._arrays = arrays
        self._rows = {name: row for row, name in enumerate(classes)}
        self._detectable = [detectable_names(name.partition("/")[2]) for name in classes]

    def of(
        self,
        hypothesis: Hypothesis,
        pooled_d: Floats,
        scores: Scores | None = None,
    ) -> tuple[list[Mention], npt.NDArray[np.float64]]:
        """Return the mentions and their signals, float64 [mentions, ``SIGNALS``].

        Args:
            hypothesis: with ``word_log_probs``.
            pooled_d: float32 [channels], as in ``Encoded``.
            scores: the detector's best score of each everyday name; None if it was not run.
        """
        mentions = self.mentions.of(hypothesis.text.split())
        rows = [mention.row for mention in mentions]
        seen_m = self._seen_log_odds(rows, pooled_d)
        word_log_probs = np.array(hypothesis.word_log_probs)
        words_m = word_log_probs[[mention.position for mention in mentions]]
        mean_m = np.full(len(mentions), word_log_probs.mean())
        detected_m2 = np.array([self._detected(row, scores) for row in rows]).reshape(-1, 2)
        signals_m3 = np.stack([words_m, mean_m, seen_m], axis=1)
        return mentions, np.hstack([signals_m3, detected_m2]).astype(np.float64)

    def seen_log_odds(self, class_name: str, pooled_d: Floats) -> float | None:
        """Return the log-odds that the features show a class; None for an unknown class."""
        if class_name not in self._rows:
            return None
        return float(self._seen_log_odds([self._rows[class_name]], pooled_d)[0])

    def _seen_log_odds(self, rows: Sequence[int], pooled_d: Floats) -> Floats:
        """Return the log-odds of some classes, float32 [rows]."""
        arrays = self._arrays
        along_k = (pooled_d - arrays.mean_d) @ arrays.axes_dk
        found_m = arrays.class_weights_ck[rows] @ along_k + arrays.class_bias_c[rows]
        return np.asarray(found_m, np.float32)

    def _detected(self, row: int, scores: Scores | None) -> tuple[float, float]:
        """Return the log-odds of a class's best score, and 1 if the detector knows the class."""
        names = self._detectable[row]
        if scores is None or not names:
            return 0.0, 0.0
        return log_odds(max(scores.get(name, 0.0) for name in names)), 1.0


class Novelty:
    """Measures how unfamiliar a picture is.

    The square roots of the training pictures' pooled features lie mostly along a few directions
    from the origin. Those of a drawing, a page of text or noise mostly do not; a captioner would
    still say "a man is climbing a wall". Roots are used because otherwise a few strong channels
    would outweigh all others; the origin, because a picture that excites few channels is close to
    the training's mean.

    Args:
        spec: from the manifest.
        arrays: those of the same bundle.
    """

    def __init__(self, spec: NoveltySpec, arrays: ConfidenceArrays) -> None:
        self._familiar_da = arrays.familiar_da
        self._largest = spec.largest

    def distance(self, pooled_d: Floats) -> float:
        """Return the share of the roots' squared length that the axes do not explain, 0..1.

        Negative features, which a ReLU does not return, count as 0; if all are 0 the result is 1.
        """
        root_d = np.sqrt(np.maximum(pooled_d, 0), dtype=np.float64)
        whole = float(root_d @ root_d)
        if whole < _NOTHING:
            return FARTHEST
        along_a = root_d @ self._familiar_da
        return min(FARTHEST, max(0.0, 1.0 - float(along_a @ along_a) / whole))

    def of(self, pooled_d: Floats) -> bool:
        """Return whether the picture is unlike all training pictures."""
        return self.distance(pooled_d) > self._largest
