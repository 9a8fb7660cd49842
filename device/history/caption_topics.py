"""What a caption is about, roughly: who, how many, and the words that carry the rest.

For grouping only: nothing of it is shown. Two captions of one scene seldom have the same words
("a man walks a dog", "a man in a red shirt with a dog"), but they share the main ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_NUMBERS = {
    **dict.fromkeys(("a", "an", "the", "one", "1", "another", "his", "her", "its"), "one"),
    **dict.fromkeys(("two", "2", "couple", "pair", "both"), "two"),
    **dict.fromkeys(("three", "3"), "three"),
    **dict.fromkeys(("four", "4"), "four"),
    **dict.fromkeys(("some", "several", "many", "group", "crowd", "bunch", "line"), "many"),
    **dict.fromkeys(("five", "six", "seven", "eight", "nine", "ten", "other"), "many"),
}
# Small words, and those that a captioner puts in or leaves out for the same scene.
_SMALL = _words(
    "is are was were be being of in on at to with and or by for from into onto over through while "
    "as their it that this there out up down off along across near next beside behind front top "
    "back around under above between against who which has have wearing wears dressed holding "
    "looking something side middle"
)
_LOOKS = _words(
    "red orange yellow green blue purple pink brown tan black white gray grey blond blonde gold "
    "golden silver dark light bright colorful young old older elderly little small tiny large big "
    "tall long short haired striped spotted furry fluffy teenage shirtless bald wet lone asian "
    "african"
)
# Irregular forms, and words that the captioner uses for one another.
_SAME = {
    "men": "man",
    "women": "woman",
    "children": "child",
    "kid": "child",
    "kids": "child",
    "guy": "man",
    "guys": "man",
    "lady": "woman",
    "ladies": "woman",
    "puppy": "dog",
    "puppies": "dog",
    "people": "person",
    "geese": "goose",
    "ran": "run",
    "sat": "sit",
    "stood": "stand",
    "lying": "lie",
    "laying": "lie",
    "rode": "ride",
}
_PLURALS = frozenset(("men", "women", "children", "people", "geese"))
_SHORTEST_STEM = 3


@dataclass(frozen=True, slots=True)
class CaptionTopics:
    """What a caption is about.

    Attributes:
        number: of the subject: one, two, three, four or many.
        subject: stem of the first main word; empty where there is none.
        stems: of all main words, the subject too.
    """

    number: str
    subject: str
    stems: frozenset[str]

    def likeness(self, other: CaptionTopics) -> float:
        """Return shared main words by all of both, 0..1; 0 for another subject or number."""
        if (self.number, self.subject) != (other.number, other.subject):
            return 0.0
        both = self.stems | other.stems
        return len(self.stems & other.stems) / len(both) if both else 1.0


def caption_topics(caption: str) -> CaptionTopics:
    """Return what a caption is about."""
    number, subject, stems = "", "", set()
    for word in _WORD.findall(caption.lower()):
        if word in _NUMBERS:
            if not subject and _is_more_telling(_NUMBERS[word], number):
                number = _NUMBERS[word]
        elif word not in _SMALL and word not in _LOOKS:
            stem = _stem(word)
            if not subject:
                subject = stem
                number = number or ("many" if _is_plural(word) else "one")
            stems.add(stem)
    return CaptionTopics(number or "one", subject, frozenset(stems))


def _is_more_telling(number: str, before: str) -> bool:
    """Return whether "group" after "a", or "two" after "the", says more than what it follows."""
    return before in ("", "one") and number != before


def _is_plural(word: str) -> bool:
    return word in _PLURALS or (word.endswith("s") and not word.endswith(("ss", "us", "is")))


def _stem(word: str) -> str:
    """Return what the forms of a word have in common; no word of any language, only a key."""
    word = _SAME.get(word, word)
    if word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif word.endswith(("ches", "shes", "sses", "xes")):
        word = word[:-2]
    elif _is_plural(word):
        word = word[:-1]
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) >= _SHORTEST_STEM and re.search("[aeiouy]", base):
            word = re.sub(r"([bdgmnprt])\1$", r"\1", base)
            break
    return word.removesuffix("e") if len(word) > _SHORTEST_STEM else word
