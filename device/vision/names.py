"""Everyday names for what the encoder's pooled features show: one layer, no further model.

Invariant: only this module knows ``names.npz``; the arrays that it returns match the manifest.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from device.errors import BundleError
from device.vision.bundle import Bundle
from device.vision.specs import NamesSpec

Floats = npt.NDArray[np.float32]

_STORED = ("weights_dn", "scale_n", "bias_n")
_LARGEST = 127  # of int8, the same on both sides
_LEAST = 1e-6  # keeps log-odds finite


@dataclass(frozen=True, slots=True, eq=False)
class NamesArrays:
    """The content of ``names.npz``; d channels, n names, and one more column for anything else.

    Attributes:
        weights_dn: int8 [d, n + 1], logits of each name per unit of each channel.
        scale_n: float32 [n + 1], factor of each column's weights.
        bias_n: float32 [n + 1], logits if every channel is 0.
    """

    weights_dn: npt.NDArray[np.int8]
    scale_n: Floats
    bias_n: Floats

    @classmethod
    def quantized(cls, weights_dn: Floats, bias_n: Floats) -> NamesArrays:
        """Return float weights as they are stored."""
        scale_n = np.maximum(np.abs(weights_dn).max(axis=0), _LEAST) / _LARGEST
        return cls(
            np.rint(weights_dn / scale_n).astype(np.int8),
            scale_n.astype(np.float32),
            bias_n.astype(np.float32),
        )

    @classmethod
    def read(cls, path: Path, spec: NamesSpec) -> NamesArrays:
        """Return the arrays in a file.

        Raises:
            BundleError: the file cannot be read, or does not match the manifest.
        """
        try:
            # Opened here, because NumPy leaves a file open that is not an archive.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = cls(*(stored[name] for name in _STORED))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as exc:
            raise BundleError(f"cannot read {path}: {exc}; copy the bundle again") from exc
        columns = len(spec.names) + 1
        for name in _STORED:
            array = getattr(arrays, name)
            kind = np.int8 if name == "weights_dn" else np.float32
            if (
                array.dtype != kind
                or array.shape[-1:] != (columns,)
                or not np.isfinite(array).all()
            ):
                raise BundleError(
                    f"{path}: {name} is {array.dtype} {array.shape}, expected {columns} columns of "
                    f"finite {np.dtype(kind)}; add the names to the bundle again"
                )
        return arrays

    def write(self, path: Path) -> None:
        """Write the file."""
        np.savez_compressed(path, **{name: getattr(self, name) for name in _STORED})

    def float_weights(self) -> Floats:
        """Return float32 [d, n + 1]."""
        return self.weights_dn.astype(np.float32) * self.scale_n


class NamedThing(NamedTuple):
    """A thing that may be in the picture.

    Attributes:
        name: e.g. "couch".
        probability: that it is there, 0..1, as the manifest's ``definition`` says.
        threshold: the least probability at which it may be said without "maybe".
        phrase: as it is said, e.g. "a couch".
        broader: a name that is true of it as well.
    """

    name: str
    probability: float
    threshold: float
    phrase: str
    broader: str | None = None


class NameClassifier:
    """Names the things that pooled features show.

    Args:
        bundle: with ``manifest.names``.

    Raises:
        BundleError: the bundle has no names, or its file does not match the manifest.
    """

    def __init__(self, bundle: Bundle) -> None:
        spec = bundle.manifest.names
        if spec is None:
            raise BundleError(
                f"bundle {bundle.path} has no names: add them with python -m convert.names"
            )
        arrays = NamesArrays.read(bundle.names, spec)
        self._weights_dn = arrays.float_weights()
        self._bias_n = arrays.bias_n
        said = [row for row, found in enumerate(spec.names) if found.threshold is not None]
        self._member_ns = membership({found.name: found.broader for found in spec.names})[:, said]
        self._slope = spec.slope
        self._shift_s = np.array([spec.names[row].shift for row in said], np.float32)
        self._facts = [
            (found.name, found.threshold, found.phrase, found.broader)
            for found in (spec.names[row] for row in said)
            if found.threshold is not None
        ]

    def names(self, pooled_d: Floats) -> tuple[NamedThing, ...]:
        """Return every name that can be said with its probability, the likeliest first.

        Args:
            pooled_d: float32 [channels], as in ``device.vision.captioner.Encoded``.
        """
        logits_n = pooled_d @ self._weights_dn + self._bias_n
        share_s = softmax(logits_n)[:-1] @ self._member_ns
        odds_s = self._slope * log_odds(share_s) + self._shift_s
        probability_s = 0.5 * (1.0 + np.tanh(0.5 * odds_s))  # a sigmoid that never overflows
        order, found = np.argsort(-probability_s, kind="stable").tolist(), probability_s.tolist()
        things = []
        for row in order:
            name, threshold, phrase, broader = self._facts[row]
            things.append(NamedThing(name, found[row], threshold, phrase, broader))
        return tuple(things)


def membership(broader: Mapping[str, str | None]) -> Floats:
    """Return float32 [names, names]: 1 where the row's name is the column's or narrower.

    Args:
        broader: the next broader name of each name, None without any.
    """
    rows = {name: row for row, name in enumerate(broader)}
    member_nn = np.eye(len(rows), dtype=np.float32)
    for name in broader:
        above = broader[name]
        while above is not None:
            member_nn[rows[name], rows[above]] = 1.0
            above = broader[above]
    return member_nn


def softmax(logits: Floats) -> Floats:
    """Return probabilities over the last axis."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True), np.float32)


def log_odds(probability: Floats) -> Floats:
    """Return the natural log-odds of probabilities, finite."""
    inside = np.clip(probability, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(inside / (1 - inside)), np.float32)
