"""What the device's own probability is worth, for the page of results: text and three tables."""

from __future__ import annotations

from collections.abc import Mapping

from training.report import markdown
from training.report.record import Bounds, RunRecord
from training.report.reliability_confidence import (
    Colours,
    ConfidenceQuality,
    HedgeUse,
    Quality,
    Refusals,
    Restraint,
)

_QUALITY = ("probability of", "captions", "right", "AUC", "calibration error", "by chance", "Brier")
_HEDGES = ("wording", "from", "captions of test", "share", "right")
_RESTRAINT = (
    *("split", "captions shortened", "precision of colours", "... of those said"),
    *("CIDEr", "change, paired 95 %"),
)
_BOUNDS = ("estimate", "low", "high")
_PERCENT = 100.0


def confidence_parts(run: RunRecord) -> list[str]:
    """Return paragraphs and tables about a run's confidence; none where it has none."""
    found = run.reliability.confidence if run.reliability else None
    if found is None:
        return []
    return [
        _what(run),
        markdown.table(
            _QUALITY,
            [_row("dev, cross-validated", found.dev), _row("test, as it is said", found.test)],
        ),
        *_restraint(found.restraint or {}),
        _selective(found),
        "The wording by this probability (`device/vision/wording.py`):",
        markdown.table(_HEDGES, [_hedge(use, found.test.n) for use in found.hedges]),
        _novelty(found.refusals),
    ]


def _what(run: RunRecord) -> str:
    return (
        f"**What the device uses.** {run.name} carries a better signal in `confidence.npz`: a "
        "caption is right when everything that it mentions is, so its probability is the product "
        "of its mentions' probabilities, each logistic in the log-probability of the word, the "
        "mean of all words and the log-odds that the encoder's features show the class (a ridge "
        "regression per class on train). Dev fitted the three weights and four biases and chose "
        "among the candidates by cross-validation; entropy, lead over the second hypothesis, "
        "agreement of the three hypotheses, and of the captions of the mirror image and of a crop "
        "added nothing once the mentioned words' own probabilities were known. The figure shows "
        "both curves."
    )


def _row(name: str, found: Quality) -> list[str]:
    auc = markdown.NOT_KNOWN
    if found.auc is not None and found.auc_95 is not None:
        low, high = found.auc_95
        auc = f"{found.auc:.2f} ({low:.2f} to {high:.2f})"
    return [
        name,
        str(found.n),
        _percent(found.right),
        auc,
        markdown.number(found.ece, 3),
        markdown.number(found.ece_by_chance, 3),
        markdown.number(found.brier, 3),
    ]


def _restraint(found: Mapping[str, Restraint]) -> list[str]:
    """Return the paragraph and table about colours; none where none was measured."""
    if not found:
        return []
    text = (
        "**Unsure colours stay unsaid**: a colour that is more likely wrong than right is left out "
        "where the sentence stays whole without it (`device/vision/unsure_colours.py`). It costs "
        "CIDEr, which counts right colours and forgives wrong ones; who cannot see is better off."
    )
    rows = [
        [
            split,
            str(one.shortened),
            _colours(one.of_caption),
            _colours(one.of_said),
            markdown.number(one.cider),
            markdown.change(Bounds(**dict(zip(_BOUNDS, one.cider_change, strict=True)))),
        ]
        for split, one in found.items()
    ]
    return [text, markdown.table(_RESTRAINT, rows)]


def _colours(found: Colours) -> str:
    return f"{markdown.number(found.precision, 2)} ({found.named})"


def _selective(found: ConfidenceQuality) -> str:
    parts = ", ".join(f"{_percent(one.right)} of {_these(one.share)}" for one in found.selective)
    return f"Right on test: {parts}."


def _these(share: float) -> str:
    return "all" if share == 1 else f"the surest {_percent(share)}"


def _hedge(use: HedgeUse, n: int) -> list[str]:
    return [
        use.hedge.replace("_", " "),
        markdown.number(use.at_least, 3),
        str(use.n),
        _percent(use.n / n),
        markdown.NOT_KNOWN if use.right is None else _percent(use.right),
    ]


def _novelty(found: Refusals) -> str:
    odd = ", ".join(f"{name} {_percent(part)}" for name, part in found.odd.items())
    return (
        "**Unlike anything trained on**: of the square roots of a picture's pooled encoder "
        "features, the share that lies beside the directions in which the training's lie most. The "
        "limit "
        f"refuses {_PERCENT * found.dev:.1f} % of dev's photographs; of test's it refuses "
        f"{_PERCENT * found.test:.1f} %, and of generated pictures "
        f"(`training/confidence/odd_pictures.py`): {odd}."
    )


def _percent(part: float) -> str:
    return f"{_PERCENT * part:.0f} %"
