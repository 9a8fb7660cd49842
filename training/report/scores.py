"""The one table of scores: what is measured, by domain, beside its goal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from seealoud.training.records.confidence import ConfidenceQuality, Quality
from seealoud.training.records.homes import HomeFigures, Homes
from seealoud.training.records.run import Bounds, KindTally, RunRecord

NOT_MEASURED = "-"
_BYTES_PER_MB = 1e6
_PERCENT = 100.0
_DOMAINS = {"flickr": "Flickr8k", "home": "ordinary", "indoor": "indoors"}

# The best of other small models trained on Flickr8k alone (docs/experiments.md names them).
PUBLISHED = {"cider": 58.9, "bleu_4": 23.5, "meteor": 20.7, "rouge_l": 47.6}


@dataclass(frozen=True, slots=True)
class Goal:
    """A number to be reached.

    Attributes:
        limit: in the unit of the value.
        text: text of the limit, without the sign.
        is_at_most: whether less is better.
    """

    limit: float
    text: str
    is_at_most: bool = False

    def __str__(self) -> str:
        return f"{'≤' if self.is_at_most else '≥'} {self.text}"

    def is_met(self, value: float) -> bool:
        """Return whether an estimate reaches the limit."""
        return value <= self.limit if self.is_at_most else value >= self.limit


@dataclass(frozen=True, slots=True)
class Cell:
    """A measured value and its text."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; a cell is None where nothing was measured.

    Attributes:
        what: name of the measured figure.
        flickr: value on Flickr8k's test split.
        home: value on ordinary photographs.
        indoor: value on those taken indoors.
        goals: goals by the name of their cell.
    """

    what: str
    flickr: Cell | None = None
    home: Cell | None = None
    indoor: Cell | None = None
    goals: tuple[tuple[str, Goal], ...] = ()

    @property
    def cells(self) -> list[str]:
        """The texts of the table's columns, with the value in bold where it meets its goal."""
        goals = dict(self.goals)
        texts = []
        for name in ("flickr", "home", "indoor"):
            cell: Cell | None = getattr(self, name)
            if cell is None:
                texts.append(NOT_MEASURED)
            elif name in goals and goals[name].is_met(cell.value):
                texts.append(f"**{cell.text}**")
            else:
                texts.append(cell.text)
        if len(goals) == 1:
            return [self.what, *texts, str(*goals.values())]
        goal = ", ".join(f"{_DOMAINS[name]} {goal}" for name, goal in self.goals)
        return [self.what, *texts, goal or NOT_MEASURED]


def score_rows(run: RunRecord, homes: Homes | None) -> list[list[str]]:
    """Return the rows of the table as texts; those of which nothing was measured are left out."""
    rows = [*_caption_rows(run, homes), *_confidence_rows(run), *_bundle_rows(run)]
    if homes is not None:
        rows += _home_rows(homes.all, homes.indoor)
    return [row.cells for row in rows if row.flickr or row.home or row.indoor]


def _caption_rows(run: RunRecord, homes: Homes | None) -> Iterator[Row]:
    test, home = run.test, homes.all if homes else None
    yield Row(
        "CIDEr",
        _bounds(test.cider) if test else None,
        _number(home.cider) if home else None,
        goals=(("flickr", Goal(68.0, "68")), ("home", Goal(60.0, "60"))),
    )
    if test is not None:
        yield Row("BLEU-4", _bounds(test.bleu_4), goals=(("flickr", Goal(27.0, "27")),))
        yield Row("METEOR", _number(test.meteor), goals=(("flickr", Goal(22.5, "22.5")),))
        yield Row("ROUGE-L", _bounds(test.rouge_l), goals=(("flickr", Goal(50.5, "50.5")),))
    yield Row(
        "different words in the captions",
        _number(test.distinct_words, 0) if test else None,
        _number(home.distinct_words, 0) if home else None,
        _number(homes.indoor.distinct_words, 0) if homes else None,
        (("flickr", Goal(350, "350")),),
    )
    if test is not None:
        colours = _said_colours(run) or test.precision.get("colour")
        yield Row(
            "precision of the colours that are spoken",
            _tally(colours),
            goals=(("flickr", Goal(0.80, "0.80")),),
        )
        yield Row(
            "precision of counts",
            _tally(test.precision.get("count")),
            goals=(("flickr", Goal(0.80, "0.80")),),
        )


def _said_colours(run: RunRecord) -> KindTally | None:
    """Return the colours that the device speaks on test; None where it speaks whole captions."""
    confidence = run.reliability.confidence if run.reliability else None
    if confidence is None or not confidence.restraint:
        return None
    said = confidence.restraint["test"].of_said
    return KindTally(mentioned=said.named, right=said.right)


