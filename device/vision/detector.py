"""The detector: objects in a frame, each with its class, its score and its box.

Invariants: boxes are shares of the whole frame; scores are not calibrated, and
``device.vision.thing_finder`` decides which objects are named. Only this module knows the names and
the layout of the model's tensors.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seealoud.device.errors import BundleError, InferenceError
from seealoud.device.vision.boxes import Floats, find_peaks, letterbox
from seealoud.device.vision.bundle import N_PATTERNS, Bundle, pattern
from seealoud.device.vision.runtime import invoke, load_interpreter
from seealoud.device.vision.specs import DetectorSelfTest, DetectorSpec

PICTURE_INPUT = "picture"
LOG_ODDS_OUTPUT = "log_odds"
SIDES_OUTPUT = "sides"
_N_SIDES = 4
LEAST_SCORE = 0.1
MOST_DETECTIONS = 100
# Log-odds. Float arithmetic moves them by 0.01 from one processor to the next, a damaged weight
# by more than 1.
LARGEST_DIFFERENCE = 0.2


@dataclass(frozen=True, slots=True)
class Detection:
    """One object.

    Attributes:
        name: COCO's name of its class, such as "dining table".
        score: the detector's score, 0..1; not calibrated.
        left: share of the frame's width, 0..1.
        top: share of the frame's height, 0..1.
        right: share of the frame's width, 0..1.
        bottom: share of the frame's height, 0..1.
    """

    name: str
    score: float
    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle_x(self) -> float:
        """Horizontal centre of the box, from 0 (left side of the frame) to 1 (right side)."""
        return (self.left + self.right) / 2

    @property
    def area(self) -> float:
        """Share of the frame that the box covers, 0..1."""
        return (self.right - self.left) * (self.bottom - self.top)


class Detector:
    """Finds objects with a bundle's detector; must not be shared between threads.

    Args:
        bundle: a bundle whose ``manifest.detector`` is not None.
        threads: number of threads; None means one per core.

    Raises:
        BundleError: the bundle has no detector, the runtime rejects it, it does not match
            the manifest, or its self-test fails.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        spec = bundle.manifest.detector
        if spec is None:
            raise BundleError(
                f"bundle {bundle.path} has no detector; run: python -m seealoud.convert.detector "
                f"{bundle.path}"
            )
        n_threads = threads or os.cpu_count() or 1
        model = DetectorModel(bundle.detector, mean=spec.mean, scale=spec.scale, threads=n_threads)
        try:
            _check_shapes(spec, model)
            _check_self_test(spec, model)
        except (BundleError, InferenceError) as exc:
            raise BundleError(
                f"{bundle.detector}: {exc}; update ai-edge-litert or add the detector again"
            ) from exc
        self._spec = spec
        self._model: DetectorModel | None = model

    def detect(self, image_hwc: npt.NDArray[np.uint8]) -> tuple[Detection, ...]:
        """Return the objects in a picture by falling score, down to ``LEAST_SCORE``.

        Args:
            image_hwc: uint8 [height, width, 3], RGB, any size.

        Raises:
            InferenceError: the runtime failed, or the detector is closed.
            ValueError: the array is not a picture.
        """
        if self._model is None:
            raise InferenceError("the detector is closed: open a new one")
        placed = letterbox(image_hwc, self._spec.size_px)
        maps = self._model.maps(placed.square_hwc)
        peaks = find_peaks(
            maps.log_odds_hwk,
            maps.sides_hw4,
            stride_px=self._spec.stride_px,
            least_score=LEAST_SCORE,
            most=MOST_DETECTIONS,
        )
        return tuple(
            Detection(self._spec.classes[number], float(score), *box_4.tolist())
            for number, score, box_4 in zip(
                peaks.classes_n, peaks.scores_n, placed.to_frame(peaks.boxes_n4), strict=True
            )
        )

    def close(self) -> None:
        """Release the model; may be called again."""
        self._model = None


class Maps(NamedTuple):
    """The model's outputs for a picture, per cell.

    Attributes:
        log_odds_hwk: log-odds of an object's centre, per class.
        sides_hw4: distances to the object's left, top, right and bottom, in input pixels.
    """

    log_odds_hwk: Floats
    sides_hw4: Floats


class DetectorModel:
    """A detector's .tflite file.

    Args:
        path: the file.
        mean: subtracted from each pixel (0..255).
        scale: divisor of the difference.
        threads: number of threads.

    Raises:
        BundleError: the runtime rejects the file, or its tensors are not those of a detector.
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
                f"{path} takes {self._picture['shape']} and returns {self._sides['shape']}, "
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
        """Return the mean and maximum of the log-odds of generated picture ``number``.

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


def _check_shapes(spec: DetectorSpec, model: DetectorModel) -> None:
    for what, claimed, found in (
        ("size_px", spec.size_px, model.size_px),
        ("size_px / stride_px", spec.size_px // spec.stride_px, model.cells),
        ("number of classes", len(spec.classes), model.n_classes),
    ):
        if claimed != found:
            raise BundleError(f"{what} is {claimed} in the manifest, but {found} in the model")


def _check_self_test(spec: DetectorSpec, model: DetectorModel) -> None:
    """Run on the generated picture that the manifest names; this also warms up the model."""
    expected = spec.self_test
    found = model.self_test(expected.pattern)
    for what, claimed, value in (
        ("mean", expected.mean_log_odds, found.mean_log_odds),
        ("largest", expected.largest_log_odds, found.largest_log_odds),
    ):
        if not abs(value - claimed) <= LARGEST_DIFFERENCE:
            raise BundleError(
                f"the self-test fails: the {what} log-odds are {value:.2f}, expected {claimed:.2f}"
            )
