"""What is said of a frame, as whole English sentences; pure.

Invariant: no sentence without a verb is spoken. A captioner says clauses ("a dog is running") and
noun phrases ("a dog in the grass"); of the latter is made "I see a dog in the grass." The hedge
comes first, since a listener must hear it before what it is about.
"""

from __future__ import annotations

from collections.abc import Sequence

from device.records import Side, Thing
from device.vision.noun_phrases import is_plural, listed, noun_phrase, takes_plural_verb
from device.vision.wording import Hedge

UNSURE = "I am not sure what is happening here."
CANNOT_TELL = "I cannot tell what this shows."
NOBODY = "Nobody is in view."

_SIDES = {Side.LEFT: "on the left", Side.RIGHT: "on the right"}

# Finite verbs wherever they stand.
_ALWAYS_VERBS = frozenset(("is", "are", "was", "were", "has", "have", "does", "do"))
# Verbs behind a noun, and nouns behind an article or the like; as Flickr8k's captions use them.
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
# Behind them one of the verbs above is a noun: "on a swing", "his run".
_BEFORE_NOUN_WORDS = (
    "a an the of in on at with to for from by into onto over under through near his her their its "
    "and or this that these those some one two three"
)
_BEFORE_NOUNS = frozenset(_BEFORE_NOUN_WORDS.split())
# So they do behind a colour ("red swings"), but not behind "in red".
_COLOURS = frozenset(
    ("red", "blue", "green", "white", "black", "brown", "yellow", "pink", "orange", "gray", "grey")
)
# And behind a word that makes one noun with them.
_COMPOUNDS = frozenset(("water slides", "water skis", "water slide", "snow skis", "roller skates"))
# What follows says something about a noun and makes no sentence.
_SUBORDINATE = frozenset(("who", "that", "which", "while", "as", "where", "whose"))


def caption_sentence(text: str, how: Hedge) -> str:
    """Return a caption as a sentence.

    Args:
        text: the words, lower-case, without full stop; "" where there are none.
        how: how sure to sound.
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
    """Return whether a caption's words are a clause with a finite verb of its own."""
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
    # A colour is the end of "two men in black", else what follows were a noun.
    return is_plural(word) or word in _PLURAL_PRONOUNS or word in _COLOURS


def _is_noun(words: Sequence[str], at: int) -> bool:
    """Return whether a word that may be a verb is a noun by what stands before it."""
    before = words[at - 1]
    if before in _COLOURS:
        return at < 2 or words[at - 2] != "in"
    return before in _BEFORE_NOUNS or f"{before} {words[at]}" in _COMPOUNDS


def things_sentence(
    things: Sequence[Thing], *, beside_caption: bool, confirms: bool = False
) -> str:
    """Return one sentence that names things with their sides, "" without any.

    Args:
        things: the surest first.
        beside_caption: whether a caption was said before.
        confirms: whether that caption named one of them with "maybe".
    """
    if not things:
        return ""
    opening = "I do see" if confirms else "I also see" if beside_caption else "I see"
    return f"{opening} {listed(_with_sides(things))}."


def maybe_sentence(things: Sequence[Thing]) -> str:
    """Return one sentence that names things as possible, "" without any."""
    if not things:
        return ""
    verb = "are" if takes_plural_verb(things[0]) else "is"
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
