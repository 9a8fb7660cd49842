"""The device's output for the pictures of a split: pooled features, detections, hypotheses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from seealoud.device.records import Frame, Hypothesis
from seealoud.device.vision.bundle import Bundle
from seealoud.device.vision.captioner import Captioner
from seealoud.device.vision.confidence import Confidence
from seealoud.device.vision.detector import Detection, Detector
from seealoud.device.vision.names import NameClassifier, NamedThing
from seealoud.device.vision.sighting import by_name
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.features import read_picture


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """The device's output for one picture.

    Attributes:
        hypothesis: the one that is spoken: the best one, or the chosen one (see ``choose``).
        pooled_d: float32 [channels], as in ``seealoud.device.vision.captioner.Encoded``.
        detections: of the detector, the surest first; None if the bundle has no detector.
        named: the encoder's names, the likeliest first; None if the bundle has no names.
        n_best: all hypotheses, the likeliest first.
    """

    hypothesis: Hypothesis
    pooled_d: npt.NDArray[np.float32]
    detections: tuple[Detection, ...] | None = None
    named: tuple[NamedThing, ...] | None = None
    n_best: tuple[Hypothesis, ...] = ()

    @property
    def scores(self) -> Mapping[str, float] | None:
        """The detector's best score of each everyday name; None if the bundle has no detector."""
        if self.detections is None:
            return None
        return {name: found[0].score for name, found in by_name(self.detections).items()}


Observations = Mapping[str, Observation]


def observe(bundle: Bundle, pictures: Sequence[CaptionedPicture]) -> Observations:
    """Return the device's output for each picture, by picture name.

    Raises:
        BundleError: the bundle fails its self-test.
        DatasetError: a picture cannot be read.
    """
    manifest = bundle.manifest
    detector = Detector(bundle, threads=1) if manifest.detector else None
    names = NameClassifier(bundle) if manifest.names else None
    found = {}
    with Captioner(bundle) as captioner:
        for picture in tqdm(pictures, desc="looking", unit="picture"):
            image_hwc = read_picture(picture.path)
            encoded = captioner.encode(Frame.now(image_hwc, picture.name))
            n_best = captioner.decode(encoded).n_best
            found[picture.name] = Observation(
                n_best[0],
                encoded.pooled_d,
                detector.detect(image_hwc) if detector else None,
                names.names(encoded.pooled_d) if names else None,
                n_best,
            )
    return found


def choose(observations: Observations, confidence: Confidence) -> Observations:
    """Return the observations, each with the hypothesis that the device chooses."""
    return {
        name: replace(
            seen,
            hypothesis=confidence.chosen_first(seen.n_best, seen.pooled_d, seen.scores)[0],
        )
        for name, seen in observations.items()
    }


def pooled_images(
    bundle: Bundle, images: Sequence[npt.NDArray[np.uint8]]
) -> npt.NDArray[np.float32]:
    """Return float32 [images, channels] of pictures that are not stored in files.

    Raises:
        BundleError: the bundle fails its self-test.
    """
    with Captioner(bundle) as captioner:
        return np.stack([captioner.encode(Frame.now(i, "generated")).pooled_d for i in images])
