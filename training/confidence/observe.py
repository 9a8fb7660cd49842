"""What the device sees and says of a split, kept together: pooled features and hypotheses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from device.bundle import Bundle
from device.captioner import Captioner, Encoded
from device.records import Frame, Hypothesis
from training.data.dataset import CaptionedPicture
from training.features import read_picture


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """One picture as the device took it.

    Attributes:
        hypothesis: the best one.
        pooled_d: float32 [channels], as in ``device.captioner.Encoded``.
    """

    hypothesis: Hypothesis
    pooled_d: npt.NDArray[np.float32]


Observations = Mapping[str, Observation]


def observe(bundle: Bundle, pictures: Sequence[CaptionedPicture]) -> Observations:
    """Return what the device sees and says of each picture, by picture name.

    Raises:
        BundleError: the bundle fails its self-test.
        DatasetError: a picture cannot be read.
    """
    with Captioner(bundle) as captioner:
        return {
            encoded.frame_source: Observation(captioner.decode(encoded).n_best[0], encoded.pooled_d)
            for encoded in _encoded(captioner, pictures)
        }


def pooled_features(
    bundle: Bundle, pictures: Sequence[CaptionedPicture]
) -> npt.NDArray[np.float32]:
    """Return float32 [pictures, channels]; about 20 ms a picture (x86_64, one core).

    Raises:
        BundleError: the bundle fails its self-test.
        DatasetError: a picture cannot be read.
    """
    with Captioner(bundle) as captioner:
        return np.stack([encoded.pooled_d for encoded in _encoded(captioner, pictures)])


def pooled_images(
    bundle: Bundle, images: Sequence[npt.NDArray[np.uint8]]
) -> npt.NDArray[np.float32]:
    """Return float32 [images, channels] of pictures that are no files.

    Raises:
        BundleError: the bundle fails its self-test.
    """
    with Captioner(bundle) as captioner:
        return np.stack([captioner.encode(Frame.now(i, "generated")).pooled_d for i in images])


def _encoded(captioner: Captioner, pictures: Sequence[CaptionedPicture]) -> Iterator[Encoded]:
    for picture in tqdm(pictures, desc="looking", unit="picture"):
        yield captioner.encode(Frame.now(read_picture(picture.path), picture.name))
