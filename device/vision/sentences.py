"""What is said of a frame, as whole English sentences; pure.

Invariant: no sentence without a verb is spoken. A captioner says clauses ("a dog is running") and
bare nouns ("a dog in the grass"); a noun becomes "I see a dog in the grass." The hedge comes first,
since a listener must hear it before what it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from device.confidence.wording import Hedge
from device.records import Side, Thing
from device.vision.noun_phrases import noun_phrase

UNSURE = "I am not sure what happens here."
CANNOT_TELL = "I cannot tell what this shows."
NOBODY = "Nobody is in view."

_SIDES = {Side.LEFT: "on the left", Side.RIGHT: "on the right"}

# Verbs of their own in any place; behind them a clause is whole.
_ALWAYS_VERBS = frozenset("is are was were has have does do".split())
# Third person singular: as captions use them, unless an article or the like stands before them.
_SINGULAR_VERBS = frozenset(
    "runs jumps stands sits plays walks holds rides looks leaps carries watches climbs chases "
    "catches swims wears takes swings smiles performs flies makes poses splashes gets slides pushes "
    "lays goes throws tries hangs drives lies drinks leans kicks dances shakes chews surfs races "
    "prepares puts eats skateboards skis reads enjoys bites hits blows kneels talks gives waits "
    "rolls follows pulls retrieves uses shows digs sniffs balances paddles rests helps wades dives "
    "touches raises flips leads falls licks reaches stares points barks fishes crouches sprints "
    "spins sings sticks pours jogs kisses hikes descends begins returns hugs sleeps emerges juggles "
    "shoots grabs steps crosses relaxes bounces smokes opens appears crawls peeks works rows laughs "
    "starts lands floats picks passes stops hides turns speaks bends skates lifts travels overlooks "
    "fills covers surrounds grazes flows hovers parks perches contains features".split()
)
_PLURAL_VERBS = frozenset(
    "run jump stand sit play walk hold ride look leap carry watch climb chase catch swim wear take "
    "swing smile perform fly make pose splash get slide push lay go throw hang drive lie drink lean "
    "kick dance surf race prepare put eat ski read enjoy bite kneel talk wait roll follow pull show "
    "dig paddle rest wade dive fall wrestle fight sing hike kiss hug sleep work gather compete".split()
)
_IRREGULAR_PLURALS = frozenset(
    "people men women children they both sheep cattle geese fish".split()
)
# What stands before one of the verbs above when it is a noun: "on a swing", "his run".
_BEFORE_NOUNS = frozenset(
    "a an the of in on at with to for from by into onto over under through near his her their its "
    "and or this that these those some one two three red blue green white black brown yellow pink "
    "orange gray grey water snow roller ski".split()
)
# What follows says something about a noun and makes no sentence.
_SUBORDINATE = frozenset("who that which while as where whose".split())


def caption_sentence(text: str, how: Hedge) -> str:
    """Return a caption as a sentence.

    Args:
        text: the words, lower-case, without full stop; "" is nothing that could be said.
        how: how sure to sound.
    """
    words = text.strip()
    if not words or how is Hedge.CANNOT_TELL:
        return CANNOT_TELL
    clause = words if has_verb(words.split()) else f"I see {words}"
    if how is Hedge.THINK:
        return f"I think {clause}."
    if how is Hedge.MAYBE:
        return f"Maybe {clause}."
    return f"{clause[:1].upper()}{clause[1:]}."


def has_verb(words: Sequence[str]) -> bool:
    """Return whether a caption's words are a clause with a finite verb of its own."""
    for at, word in enumerate(words):
        if word in _SUBORDINATE:
            return False
        if at == 0:
            continue
        before = words[at - 1]
        if word in _ALWAYS_VERBS:
            return True
        if before in _BEFORE_NOUNS:
            continue
        if word in _SINGULAR_VERBS and not before.endswith("ing"):
            return True
        if word in _PLURAL_VERBS and _is_plural(before):
            return True
    return False


def _is_plural(word: str) -> bool:
    return word in _IRREGULAR_PLURALS or (word.endswith("s") and not word.endswith("ss"))


def things_sentence(things: Sequence[Thing], *, beside_caption: bool) -> str:
    """Return one sentence that names things with their sides, "" without any.

    Args:
        things: the surest first.
        beside_caption: whether a caption was said before.
    """
    if not things:
        return ""
    return f"I {'also ' if beside_caption else ''}see {listed(_with_sides(things))}."


def maybe_sentence(things: Sequence[Thing]) -> str:
    """Return one sentence that names things as possible, "" without any."""
    if not things:
        return ""
    verb = "are" if things[0].is_several or _is_plural(things[0].name) else "is"
    return f"Maybe there {verb} {listed(_with_sides(things))}."


def _with_sides(things: Sequence[Thing]) -> list[str]:
    """Return the things side by side; those without a side last, lest one be heard with them."""
    by_side: dict[Side, list[str]] = {}
    without: list[str] = []
    for thing in things:
        if thing.side in _SIDES:
            by_side.setdefault(thing.side, []).append(noun_phrase(thing))
        else:
            without.append(noun_phrase(thing))
    return [*(f"{listed(on_it)} {_SIDES[side]}" for side, on_it in by_side.items()), *without]


def listed(phrases: Iterable[str]) -> str:
    """Return phrases as a list in words: "a, b and c"."""
    *first, last = phrases
    return f"{', '.join(first)} and {last}" if first else last
