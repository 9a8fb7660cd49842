"""The part of a model card on ordinary photographs; from the manifest's metrics alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PERCENT = 100.0
_ROWS = (
    ("right_sure", 'something right is said without "maybe"'),
    ("right", 'something right is said, with or without "maybe"'),
    ("precision_sure", 'names said without "maybe" that a caption confirms'),
    ("refused", "nothing is named"),
    ("only_wrong", 'only unconfirmed names are said without "maybe"'),
)


def homes_part(homes: Mapping[str, Any] | None) -> list[str]:
    """Return the lines; none where nothing was measured.

    Args:
        homes: ``metrics.homes`` of a manifest, as ``seealoud-train homes`` writes it.
    """
    if not homes:
        return []
    found, indoor = homes["all"], homes["indoor"]
    return [
        "## In homes",
        "",
        f"Of the {found['pictures']} ordinary photographs of `{homes['folder']}` (COCO), "
        f"{indoor['pictures']} of them indoors, by the device's own code from the file to the "
        "sentence. Captions leave much out, so that what they confirm is a lower bound; the limits "
        "were chosen on these photographs, so that the numbers flatter.",
        "",
        "| | all | indoors |",
        "|---|---|---|",
        *(
            f"| {title} | {_percent(found[key])} | {_percent(indoor[key])} |"
            for key, title in _ROWS
        ),
        "",
        f"CIDEr of the caption alone: {found['cider']:.1f}; {found['distinct_words']} different "
        "words.",
        "",
    ]


def _percent(share: float) -> str:
    return f"{_PERCENT * share:.0f} %"
