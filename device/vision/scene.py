"""One description of what the captioner, the detector and the encoder's names say together.

Invariants: what nobody supports is not said; a name is said once; at most ``MOST_NAMES`` names stand
beside a caption, the surest first; the caption's sentence comes first, since it can be spoken while
the rest is still being put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from device.confidence.wording import Hedge
from device.records import Thing
from device.vision import sentences

MOST_NAMES = 3
PERSON = "person"


@dataclass(frozen=True, slots=True)
class Certainty:
    """From which probability on a thing is named.

    Attributes:
        sure: plainly.
        maybe: as a possibility, where nothing else can be said.
    """

    sure: float
    maybe: float


@dataclass(frozen=True, slots=True)
class Scene:
    """What is said.

    Attributes:
        sentence: as it is spoken.
        things: what it names beside the caption, the surest first.
        says_caption: whether the caption is part of it.
    """

    sentence: str
    things: tuple[Thing, ...]
    says_caption: bool


def compose(
    text: str,
    how: Hedge,
    things: Sequence[Thing],
    certainty: Certainty,
    *,
    said_names: frozenset[str] = frozenset(),
    is_nobody_there: bool = False,
) -> Scene:
    """Return what is said of a frame.

    Args:
        text: the caption's words; "" where none can be said.
        how: how sure the caption is.
        things: every thing with its probability, in any order.
        certainty: of the bundle.
        said_names: things that the caption names itself.
        is_nobody_there: whether it is sure enough that no person is in view.
    """
    says_caption = bool(text) and how is not Hedge.CANNOT_TELL
    known = said_names if says_caption else frozenset[str]()
    others = sorted((t for t in things if t.name not in known), key=lambda t: -t.probability)
    sure = tuple(t for t in others if t.probability >= certainty.sure)[:MOST_NAMES]
    maybe: tuple[Thing, ...] = ()
    if not sure and how is not Hedge.PLAIN:
        maybe = tuple(
            replace(t, is_sure=False) for t in others if t.probability >= certainty.maybe
        )[:1]
    parts = [
        _first(text, how, says_caption=says_caption, says_more=bool(sure or maybe)),
        sentences.things_sentence(sure, beside_caption=says_caption),
        sentences.maybe_sentence(maybe),
        sentences.NOBODY if is_nobody_there and (says_caption or sure or maybe) else "",
    ]
    return Scene(" ".join(filter(None, parts)), (*sure, *maybe), says_caption)


def _first(text: str, how: Hedge, *, says_caption: bool, says_more: bool) -> str:
    if says_caption:
        return sentences.caption_sentence(text, how)
    return sentences.UNSURE if says_more else sentences.CANNOT_TELL
