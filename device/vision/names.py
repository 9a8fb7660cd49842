"""Everyday names of what the encoder's pooled features show: one layer, no further model.

Invariant: only this module knows ``names.npz``; what it returns fits the manifest.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device.bundle import Bundle, NamesSpec
from device.errors import BundleError

Floats = npt.NDArray[np.float32]

_STORED = ("weights_dn", "bias_n")


@dataclass(frozen=True, slots=True, eq=False)
class NamesArrays:
    """What ``names.npz`` holds; d channels, n names.

    Attributes:
        weights_dn: float32 (stored as float16), log-odds of each name per unit of each channel.
        bias_n: float32, log-odds of each name where every channel is 0.
    """

    weights_dn: Floats
    bias_n: Floats

    @classmethod
    def read(cls, path: Path, spec: NamesSpec) -> NamesArrays:
        """Return the arrays in a file.

        Raises:
            BundleError: the file cannot be read, or does not fit the manifest.
        """
        try:
            # Opened here: NumPy leaves a file open that is no archive.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = cls(*(stored[name].astype(np.float32) for name in _STORED))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as exc:
            raise BundleError(f"cannot read {path}: {exc}; copy the bundle again") from exc
        n_names = len(spec.names)
        claims = (
            ("weights_dn", arrays.weights_dn, (*arrays.weights_dn.shape[:1], n_names)),
            ("bias_n", arrays.bias_n, (n_names,)),
        )
        for name, array, shape in claims:
            if array.shape != shape or not np.isfinite(array).all():
                raise BundleError(
                    f"{path}: {name} is {array.shape}, expected {shape} of finite numbers; "
                    "add the names to the bundle again"
                )
        return arrays

    def write(self, path: Path) -> None:
        """Write the file; the weights, which are nearly all of it, in half precision."""
        np.savez_compressed(path, weights_dn=self.weights_dn.astype(np.float16), bias_n=self.bias_n)


@dataclass(frozen=True, slots=True)
class NamedThing:
    """A thing that may be in the picture.

    Attributes:
        name: e.g. "couch".
        probability: that a person who describes the picture would confirm the name, 0..1.
        threshold: the least probability at which it may be said without "maybe".
        phrase: as it is said, e.g. "a couch".
        broader: a name that is true of it as well.
    """

    name: str
    probability: float
    threshold: float
    phrase: str
    broader: str | None = None

    @property
    def is_sure(self) -> bool:
        """Whether it may be said without "maybe"."""
        return self.probability >= self.threshold


class NameClassifier:
    """Names what pooled features show.

    Args:
        bundle: with ``manifest.names``.

    Raises:
        BundleError: the bundle has no names, or its file does not fit the manifest.
    """

    def __init__(self, bundle: Bundle) -> None:
        spec = bundle.manifest.names
        if spec is None:
            raise BundleError(
                f"bundle {bundle.path} has no names: add them with python -m convert.names"
            )
        self._names = spec.names
        self._arrays = NamesArrays.read(bundle.names, spec)

    def names(self, pooled_d: Floats) -> tuple[NamedThing, ...]:
        """Return every name with its probability, the likeliest first; 0.2 ms (x86_64).

        Args:
            pooled_d: float32 [channels], as in ``device.captioner.Encoded``.
        """
        log_odds_n = pooled_d @ self._arrays.weights_dn + self._arrays.bias_n
        probability_n = 0.5 * (1.0 + np.tanh(0.5 * log_odds_n))  # a sigmoid that never overflows
        order = np.argsort(-probability_n, kind="stable")
        found = zip(order.tolist(), probability_n[order].tolist(), strict=True)
        return tuple(self._thing(row, probability) for row, probability in found)

    def _thing(self, row: int, probability: float) -> NamedThing:
        spec = self._names[row]
        return NamedThing(spec.name, probability, spec.threshold, spec.phrase, spec.broader)


def sure_things(things: Iterable[NamedThing]) -> tuple[NamedThing, ...]:
    """Return the things that may be said without "maybe", in the order given.

    What is broader than another of them is left out: who says "a dog" need not say "an animal".
    """
    known = tuple(things)
    broader = {thing.name: thing.broader for thing in known}
    sure = [thing for thing in known if thing.is_sure]
    implied: set[str] = set()
    for thing in sure:
        above = thing.broader
        while above is not None and above not in implied:
            implied.add(above)
            above = broader.get(above)
    return tuple(thing for thing in sure if thing.name not in implied)
