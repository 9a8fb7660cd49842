"""The button at a GPIO pin, with gpiozero's own mock pins: the real path from edge to request."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory
from support.triggers_parts import (
    WAIT_S,
    Felt,
    NotingController,
    eventually,
    never_given_up,
    target,
)

from seealoud.device.clock import ReplayClock
from seealoud.device.errors import TriggerError
from seealoud.device.requests import Narrate, SelfCheck, Snooze
from seealoud.device.triggers.button import ButtonTrigger, open_pin
from seealoud.device.triggers.press import PressTiming
from seealoud.device.triggers.settings import ButtonSettings
from seealoud.device.triggers.trigger import Target

PIN = 17
# Long enough that a loaded machine does not make a short press of a long one, or the other way.
PATIENT = PressTiming(double_s=0, long_s=10, very_long_s=60)
HASTY = PressTiming(double_s=0, long_s=0.2, very_long_s=0.5)
ONLY_LONG = replace(HASTY, very_long_s=60)


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    made = MockFactory()
    yield made
    made.close()


class Rig:
    def __init__(self, factory: MockFactory, timing: PressTiming, **settings: object) -> None:
        self.controller, self.felt = NotingController(), Felt()
        self.pin = factory.pin(PIN)
        self.trigger = ButtonTrigger(
            ButtonSettings.model_validate({"pin": PIN} | settings),
            target(self.controller),
            self.felt.play,
            timing,
            pin_factory=factory,
        )
        self.trigger.start()


def test_the_sound_comes_at_the_down_and_the_answer_at_the_up(factory: MockFactory) -> None:
    rig = Rig(factory, PATIENT)
    rig.pin.drive_low()
    assert rig.felt.down.wait(WAIT_S)
    assert rig.controller.actions == []
    rig.pin.drive_high()
    assert rig.controller.wait_for(1) == ["describe"]
    assert rig.controller.asked[0][2] == rig.felt.times_s[0]  # asked when the finger went down
    rig.trigger.close()


def test_while_a_recording_is_replayed_fingers_keep_their_own_time(factory: MockFactory) -> None:
    """The recording's clock stands still: only what is asked for is stamped by it."""
    controller, felt, clock = NotingController(), Felt(), ReplayClock(datetime.now(UTC))
    clock.advance_to(1000.0)
    settings = ButtonSettings(pin=PIN)
    aim = Target(controller.handle, clock, never_given_up)
    trigger = ButtonTrigger(settings, aim, felt.play, ONLY_LONG, pin_factory=factory)
    trigger.start()
    factory.pin(PIN).drive_low()
    assert felt.held.wait(WAIT_S)
    factory.pin(PIN).drive_high()
    assert controller.wait_for(1) == ["narrate"]
    assert 1000.0 - WAIT_S < controller.asked[0][2] <= 1000.0
    trigger.close()


def test_from_press_to_sound_it_takes_milliseconds(factory: MockFactory) -> None:
    """Of 20 presses the middle one: the machine is not ours alone. The promise is 50 ms."""
    rig, delays_s = Rig(factory, PATIENT), []
    for count in range(1, 21):
        rig.felt.down.clear()
        began_s = time.monotonic()
        rig.pin.drive_low()
        assert rig.felt.down.wait(WAIT_S)
        delays_s.append(time.monotonic() - began_s)
        rig.pin.drive_high()
        rig.controller.wait_for(count)
    assert sorted(delays_s)[10] < 0.02
    rig.trigger.close()


def test_a_held_button_sounds_when_to_release_it_and_then_the_self_check_runs(
    factory: MockFactory,
) -> None:
    rig = Rig(factory, HASTY)
    rig.pin.drive_low()
    assert rig.felt.held.wait(WAIT_S)
    assert rig.controller.wait_for(1) == ["self_check"]  # while it is still held
    rig.pin.drive_high()
    rig.pin.drive_low()
    rig.pin.drive_high()
    assert rig.felt.sounds[:2] == ["down", "hold"]
    assert isinstance(rig.controller.asked[0][0], SelfCheck)
    rig.trigger.close()


def test_a_long_press_switches_narration_when_let_go(factory: MockFactory) -> None:
    rig = Rig(factory, ONLY_LONG)
    rig.pin.drive_low()
    assert rig.felt.held.wait(WAIT_S)
    assert rig.controller.actions == []
    rig.pin.drive_high()
    rig.controller.wait_for(1)
    assert rig.controller.asked[0][0] == Narrate()
    rig.trigger.close()


def test_bouncing_contacts_are_one_press(factory: MockFactory) -> None:
    """gpiozero's mock pins know no bounce time: ours alone holds."""
    rig = Rig(factory, replace(PATIENT, bounce_s=0.2))
    for _ in range(20):
        rig.pin.drive_low()
        rig.pin.drive_high()
    assert rig.controller.wait_for(1) == ["describe"]
    rig.pin.drive_low()
    rig.pin.drive_high()
    rig.controller.wait_for(2)
    assert rig.felt.sounds == ["down", "down"]
    rig.trigger.close()


