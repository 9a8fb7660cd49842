"""The English sentences that describe a frame; pure.

Invariant: every sentence about a frame has a verb. Captions are clauses ("a dog is running") or
noun phrases ("a dog in the grass"); the latter become "I see a dog in the grass." The hedge comes
first, since a listener must hear it before the claim. It depends only on the probability that the
bundle measured; without a measurement there is no hedge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from seealoud.device.english import ends_as_plural, indefinite, is_countable, is_plural, plural
from seealoud.device.records import Side, Thing
from seealoud.device.vision.manifest import WordingSpec

UNSURE = "I am not sure what is happening here."
CANNOT_TELL = "I cannot tell what this shows."
NOBODY = "Nobody is in view."

_SIDES = {Side.LEFT: "on the left", Side.AHEAD: "straight ahead", Side.RIGHT: "on the right"}

# Finite verbs in any position.
_ALWAYS_VERBS = frozenset(("is", "are", "was", "were", "has", "have", "does", "do"))
# Verbs after a noun, but nouns after an article or a similar word; from Flickr8k's captions.
_SINGULAR_VERB_WORDS = (
    "runs jumps stands sits plays walks holds rides looks leaps carries watches climbs chases "
    "catches swims wears takes swings smiles performs flies makes poses splashes gets slides "
    "pushes lays goes throws tries hangs drives lies drinks leans kicks dances shakes chews surfs "
    "races prepares puts eats skateboards skis reads enjoys bites hits blows kneels talks gives "
    "waits rolls follows pulls retrieves uses shows digs sniffs balances paddles rests helps wades "
    "dives touches raises flips leads falls licks reaches stares points barks fishes crouches "
    "sprints spins sings sticks pours jogs kisses hikes descends begins returns hugs sleeps "
    "emerges juggles shoots grabs steps crosses relaxes bounces smokes opens appears crawls peeks "
    "works rows laughs starts lands floats picks passes stops hides turns speaks bends skates "
    "lifts travels overlooks fills covers surrounds grazes flows hovers parks perches contains "
    "features"
)
_PLURAL_VERB_WORDS = (
    "run jump stand sit play walk hold ride look leap carry watch climb chase catch swim wear take "
    "swing smile perform fly make pose splash get slide push lay go throw hang drive lie drink "
    "lean kick dance surf race prepare put eat ski read enjoy bite kneel talk wait roll follow "
    "pull show dig paddle rest wade dive fall wrestle fight sing hike kiss hug sleep work gather "
    "compete"
)
_SINGULAR_VERBS = frozenset(_SINGULAR_VERB_WORDS.split())
_PLURAL_VERBS = frozenset(_PLURAL_VERB_WORDS.split())
_PLURAL_PRONOUNS = frozenset(("they", "both"))
# After these words, one of the verbs above is a noun: "on a swing", "his run".
_BEFORE_NOUN_WORDS = (
    "a an the of in on at with to for from by into onto over under through near his her their its "
    "and or this that these those some one two three"
)
_BEFORE_NOUNS = frozenset(_BEFORE_NOUN_WORDS.split())
# The same holds after a colour ("red swings"), but not after "in red".
_COLOURS = frozenset(
    ("red", "blue", "green", "white", "black", "brown", "yellow", "pink", "orange", "gray", "grey")
)
# And after a word that forms a compound noun with them.
_COMPOUNDS = frozenset(("water slides", "water skis", "water slide", "snow skis", "roller skates"))
# These begin a clause that describes a noun and does not complete the sentence.
_SUBORDINATE = frozenset(("who", "that", "which", "while", "as", "where", "whose"))


class Hedge(StrEnum):
    """How sure a sentence sounds, in falling order."""

    PLAIN = "plain"
    THINK = "think"
    MAYBE = "maybe"
    CANNOT_TELL = "cannot_tell"


def hedge(probability: float | None, thresholds: WordingSpec | None) -> Hedge:
    """Return how to say a caption.

    Args:
        probability: that the caption is right, 0..1; None if unknown.
        thresholds: those of the bundle; None if it has none.
    """
    if probability is None or thresholds is None:
        return Hedge.PLAIN
    if probability >= thresholds.plain:
        return Hedge.PLAIN
    if probability >= thresholds.think:
        return Hedge.THINK
    return Hedge.MAYBE if probability >= thresholds.maybe else Hedge.CANNOT_TELL


# ------------------------------------------------------------ captions


def caption_sentence(text: str, how: Hedge) -> str:
    """Return a caption as a sentence.

    Args:
        text: the words, lower-case, without full stop; "" if there are none.
        how: how sure the sentence sounds.
    """
    words = text.split()
    if not words or how is Hedge.CANNOT_TELL:
        return CANNOT_TELL
    clause = " ".join(words if has_verb(words) else ("I", "see", *words))
    if how is Hedge.THINK:
        return f"I think {clause}."
    if how is Hedge.MAYBE:
        return f"Maybe {clause}."
    return f"{clause[:1].upper()}{clause[1:]}."


def has_verb(words: Sequence[str]) -> bool:
    """Return whether a caption's words form a clause with a finite verb."""
    for at, word in enumerate(words[1:], start=1):
        if word in _SUBORDINATE:
            return False
        if word in _ALWAYS_VERBS:
            return True
        if _is_noun(words, at):
            continue
        before = words[at - 1]
        if word in _SINGULAR_VERBS and not before.endswith("ing"):
            return True
        if word in _PLURAL_VERBS and _may_be_plural(before):
            return True
    return False