def _confidence_rows(run: RunRecord) -> Iterator[Row]:
    found = run.reliability.confidence if run.reliability else None
    if found is None:
        return
    home = found.household
    yield Row(
        "captions with nothing wrong, withheld ones included",
        _share(found.test.right),
        _right(home),
    )
    yield Row(
        "captions with nothing wrong, of those that are said",
        _share(_right_of_said(found)),
        goals=(("flickr", Goal(0.55, "55 %")),),
    )
    yield Row(
        "calibration error of captions (by chance)",
        _error(found.test),
        _error(home),
        goals=(_CALIBRATION_GOAL, ("home", _CALIBRATION_GOAL[1])),
    )
    yield _names_row(found)
    refused = found.refusals
    yield Row(
        "refused: unlike the training pictures", _share(refused.test), _share(refused.household)
    )


def _names_row(found: ConfidenceQuality) -> Row:
    names = found.names or {}
    return Row(
        "calibration error of names, cross-fitted (by chance); Flickr8k: dev",
        _error(names.get("dev")),
        _error(names.get("household")),
        goals=(_CALIBRATION_GOAL, ("home", _CALIBRATION_GOAL[1])),
    )


def _right_of_said(found: ConfidenceQuality) -> float | None:
    """Return the share of right captions of test among those that are not withheld."""
    said = [use for use in found.hedges if use.at_least > 0.0 and use.right is not None]
    total = sum(use.n for use in said)
    return sum(use.n * (use.right or 0.0) for use in said) / total if total else None


def _bundle_rows(run: RunRecord) -> Iterator[Row]:
    if run.quantization is not None:
        change = run.quantization.cider_change
        lost = Bounds(estimate=-change.estimate, low=-change.high, high=-change.low)
        yield Row(
            "CIDEr lost by int8, paired",
            Cell(lost.estimate, f"{lost.estimate:.2f} ({lost.low:.2f} to {lost.high:.2f})"),
            goals=(("flickr", Goal(1.0, "1", is_at_most=True)),),
        )
    if run.latency_ms is not None:
        yield Row("time of a caption", Cell(run.latency_ms, f"{run.latency_ms:.0f} ms"))


_CALIBRATION_GOAL = ("flickr", Goal(0.04, "0.04", is_at_most=True))

# What is measured on ordinary photographs, the figure's name, and the goals.
_HOME_FIGURES: tuple[tuple[str, str, tuple[tuple[str, Goal], ...]], ...] = (
    (
        'something right is said without "maybe"',
        "right_sure",
        (("home", Goal(0.80, "80 %")), ("indoor", Goal(0.75, "75 %"))),
    ),
    (
        'something right is said, with or without "maybe"',
        "right",
        (("home", Goal(0.90, "90 %")),),
    ),
    (
        'names said without "maybe" that a caption confirms',
        "precision_sure",
        (("home", Goal(0.90, "90 %")),),
    ),
    ("nothing is named", "refused", (("home", Goal(0.05, "5 %", is_at_most=True)),)),
    (
        'only unconfirmed names are said without "maybe"',
        "only_wrong",
        (("home", Goal(0.10, "10 %", is_at_most=True)),),
    ),
    (
        '"Nobody is in view" is said, and no caption names a person',
        "nobody_right",
        (("home", Goal(0.95, "95 %")),),
    ),
)


def _home_rows(found: HomeFigures, indoor: HomeFigures) -> Iterator[Row]:
    for what, name, goals in _HOME_FIGURES:
        yield Row(what, None, _share(getattr(found, name)), _share(getattr(indoor, name)), goals)


def number(value: float | None, decimals: int = 1) -> str:
    """Return a number with fixed decimals."""
    return NOT_MEASURED if value is None else f"{value:.{decimals}f}"


def percent(share: float | None, decimals: int = 0) -> str:
    """Return a share as per cent."""
    return NOT_MEASURED if share is None else f"{_PERCENT * share:.{decimals}f} %"


def bounds(value: Bounds | None) -> str:
    """Return a value with half the width of its 95 % interval."""
    return NOT_MEASURED if value is None else f"{value.estimate:.1f} ± {value.half_width:.1f}"


def megabytes(size: int | None) -> str:
    """Return bytes as MB (10^6 bytes)."""
    return NOT_MEASURED if size is None else f"{size / _BYTES_PER_MB:.1f} MB"


def _number(value: float | None, decimals: int = 1) -> Cell | None:
    return None if value is None else Cell(value, number(value, decimals))


def _share(value: float | None) -> Cell | None:
    return None if value is None else Cell(value, percent(value))


def _right(found: Quality | None) -> Cell | None:
    return None if found is None else _share(found.right)


def _bounds(value: Bounds) -> Cell:
    return Cell(value.estimate, bounds(value))


def _tally(found: KindTally | None) -> Cell | None:
    if found is None or found.precision is None:
        return None
    return Cell(found.precision, f"{found.precision:.2f} ({found.mentioned})")


def _error(found: Quality | None) -> Cell | None:
    if found is None:
        return None
    return Cell(found.ece, f"{found.ece:.3f} ({found.ece_by_chance:.3f})")
