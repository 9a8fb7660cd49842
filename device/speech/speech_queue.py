"""Which utterance is next and which one is cut; pure, without threads, clock or sound.

Rules:
1. One turn at a time. The order is: short sounds, answer, alerts, narration.
2. An answer cuts any utterance, and replaces a waiting answer or narration, because both are older
   than the question. Alerts keep waiting.
3. An alert cuts only narration. At most `MAX_ALERTS` wait; a new one replaces those with the same
   words, and then the oldest.
4. Narration cuts nothing; a new one replaces a waiting one.
5. A press (`Earcon.HEARD`) cuts everything and discards waiting narration and sounds: it must be
   acknowledged at once, and an answer follows.
6. Another short sound cuts utterances of a lower priority than its own. It is dropped during an
   utterance of the same or a higher priority, which is a sufficient sign of life.
7. Every utterance leaves the queue exactly once: as a turn, or in `Change.ended`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
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
    """An utterance that will not be spoken.

    Attributes:
        utterance: the utterance.
        outcome: why it is not spoken.
    """

    utterance: Utterance
    outcome: SpeechOutcome


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of a new utterance or sound.

    Attributes:
        is_cut: whether the present turn must be cut.
        ended: utterances that will not be spoken.
    """

    is_cut: bool = False
    ended: tuple[Ended, ...] = ()


class SpeechQueue:
    """The present turn and those that wait; not thread-safe.

    Attributes:
        current: the present turn; None if nothing is being spoken.
    """

    def __init__(self) -> None:
        self.current: Turn | None = None
        self._sounds: deque[Earcon] = deque()
        self._answer: Utterance | None = None
        self._alerts: deque[Utterance] = deque()
        self._narration: Utterance | None = None

    def __len__(self) -> int:
        """Return the number of waiting utterances and sounds, without the present turn."""
        return len(self._sounds) + sum(1 for _ in self._waiting_words())

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return len(self) == 0

    def offer(self, utterance: Utterance) -> Change:
        """Add an utterance."""
        replaced: list[Utterance | None] = []
        match utterance.priority:
            case Priority.ANSWER:
                replaced = [self._answer, self._narration]
                self._answer = utterance
                self._narration = None
            case Priority.ALERT:
                replaced = self._crowded_out(utterance)
                self._alerts.append(utterance)
            case Priority.NARRATION:
                replaced = [self._narration]
                self._narration = utterance
        return Change(self._is_cut_by_words(utterance), _ended(replaced, SpeechOutcome.REPLACED))

    def sound(self, earcon: Earcon) -> Change:
        """Add a short sound."""
        if earcon is Earcon.HEARD:
            self._sounds = deque([earcon])
            dropped = [self._narration]
            self._narration = None
            is_cut = self.current is not None
            return Change(is_cut, _ended(dropped, SpeechOutcome.REPLACED))
        priority, current = _EARCON_PRIORITIES[earcon], self.current
        is_covered = isinstance(current, Utterance) and current.priority >= priority
        if is_covered or len(self._sounds) >= _MAX_SOUNDS:
            return Change()
        self._sounds.append(earcon)
        return Change(is_cut=isinstance(current, Utterance))

    def clear(self, is_kept: Callable[[Utterance], bool] = lambda _: False) -> Change:
        """Discard everything that waits, except alerts that are kept, which are not cut either."""
        dropped = [utterance for utterance in self._waiting_words() if not is_kept(utterance)]
        self._sounds.clear()
        self._alerts = deque(filter(is_kept, self._alerts))
        self._answer = self._narration = None
        keeps_turn = isinstance(self.current, Utterance) and is_kept(self.current)
        is_cut = self.current is not None and not keeps_turn
        return Change(is_cut, _ended(dropped, SpeechOutcome.CUT))

    def take(self) -> Turn | None:
        """Start and return the next turn; None if nothing waits."""
        if self._sounds:
            self.current = self._sounds.popleft()
        elif self._answer is not None:
            self.current = self._answer
            self._answer = None
        elif self._alerts:
            self.current = self._alerts.popleft()
        else:
            self.current = self._narration
            self._narration = None
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
        """Remove the waiting alerts that a new one replaces."""
        gone: list[Utterance | None] = [a for a in self._alerts if a.text == alert.text]
        self._alerts = deque(a for a in self._alerts if a.text != alert.text)
        while len(self._alerts) >= MAX_ALERTS:
            gone.append(self._alerts.popleft())
        return gone

    def _is_cut_by_words(self, utterance: Utterance) -> bool:
        if not isinstance(self.current, Utterance):
            return False  # a short sound is over before a cut would matter
        is_above = utterance.priority > self.current.priority
        return is_above or utterance.priority is Priority.ANSWER


def _ended(utterances: Iterable[Utterance | None], outcome: SpeechOutcome) -> tuple[Ended, ...]:
    return tuple(Ended(utterance, outcome) for utterance in utterances if utterance is not None)
