"""English words of captions: split, compared, reduced to a stem, and matched by a rule. Pure.

Invariant: whole words only; "cat" never matches "cattle", and upper case never matters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

STEM_MARK = "*"
SHORTEST_STEM_CHARS = 2


def word_set(words: str) -> frozenset[str]:
    """Return the words of a blank-separated list."""
    return frozenset(words.split())


_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
# What changes from one caption of a scene to the next without changing its meaning: articles,
# auxiliaries, possessives, the shortest prepositions ("in a field", "on a field"), and hedges.
_SMALL_WORDS = word_set(
    "a an the this that these those some there it its his her their and or is are was were be "
    "being been has have of in on at to by with for from as while "
    "i think maybe not sure perhaps probably possibly may might"
)
_IRREGULAR_PLURALS = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice",
    "fireman": "firemen", "policeman": "policemen", "snowman": "snowmen", "ox": "oxen",
    "goose": "geese", "foot": "feet", "tooth": "teeth", "knife": "knives", "life": "lives",
    "wife": "wives", "loaf": "loaves", "shelf": "shelves", "bookshelf": "bookshelves",
    "leaf": "leaves", "scarf": "scarves", "wolf": "wolves", "calf": "calves",
    "sheep": "sheep", "fish": "fish", "deer": "deer", "moose": "moose", "cattle": "cattle",
}  # fmt: skip
_IRREGULAR_SINGULARS = {several: one for one, several in _IRREGULAR_PLURALS.items()}
# Uncountable nouns: no article, and never "several".
_UNCOUNTABLE = word_set(
    "bread broccoli cattle coral corn cream dough fish food fruit furniture grass hay luggage "
    "paper pasta rice snow soup water"
)
# Words that end like a plural but are singular, and the reverse.
_NO_PLURAL_ENDS = ("ss", "us", "is")
_SINGULARS_IN_S = word_set("canvas gas lens")
_PLURALS_IN_IS = word_set("skis")
_VOWELS = "aeiou"
# They begin with a vowel letter but not with a vowel sound, and the reverse.
_CONSONANT_SOUNDS = ("uni", "use", "uke", "eu", "one", "once")
_SILENT_H = ("hour", "honest", "heir")
# What is denied is not there: "no cat on the couch" has a couch and no cat. The denial ends with
# its noun, which is at the next of the words that begin something else.
_DENIALS = word_set("no not without nobody none nothing never neither nor nowhere cannot")
_DENY_ALL_BY_THEMSELVES = word_set("nobody none nothing nowhere")
_NOT_A_NOUN = word_set("a an the any one single other of or more")
_DENIAL_ENDS = word_set(
    "and but while as with in on at to by for from into onto over under through near behind "
    "beside along across between around is are was were has have"
)
_CLAUSE_END = re.compile(r"[.,;:!?]")
# The last word means something else than alone: no dog barks in a hot dog.
_COMPOUNDS = frozenset(
    (
        ("hot", "dog"), ("teddy", "bear"), ("prairie", "dog"), ("sea", "lion"),
        ("guinea", "pig"), ("rocking", "horse"), ("computer", "mouse"), ("mouse", "pad"),
        ("stuffed", "animal"), ("stuffed", "bear"), ("stuffed", "dog"), ("flower", "bed"),
        ("toy", "car"), ("toy", "truck"), ("toy", "train"), ("toy", "plane"), ("toy", "boat"),
        ("toy", "dog"), ("toy", "animal"), ("balloon", "animal"),
    )
)  # fmt: skip
_SHORTEST_STEM = 3

# ------------------------------------------------------------ the words of a text


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a text in order, case folded, without punctuation."""
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def content_words(text: str) -> tuple[str, ...]:
    """Return the words that carry meaning: two texts with the same ones say the same."""
    return tuple(word for word in split_words(text) if word not in _SMALL_WORDS)


def affirmed_words(text: str) -> tuple[str, ...]:
    """Return the words of a text without those that it denies, as in "no cat on the couch"."""
    return tuple(word for clause in _CLAUSE_END.split(text) for word in _affirmed(clause))


def _affirmed(clause: str) -> Iterator[str]:
    is_denied = has_noun = False
    for word in split_words(clause):
        if word in _DENIALS or word.endswith("n't"):
            is_denied, has_noun = True, word in _DENY_ALL_BY_THEMSELVES
            continue
        if word in _DENIAL_ENDS and has_noun:
            is_denied = False
        if not is_denied:
            yield word
        has_noun = has_noun or word not in _NOT_A_NOUN


def without_compounds(words: Sequence[str]) -> tuple[str, ...]:
    """Return words in order without those that mean something else here, as "dog" in "hot dog"."""
    before = ("", *words)
    return tuple(
        word
        for first, word in zip(before, words, strict=False)
        if not any((first, one) in _COMPOUNDS for one in singulars(word))
    )


# ------------------------------------------------------------ the forms of a word


