"""Who speaks next: the rules of `device.speech.speech_queue`, one by one and at random."""

from __future__ import annotations

import itertools

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from seealoud.device.events import SpeechOutcome
from seealoud.device.records import Cause, Earcon, Priority, Utterance
from seealoud.device.speech.speech_queue import MAX_ALERTS, Change, Ended, SpeechQueue

_IDS = itertools.count()


def _words(priority: Priority, text: str = "") -> Utterance:
    number = next(_IDS)
    return Utterance(text or f"text {number}", priority, Cause.MQTT, id=str(number))


def _ended(*utterances: Utterance) -> tuple[Ended, ...]:
    return tuple(Ended(utterance, SpeechOutcome.REPLACED) for utterance in utterances)


def _speaking(priority: Priority) -> SpeechQueue:
    queue = SpeechQueue()
    queue.offer(_words(priority))
    queue.take()
    return queue


def test_the_order_of_what_waits() -> None:
    queue = SpeechQueue()
    narration, alert = _words(Priority.NARRATION), _words(Priority.ALERT)
    assert queue.offer(narration) == queue.offer(alert) == Change()
    queue.sound(Earcon.ALERT)
    assert len(queue) == 3
    assert [queue.take() for _ in range(4)] == [Earcon.ALERT, alert, narration, None]


def test_the_length_counts_what_waits_and_not_what_is_said() -> None:
    queue, lengths = SpeechQueue(), []
    for alert in (_words(Priority.ALERT), _words(Priority.ALERT)):
        queue.offer(alert)
        lengths.append(len(queue))
    queue.take()
    lengths.append(len(queue))
    queue.offer(_words(Priority.ANSWER))
    queue.offer(_words(Priority.NARRATION))
    lengths.append(len(queue))
    queue.clear()
    assert [*lengths, len(queue)] == [1, 2, 1, 3, 0]


def test_an_answer_cuts_all_and_replaces_what_is_older() -> None:
    for priority in Priority:
        queue = _speaking(priority)
        narration, alert = _words(Priority.NARRATION), _words(Priority.ALERT)
        first, second = _words(Priority.ANSWER), _words(Priority.ANSWER)
        queue.offer(narration)
        queue.offer(alert)
        assert queue.offer(first) == Change(is_cut=True, ended=_ended(narration))
        assert queue.offer(second) == Change(is_cut=True, ended=_ended(first))
        assert [queue.take() for _ in range(3)] == [second, alert, None]


def test_an_alert_cuts_narration_only() -> None:
    cuts = [_speaking(p).offer(_words(Priority.ALERT)).is_cut for p in Priority]
    assert cuts == [True, False, False]


def test_the_newest_narration_replaces_one_that_waits_and_cuts_nothing() -> None:
    queue = _speaking(Priority.NARRATION)
    older, newer = _words(Priority.NARRATION), _words(Priority.NARRATION)
    assert queue.offer(older) == Change()
    assert queue.offer(newer) == Change(ended=_ended(older))
    assert queue.take() == newer


def test_alerts_are_bounded_and_said_once() -> None:
    queue = _speaking(Priority.ANSWER)
    alerts = [_words(Priority.ALERT) for _ in range(MAX_ALERTS)]
    for alert in alerts:
        queue.offer(alert)
    again = _words(Priority.ALERT, alerts[1].text)
    assert queue.offer(again).ended == _ended(alerts[1])
    late = _words(Priority.ALERT)
    assert queue.offer(late).ended == _ended(alerts[0])
    assert [queue.take() for _ in range(3)] == [alerts[2], again, late]


def test_a_press_cuts_all_that_sounds_and_forgets_narration() -> None:
    for priority in Priority:
        queue = _speaking(priority)
        narration, alert = _words(Priority.NARRATION), _words(Priority.ALERT)
        queue.offer(narration)
        queue.offer(alert)
        assert queue.sound(Earcon.HEARD) == Change(is_cut=True, ended=_ended(narration))
        assert [queue.take() for _ in range(3)] == [Earcon.HEARD, alert, None]


def test_the_next_press_cuts_the_sound_of_the_last() -> None:
    queue = SpeechQueue()
    assert queue.sound(Earcon.HEARD) == Change()
    queue.take()
    assert queue.sound(Earcon.HEARD) == Change(is_cut=True)
    assert queue.take() is Earcon.HEARD


def test_a_sound_is_left_out_while_words_as_important_are_said() -> None:
    said = {
        (earcon, priority): (change.is_cut, queue.is_empty)
        for earcon in (Earcon.FAILED, Earcon.ALERT, Earcon.UNCHANGED)
        for priority in Priority
        for queue in [_speaking(priority)]
        for change in [queue.sound(earcon)]
    }
    cut, left_out = (True, False), (False, True)
    assert said == {
        (Earcon.FAILED, Priority.NARRATION): cut,
        (Earcon.FAILED, Priority.ALERT): cut,
        (Earcon.FAILED, Priority.ANSWER): left_out,
        (Earcon.ALERT, Priority.NARRATION): cut,
        (Earcon.ALERT, Priority.ALERT): left_out,
        (Earcon.ALERT, Priority.ANSWER): left_out,
        (Earcon.UNCHANGED, Priority.NARRATION): left_out,
        (Earcon.UNCHANGED, Priority.ALERT): left_out,
        (Earcon.UNCHANGED, Priority.ANSWER): left_out,
    }


def test_words_do_not_cut_a_short_sound() -> None:
    queue = SpeechQueue()
    queue.sound(Earcon.HEARD)
    queue.take()
    answer = _words(Priority.ANSWER)
    assert queue.offer(answer) == Change()
    assert queue.take() == answer


class AnyOrder(RuleBasedStateMachine):
    """Whatever comes in which order: bounded, in order, and every utterance comes out once."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = SpeechQueue()
        self.offered: set[str] = set()
        self.out: list[str] = []

    def _note(self, change: Change) -> None:
        self.out += [ended.utterance.id for ended in change.ended]

    @rule(priority=st.sampled_from(Priority), text=st.sampled_from(["", "same"]))
    def offer(self, priority: Priority, text: str) -> None:
        utterance = _words(priority, text)
        self.offered.add(utterance.id)
        current = self.queue.current
        change = self.queue.offer(utterance)
        self._note(change)
        if isinstance(current, Utterance) and current.priority > priority:
            assert not change.is_cut

    @rule(earcon=st.sampled_from(Earcon))
    def sound(self, earcon: Earcon) -> None:
        change = self.queue.sound(earcon)
        self._note(change)
        assert earcon is not Earcon.HEARD or not self.queue.is_empty

    @rule()
    def clear(self) -> None:
        change = self.queue.clear()
        self._note(change)
        assert self.queue.is_empty
        assert change.is_cut == (self.queue.current is not None)

    @precondition(lambda self: self.queue.current is None)
    @rule()
    def take(self) -> None:
        was_empty = self.queue.is_empty
        turn = self.queue.take()
        assert (turn is None) == was_empty
        if isinstance(turn, Utterance):
            self.out.append(turn.id)

    @rule()
    def finish(self) -> None:
        self.queue.finish()

    @invariant()
    def nothing_is_lost_doubled_or_piled_up(self) -> None:
        assert len(self.out) == len(set(self.out))
        waiting = self.offered - set(self.out)
        assert len(waiting) <= MAX_ALERTS + 2

    def teardown(self) -> None:
        self._note(self.queue.clear())
        assert set(self.out) == self.offered


TestAnyOrder = AnyOrder.TestCase
