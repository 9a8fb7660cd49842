"""Signals of a real process: the handler only notes, whatever the main thread holds."""

from __future__ import annotations

import os
import signal
import threading

from support.triggers_parts import WAIT_S, NotingController, target

from seealoud.device.errors import TriggerError
from seealoud.device.triggers.signals import SignalTrigger


def test_a_hangup_reloads_in_the_thread_of_the_trigger() -> None:
    reloaded = threading.Event()
    threads: list[str] = []

    def reload() -> None:
        threads.append(threading.current_thread().name)
        reloaded.set()

    trigger = SignalTrigger(target(NotingController()), reload)
    before = signal.getsignal(signal.SIGHUP)
    trigger.start()
    os.kill(os.getpid(), signal.SIGHUP)
    assert reloaded.wait(WAIT_S)
    trigger.close()
    assert threads == ["signals"]
    assert signal.getsignal(signal.SIGHUP) == before


def test_without_a_reload_the_hangup_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGHUP)
    trigger = SignalTrigger(target(NotingController()))
    trigger.start()
    assert signal.getsignal(signal.SIGHUP) == before
    trigger.close()


def test_a_signal_never_works_in_its_handler() -> None:
    """The controller needs a lock that the main thread holds while the signal comes."""
    lock = threading.Lock()

    class Locking(NotingController):
        def handle(self, *args: object) -> object:  # type: ignore[override]
            with lock:
                return super().handle(*args)  # type: ignore[arg-type]

    controller = Locking()
    trigger = SignalTrigger(target(controller))
    trigger.start()
    with lock:
        os.kill(os.getpid(), signal.SIGUSR1)
        for _ in range(1000):  # the handler runs in here, and must not need the lock
            pass
    assert controller.wait_for(1) == ["describe"]
    trigger.close()


def test_only_the_main_thread_can_take_signals_over() -> None:
    errors: list[TriggerError] = []

    def start() -> None:
        try:
            SignalTrigger(target(NotingController())).start()
        except TriggerError as exc:
            errors.append(exc)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(WAIT_S)
    assert len(errors) == 1
    assert "main thread" in str(errors[0])
