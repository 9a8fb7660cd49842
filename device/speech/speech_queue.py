"""Who speaks next and who is cut; pure: no thread, no clock, no sound.

Rules:
1. One turn at a time. What waits goes in the order short sounds, answer, alerts, narration.
2. An answer cuts whatever words are being said, and replaces an answer or narration that waits:
   both are older than the question. Alerts wait on.
3. An alert cuts narration and nothing else. At most `MAX_ALERTS` wait; the oldest is replaced,
   and one with the same words is.
4. Narration cuts nothing; the newest replaces one that waits.
5. A press (`Earcon.HEARD`) cuts all that sounds and forgets narration and sounds that wait: whoever
   presses wants to be noticed, and the answer will come.
6. Another short sound cuts words of a lower priority than its own. While words of its own or a
   higher one are being said it is left out: they are sign of life enough.
7. Whatever is taken in comes out exactly once: as a turn, or among those that ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from device.events import SpeechOutcome
from device.records import Earcon, Priority, Utterance

MAX_ALERTS = 3
_MAX_SOUNDS = 2
_EARCON_PRIORITIES = {
    Earcon.HEARD: Priority.ANSWER,
    Earcon.CAPTURED: Priority.ANSWER,
    Earcon.FAILED: Priority.ANSWER,
    Earcon.ALERT: Priority.ALERT,
    Earcon.UNCHANGED: Priority.NARRATION,
}

Turn = Utterance | Earcon


@dataclass(frozen=True, slots=True)
class Ended:
    """An utterance that will not be said.

    Attributes:
        utterance: which.
        outcome: why.
    """

    utterance: Utterance
    outcome: SpeechOutcome


@dataclass(frozen=True, slots=True)
class Change:
    """What taking something in brought about.

    Attributes:
        is_cut: whether the present turn must be cut.
        ended: what will never be said.
    """

    is_cut: bool = False
    ended: tuple[Ended, ...] = ()


class SpeechQueue:
    """What is being said and what waits; not thread-safe.

    Attributes:
        current: the present turn; None in silence.
    """

    def __init__(self) -> None:
        self.current: Turn | None = None
        self._sounds: deque[Earcon] = deque()
        self._answer: Utterance | None = None
        self._alerts: deque[Utterance] = deque()
        self._narration: Utterance | None = None

    def __len__(self) -> int:
        """Return how many wait, words and short sounds; the present turn does not."""
        return len(self._sounds) + sum(1 for _ in self._waiting_words())

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return len(self) == 0

    def offer(self, utterance: Utterance) -> Change:
        """Take words in."""
        replaced: list[Utterance | None] = []
        match utterance.priority:
            case Priority.ANSWER:
                replaced = [self._answer, self._narration]
                self._answer, self._narration = utterance, None
            case Priority.ALERT:
                replaced = self._crowded_out(utterance)
                self._alerts.append(utterance)
            case Priority.NARRATION:
                replaced = [self._narration]
                self._narration = utterance
        return Change(self._is_cut_by_words(utterance), _ended(replaced, SpeechOutcome.REPLACED))

    def sound(self, earcon: Earcon) -> Change:
        """Take a short sound in."""
        if earcon is Earcon.HEARD:
            self._sounds = deque([earcon])
            dropped, self._narration = [self._narration], None
            is_cut = self.current is not None
            return Change(is_cut, _ended(dropped, SpeechOutcome.REPLACED))
        priority, current = _EARCON_PRIORITIES[earcon], self.current
        is_covered = isinstance(current, Utterance) and current.priority >= priority
        if is_covered or len(self._sounds) >= _MAX_SOUNDS:
            return Change()
        self._sounds.append(earcon)
        return Change(is_cut=isinstance(current, Utterance))

    def clear(self) -> Change:
        """Forget all that waits."""
        dropped = list(self._waiting_words())
        self._sounds.clear()
        self._alerts.clear()
        self._answer = self._narration = None
        return Change(self.current is not None, _ended(dropped, SpeechOutcome.CUT))

    def take(self) -> Turn | None:
        """Return whose turn it is now, which becomes the present one; None when nothing waits."""
        if self._sounds:
            self.current = self._sounds.popleft()
        elif self._answer is not None:
            self.current, self._answer = self._answer, None
        elif self._alerts:
            self.current = self._alerts.popleft()
        else:
            self.current, self._narration = self._narration, None
        return self.current

    def finish(self) -> None:
        """End the present turn."""
        self.current = None

    def _waiting_words(self) -> Iterator[Utterance]:
        if self._answer is not None:
            yield self._answer
        yield from self._alerts
        if self._narration is not None:
            yield self._narration

    def _crowded_out(self, alert: Utterance) -> list[Utterance | None]:
        """Take out the waiting alerts that make room for a new one."""
        gone: list[Utterance | None] = [a for a in self._alerts if a.text == alert.text]
        self._alerts = deque(a for a in self._alerts if a.text != alert.text)
        while len(self._alerts) >= MAX_ALERTS:
            gone.append(self._alerts.popleft())
        return gone

    def _is_cut_by_words(self, utterance: Utterance) -> bool:
        if not isinstance(self.current, Utterance):
            return False  # a short sound is over before anybody could be glad of its cut
        is_above = utterance.priority > self.current.priority
        return is_above or utterance.priority is Priority.ANSWER


def _ended(utterances: Iterable[Utterance | None], outcome: SpeechOutcome) -> tuple[Ended, ...]:
    return tuple(Ended(utterance, outcome) for utterance in utterances if utterance is not None)
