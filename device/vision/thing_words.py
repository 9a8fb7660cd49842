"""How a thing is said by itself, in a short English phrase; pure.

For whoever says one thing without a caption around it: alerts, the history's search and "what did
I miss". Names are everyday ones in the singular, as in ``device.records.Thing``.
"""

from __future__ import annotations

from collections.abc import Iterable

from device.records import Side, Thing

_SIDES = {Side.LEFT: "on the left", Side.AHEAD: "straight ahead", Side.RIGHT: "on the right"}
_IRREGULAR = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice",
    "fireman": "firemen", "policeman": "policemen", "snowman": "snowmen", "ox": "oxen",
    "goose": "geese", "foot": "feet", "tooth": "teeth", "knife": "knives", "loaf": "loaves",
    "shelf": "shelves", "leaf": "leaves", "scarf": "scarves", "wolf": "wolves", "calf": "calves",
    "sheep": "sheep", "fish": "fish", "deer": "deer", "moose": "moose",
}  # fmt: skip
# They have no singular ("skis") or are no separate pieces ("bread"), so no article either.
_WITHOUT_ARTICLE = frozenset(
    (
        *("binoculars", "bread", "broccoli", "food", "furniture", "glasses", "grass", "jeans"),
        *("luggage", "pajamas", "pants", "rice", "scissors", "shorts", "skis", "snow", "stairs"),
        *("sunglasses", "trousers", "water"),
    )
)
_VOWELS = "aeiou"
# Begin with a vowel's letter and not with its sound, and the other way round.
_SOUND_LIKE_YOU = ("uni", "use", "uke", "eu", "one")
_SILENT_H = ("hour", "honest", "heir")


def indefinite(name: str) -> str:
    """Return a name with its article, as in "an oven"; "scissors" has none."""
    if _last_word(name) in _WITHOUT_ARTICLE:
        return name
    has_vowel = name[:1] in _VOWELS and not name.startswith(_SOUND_LIKE_YOU)
    return f"{'an' if has_vowel or name.startswith(_SILENT_H) else 'a'} {name}"


def plural(name: str) -> str:
    """Return the plural of a name, by its last word."""
    before, blank, word = name.rpartition(" ")
    if word in _WITHOUT_ARTICLE:
        return name
    if word in _IRREGULAR:
        return f"{before}{blank}{_IRREGULAR[word]}"
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return f"{before}{blank}{word[:-1]}ies"
    ending = "es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s"
    return f"{before}{blank}{word}{ending}"


def noun_phrase(thing: Thing) -> str:
    """Return a thing with its number, as in "a cat" or "several people"."""
    return f"several {plural(thing.name)}" if thing.is_several else indefinite(thing.name)


def sentence(thing: Thing) -> str:
    """Return a thing and its side as a sentence, as in "A cat, on the left."."""
    phrase = noun_phrase(thing)
    side = "" if thing.side is None else f", {_SIDES[thing.side]}"
    return f"{phrase[:1].upper()}{phrase[1:]}{side}."


def sentences(things: Iterable[Thing]) -> str:
    """Return things as sentences, one after the other."""
    return " ".join(map(sentence, things))


def _last_word(name: str) -> str:
    return name.rpartition(" ")[2]
