"""The detector's model: from a square picture to its two maps.

Invariant: only this module knows the names and the layout of the model's tensors.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from device.errors import BundleError, InferenceError
from device.vision.bundle import N_PATTERNS, pattern
from device.vision.letterbox import letterbox
from device.vision.runtime import invoke, load_interpreter
from device.vision.specs import DetectorSelfTest

PICTURE_INPUT = "picture"
LOG_ODDS_OUTPUT = "log_odds"
SIDES_OUTPUT = "sides"
_N_SIDES = 4

Floats = npt.NDArray[np.float32]


class Maps(NamedTuple):
    """What the model makes of a picture, per cell.

    Attributes:
        log_odds_hwk: of the centre of a thing, per class.
        sides_hw4: distances to the thing's left, top, right and bottom, in input pixels.
    """

    log_odds_hwk: Floats
    sides_hw4: Floats


class DetectorModel:
    """A detector's .tflite file.

    Args:
        path: the file.
        mean: what is subtracted from a pixel (0..255) before scaling.
        scale: what the difference is divided by.
        threads: number of threads.

    Raises:
        BundleError: the runtime refuses the file, or its tensors are not a detector's.
    """

    def __init__(self, path: Path, *, mean: float, scale: float, threads: int) -> None:
        self._mean = np.float32(mean)
        self._scale = np.float32(scale)
        self._interpreter = load_interpreter(path, threads)
        signatures = self._interpreter.get_signature_list()
        if len(signatures) != 1:
            raise BundleError(f"{path} has {len(signatures)} signatures, expected one")
        runner = self._interpreter.get_signature_runner(next(iter(signatures)))
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        if inputs.keys() != {PICTURE_INPUT} or outputs.keys() != {LOG_ODDS_OUTPUT, SIDES_OUTPUT}:
            raise BundleError(
                f"{path} has the inputs {sorted(inputs)} and outputs {sorted(outputs)}, expected "
                f"{PICTURE_INPUT}, {LOG_ODDS_OUTPUT} and {SIDES_OUTPUT}"
            )
        self._picture = inputs[PICTURE_INPUT]
        self._log_odds = outputs[LOG_ODDS_OUTPUT]
        self._sides = outputs[SIDES_OUTPUT]
        size_px, cells = int(self._picture["shape"][1]), self.cells
        if tuple(self._picture["shape"]) != (1, size_px, size_px, 3) or tuple(
            self._sides["shape"]
        ) != (1, cells, cells, _N_SIDES):
            raise BundleError(
                f"{path} takes {self._picture['shape']} and gives {self._sides['shape']}, "
                f"expected squares of 3 channels and of {_N_SIDES}"
            )

    @property
    def size_px(self) -> int:
        """Side of the square picture in pixels."""
        return int(self._picture["shape"][1])

    @property
    def cells(self) -> int:
        """Side of the square maps in cells."""
        return int(self._log_odds["shape"][1])

    @property
    def n_classes(self) -> int:
        """Number of classes in the map."""
        return int(self._log_odds["shape"][3])

    def maps(self, square_hwc: npt.NDArray[np.uint8]) -> Maps:
        """Return the maps of a square picture.

        Args:
            square_hwc: uint8 [size_px, size_px, 3], RGB.

        Raises:
            InferenceError: the runtime failed, or an output is not a number.
        """
        pixels_hwc = square_hwc.astype(np.float32)
        if self._mean != 0 or self._scale != 1:
            pixels_hwc = (pixels_hwc - self._mean) / self._scale
        self._interpreter.set_tensor(self._picture["index"], pixels_hwc[None])
        invoke(self._interpreter)
        maps = Maps(
            self._interpreter.get_tensor(self._log_odds["index"])[0],
            self._interpreter.get_tensor(self._sides["index"])[0],
        )
        if not all(np.isfinite(array.sum()) for array in maps):
            raise InferenceError("an output of the detector is not a number")
        return maps

    def self_test(self, number: int) -> DetectorSelfTest:
        """Return what the maps of generated picture ``number`` are like.

        Raises:
            BundleError: there is no such picture.
            InferenceError: see ``maps``.
        """
        if number >= N_PATTERNS:
            raise BundleError(f"there is no self-test picture {number}")
        square_hwc = letterbox(pattern(number), self.size_px).square_hwc
        log_odds_hwk = self.maps(square_hwc).log_odds_hwk
        return DetectorSelfTest(
            pattern=number,
            mean_log_odds=float(log_odds_hwk.mean(dtype=np.float64)),
            largest_log_odds=float(log_odds_hwk.max()),
        )
