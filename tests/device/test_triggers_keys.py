"""Keys: devices that come, go, sleep, or another program uses; repeats and dropped events."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.triggers_parts import (
    EV_SYN,
    SYN_DROPPED,
    WAIT_S,
    Felt,
    NotingController,
    PipeDevices,
    eventually,
    target,
)

from seealoud.device.errors import TriggerError
from seealoud.device.triggers.evdev_devices import (
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    DeviceWatch,
    EvdevDevices,
)
from seealoud.device.triggers.keys import KeyTrigger
from seealoud.device.triggers.press import PressTiming
from seealoud.device.triggers.settings import KeySettings

EVENT0, EVENT1 = "/dev/input/event0", "/dev/input/event1"
SIMPLE = {"double_press": "none", "long_press": "none"}
QUICK = PressTiming(bounce_s=0.001)


class Rig:
    def __init__(self, devices: PipeDevices, *keys: dict[str, object]) -> None:
        self.controller, self.felt = NotingController(), Felt()
        settings = [KeySettings.model_validate(SIMPLE | key) for key in keys or ({},)]
        self.trigger = KeyTrigger(
            settings, target(self.controller), self.felt.play, QUICK, devices=devices
        )
        self.trigger.start()


@pytest.fixture
def devices() -> Iterator[PipeDevices]:
    made = PipeDevices()
    yield made
    made.close()


def test_a_device_that_comes_later_is_found(devices: PipeDevices) -> None:
    rig = Rig(devices)
    keyboard = devices.plug(EVENT0)
    assert keyboard.opened.wait(WAIT_S)
    keyboard.press("KEY_ENTER", 1)
    assert rig.felt.down.wait(WAIT_S)
    keyboard.press("KEY_ENTER", 0)
    assert rig.controller.wait_for(1) == ["describe"]
    rig.trigger.close()


def test_a_device_that_slept_is_found_again_even_under_its_old_path(devices: PipeDevices) -> None:
    rig = Rig(devices)
    for count in range(1, 4):
        keyboard = devices.plug(EVENT0)
        assert keyboard.opened.wait(WAIT_S)
        keyboard.press("KEY_ENTER", 1)
        keyboard.press("KEY_ENTER", 0)
        rig.controller.wait_for(count)
        devices.unplug(EVENT0)
    rig.trigger.close()
    assert rig.controller.actions == ["describe"] * 3


def test_a_key_that_is_down_while_its_device_goes_is_let_go(devices: PipeDevices) -> None:
    rig = Rig(devices)
    keyboard = devices.plug(EVENT0)
    assert keyboard.opened.wait(WAIT_S)
    keyboard.press("KEY_ENTER", 1)
    assert rig.felt.down.wait(WAIT_S)
    devices.unplug(EVENT0)
    assert rig.controller.wait_for(1) == ["describe"]
    rig.trigger.close()


def test_repeats_and_other_keys_are_no_presses(devices: PipeDevices) -> None:
    rig = Rig(devices, {}, {"code": "KEY_VOLUMEUP", "short_press": "repeat"})
    keyboard = devices.plug(EVENT0, "Keyboard", "KEY_ENTER", "KEY_A", "KEY_VOLUMEUP")
    assert keyboard.opened.wait(WAIT_S)
    keyboard.press("KEY_A", 1)
    keyboard.press("KEY_A", 0)
    keyboard.press("KEY_ENTER", 1)
    for _ in range(50):
        keyboard.press("KEY_ENTER", 2)
    keyboard.press("KEY_VOLUMEUP", 1)
    keyboard.press("KEY_VOLUMEUP", 0)
    assert rig.controller.wait_for(1) == ["repeat"]  # all before it is read; ENTER is down still
    keyboard.press("KEY_ENTER", 0)
    assert rig.controller.wait_for(2) == ["repeat", "describe"]
    rig.trigger.close()
    assert rig.felt.sounds == ["down", "down"]


def test_an_up_that_the_kernel_dropped_is_noticed(devices: PipeDevices) -> None:
    rig = Rig(devices)
    keyboard = devices.plug(EVENT0)
    assert keyboard.opened.wait(WAIT_S)
    keyboard.press("KEY_ENTER", 1)
    assert rig.felt.down.wait(WAIT_S)
    keyboard.send(EV_SYN, SYN_DROPPED, 0)  # the key is down still: nothing changes
    keyboard.down.clear()
    assert rig.controller.actions == []
    keyboard.send(EV_SYN, SYN_DROPPED, 0)
    assert rig.controller.wait_for(1) == ["describe"]
    rig.trigger.close()


def test_each_key_does_what_its_settings_say(devices: PipeDevices) -> None:
    rig = Rig(devices, {}, {"code": "KEY_VOLUMEUP", "short_press": "repeat"})
    keyboard = devices.plug(EVENT0, "Remote", "KEY_ENTER", "KEY_VOLUMEUP")
    assert keyboard.opened.wait(WAIT_S)
    for count, key in enumerate(("KEY_VOLUMEUP", "KEY_ENTER", "KEY_VOLUMEUP"), 1):
        keyboard.press(key, 1)
        keyboard.press(key, 0)
        rig.controller.wait_for(count)
    assert rig.controller.actions == ["repeat", "describe", "repeat"]
    rig.trigger.close()


def test_two_devices_with_the_same_key_are_one_finger_at_a_time(devices: PipeDevices) -> None:
    rig = Rig(devices)
    first, second = devices.plug(EVENT0), devices.plug(EVENT1)
    assert first.opened.wait(WAIT_S)
    assert second.opened.wait(WAIT_S)
    first.press("KEY_ENTER", 1)
    assert rig.felt.down.wait(WAIT_S)
    second.press("KEY_ENTER", 1)
    second.press("KEY_ENTER", 0)
    first.press("KEY_ENTER", 0)
    assert rig.controller.wait_for(1) == ["describe"]
    rig.trigger.close()
    assert rig.felt.sounds == ["down"]


def test_only_the_named_device_is_listened_to_and_grabbed(
    devices: PipeDevices, tmp_path: Path
) -> None:
    by_id = tmp_path / "usb-button"
    by_id.symlink_to("/dev/input/event1")  # as udev does in /dev/input/by-id
    keyboard = devices.plug(EVENT0, "Keyboard")
    button = devices.plug("/dev/input/event1", "Button")
    named = devices.plug("/dev/input/event2", "Ring")
    rig = Rig(
        devices,
        {"device": str(by_id), "is_grabbed": True},
        {"device": "Ring", "short_press": "repeat"},
    )
    assert named.opened.wait(WAIT_S)
    assert eventually(lambda: len(devices.tries) == 3 and button.grabbed == 1)
    button.press("KEY_ENTER", 1)
    button.press("KEY_ENTER", 0)
    rig.controller.wait_for(1)
    named.press("KEY_ENTER", 1)
    named.press("KEY_ENTER", 0)
    assert rig.controller.wait_for(2) == ["describe", "repeat"]
    assert (keyboard.grabbed, button.grabbed, named.grabbed) == (0, 1, 0)
    with pytest.raises(BrokenPipeError):  # it was let go of again
        keyboard.press("KEY_ENTER", 1)
    rig.trigger.close()


def test_a_device_without_permission_yet_is_tried_again_and_logged_once(
    devices: PipeDevices, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="seealoud.device")
    devices.forbidden.add(EVENT0)
    keyboard = devices.plug(EVENT0)
    rig = Rig(devices)
    assert eventually(lambda: len(devices.tries) >= 3)
    devices.forbidden.clear()
    assert keyboard.opened.wait(WAIT_S)
    keyboard.press("KEY_ENTER", 1)
    keyboard.press("KEY_ENTER", 0)
    rig.controller.wait_for(1)
    rig.trigger.close()
    assert caplog.text.count("cannot be used yet: Permission denied") == 1
    assert "usermod -aG input" in caplog.text


def test_a_device_that_another_program_grabbed_is_tried_again(devices: PipeDevices) -> None:
    keyboard = devices.plug(EVENT0)
    keyboard.is_foreign_grabbed = True
    rig = Rig(devices, {"is_grabbed": True})
    assert eventually(lambda: len(devices.tries) >= 2)
    keyboard.is_foreign_grabbed = False
    assert eventually(lambda: keyboard.grabbed == 1)
    keyboard.close_writers()
    rig.trigger.close()


def test_an_unknown_key_is_refused_at_the_start_with_what_was_meant(devices: PipeDevices) -> None:
    with pytest.raises(TriggerError, match="KEY_ENTRE"):
        Rig(devices, {"code": "KEY_ENTRE"})


def test_without_keys_it_waits_for_nothing(devices: PipeDevices) -> None:
    trigger = KeyTrigger((), target(NotingController()), Felt().play, devices=devices)
    trigger.start()
    assert not trigger.workers[0].is_stuck
    trigger.close()


# ---------------------------------------------------------------- the real package


def test_no_evdev_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evdev", None)
    trigger = KeyTrigger((KeySettings(),), target(NotingController()), Felt().play)
    with pytest.raises(TriggerError, match="sudo apt install python3-evdev"):
        trigger.start()
    trigger.close()


def test_names_of_keys_are_those_of_the_kernel() -> None:
    pytest.importorskip("evdev")
    devices = EvdevDevices()
    assert devices.code_of("KEY_ENTER") == 28
    assert devices.code_of("BTN_LEFT") == 272
    with pytest.raises(TriggerError, match=r"no key KEY_ENTRE: did you mean KEY_ENTER"):
        devices.code_of("KEY_ENTRE")
    assert all(path.startswith("/dev/input/event") for path in devices.present())


def test_a_real_device_of_the_kernel() -> None:
    evdev = pytest.importorskip("evdev")
    try:
        device = evdev.UInput({evdev.ecodes.EV_KEY: [evdev.ecodes.KEY_ENTER]}, name="seealoud-test")
    except (evdev.UInputError, OSError) as exc:
        pytest.skip(f"no uinput here: {exc}")
    controller, felt = NotingController(), Felt()
    settings = KeySettings.model_validate(SIMPLE | {"device": "seealoud-test"})
    trigger = KeyTrigger((settings,), target(controller), felt.play, QUICK)
    with device:
        trigger.start()
        deadline_s = time.monotonic() + WAIT_S
        while not felt.down.wait(0.2) and time.monotonic() < deadline_s:
            for value in (0, 1):
                device.write(evdev.ecodes.EV_KEY, evdev.ecodes.KEY_ENTER, value)
                device.syn()
        device.write(evdev.ecodes.EV_KEY, evdev.ecodes.KEY_ENTER, 0)
        device.syn()
        assert controller.wait_for(1)[0] == "describe"
        trigger.close()


# ---------------------------------------------------------------- which files to open


def test_a_new_file_is_due_at_once_and_an_opened_one_never_again() -> None:
    watch = DeviceWatch()
    assert watch.due({"a": 1}, 0.0) == ["a"]
    watch.settled("a")
    assert watch.due({"a": 1, "b": 2}, 1e9) == ["b"]


def test_a_file_in_the_place_of_another_is_new() -> None:
    watch = DeviceWatch()
    watch.due({"a": 1}, 0.0)
    watch.settled("a")
    assert watch.due({"a": 2}, 1.0) == ["a"]
    watch.settled("a")
    watch.due({}, 2.0)
    assert watch.due({"a": 2}, 3.0) == ["a"]  # gone in between


def test_one_that_broke_is_tried_again() -> None:
    watch = DeviceWatch()
    watch.due({"a": 1}, 0.0)
    watch.settled("a")
    watch.lost("a")
    assert watch.due({"a": 1}, 0.5) == ["a"]


@given(st.integers(1, 30))
def test_one_that_fails_is_tried_ever_more_rarely_but_for_ever(failures: int) -> None:
    watch, now_s, waits_s = DeviceWatch(), 0.0, []
    for count in range(failures):
        assert watch.due({"a": 1}, now_s) == ["a"]
        assert watch.failed("a", now_s) is (count == 0)
        began_s = now_s
        while not watch.due({"a": 1}, now_s):
            now_s += FIRST_RETRY_S / 4
        waits_s.append(now_s - began_s)
    assert waits_s == sorted(waits_s) or failures > 7  # rounding, once it is at its longest
    assert all(wait_s + 1e-6 >= FIRST_RETRY_S for wait_s in waits_s)
    assert all(wait_s <= LONGEST_RETRY_S + FIRST_RETRY_S for wait_s in waits_s)
