"""The daemon's small parts: a bus that can be held, and triggers together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from seealoud.device.clock import ReplayClock
from seealoud.device.daemon.held_bus import HeldBus
from seealoud.device.daemon.trigger_set import TriggerSet
from seealoud.device.errors import DaemonError, TriggerError
from seealoud.device.events import Event, EventBus, Part, ProblemChanged
from seealoud.device.testing import EventRecorder
from seealoud.device.worker import Worker

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def _problem(text: str) -> ProblemChanged:
    return ProblemChanged(at=AT, part=Part.STATE, is_problem=True, text=text)


def _texts(events: EventRecorder) -> list[str]:
    return [event.text for event in events.events if isinstance(event, ProblemChanged)]


# --- the bus ----------------------------------------------------------------------------------


def test_a_late_listener_receives_what_was_published_while_the_bus_was_held() -> None:
    bus, early, late = HeldBus(), EventRecorder(), EventRecorder()
    bus.subscribe(early)
    with bus.held():
        bus.publish(_problem("first"))
        bus.subscribe(late)
        bus.publish(_problem("second"))
        assert early.events == []
    bus.publish(_problem("third"))
    assert _texts(early) == _texts(late) == ["first", "second", "third"]


def test_a_build_that_fails_publishes_what_it_found_nevertheless() -> None:
    bus, events = HeldBus(), EventRecorder()
    bus.subscribe(events)

    def build() -> None:
        with bus.held():
            bus.publish(_problem("first"))
            raise DaemonError("no bundle")

    with pytest.raises(DaemonError):
        build()
    assert _texts(events) == ["first"]


def test_what_a_listener_publishes_meanwhile_comes_after_what_was_held() -> None:
    bus, events = HeldBus(), EventRecorder()

    class Echo:
        def accept(self, event: Event) -> None:
            if isinstance(event, ProblemChanged) and event.text == "first":
                bus.publish(_problem("echo"))

    bus.subscribe(Echo())
    bus.subscribe(events)
    with bus.held():
        bus.publish(_problem("first"))
        bus.publish(_problem("second"))
    assert _texts(events) == ["first", "second", "echo"]


def test_nothing_is_lost_or_published_twice_when_threads_publish_at_the_end_of_the_hold() -> None:
    bus, events = HeldBus(), EventRecorder()
    bus.subscribe(events)
    may_begin = threading.Barrier(5)

    def publish(number: int) -> None:
        may_begin.wait()
        for count in range(200):
            bus.publish(_problem(f"{number} {count}"))

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    with bus.held():
        may_begin.wait()
    for thread in threads:
        thread.join()
    assert sorted(_texts(events)) == sorted(
        f"{n} {count}" for n in range(4) for count in range(200)
    )


# --- triggers ---------------------------------------------------------------------------------


class ScriptedTrigger:
    """A trigger that records its calls, and fails when the test asks for it."""

    def __init__(
        self,
        name: str,
        notes: list[str],
        error: Exception | None = None,
        *,
        ends_badly: bool = False,
    ) -> None:
        self._name, self._notes, self.error, self._ends_badly = name, notes, error, ends_badly
        self.workers: Sequence[Worker] = ()

    def start(self) -> None:
        if self.error is not None:
            self._notes.append(f"{self._name} fails")
            raise self.error
        self._notes.append(f"{self._name} starts")
        self.workers = (Worker(self._name, lambda: None, pytest.fail),)

    def close(self) -> None:
        self._notes.append(f"{self._name} closes")
        if self._ends_badly:
            raise OSError(self._name)


def _set(
    triggers: dict[Part, ScriptedTrigger], clock: ReplayClock | None = None
) -> tuple[TriggerSet, EventRecorder]:
    bus, events = EventBus(), EventRecorder()
    bus.subscribe(events)
    return TriggerSet(triggers, bus, clock or ReplayClock(AT)), events


@pytest.mark.parametrize("part", [Part.BUTTON, Part.KEYS, Part.SOCKET, Part.SIGNALS])
def test_a_trigger_that_cannot_be_used_is_reported_as_its_own_part(part: Part) -> None:
    notes: list[str] = []
    broken = ScriptedTrigger("broken", notes, TriggerError("evdev is not installed"))
    other = Part.SOCKET if part is not Part.SOCKET else Part.KEYS
    triggers, events = _set({part: broken, other: ScriptedTrigger("other", notes)})
    triggers.start()
    (event,) = events.events
    assert isinstance(event, ProblemChanged)
    assert (event.part, event.is_problem, event.text) == (part, True, "evdev is not installed")
    assert sorted(notes) == ["broken fails", "other starts"]
    assert [worker.name for worker in triggers.workers] == ["other"]


def test_another_daemon_s_socket_is_no_problem_to_live_with() -> None:
    triggers, events = _set({Part.SOCKET: ScriptedTrigger("socket", [], DaemonError("in use"))})
    with pytest.raises(DaemonError, match="in use"):
        triggers.start()
    assert events.events == []


def test_what_failed_is_tried_again_after_growing_waits_and_reported_once() -> None:
    notes: list[str] = []
    button = ScriptedTrigger("button", notes, TriggerError("GPIO 17: no permission"))
    clock = ReplayClock(AT)
    triggers, events = _set({Part.BUTTON: button, Part.KEYS: ScriptedTrigger("keys", notes)}, clock)
    triggers.start()
    for second in range(600):
        clock.advance_to(second)
        triggers.retry_where_due()
    # Waits of 5, 10, 20, 40, 60, 60 ... seconds, each shortened by up to a half.
    assert 10 <= notes.count("button fails") <= 24
    assert notes.count("keys starts") == 1
    assert [event.is_problem for event in events.events] == [True]

    button.error = TriggerError("GPIO 17: in use")
    for second in range(600, 661):
        clock.advance_to(second)
        triggers.retry_where_due()
    button.error = None
    for second in range(661, 800):
        clock.advance_to(second)
        triggers.retry_where_due()
    assert [(event.part, event.is_problem, event.text) for event in events.events] == [
        (Part.BUTTON, True, "GPIO 17: no permission"),
        (Part.BUTTON, True, "GPIO 17: in use"),
        (Part.BUTTON, False, "can be used now"),
    ]
    assert notes.count("button starts") == 1
    assert [worker.name for worker in triggers.workers] == ["button", "keys"]


def test_another_daemon_that_comes_later_is_a_problem_like_others() -> None:
    socket = ScriptedTrigger("socket", [], TriggerError("no folder"))
    clock = ReplayClock(AT)
    triggers, events = _set({Part.SOCKET: socket}, clock)
    triggers.start()
    socket.error = DaemonError("in use")
    clock.advance_to(5)
    triggers.retry_where_due()
    assert [event.text for event in events.events] == ["no folder", "in use"]


def test_all_are_closed_the_last_one_first_also_where_one_fails() -> None:
    notes: list[str] = []
    triggers, _ = _set(
        {
            Part.SOCKET: ScriptedTrigger("socket", notes),
            Part.BUTTON: ScriptedTrigger("button", notes, ends_badly=True),
            Part.KEYS: ScriptedTrigger("keys", notes),
        }
    )
    with pytest.raises(OSError, match="button"):
        triggers.close()
    assert notes == ["keys closes", "button closes", "socket closes"]
