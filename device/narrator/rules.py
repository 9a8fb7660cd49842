"""Keyword rules: what a user waits for, found in the words of a caption; pure.

A rule names phrases and fires when one of them is found: every word of the phrase stands in the
caption, in any order, as a whole word, in singular or plural, or as one of its synonyms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from device.narrator.settings import NarrationRule
from device.narrator.words import WordPattern, parse_pattern, parse_phrase, split_words

Alternatives = tuple[WordPattern, ...]
Phrase = tuple[Alternatives, ...]


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """A rule that fired.

    Attributes:
        rule: its name.
        text: what is said; empty when the alert is an event only and makes no sound.
    """

    rule: str
    text: str


class KeywordRule:
    """One rule, ready to look at captions."""

    def __init__(self, settings: NarrationRule) -> None:
        self.name, self.cooldown_s = settings.name, settings.cooldown_s
        self.is_spoken = settings.is_spoken
        self._template = settings.spoken_text
        groups = [tuple(map(parse_pattern, group)) for group in settings.synonyms]
        self._phrases: tuple[Phrase, ...] = tuple(
            tuple(_alternatives(word, groups) for word in parse_phrase(phrase))
            for phrase in settings.words
        )

    def is_in(self, words: Sequence[str]) -> bool:
        """Return whether one of the phrases is found among a caption's words."""
        return any(
            all(
                any(p.matches(word) for p in alternatives for word in words)
                for alternatives in phrase
            )
            for phrase in self._phrases
        )

    def text(self, sentence: str) -> str:
        """Return what is said when it fires on a caption with this sentence."""
        return self._template.format(caption=sentence, rule=self.name)


class Alerts:
    """All rules with their cooldowns.

    Args:
        rules: of the settings.
    """

    def __init__(self, rules: Sequence[NarrationRule]) -> None:
        self._fired_s: dict[str, float] = {}
        self.reload(rules)

    def reload(self, rules: Sequence[NarrationRule]) -> None:
        """Take other rules; one of the same name goes on cooling down."""
        self._rules = tuple(map(KeywordRule, rules))
        names = {rule.name for rule in self._rules}
        self._fired_s = {n: s for n, s in self._fired_s.items() if n in names}

    def __bool__(self) -> bool:
        """Return whether there is any rule."""
        return bool(self._rules)

    def found_in(
        self, text: str, sentence: str, now_s: float, *, is_silent: bool
    ) -> tuple[RuleMatch, ...]:
        """Return the rules that fire on a caption and are not cooling down; they do from now on.

        Args:
            text: the caption's words.
            sentence: the caption as it would be said.
            now_s: monotonic seconds.
            is_silent: nothing may be said now: every match comes without a text.
        """
        words, found = split_words(text), []
        for rule in self._rules:
            fired_s = self._fired_s.get(rule.name)
            is_cooling = fired_s is not None and now_s - fired_s < rule.cooldown_s
            if is_cooling or not rule.is_in(words):
                continue
            self._fired_s[rule.name] = now_s
            is_said = rule.is_spoken and not is_silent
            found.append(RuleMatch(rule.name, rule.text(sentence) if is_said else ""))
        return tuple(found)


def _alternatives(word: WordPattern, groups: Sequence[tuple[WordPattern, ...]]) -> Alternatives:
    """Return the word and all that the user says mean the same."""
    same = [p for group in groups if any(p.letters == word.letters for p in group) for p in group]
    return (word, *(p for p in same if p != word))
