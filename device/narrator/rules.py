"""Keyword rules: alerts for words in a caption and for things; pure.

A rule has phrases and fires when one of them is found: every word of the phrase is in the caption
or names a thing beside it, in any order, as a whole word, in singular or plural, as one of its
synonyms, or as a narrower word ("cat" for "animal", ``device.vision.hypernyms``). Words that a
caption negates ("no cat") do not count, nor do things that are not sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from device.english import (
    WordPattern,
    affirmed_words,
    parse_pattern,
    parse_phrase,
    split_words,
    without_compounds,
)
from device.narrator.settings import NarrationRule
from device.records import Thing
from device.vision.hypernyms import hyponyms
from device.vision.sentences import name_things

Alternatives = tuple[WordPattern, ...]
Phrase = tuple[Alternatives, ...]


# What a rule found stays in view so long after the first description without it: one that only
# misses it changes nothing.
OFF_DELAY_S = 30.0


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """A rule that fired.

    Attributes:
        rule: its name.
        text: what is spoken; empty if the alert is only published and makes no sound.
        things: the things that matched; empty if the caption matched.
    """

    rule: str
    text: str
    things: tuple[Thing, ...] = ()


def raised_by(alerts: Sequence[RuleMatch]) -> str:
    """Return which alerts are spoken, as the detail of a decision; empty if none is."""
    loud = [match.rule for match in alerts if match.text]
    return f"raised by {', '.join(loud)}" if loud else ""


class KeywordRule:
    """One rule with its parsed phrases."""

    def __init__(self, settings: NarrationRule) -> None:
        self.name = settings.name
        self.cooldown_s = settings.cooldown_s
        self.is_spoken = settings.is_spoken
        self._template = settings.spoken_text
        groups = [tuple(map(parse_pattern, group)) for group in settings.synonyms]
        self._phrases: tuple[Phrase, ...] = tuple(
            tuple(_alternatives(word, groups) for word in parse_phrase(phrase))
            for phrase in settings.words
        )

    def is_in(self, words: Sequence[str]) -> bool:
        """Return whether one of the phrases is found among words."""
        return any(_is_found(phrase, words) for phrase in self._phrases)

    def is_in_caption(self, words: Sequence[str]) -> bool:
        """Return whether one of the phrases is found in a caption's words, in their order."""
        own = without_compounds(words)
        return any(_is_found(x, words if len(x) > 1 else own) for x in self._phrases)

    def things_in(self, things: Sequence[Thing], words: Sequence[str]) -> tuple[Thing, ...]:
        """Return the things that match a phrase; empty if none does.

        Args:
            things: at least one of them must have a word of the phrase.
            words: those of the caption, which may have the other words of the phrase.
        """
        found: dict[Thing, None] = {}
        for phrase in self._phrases:
            is_alone = len(phrase) == 1
            of_thing = {thing: _words_of(thing.name, is_alone=is_alone) for thing in things}
            meant = [
                thing
                for thing, own in of_thing.items()
                if any(_is_among(alternatives, own) for alternatives in phrase)
            ]
            if meant and _is_found(phrase, [*words, *(x for one in meant for x in of_thing[one])]):
                found |= dict.fromkeys(meant)
        return tuple(found)

    def most_times(self, counts: Mapping[str, int], names: Sequence[str]) -> float:
        """Return in how many captions the rule is found at most; infinite where a thing has it.

        Args:
            counts: in how many captions each word is.
            names: of things that may be named beside a caption.
        """
        return max(
            min(
                inf
                if any(_is_among(one, _words_of(x, is_alone=len(phrase) == 1)) for x in names)
                else sum(n for word, n in counts.items() if _is_among(one, (word,)))
                for one in phrase
            )
            for phrase in self._phrases
        )

    def text(self, found: str) -> str:
        """Return what is spoken when the rule matches a sentence."""
        return self._template.format(caption=found, rule=self.name)


