"""Composes one description from the caption and the things that were found; pure.

Invariants: a name occurs once; at most ``MOST_NAMES`` things are added to a caption, the most
probable first; "maybe" is used only if nothing is sure; "Nobody is in view" never follows a person.
The caption's sentence comes first, so that speech can begin with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seealoud.device.records import Description, Thing
from seealoud.device.vision import sentences
from seealoud.device.vision.sentences import Hedge
from seealoud.device.vision.thing_words import mentions_person

MOST_NAMES = 3
# The reason of a caption that is withheld because it is too improbable.
UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Certainty:
    """The least probabilities at which a thing is named.

    Attributes:
        sure: of a thing that is named without "maybe".
        maybe: of a thing that is named as possible if nothing is sure.
    """

    sure: float
    maybe: float


def compose(
    text: str,
    how: Hedge,
    things: Sequence[Thing],
    certainty: Certainty,
    *,
    said_names: frozenset[str] = frozenset(),
    is_nobody_there: bool = False,
) -> Description:
    """Return the description of a frame, without the captioner's record.

    Args:
        text: the caption; "" if there is none.
        how: the caption's hedge.
        things: every thing with its probability, in any order.
        certainty: the limits from the manifest.
        said_names: things that the caption names or implies.
        is_nobody_there: whether it is sure enough that no person is in view.
    """
    says_caption = bool(text.strip()) and how is not Hedge.CANNOT_TELL
    named_by_caption = said_names if says_caption else frozenset[str]()
    # A thing that the caption names with "maybe" is named again if it is sure.
    known = frozenset[str]() if how is Hedge.MAYBE else named_by_caption
    by_probability = sorted(things, key=lambda t: -t.probability)
    others = [t for t in by_probability if t.name not in known]
    sure = tuple(t for t in others if t.probability >= certainty.sure)[:MOST_NAMES]
    maybe: tuple[Thing, ...] = ()
    if not sure and how is not Hedge.PLAIN:
        maybe = tuple(
            replace(t, is_sure=False)
            for t in by_probability
            if t.name not in named_by_caption and t.probability >= certainty.maybe
        )[:1]
    confirms = any(thing.name in named_by_caption for thing in sure)
    named = (*sure, *maybe)
    is_empty = is_nobody_there and not any(mentions_person(thing.name) for thing in named)
    parts = [
        _first(text, how, says_caption=says_caption, says_more=bool(named)),
        sentences.things_sentence(sure, beside_caption=says_caption, confirms=confirms),
        sentences.maybe_sentence(maybe),
        sentences.NOBODY if is_empty and (says_caption or named) else "",
    ]
    sentence = " ".join(filter(None, parts))
    return Description(sentence, reason="" if says_caption else UNSURE, things=named)


def _first(text: str, how: Hedge, *, says_caption: bool, says_more: bool) -> str:
    if says_caption:
        return sentences.caption_sentence(text, how)
    return sentences.UNSURE if says_more else sentences.CANNOT_TELL
