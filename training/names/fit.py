"""Fits the names that a bundle ships to pictures, and measures their precision."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seealoud.device.vision.bundle import Bundle
from seealoud.device.vision.names import NamesArrays, membership
from seealoud.device.vision.specs import NameSpec, NamesSpec
from seealoud.training.data.dataset import CaptionedPicture, Dataset
from seealoud.training.errors import DatasetError
from seealoud.training.names.calibrate import (
    Evidence,
    Scaling,
    cross_validated,
    doubtful,
    fit_scaling,
)
from seealoud.training.names.everyday import Rules, read_rules, read_table
from seealoud.training.names.judge import (
    CaptionJudge,
    least_threshold,
    precision_facts,
    read_captions,
    read_labels,
)
from seealoud.training.names.student import (
    Layer,
    class_groups,
    cross_entropy,
    first_layer,
    fit_layer,
    pooled_features,
    targets,
    told_apart,
)
from seealoud.training.names.teacher import is_held_back, pictures_in, teacher_probabilities

_LOGGER = logging.getLogger(__name__)

# Of weights per standard deviation of a channel; the best on held-back pictures is taken.
RIDGES = (1e-3, 3e-3, 1e-2, 3e-2)
PRECISION = 0.9
REFERENCE = "household"
_DEFINITION = (
    "a person's caption, one of five of the picture, confirms the name by one of its words; "
    "calibrated on household photographs"
)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sources:
    """The pictures to learn from.

    Attributes:
        dataset: Flickr8k: its train pictures teach, the captions of its dev judge.
        folders: folders of pictures to learn from; the held-back fifth with captions evaluates.
        household: folder with about five captions a picture, for calibration and evaluation only.
        most: pictures that are taken of each folder and of train, None takes all.
    """

    dataset: Dataset
    folders: tuple[Path, ...]
    household: Path
    most: int | None = None

    def pictures(self) -> list[list[Path]]:
        """Return the pictures of train and of each folder, those held back among them."""
        train = [picture.path for picture in self.dataset.train]
        return [paths[: self.most] for paths in (train, *map(pictures_in, self.folders))]


@dataclass(frozen=True, slots=True, eq=False)
class FittedNames:
    """What a bundle gets.

    Attributes:
        spec: names in its manifest.
        arrays: contents of its file of names.
        record: their precision and calibration, as JSON values.
    """

    spec: NamesSpec
    arrays: NamesArrays
    record: dict[str, Any]


def fit_names(bundle: Bundle, sources: Sources) -> FittedNames:
    """Return names for a bundle's encoder; minutes, most of them for looking at pictures.

    Raises:
        DatasetError: pictures or captions are missing or broken.
        WeightsError: the teacher's weights are missing or broken.
        TrainingError: the captions contradict the layer.
    """
    rules, table = read_rules(), read_table()
    names = list(rules.names)
    parts = sources.pictures()
    paths = [path for part in parts for path in part]
    pooled_bd = np.concatenate([pooled_features(bundle, part) for part in parts])
    group_kn = class_groups(names, table)
    goal_bn = targets(np.concatenate([teacher_probabilities(part) for part in parts]), group_kn)
    judge = CaptionJudge(names, rules)
    goal_bn = told_apart(goal_bn, _known(paths, sources.folders, judge, len(names)), names)
    held_b = np.array([is_held_back(path) for path in paths])
    layer, taught = _layer(pooled_bd, goal_bn, held_b, first_layer(group_kn, pooled_bd))
    arrays = NamesArrays.quantized(layer.weights_dn, layer.bias_n)
    shipped = Layer(arrays.float_weights(), arrays.bias_n)
    known = {path: pooled_bd[row] for row, path in enumerate(paths) if held_b[row]}
    evidence = _evidence(bundle, sources, known, judge, shipped)
    scaling = fit_scaling(evidence, REFERENCE)
    never = doubtful(evidence, scaling) & [name not in rules.passed_over for name in names]
    tested = cross_validated(evidence, REFERENCE)
    broader = [rules.names[name].broader for name in names]
    threshold = least_threshold(tested, evidence[0].confirmed_bn, never, names, broader, PRECISION)
    spec = _spec(rules, scaling, never, threshold)
    record = {
        **taught,
        "slope": round(scaling.slope, 4),
        "shift_of_captions": {name: round(s, 3) for name, s in scaling.of_source.items()},
        "threshold": threshold,
        "never_said": [name for name, is_never in zip(names, never, strict=True) if is_never],
        "worth": {
            found.source: precision_facts(
                tested if found.source == REFERENCE else scaling.probabilities(found.share_bn),
                found.confirmed_bn,
                never,
                names,
                broader,
            )
            for found in evidence
        },
    }
    return FittedNames(spec, arrays, record)


def _layer(
    pooled_bd: Floats, goal_bn: Floats, held_b: npt.NDArray[np.bool_], start: Layer
) -> tuple[Layer, dict[str, Any]]:
    """Return the layer that is best on the held-back pictures, and how it was found."""
    found = {}
    for ridge in RIDGES:
        layer = fit_layer(pooled_bd[~held_b], goal_bn[~held_b], start, ridge)
        loss = cross_entropy(layer, pooled_bd[held_b], goal_bn[held_b])
        _LOGGER.info("ridge %g: cross-entropy on held-back pictures %.4f", ridge, loss)
        found[ridge] = (loss, layer)
    best = min(found, key=lambda ridge: found[ridge][0])
    facts = {
        "teaching_pictures": int((~held_b).sum()),
        "held_back_pictures": int(held_b.sum()),
        "cross_entropy": {
            "start": round(cross_entropy(start, pooled_bd[held_b], goal_bn[held_b]), 4),
            **{f"{ridge:g}": round(loss, 4) for ridge, (loss, _) in found.items()},
        },
        "ridge": best,
    }
    return found[best][1], facts


def _known(
    paths: Sequence[Path], folders: Sequence[Path], judge: CaptionJudge, n_names: int
) -> npt.NDArray[np.bool_]:
    """Return bool [pictures, names]: what captions and labels confirm, none without them."""
    texts: dict[Path, list[str]] = {}
    for folder in folders:
        for table in (read_captions(folder), read_labels(folder)):
            for path, said in table.items():
                texts.setdefault(path, []).extend(said)
    unknown = np.zeros(n_names, bool)
    return np.stack([judge.confirmed(texts[p]) if p in texts else unknown for p in paths])


def _evidence(
    bundle: Bundle,
    sources: Sources,
    held_back: Mapping[Path, Floats],
    judge: CaptionJudge,
    layer: Layer,
) -> list[Evidence]:
    """Return which of the layer's names captions confirm, household's evidence first."""
    household = _captioned(sources.household)
    if not household:
        raise DatasetError(f"no captions.tsv in {sources.household}: give it with --household")
    member_nn = membership({name: found.broader for name, found in read_rules().names.items()})

    def evidence(source: str, pictures: Sequence[CaptionedPicture], pooled_bd: Floats) -> Evidence:
        share_bn = layer.probabilities(pooled_bd)[:, :-1] @ member_nn
        confirmed = np.stack([judge.confirmed(picture.captions) for picture in pictures])
        return Evidence(source, np.clip(share_bn, 0, 1), confirmed)

    found = []
    for source, pictures in ((REFERENCE, household), ("flickr8k dev", sources.dataset.dev)):
        pooled_bd = pooled_features(bundle, [picture.path for picture in pictures])
        found.append(evidence(source, pictures, pooled_bd))
    for folder in sources.folders:
        judging = [picture for picture in _captioned(folder) if picture.path in held_back]
        if judging:
            pooled_bd = np.stack([held_back[picture.path] for picture in judging])
            found.append(evidence(folder.name, judging, pooled_bd))
    return found


def _captioned(folder: Path) -> Sequence[CaptionedPicture]:
    known = read_captions(folder)
    return [CaptionedPicture(path.name, path, tuple(known[path])) for path in sorted(known)]


def _spec(
    rules: Rules, scaling: Scaling, never: npt.NDArray[np.bool_], threshold: float
) -> NamesSpec:
    return NamesSpec(
        definition=_DEFINITION,
        slope=scaling.slope,
        names=tuple(
            NameSpec(
                name=found.name,
                phrase=found.phrase,
                broader=found.broader,
                shift=round(float(scaling.shift_n[row]), 4),
                threshold=None if never[row] else threshold,
                words=tuple(sorted(found.forms)),
            )
            for row, found in enumerate(rules.names.values())
        ),
    )
