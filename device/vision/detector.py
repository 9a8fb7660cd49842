"""The detector: things in a frame, each with its class, its score and its box.

Invariant: boxes are in shares of the whole frame that the caller gave. How likely a thing must be
to be worth a word is for others to say.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from device.errors import BundleError, InferenceError
from device.vision.bundle import Bundle
from device.vision.center_net import find_peaks
from device.vision.detector_model import DetectorModel
from device.vision.letterbox import letterbox
from device.vision.specs import DetectorSpec

LEAST_SCORE = 0.1
MOST_DETECTIONS = 100
# Log-odds. Float arithmetic moves them by 0.01 from one processor to the next, a damaged weight
# by more than 1.
LARGEST_DIFFERENCE = 0.2


@dataclass(frozen=True, slots=True)
class Detection:
    """One thing.

    Attributes:
        name: COCO's name of its class, such as "dining table".
        score: how likely the detector holds it, 0..1; not calibrated.
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
        """Where its middle is between the frame's left (0) and right side (1)."""
        return (self.left + self.right) / 2

    @property
    def area(self) -> float:
        """Share of the frame that its box covers, 0..1."""
        return (self.right - self.left) * (self.bottom - self.top)


class Detector:
    """Finds things with a bundle's detector; not to be shared between threads.

    Args:
        bundle: with a detector, ``manifest.detector`` is not None.
        threads: number of threads; None takes one per core.

    Raises:
        BundleError: the bundle has no detector, the runtime refuses it, it does not fit the
            manifest, or its self-test fails.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        spec = bundle.manifest.detector
        if spec is None:
            raise BundleError(
                f"bundle {bundle.path} has no detector; run: python -m convert.detector "
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
        """Return what is found in a picture, by falling score, nothing below ``LEAST_SCORE``.

        Args:
            image_hwc: uint8 [height, width, 3], RGB, any size.

        Raises:
            InferenceError: the runtime failed, or the detector is closed.
            ValueError: the array is no picture.
        """
        if self._model is None:
            raise InferenceError("the detector is closed: open one")
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
        """Release the model; safe to call twice."""
        self._model = None


def _check_shapes(spec: DetectorSpec, model: DetectorModel) -> None:
    for what, claimed, found in (
        ("size_px", spec.size_px, model.size_px),
        ("size_px / stride_px", spec.size_px // spec.stride_px, model.cells),
        ("number of classes", len(spec.classes), model.n_classes),
    ):
        if claimed != found:
            raise BundleError(f"{what} is {claimed} by the manifest, but {found} in the model")


def _check_self_test(spec: DetectorSpec, model: DetectorModel) -> None:
    """Look at the generated picture that the manifest names; it is the warm-up as well."""
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