class Alerts:
    """All rules with their cooldowns, and what is in view.

    Args:
        rules: from the settings.

    Attributes:
        is_on: whether rules fire.
    """

    def __init__(self, rules: Sequence[NarrationRule]) -> None:
        self.is_on = True
        self._fired_s: dict[str, float] = {}
        # Since when descriptions do not have it; None while they do. Rules without an entry were
        # in no description yet.
        self._missed_s: dict[str, float | None] = {}
        self._newest: dict[str, bool] = {}
        self._settled: dict[str, bool] = {}
        self.reload(rules)

    def reload(self, rules: Sequence[NarrationRule]) -> None:
        """Replace the rules; a rule with the same name keeps its cooldown."""
        self._rules = tuple(map(KeywordRule, rules))
        names = {rule.name for rule in self._rules}
        self._fired_s = {n: s for n, s in self._fired_s.items() if n in names}
        self._missed_s = {n: s for n, s in self._missed_s.items() if n in names}
        self._settled = {n: is_found for n, is_found in self._settled.items() if n in names}

    def __bool__(self) -> bool:
        """Return whether there is any rule, and alerts are on."""
        return self.is_on and bool(self._rules)

    def in_view(self, now_s: float) -> dict[str, bool | None]:
        """Return whether each rule finds what it waits for, by its name; None for not known yet.

        It does from a description that has it until ``OFF_DELAY_S`` after the first one that does
        not. A scene that stays the same gets no new description, and nothing leaves it.
        """
        return {rule.name: self._is_in_view(rule.name, now_s) for rule in self._rules}

    def _is_in_view(self, rule: str, now_s: float) -> bool | None:
        if rule not in self._missed_s:
            return None
        missed_s = self._missed_s[rule]
        return missed_s is None or now_s - missed_s < OFF_DELAY_S

    def settle_view(self) -> None:
        """Note that the newest description is of the scene with which later ones are compared."""
        self._settled = self._newest

    def return_view(self, now_s: float) -> None:
        """Note that this scene is there, or there again: it gets no new description."""
        for rule, is_found in self._settled.items():
            self._note_view(rule, is_found, now_s)

    def forget_view(self) -> None:
        """Forget what is in view: the next description may be of another scene."""
        self._missed_s, self._newest, self._settled = {}, {}, {}

    def found_in(
        self,
        text: str,
        sentence: str,
        now_s: float,
        *,
        is_silent: bool,
        things: Sequence[Thing] = (),
    ) -> tuple[RuleMatch, ...]:
        """Return the rules that fire on a description; their cooldown begins now.

        Args:
            text: the caption; empty if it is withheld.
            sentence: the caption as it would be spoken.
            now_s: monotonic seconds.
            is_silent: whether nothing may be spoken now, so that every match has an empty text.
            things: the things beside the caption; those that are not sure do not count.
        """
        words = affirmed_words(text)
        sure = tuple(thing for thing in things if thing.is_sure)
        found = []
        self._newest = {}
        for rule in self._rules:
            is_in_caption = rule.is_in_caption(words)
            among = () if is_in_caption else rule.things_in(sure, words)
            is_found = is_in_caption or bool(among)
            self._newest[rule.name] = is_found
            self._note_view(rule.name, is_found, now_s)
            if not (self.is_on and is_found) or self._is_cooling(rule, now_s):
                continue
            self._fired_s[rule.name] = now_s
            is_spoken = rule.is_spoken and not is_silent
            text = rule.text(name_things(among) if among else sentence) if is_spoken else ""
            found.append(RuleMatch(rule.name, text, among))
        return tuple(found)

    def _note_view(self, rule: str, is_found: bool, now_s: float) -> None:
        if is_found:
            self._missed_s[rule] = None
        elif self._missed_s.get(rule, -inf) is None:
            self._missed_s[rule] = now_s
        else:
            self._missed_s.setdefault(rule, -inf)

    def _is_cooling(self, rule: KeywordRule, now_s: float) -> bool:
        fired_s = self._fired_s.get(rule.name)
        return fired_s is not None and now_s - fired_s < rule.cooldown_s


def _is_found(phrase: Phrase, words: Sequence[str]) -> bool:
    return all(_is_among(alternatives, words) for alternatives in phrase)


def _is_among(alternatives: Alternatives, words: Sequence[str]) -> bool:
    return any(pattern.matches(word) for pattern in alternatives for word in words)


def _words_of(thing: str, *, is_alone: bool) -> tuple[str, ...]:
    """Return the words by which a thing with this name is found.

    A single word must be the noun itself: "table" matches a dining table, but "fire" does not match
    a fire hydrant, nor "dog" a hot dog. Several words match any thing that contains them.
    """
    words = split_words(thing)
    if not is_alone:
        return words
    return words[-1:] if without_compounds(words) == words else ()


def _alternatives(word: WordPattern, groups: Sequence[tuple[WordPattern, ...]]) -> Alternatives:
    """Return the word and its synonyms, with the narrower words of each."""
    same = [p for group in groups if any(p.letters == word.letters for p in group) for p in group]
    found = dict.fromkeys((word, *same))
    for one in tuple(found):
        if not one.is_stem:
            found |= dict.fromkeys(map(WordPattern, sorted(hyponyms(one.letters))))
    return tuple(found)
