"""How a thing is said in a short English phrase: articles, plurals, sides; pure.

The only place that knows these rules; training makes its phrases and plurals here as well. Names
are everyday ones, as in ``device.records.Thing``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from device.records import Side, Thing

_SIDES = {Side.LEFT: "on the left", Side.AHEAD: "straight ahead", Side.RIGHT: "on the right"}
_IRREGULAR = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice",
    "fireman": "firemen", "policeman": "policemen", "snowman": "snowmen", "ox": "oxen",
    "goose": "geese", "foot": "feet", "tooth": "teeth", "knife": "knives", "loaf": "loaves",
    "shelf": "shelves", "bookshelf": "bookshelves", "leaf": "leaves", "scarf": "scarves",
    "wolf": "wolves", "calf": "calves",
    "sheep": "sheep", "fish": "fish", "deer": "deer", "moose": "moose", "cattle": "cattle",
}  # fmt: skip
_IRREGULAR_PLURALS = frozenset(_IRREGULAR.values())
# They are not counted: no article, and never "several".
_UNCOUNTED = frozenset((
    "bread", "broccoli", "cattle", "coral", "corn", "cream", "dough", "fish", "food", "fruit",
    "furniture", "grass", "hay", "luggage", "paper", "pasta", "rice", "snow", "soup", "water",
))  # fmt: skip
# End like plurals and are none, or the other way round.
_SINGULAR_ENDS = ("ss", "us", "is")
_SINGULARS_IN_S = frozenset(("canvas", "gas", "lens"))
_PLURALS_IN_IS = frozenset(("skis",))
_VOWELS = "aeiou"
# Begin with a vowel's letter and not with its sound, and the other way round.
_SOUND_LIKE_CONSONANT = ("uni", "use", "uke", "eu", "one", "once")
_SILENT_H = ("hour", "honest", "heir")


def with_article(phrase: str) -> str:
    """Return a phrase with "a" or "an", whichever its first word asks for."""
    has_vowel = phrase[:1].lower() in _VOWELS and not phrase.lower().startswith(
        _SOUND_LIKE_CONSONANT
    )
    return f"{'an' if has_vowel or phrase.lower().startswith(_SILENT_H) else 'a'} {phrase}"


def indefinite(name: str) -> str:
    """Return a name with its article, as in "an oven"; "scissors" and "bread" have none."""
    last = _last_word(name)
    return name if last in _UNCOUNTED or _ends_as_plural(last) else with_article(name)


def plural(name: str) -> str:
    """Return the plural of a name, by its last word."""
    before, blank, word = name.rpartition(" ")
    if _ends_as_plural(word):  # "scissors" are always several
        return name
    if word in _IRREGULAR:
        return f"{before}{blank}{_IRREGULAR[word]}"
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return f"{before}{blank}{word[:-1]}ies"
    ending = "es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s"
    return f"{before}{blank}{word}{ending}"


def is_plural(word: str) -> bool:
    """Return whether a noun by itself takes a plural verb; "sheep" and "fish" count as plurals."""
    return word in _IRREGULAR_PLURALS or _ends_as_plural(word)


def _ends_as_plural(word: str) -> bool:
    if word in _PLURALS_IN_IS:
        return True
    return word.endswith("s") and not word.endswith(_SINGULAR_ENDS) and word not in _SINGULARS_IN_S


def noun_phrase(thing: Thing) -> str:
    """Return a thing with its number, as in "a cat" or "several people"."""
    if thing.is_several and _last_word(thing.name) not in _UNCOUNTED:
        return f"several {plural(thing.name)}"
    return indefinite(thing.name)


def takes_plural_verb(thing: Thing) -> bool:
    """Return whether it is "there are" before the thing's phrase, and not "there is"."""
    last = _last_word(thing.name)
    return _ends_as_plural(last) or (thing.is_several and last not in _UNCOUNTED)


def listed(phrases: Sequence[str]) -> str:
    """Return phrases as a list in words: "a, b and c"; "" for none."""
    *first, last = phrases or ("",)
    return f"{', '.join(first)} and {last}" if first else last


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