def with_article(phrase: str) -> str:
    """Return a phrase with "a" or "an", whichever its first word requires."""
    lower = phrase.lower()
    has_vowel = lower[:1] in tuple(_VOWELS) and not lower.startswith(_CONSONANT_SOUNDS)
    return f"{'an' if has_vowel or lower.startswith(_SILENT_H) else 'a'} {phrase}"


def indefinite(name: str) -> str:
    """Return a name with its article, as in "an oven"; "scissors" and "bread" take none."""
    return with_article(name) if is_countable(name) and not ends_as_plural(name) else name


def plural(name: str) -> str:
    """Return the plural of a name, by its last word."""
    before, blank, word = name.rpartition(" ")
    if ends_as_plural(word):  # "scissors" has no singular
        return name
    if word in _IRREGULAR_PLURALS:
        return f"{before}{blank}{_IRREGULAR_PLURALS[word]}"
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return f"{before}{blank}{word[:-1]}ies"
    ending = "es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s"
    return f"{before}{blank}{word}{ending}"


def counted(number: int, one: str, several: str = "") -> str:
    """Return a number with its noun, as in "2 pictures"; ``several`` defaults to the plural."""
    return f"{number} {one if number == 1 else several or plural(one)}"


def duration(seconds: int) -> str:
    """Return a duration with its two largest units, as in "2 hours and 5 minutes"."""
    parts = []
    for name, size_s in (("day", 24 * 3600), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, size_s)
        if count:
            parts.append(counted(count, name))
    return " and ".join(parts[:2]) or "less than a second"


def is_countable(name: str) -> bool:
    """Return whether a name takes an article and a number, by its last word."""
    return name.rpartition(" ")[2] not in _UNCOUNTABLE


def is_plural(word: str) -> bool:
    """Return whether a noun by itself takes a plural verb; "sheep" and "fish" count as plurals."""
    return word in _IRREGULAR_SINGULARS or ends_as_plural(word)


def ends_as_plural(name: str) -> bool:
    """Return whether the last word of a name has the form of a regular plural."""
    word = name.rpartition(" ")[2]
    if word in _PLURALS_IN_IS:
        return True
    return word.endswith("s") and not word.endswith(_NO_PLURAL_ENDS) and word not in _SINGULARS_IN_S


def singulars(word: str) -> frozenset[str]:
    """Return the word and every singular it may be the plural of.

    English spelling does not show whether "horses" comes from "horse" or "buses" from "bus", so
    both ways are kept; a form that is not a word matches nothing.
    """
    forms = {word, _IRREGULAR_SINGULARS.get(word, word)}
    if word.endswith("ies"):
        forms.add(f"{word[:-3]}y")
    if word.endswith("es"):
        forms.add(word[:-2])
    if ends_as_plural(word):
        forms.add(word[:-1])
    return frozenset(forms - {""})


def stem(word: str) -> str:
    """Return what the forms of a word have in common; a key, often not a word itself."""
    word = _IRREGULAR_SINGULARS.get(word, word)
    if word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif word.endswith(("ches", "shes", "sses", "xes")):
        word = word[:-2]
    elif ends_as_plural(word):
        word = word[:-1]
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) >= _SHORTEST_STEM and re.search("[aeiouy]", base):
            word = re.sub(r"([bdgmnprt])\1$", r"\1", base)
            break
    return word.removesuffix("e") if len(word) > _SHORTEST_STEM else word


# ------------------------------------------------------------ words that a rule waits for


@dataclass(frozen=True, slots=True)
class WordPattern:
    """One word to wait for.

    Attributes:
        letters: case folded, without the mark.
        is_stem: whether any word that begins with the letters matches.
    """

    letters: str
    is_stem: bool = False

    def matches(self, word: str) -> bool:
        """Return whether a word of a caption is meant, in singular or plural."""
        if self.is_stem:
            return word.startswith(self.letters)
        return not singulars(word).isdisjoint(singulars(self.letters))


def parse_pattern(text: str) -> WordPattern:
    """Return the pattern of "dog" or of the stem "dog*".

    Raises:
        ValueError: it is not one word, or the stem is too short.
    """
    letters = unicodedata.normalize("NFKC", text.removesuffix(STEM_MARK)).casefold()
    is_stem = text.endswith(STEM_MARK)
    if _WORD.fullmatch(letters) is None:
        raise ValueError(f'{text!r} is not one word: write a word ("dog") or a stem ("dog*")')
    if is_stem and len(letters) < SHORTEST_STEM_CHARS:
        raise ValueError(
            f"the stem {text!r} would match nearly everything: give it at least "
            f"{SHORTEST_STEM_CHARS} letters"
        )
    return WordPattern(letters, is_stem)


def parse_phrase(text: str) -> tuple[WordPattern, ...]:
    """Return the patterns of one or several words that are waited for together.

    Raises:
        ValueError: there is no word, or one is wrong.
    """
    # A hyphen splits words in captions, so it does here: "t-shirt" is "t" and "shirt".
    parts = text.replace("-", " ").split()
    if not parts:
        raise ValueError(f"{text!r} contains no word")
    return tuple(parse_pattern(part) for part in parts)
