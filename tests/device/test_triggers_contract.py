"""What holds of every trigger: it asks for a description, and closes for good, any time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory
from support.triggers_parts import (
    WAIT_S,
    Felt,
    NotingController,
    PipeDevices,
    eventually,
    target,
)

from seealoud.device.records import Cause
from seealoud.device.requests import Describe
from seealoud.device.triggers.button import ButtonTrigger
from seealoud.device.triggers.control_client import ask
from seealoud.device.triggers.control_socket import ControlSocket
from seealoud.device.triggers.keys import KeyTrigger
from seealoud.device.triggers.press import PressTiming
from seealoud.device.triggers.settings import ButtonSettings, KeySettings
from seealoud.device.triggers.signals import SignalTrigger
from seealoud.device.triggers.trigger import Trigger

PIN = 17
QUICK = PressTiming(bounce_s=0.001, double_s=0)


class Rig:
    """A trigger with what is needed to set it off.

    Attributes:
        set_off: asks for a description, as from outside.
        is_gone: whether nothing outside would reach the trigger any more.
    """

    def __init__(
        self,
        controller: NotingController,
        trigger: Trigger,
        cause: Cause,
        set_off: Callable[[], None],
        is_gone: Callable[[], bool],
    ) -> None:
        self.controller, self.trigger, self.cause = controller, trigger, cause
        self.set_off, self.is_gone = set_off, is_gone


@contextmanager
def button(folder: Path) -> Iterator[Rig]:
    controller, factory = NotingController(), MockFactory()
    settings = ButtonSettings(pin=PIN)
    trigger = ButtonTrigger(settings, target(controller), Felt().play, QUICK, pin_factory=factory)
    pin = factory.pin(PIN)

    def press() -> None:
        pin.drive_low()
        pin.drive_high()

    try:
        yield Rig(controller, trigger, Cause.BUTTON, press, lambda: pin.when_changed is None)
    finally:
        trigger.close()
        factory.close()


@contextmanager
def key(folder: Path) -> Iterator[Rig]:
    controller, devices = NotingController(), PipeDevices()
    keyboard = devices.plug("/dev/input/event0")
    settings = (KeySettings(),)
    trigger = KeyTrigger(settings, target(controller), Felt().play, QUICK, devices=devices)

    def press() -> None:
        assert keyboard.opened.wait(WAIT_S)
        keyboard.press("KEY_ENTER", 1)
        keyboard.press("KEY_ENTER", 0)

    def is_gone() -> bool:
        try:
            keyboard.press("KEY_ENTER", 1)
        except BrokenPipeError:
            return True
        return False

    try:
        yield Rig(controller, trigger, Cause.KEY, press, is_gone)
    finally:
        trigger.close()
        devices.close()


@contextmanager
def process_signal(folder: Path) -> Iterator[Rig]:
    controller = NotingController()
    trigger = SignalTrigger(target(controller))
    before = signal.getsignal(signal.SIGUSR1)

    def is_gone() -> bool:
        return signal.getsignal(signal.SIGUSR1) == before

    try:
        yield Rig(
            controller,
            trigger,
            Cause.SIGNAL,
            lambda: os.kill(os.getpid(), signal.SIGUSR1),
            is_gone,
        )
    finally:
        trigger.close()


@contextmanager
def control(folder: Path) -> Iterator[Rig]:
    controller, path = NotingController(), folder / "seealoud.sock"
    trigger = ControlSocket(path, target(controller))

    def set_off() -> None:
        assert ask([path], Describe()).is_accepted

    try:
        yield Rig(controller, trigger, Cause.CLI, set_off, lambda: not path.exists())
    finally:
        trigger.close()


RIGS = [button, key, process_signal, control]


@pytest.fixture(params=RIGS, ids=lambda rig: rig.__name__)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with request.param(tmp_path) as made:
        yield made


def test_it_asks_for_a_description_and_says_when_and_through_what(rig: Rig) -> None:
    rig.trigger.start()
    before_s = time.monotonic()
    rig.set_off()
    assert rig.controller.wait_for(1) == ["describe"]
    request, cause, asked_s = rig.controller.asked[0]
    assert request == Describe()
    assert cause is rig.cause
    assert before_s - 0.001 <= asked_s <= time.monotonic()


def test_twenty_in_a_row_are_twenty(rig: Rig) -> None:
    rig.trigger.start()
    for count in range(1, 21):
        rig.set_off()
        rig.controller.wait_for(count)
    assert rig.controller.actions == ["describe"] * 20


def test_its_threads_are_watched_from_the_start_to_the_end(rig: Rig) -> None:
    assert list(rig.trigger.workers) == []
    rig.trigger.start()
    (worker,) = rig.trigger.workers
    assert not worker.is_stuck
    rig.trigger.close()
    assert worker.join(0)


def test_closing_ends_it_at_once_and_may_be_repeated(rig: Rig) -> None:
    rig.trigger.start()
    rig.set_off()
    rig.controller.wait_for(1)
    began_s = time.monotonic()
    rig.trigger.close()
    assert time.monotonic() - began_s < 1.5
    rig.trigger.close()
    assert eventually(rig.is_gone)
    assert rig.controller.actions == ["describe"]


def test_what_never_started_can_be_closed(rig: Rig) -> None:
    rig.trigger.close()
    assert rig.controller.actions == []


def test_a_refusal_is_no_failure(rig: Rig) -> None:
    rig.controller.refusal = "there is no camera"
    rig.trigger.start()
    if rig.cause is Cause.CLI:
        pytest.skip("its refusals are answers: test_triggers_socket.py")
    rig.set_off()
    rig.controller.wait_for(1)
    rig.controller.refusal = ""
    rig.set_off()
    assert rig.controller.wait_for(2) == ["describe", "describe"]
