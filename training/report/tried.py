"""What was tried, did not pay, and was taken out again: so that nobody has to try it twice."""

from __future__ import annotations

from dataclasses import dataclass

from training.report import markdown


@dataclass(frozen=True, slots=True)
class Tried:
    """One idea.

    Attributes:
        what: the idea and its source.
        found: what it brought, on dev.
        commit: the last one that has its code.
    """

    what: str
    found: str
    commit: str


TRIED = (
    Tried(
        "bonus for rare words in the output bias (Menon et al. 2021, arXiv 2007.07314)",
        "0.1 and 0.2 cost 0.4 and 0.6 CIDEr for 7 and 25 more distinct words",
        "02f78d3",
    ),
)


def tried_section() -> str:
    """Return the section as Markdown."""
    rows = [(tried.what, tried.found, f"`{tried.commit}`") for tried in TRIED]
    return (
        "## Tried and taken out\n\nIdeas that did not pay, what they brought on dev, and the last "
        "commit that has their code.\n\n"
        + markdown.table(("idea", "found", "last commit"), rows)
        + "\n"
    )
