"""The limit above which a picture is refused as unlike the training photographs, and its effect.

The limit is chosen on photographs that must be described: Flickr8k's dev and, if there are any,
household photographs. Pictures that show no scene (``odd_pictures``) are only reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from device.vision.bundle import Bundle
from device.vision.evidence import ConfidenceArrays, Novelty
from device.vision.manifest import NoveltySpec
from training.confidence.observe import pooled_images
from training.confidence.odd_pictures import odd_pictures
from training.data.dataset import Split
from training.records.confidence import Refusals, share

# Of dev's photographs, which are like the training's, ...
LARGEST_REFUSED = 0.01
# ... and of the household photographs: things are still named where the detector finds them.
LARGEST_REFUSED_AT_HOME = 0.04

Pooled = npt.NDArray[np.float32]


def novelty_limit(
    arrays: ConfidenceArrays, dev: Sequence[Pooled], household: Sequence[Pooled] | None
) -> NoveltySpec:
    """Return the limit that refuses the allowed share of the photographs at most.

    The share holds for dev and for the household photographs separately: a kitchen is not unusual.

    Args:
        arrays: what the encoder saw in training.
        dev: pooled features of dev's pictures, float32 [channels] each.
        household: those of the household photographs; None without any.
    """
    limits = [_limit(arrays, dev, LARGEST_REFUSED)]
    if household is not None:
        limits.append(_limit(arrays, household, LARGEST_REFUSED_AT_HOME))
    # Rounded up: rounding down would refuse one more.
    return NoveltySpec(largest=min(1.0, float(np.ceil(max(limits) * 1e4) / 1e4)))


def refusals(
    novelty: Novelty,
    bundle: Bundle,
    pooled: Mapping[Split, Sequence[Pooled]],
    household: Sequence[Pooled] | None,
) -> Refusals:
    """Return the share that the limit refuses of each kind of picture."""
    return Refusals(
        dev=_refused(novelty, pooled["dev"]),
        test=_refused(novelty, pooled["test"]),
        household=None if household is None else _refused(novelty, household),
        odd={
            name: _refused(novelty, pooled_images(bundle, images))
            for name, images in odd_pictures().items()
        },
    )


def _limit(arrays: ConfidenceArrays, pooled: Sequence[Pooled], refused: float) -> float:
    measure = Novelty(NoveltySpec(largest=1.0), arrays)
    distances = sorted(map(measure.distance, pooled))
    return distances[len(distances) - 1 - int(refused * len(distances))]


def _refused(novelty: Novelty, pooled: Iterable[Pooled]) -> float:
    return share(float(np.mean([novelty.of(pooled_d) for pooled_d in pooled])))
