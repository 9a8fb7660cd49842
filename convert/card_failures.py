"""The part of a model card that says what goes wrong; from the manifest's metrics alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convert.card_confidence import confidence_part

_PERCENT = 100.0
_NONE = "-"

Facts = Mapping[str, Any]


def failures_part(failures: Facts, calibration: Facts | None) -> list[str]:
    """Return the lines: definition, failures by caption and by kind, and confidence.

    Args:
        failures: ``metrics.failures`` of a manifest.
        calibration: ``metrics.calibration``, where there is one.
    """
    confidence = calibration.get("confidence") if calibration else None
    return [
        *_definition(failures, calibration),
        *_by_caption(failures),
        *_by_kind(failures["kinds"]),
        *_by_class(failures["kinds"]),
        *(_confidence(calibration) if calibration else []),
        *(confidence_part(confidence) if confidence else []),
    ]


def _definition(failures: Facts, calibration: Facts | None) -> list[str]:
    people: float | None = calibration["people_right"] if calibration else None
    return [
        f"Counted on the {failures['captions']} test captions of the shipped bundle. In a caption "
        "four kinds of words are judged: who or what is there (subject), how many (count), "
        "colours, and what they do (activity). Such a word is wrong when none of the picture's "
        'references, sentences that people wrote, says the same or something narrower ("a man" '
        'confirms "a person", not the other way round). A caption is right when it says at least '
        "one such word and none of them is wrong.",
        "",
        "Words are judged, not pixels. What is true but nobody wrote down counts as wrong; "
        '"a red shirt" passes where someone wrote "a red car". Things, places and who does what '
        "to whom are not judged at all, so that a right caption can still mislead."
        + (
            " What people wrote themselves, judged by the others' sentences of the same picture, "
            f"is right in {_percent(people)}."
            if people is not None
            else ""
        ),
        "",
    ]


def _by_caption(failures: Facts) -> list[str]:
    n = failures["captions"]
    rows = (
        ("nothing wrong", failures["right"]),
        ("one thing wrong", failures["one_wrong"]),
        ("two or more wrong", failures["two_or_more_wrong"]),
        ("says nothing that is judged", failures["nothing_mentioned"]),
    )
    return [
        "| captions | number | share |",
        "|---|---|---|",
        *(f"| {what} | {count} | {_percent(count / n, 1)} |" for what, count in rows),
        "",
    ]


def _by_kind(kinds: Mapping[str, Facts]) -> list[str]:
    return [
        "| kind | said | wrong | share wrong |",
        "|---|---|---|---|",
        *(
            f"| {kind} | {found['said']} | {found['wrong']} | "
            f"{_percent(found['wrong'] / found['said']) if found['said'] else _NONE} |"
            for kind, found in kinds.items()
        ),
        "",
    ]


def _by_class(kinds: Mapping[str, Facts]) -> list[str]:
    rows = [
        f"| {kind} | {found['name']} | {found['said']} | {found['wrong']} | {_instead(found)} |"
        for kind, of_kind in kinds.items()
        for found in of_kind["classes"]
    ]
    if not rows:
        return []
    return [
        "What is most often wrong. A word stands for its class (`training/metrics/lexicon.py`: "
        '"man" for "guy" too, "many" for "a group", "look" for "watching"). Beside it is what '
        "people said instead, with the number of pictures; one picture may count for several.",
        "",
        "| kind | word | said | wrong | people said instead |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _instead(found: Facts) -> str:
    said = [f"{name} {count}" for name, count in found["instead"].items()]
    if found["nothing_instead"]:
        said.append(f"nothing of the kind {found['nothing_instead']}")
    return ", ".join(said) or _NONE


def _confidence(calibration: Facts) -> list[str]:
    first, last = calibration["bins"][0], calibration["bins"][-1]
    lines = [
        "Does it know when it is wrong? Its log-probability a word (x = "
        f"{calibration['signal']}) turns into a probability that the caption is right by "
        f"1 / (1 + exp(-({calibration['intercept']:.3f} + {calibration['slope']:.3f} x))), fitted "
        f"on {calibration['fitted_on']}. On {calibration['measured_on']}:",
        "",
    ]
    if calibration["auc"] is not None:
        low, high = calibration["auc_95"]
        lines.append(
            "- Of a right and a wrong caption, the right one has the greater probability in "
            f"{_percent(calibration['auc'])} of the pairs ({_percent(low)} to {_percent(high)}; "
            "50 % is chance)."
        )
    return [
        *lines,
        f"- Of the {first['n']} captions with the least probability {_percent(first['right'])} "
        f"are right (predicted: {_percent(first['predicted'])}), of the {last['n']} with the "
        f"greatest {_percent(last['right'])} (predicted: {_percent(last['predicted'])}).",
        f"- Expected calibration error over {len(calibration['bins'])} bins: "
        f"{calibration['ece']:.3f}; true probabilities would show "
        f"{calibration['ece_by_chance']:.3f} by chance. Brier score {calibration['brier']:.3f}; "
        f"{calibration['brier_constant']:.3f} if {calibration['fitted_on']}'s share were said of "
        "every caption.",
        "",
    ]


def _percent(share: float, decimals: int = 0) -> str:
    return f"{_PERCENT * share:.{decimals}f} %"