def test_a_double_press_repeats(factory: MockFactory) -> None:
    rig = Rig(factory, replace(PATIENT, double_s=2, bounce_s=0))
    for _ in range(2):
        rig.pin.drive_low()
        rig.pin.drive_high()
    assert rig.controller.wait_for(1) == ["repeat"]
    rig.trigger.close()


def test_actions_are_those_of_the_settings(factory: MockFactory) -> None:
    rig = Rig(factory, PATIENT, short_press="snooze", snooze_min=7)
    rig.pin.drive_low()
    rig.pin.drive_high()
    rig.controller.wait_for(1)
    assert rig.controller.asked[0][0] == Snooze(minutes=7)
    rig.trigger.close()


def test_a_press_without_an_action_is_acknowledged_nevertheless(factory: MockFactory) -> None:
    rig = Rig(factory, PATIENT, short_press="none")
    rig.pin.drive_low()
    assert rig.felt.down.wait(WAIT_S)
    rig.pin.drive_high()
    rig.trigger.close()
    assert rig.controller.actions == []


@pytest.mark.parametrize(
    ("wiring", "pressed_high"),
    [
        ({"pull": "up"}, False),
        ({"pull": "down"}, True),
        ({"pull": "none", "active": "low"}, False),
        ({"pull": "none", "active": "high"}, True),
    ],
)
def test_every_wiring(factory: MockFactory, wiring: dict[str, str], pressed_high: bool) -> None:
    pin = open_pin(ButtonSettings.model_validate({"pin": PIN, **wiring}), factory)
    line = factory.pin(PIN)
    (line.drive_high if pressed_high else line.drive_low)()
    assert pin.is_active
    (line.drive_low if pressed_high else line.drive_high)()
    assert not pin.is_active
    pin.close()
    pin.close()


def test_a_button_that_is_stuck_at_the_start_is_logged_and_is_not_a_press(
    factory: MockFactory, caplog: pytest.LogCaptureFixture
) -> None:
    controller = NotingController()
    settings = ButtonSettings(pin=PIN, pull="none", active="low")
    factory.pin(PIN).drive_low()
    trigger = ButtonTrigger(settings, target(controller), Felt().play, PATIENT, pin_factory=factory)
    trigger.start()
    assert "already active" in caplog.text
    factory.pin(PIN).drive_high()
    factory.pin(PIN).drive_low()
    factory.pin(PIN).drive_high()
    assert controller.wait_for(1) == ["describe"]
    trigger.close()


def test_a_machine_without_pins_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "nosuchfactory")
    monkeypatch.setattr("gpiozero.Device.pin_factory", None)
    with pytest.raises(
        TriggerError, match=r"GPIO 17 .*sudo apt install python3-lgpio, and pip install gpiozero"
    ):
        open_pin(ButtonSettings(pin=PIN))


def test_no_gpiozero_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiozero", None)
    with pytest.raises(
        TriggerError, match="sudo apt install python3-lgpio, and pip install gpiozero"
    ):
        open_pin(ButtonSettings(pin=PIN))


def test_a_pin_that_does_not_exist_or_is_taken_is_named(factory: MockFactory) -> None:
    with pytest.raises(TriggerError, match="GPIO 53 cannot be used"):
        open_pin(ButtonSettings(pin=53), factory)
    held = open_pin(ButtonSettings(pin=PIN), factory)
    with pytest.raises(TriggerError, match="GPIO 17 is already in use"):
        open_pin(ButtonSettings(pin=PIN), factory)
    held.close()


def test_without_a_pin_there_is_no_button() -> None:
    with pytest.raises(TriggerError, match=r"triggers\.button\.pin"):
        open_pin(ButtonSettings())


def test_a_button_that_cannot_be_opened_can_be_closed(factory: MockFactory) -> None:
    rig = Rig(factory, PATIENT)
    again = ButtonTrigger(
        ButtonSettings(pin=PIN), target(rig.controller), Felt().play, pin_factory=factory
    )
    with pytest.raises(TriggerError):
        again.start()
    assert list(again.workers) == []
    again.close()
    rig.trigger.close()


def test_lgpio_gets_a_folder_where_it_may_write(
    factory: MockFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LG_WD", "")  # noted, so that it is as before afterwards
    monkeypatch.delenv("LG_WD")
    open_pin(ButtonSettings(pin=PIN), factory, tmp_path / "run").close()
    assert os.environ["LG_WD"] == str(tmp_path / "run")
    assert (tmp_path / "run").is_dir()
    open_pin(ButtonSettings(pin=PIN), factory, tmp_path / "other").close()
    assert os.environ["LG_WD"] == str(tmp_path / "run")  # what is set already stays


def test_a_sound_that_fails_costs_one_press_only(
    factory: MockFactory, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(factory, PATIENT)
    rig.felt.times_s = None  # type: ignore[assignment]
    rig.pin.drive_low()
    assert eventually(lambda: "a step failed" in caplog.text)
    rig.felt.times_s = []
    rig.pin.drive_high()
    rig.controller.wait_for(1)
    rig.pin.drive_low()
    rig.pin.drive_high()
    assert rig.controller.wait_for(2) == ["describe", "describe"]
    rig.trigger.close()
