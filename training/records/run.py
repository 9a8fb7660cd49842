"""The record of a training run: one JSON file under ``docs/runs``, committed.

The scores of ``docs/results.md`` come from these files. Reading is strict: an unknown, missing or
ill-typed key is an error that names the file and the key, so that no number is lost unnoticed. A
change of the keys raises ``SCHEMA_VERSION``; older records are still read.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from seealoud.training.errors import TrainingError
from seealoud.training.metrics.bootstrap import METRICS, Interval, interval
from seealoud.training.metrics.judgement import Tally
from seealoud.training.metrics.scores import Scores
from seealoud.training.records.confidence import Reliability
from seealoud.training.records.figures import Figures, read_figures

SCHEMA_VERSION = 3

Measured = Literal["int8 bundle", "keras float32"]
INT8_BUNDLE: Measured = "int8 bundle"
KERAS_FLOAT32: Measured = "keras float32"

# Records that belong to no training run.
FLOOR_NAME = "constant-caption"
HUMAN_NAME = "human"

# Stored digits: a resampled interval is not known better, and diffs stay readable.
_DECIMALS = 3
# Of one picture's CIDEr: a thousand of them are kept, and their mean is known to 0.01 so.
_PICTURE_DECIMALS = 1

# A list of numbers as ``json.dumps`` spreads it over lines; none is inside a string, where a line
# break is escaped.
_NUMBERS = re.compile(r"\[\n\s*(-?\d[-+.\deE,\s]*?)\s*\]")

# Of ``reliability`` in version 2.
_SUPERSEDED = {"signal", "slope", "intercept", "fitted_on", "fitted_n", "fitted_right"} | {
    *("measured_on", "bins", "auc", "auc_95", "ece", "ece_by_chance", "brier", "brier_constant")
}

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0.0)]


class Bounds(Figures):
    """A value with its 95 % interval, in the value's unit."""

    estimate: float
    low: float
    high: float

    @classmethod
    def of(cls, found: Interval) -> Bounds:
        """Return the interval, rounded for the file."""
        return cls(
            estimate=_rounded(found.estimate), low=_rounded(found.low), high=_rounded(found.high)
        )

    @property
    def half_width(self) -> float:
        """Half of high - low."""
        return (self.high - self.low) / 2.0


class KindTally(Figures):
    """Mentions of one kind of word, and how many of them the references confirm."""

    mentioned: Count
    right: Count

    @property
    def precision(self) -> float | None:
        """Right / mentioned, 0..1; None when nothing was mentioned."""
        return self.right / self.mentioned if self.mentioned else None


class Metrics(Figures):
    """Scores on one split by the COCO protocol; metrics times 100, with 95 % intervals.

    ``meteor`` is None where Java was missing; it has no interval (see ``bootstrap``). ``cider_n``
    is the CIDEr of each picture in the order of their sorted names, by which two runs are paired;
    None where it was not kept.
    """

    pictures: Count
    bleu_1: Bounds
    bleu_2: Bounds
    bleu_3: Bounds
    bleu_4: Bounds
    meteor: float | None
    rouge_l: Bounds
    cider: Bounds
    distinct_words: Count
    distinct_captions: Count
    mean_length_words: float
    precision: dict[str, KindTally] = Field(default_factory=dict)
    cider_n: tuple[float, ...] | None = None

    @model_validator(mode="after")
    def _one_cider_a_picture(self) -> Self:
        if self.cider_n is not None and len(self.cider_n) != self.pictures:
            raise ValueError(f"cider_n has {len(self.cider_n)} numbers of {self.pictures} pictures")
        return self

    @classmethod
    def of(cls, scores: Scores, precision: dict[str, Tally] | None = None) -> Metrics:
        """Return the scores with their intervals, ready for the record."""
        tallies = precision or {}
        return cls(
            pictures=len(scores.names),
            **{metric: Bounds.of(interval(scores, metric)) for metric in METRICS},
            meteor=None if scores.meteor is None else _rounded(scores.meteor),
            distinct_words=scores.distinct_words,
            distinct_captions=scores.distinct_captions,
            mean_length_words=_rounded(scores.mean_length_words),
            precision={
                kind: KindTally(mentioned=tally.mentioned, right=tally.right)
                for kind, tally in tallies.items()
            },
            cider_n=tuple(round(float(value), _PICTURE_DECIMALS) for value in scores.cider_n),
        )

    def without_pictures(self) -> Metrics:
        """Return the same without the CIDEr of each picture, which is most of the file."""
        return self.model_copy(update={"cider_n": None})


class Epoch(Figures):
    """One pass over the training set; None is what was not measured in it.

    ``dev_cider`` is times 100; losses are in nats per word.
    """

    epoch: Count
    train_loss: float | None = None
    dev_loss: float | None = None
    dev_cider: float | None = None
    learning_rate: float | None = None
    seconds: Seconds | None = None
    household_cider: float | None = None


