"""Whether the alert rules look for words that the bundle knows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from device.doctor.finding import Finding, Level
from device.english import split_words
from device.narrator.rules import KeywordRule
from device.narrator.settings import NarrationRule

_PART = "Rules"
_MOST_NAMED = 5


def judge_rules(rules: Sequence[NarrationRule], words: Sequence[str], bundle: str) -> Finding:
    """Return whether every rule can ever fire.

    Args:
        rules: of the settings.
        words: all that the bundle can say.
        bundle: its name.
    """
    if not rules:
        return Finding(_PART, Level.NOTE, "none; [[narration.rules]] would alert you to words")
    known = split_words(" ".join(words))
    # A rule that is not in all words together is in no caption.
    dead = [rule for rule in rules if not KeywordRule(rule).is_in(known)]
    if not dead:
        noun = "rule looks" if len(rules) == 1 else "rules look"
        return Finding(_PART, Level.OK, f"{len(rules)} {noun} for words that {bundle} knows")
    text = "; ".join(
        f"the rule {rule.name!r} never fires: {bundle} does not know "
        f"{_listed(unknown_words(rule, known))}"
        for rule in dead
    )
    return Finding(_PART, Level.WARNING, text, _fix(dead, known))


def unknown_words(rule: NarrationRule, known: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a rule that are not known, nor any of their synonyms.

    Args:
        rule: of the settings.
        known: all words that there are, as ``split_words`` returns them.
    """
    waited_for = dict.fromkeys(
        word for phrase in rule.words for word in phrase.replace("-", " ").split()
    )
    return tuple(word for word in waited_for if not _with_words(rule, word).is_in(known))


def _with_words(rule: NarrationRule, *words: str) -> KeywordRule:
    return KeywordRule(rule.model_copy(update={"words": words}))


def _fix(dead: Sequence[NarrationRule], known: Sequence[str]) -> str:
    unknown = dict.fromkeys(word for rule in dead for word in unknown_words(rule, known))
    alike = dict.fromkeys(
        found for word in unknown for found in get_close_matches(word.rstrip("*"), known, n=1)
    )
    instead = f", perhaps {_listed(tuple(alike))}" if alike else ""
    return (
        f"in [[narration.rules]] write words from the bundle's vocabulary.txt{instead}, "
        "or add such words as synonyms"
    )


def _listed(words: Sequence[str]) -> str:
    named = ", ".join(map(repr, words[:_MOST_NAMED]))
    left = len(words) - _MOST_NAMED
    return f"{named} and {left} more" if left > 0 else named
