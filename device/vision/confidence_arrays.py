"""The arrays behind a bundle's confidence: what the training pictures looked like to its encoder.

Invariant: the file format is handled here only; what is returned fits the manifest.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device.errors import BundleError
from device.vision.manifest import ConfidenceSpec

Floats = npt.NDArray[np.float32]

_STORED = ("mean_d", "axes_dk", "class_weights_ck", "class_bias_c", "familiar_da")
_HALVED = ("axes_dk", "familiar_da")


@dataclass(frozen=True, slots=True, eq=False)
class ConfidenceArrays:
    """What ``confidence.npz`` holds; d channels, k axes, c classes, a axes of what is familiar.

    Attributes:
        mean_d: float32, mean of the training pictures' pooled features.
        axes_dk: float32, orthonormal principal axes of them, the widest first.
        class_weights_ck: float32, log-odds of each class per unit along each axis.
        class_bias_c: float32, log-odds of each class at the mean.
        familiar_da: float32, orthonormal directions from the origin along which the square roots of
            the training pictures' pooled features lie most, the first the most.
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
            # Opened here: NumPy leaves a file open that is no archive.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = cls(*(stored[name].astype(np.float32) for name in _STORED))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as exc:
            raise BundleError(f"cannot read {path}: {exc}; copy the bundle again") from exc
        arrays._check(path, spec)
        return arrays

    def write(self, path: Path) -> None:
        """Write the file; the axes, which are nearly all of it, in half precision."""
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