class Quantization(Figures):
    """The same captions' scores from float32 and int8 files, and what int8 loses.

    ``cider_change`` is int8 - float32, paired over the pictures.
    """

    float32: Metrics
    int8: Metrics
    cider_change: Bounds


class RunRecord(Figures):
    """One run.

    Attributes:
        name: also the file's name; letters, digits, ``.``, ``_`` and ``-``.
        config: the run's TOML as read.
        git_commit: commit of the source that ran.
        measured: the model whose captions ``dev`` and ``test`` score; None: not one of SeeAloud.
        dev: scores by which every choice was made.
        test: scores measured once, for the report.
        wall_time_s: training and evaluation together.
        chain_wall_time_s: the same with the run that this one started from, and so on back to a
            run that started from none; None where this one did, or an earlier one is unknown.
        parameters: weights of encoder and decoder.
        bundle_bytes: encoder + decoder + vocabulary as shipped.
        latency_ms: time of a whole caption, on ``latency_machine``.
        reliability: how many captions are right, and how well the confidence predicts which.
    """

    schema_version: Literal[3] = 3
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    config: dict[str, JsonValue]
    seed: int
    git_commit: str
    measured: Measured | None = None
    dev: Metrics | None = None
    test: Metrics | None = None
    wall_time_s: Seconds
    chain_wall_time_s: Seconds | None = None
    parameters: Count
    bundle_bytes: Count | None = None
    latency_ms: Seconds | None = None
    latency_machine: str = ""
    quantization: Quantization | None = None
    reliability: Reliability | None = None
    history: tuple[Epoch, ...] = ()
    note: str = ""

    @model_validator(mode="after")
    def _only_a_bundle_has_a_size(self) -> Self:
        of_bundle = (self.bundle_bytes, self.latency_ms, self.quantization)
        if self.measured != INT8_BUNDLE and any(value is not None for value in of_bundle):
            raise ValueError(
                f"bundle_bytes, latency_ms and quantization are an int8 bundle's, measured is "
                f"{self.measured!r}"
            )
        return self


def write_record(record: RunRecord, directory: Path) -> Path:
    """Write ``<name>.json`` into the directory, made when missing, and return its path.

    Raises:
        TrainingError: the file cannot be written.
    """
    path = directory / f"{record.name}.json"
    neighbour = path.with_suffix(".json.new")
    stored = record.model_dump(mode="json")
    text = json.dumps(stored, indent=1, sort_keys=True, ensure_ascii=False)
    text = _NUMBERS.sub(lambda found: f"[{', '.join(found[1].replace(',', ' ').split())}]", text)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        neighbour.write_text(text + "\n", encoding="utf-8")
        neighbour.replace(path)
    except OSError as exc:
        raise TrainingError(f"cannot write the run record {path}: {exc}") from exc
    return path


def read_record(path: Path) -> RunRecord:
    """Return the record in a file.

    Raises:
        TrainingError: the file is missing or wrong; the message names the file and the keys.
    """
    record = read_figures(RunRecord, path, "run record", upgraded=_of_this_version)
    if record.name != path.stem:
        raise TrainingError(f"wrong run record {path}: name: says {record.name!r}")
    return record


def refuse_to_hide_a_bundle(name: str, directory: Path) -> None:
    """Do nothing, unless the directory holds that record and it is of an int8 bundle.

    Raises:
        TrainingError: it is, or as ``read_record``.
    """
    path = directory / f"{name}.json"
    if path.exists() and read_record(path).measured == INT8_BUNDLE:
        raise TrainingError(
            f"{path} is of the int8 bundle, which says more than the Keras run: give --force to "
            "replace it by the record of the Keras run"
        )


def read_records(directory: Path) -> list[RunRecord]:
    """Return every record of a directory by name; none when it does not exist.

    Raises:
        TrainingError: as ``read_record``.
    """
    return [read_record(path) for path in sorted(directory.glob("*.json"))]


def _of_this_version(text: str) -> str:
    """Return an older record as one of this version.

    Version 1 has no ``measured``: only bundles had a size. Version 2 has the calibration of the
    mean log-probability, which the confidence of each mention has superseded.
    """
    try:
        stored = json.loads(text)
    except ValueError:
        return text  # reading it reports what is wrong
    if not isinstance(stored, dict) or stored.get("schema_version") not in (1, 2):
        return text
    measured = None if stored.get("bundle_bytes") is None else INT8_BUNDLE
    reliability = stored.get("reliability")
    if isinstance(reliability, dict):
        kept = {key: value for key, value in reliability.items() if key not in _SUPERSEDED}
        stored = {**stored, "reliability": kept}
    return json.dumps({"measured": measured, **stored, "schema_version": SCHEMA_VERSION})


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS)
