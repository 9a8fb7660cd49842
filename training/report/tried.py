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
        commit: the last one that has its code; None where it was never committed.
    """

    what: str
    found: str
    commit: str | None


TRIED = (
    Tried(
        "bonus for rare words in the output bias (Menon et al. 2021, arXiv 2007.07314)",
        "0.1 and 0.2 cost 0.4 and 0.6 CIDEr for 7 and 25 more distinct words",
        "02f78d3",
    ),
    Tried(
        "consensus of 8 hypotheses by mean CIDEr-D (minimum Bayes risk; Kumar and Byrne 2004)",
        "CIDEr -1.35 (-2.71 to +0.21) against beam 3 of lite2-transformer-scst",
        "229745d",
    ),
    Tried(
        "pre-training the decoder on 145,000 caption sentences without pictures (Flickr30k's text)",
        "dev loss 2.69 instead of 2.80 nats a word, but CIDEr 51.5 instead of 55.4 after "
        "cross-entropy (9 epochs, 12 without), 55.5 instead of 58.9 after five epochs of SCST",
        "259a653",
    ),
    Tried(
        "hiding a fifth of the grid's cells in training (`lite2-scst-cells`)",
        "CIDEr 58.6, 59.2, 59.4 after three epochs of SCST, 58.9, 59.0, 59.7 without (one seed)",
        "229745d",
    ),
    Tried(
        "distillation of two captioners into a third (`lite2-distilled`; Hinton et al. 2015)",
        "CIDEr -0.1 (-1.6 to +1.4) on dev, -0.7 (-2.3 to +1.0) on test against lite2-transformer, "
        "its first teacher; the two together have 56.6 on dev; four SCST runs together have 61.4, "
        "as much as their mean weights",
        "057daeb",
    ),
    Tried(
        "much stronger views (turned, erased, blurred, other saturation, crops from 0.6), dropped "
        "paths (0.15) and dropout of the grid (0.2), against learning train by heart",
        "cross-entropy: CIDEr 15.9, 19.3, 22.7 after three of 13 epochs (lite2-transformer: 23.0, "
        "35.5, 41.6); SCST on from lite2-scst-soup, encoder too: 56.7 after an epoch; both stopped",
        None,
    ),
    Tried(
        "the last 14 x 14 features beside the 7 x 7 ones (2 x 2 cells as 480 more channels)",
        "CIDEr 47.3, 49.7 after four and five of 12 epochs (lite2-transformer: 47.0, 49.3), then "
        "stopped",
        None,
    ),
    Tried(
        "SCST on from lite2-scst-meteor with more of METEOR and BLEU-4 (weights 10 and 5)",
        "after two epochs, the best of four: CIDEr 61.6 instead of 63.3, METEOR 21.6 instead of "
        "22.0, BLEU-4 25.2 instead of 26.0",
        None,
    ),
    Tried(
        "means of the weights of lite2-scst-meteor and of one to four runs before it",
        "CIDEr 61.6 to 63.2 instead of 63.3",
        None,
    ),
    Tried(
        "before int8: scaling the residual channels to equal ranges (Nagel et al. 2019, arXiv "
        "1906.04721), or fitting the decoder's first matrix to the int8 grid (ridge regression)",
        "error of lite2-scst-meteor's grid 13.6 instead of 13.8 %; CIDEr 62.4 to 62.6 instead of "
        "62.3 (float32: 63.3)",
        None,
    ),
    Tried(
        "SCST on from lite2-scst-meteor that shows half of the pictures as the device does, as the "
        "mean of their grid and the mirror image's",
        "CIDEr 63.4, 63.1, 62.4 after three epochs instead of 63.3, then stopped",
        None,
    ),
    Tried(
        "a third look: the grid of the picture's middle (seven or eight tenths) averaged with the "
        "two of lite2-scst-meteor, or in the mirror image's place",
        "CIDEr +0.7 (-0.6 to +2.2) and +0.1 (-1.2 to +1.4), BLEU-4 26.5 and 26.2 instead of 25.5, "
        "for half as much time again in the encoder; in the mirror image's place CIDEr -0.6 (-2.1 "
        "to +0.8)",
        None,
    ),
    Tried(
        "leaving out counts of lite2-scst-meteor that are more likely wrong than right, as colours "
        "are left out",
        "of 290 counts 64 go, 29 of them right, and of the rest 70 % are right instead of 64; 81 % "
        "take a limit of 0.7, which loses 90 of 187 right ones: too many, and a plural tells less",
        None,
    ),
)


def tried_section() -> str:
    """Return the section as Markdown."""
    rows = [(tried.what, tried.found, _where(tried.commit)) for tried in TRIED]
    return (
        "## Tried and taken out\n\nIdeas that did not pay, what they brought on dev, and the last "
        "commit that has their code; without one they were scratch work, never part of the "
        "project.\n\n" + markdown.table(("idea", "found", "last commit"), rows) + "\n"
    )


def _where(commit: str | None) -> str:
    return markdown.NOT_KNOWN if commit is None else f"`{commit}`"