def _may_be_plural(word: str) -> bool:
    # After any other colour than that of "two men in black", the next word would be a noun.
    return is_plural(word) or word in _PLURAL_PRONOUNS or word in _COLOURS


def _is_noun(words: Sequence[str], at: int) -> bool:
    """Return whether the word before a possible verb shows that it is a noun."""
    before = words[at - 1]
    if before in _COLOURS:
        return at < 2 or words[at - 2] != "in"
    return before in _BEFORE_NOUNS or f"{before} {words[at]}" in _COMPOUNDS


# ------------------------------------------------------------ things


def noun_phrase(thing: Thing) -> str:
    """Return a thing with its number, as in "a cat" or "several people"."""
    if thing.is_several and is_countable(thing.name):
        return f"several {plural(thing.name)}"
    return indefinite(thing.name)


def listed(phrases: Sequence[str]) -> str:
    """Return phrases as a list in words: "a, b and c"; "" for none."""
    *first, last = phrases or ("",)
    return f"{', '.join(first)} and {last}" if first else last


def name_thing(thing: Thing) -> str:
    """Return a thing and its side as in "A cat, on the left."."""
    phrase = noun_phrase(thing)
    side = "" if thing.side is None else f", {_SIDES[thing.side]}"
    return f"{phrase[:1].upper()}{phrase[1:]}{side}."


def name_things(things: Iterable[Thing]) -> str:
    """Return each thing with its side, as in "A cat, on the left. A bowl."."""
    return " ".join(map(name_thing, things))


def things_sentence(
    things: Sequence[Thing], *, beside_caption: bool, confirms: bool = False
) -> str:
    """Return one sentence that names things with their sides; "" for no things.

    Args:
        things: the surest first.
        beside_caption: whether a caption precedes the sentence.
        confirms: whether that caption named one of them with "maybe".
    """
    if not things:
        return ""
    opening = "I do see" if confirms else "I also see" if beside_caption else "I see"
    return f"{opening} {listed(_with_sides(things))}."


def maybe_sentence(things: Sequence[Thing]) -> str:
    """Return one sentence that names things as possible; "" for no things."""
    if not things:
        return ""
    first = things[0]
    is_several = ends_as_plural(first.name) or (first.is_several and is_countable(first.name))
    verb = "are" if is_several else "is"
    return f"Maybe there {verb} {listed(_with_sides(things))}."


def _with_sides(things: Sequence[Thing]) -> list[str]:
    """Return the things grouped by side; those without a side last, so that none is implied."""
    by_side: dict[Side, list[str]] = {}
    without: list[str] = []
    for thing in things:
        if thing.side in {Side.LEFT, Side.RIGHT}:
            by_side.setdefault(thing.side, []).append(noun_phrase(thing))
        else:
            without.append(noun_phrase(thing))
    return [*(f"{listed(on_it)} {_SIDES[side]}" for side, on_it in by_side.items()), *without]
