"""The tables ``[triggers.…]`` of the settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from seealoud.device.requests import MAX_SNOOZE_MIN
from seealoud.device.settings_base import FilePath, LineText, SettingsGroup

# What the kernel takes, without the closing zero: unix(7).
MAX_SOCKET_PATH_BYTES = 107
_Number = StrictFloat | StrictInt
Action = Literal["describe", "repeat", "narrate", "self_check", "stop", "snooze", "where", "none"]


class PressSettings(SettingsGroup):
    """The actions of the presses of a button or key."""

    short_press: Action = "describe"
    """What a short press does: describe what the camera sees, repeat the last words, narrate
    (narration on or off), self_check (say how the device is), stop (be silent), snooze (no
    narration for snooze_min), where (say which taught place this is), or none."""

    double_press: Action = "repeat"
    """What two short presses in a row do. With none, a short press is answered as soon as the
    button is released, 0.35 s sooner."""

    long_press: Action = "narrate"
    """What a long press does, when the button is released; a sound is played as soon as the press
    is long enough. With none, a press of any length counts as short."""

    very_long_press: Action = "self_check"
    """What a very long press does, while the button is still held."""

    snooze_min: Annotated[_Number, Field(gt=0, le=MAX_SNOOZE_MIN)] = 30
    """Minutes for which the action snooze pauses narration."""


class ButtonSettings(PressSettings):
    """A button at a GPIO pin."""

    pin: Annotated[StrictInt, Field(ge=0, le=53, examples=[17])] | None = None
    """GPIO number (BCM, not the number of the pin on the header). Not set: there is no button."""

    pull: Literal["up", "down", "none"] = "up"
    """The resistor that holds the pin while the button is open: up for a button between pin and
    ground, down for one between pin and 3.3 V, none where a resistor of your own does it."""

    active: Annotated[Literal["low", "high"], Field(examples=["low"])] | None = None
    """Level of the pin while the button is pressed. Only with pull = "none", where it must be set;
    otherwise it is the opposite of the pull."""

    @model_validator(mode="after")
    def _active_with_pull(self) -> Self:
        if self.pull == "none" and self.active is None:
            raise ValueError('pull = "none" needs active = "low" or "high"')
        if self.pull != "none" and self.active not in (None, _OPPOSITE[self.pull]):
            raise ValueError(
                f'pull = "{self.pull}" makes active = "{_OPPOSITE[self.pull]}": '
                "remove active, or reverse pull"
            )
        return self


_OPPOSITE = {"up": "low", "down": "high"}


class KeySettings(PressSettings):
    """A key of a USB or Bluetooth keyboard, remote control or button, found through evdev."""

    code: Annotated[
        StrictStr, Field(pattern=r"^(KEY|BTN)_[A-Z0-9_]{1,40}$", examples=["KEY_VOLUMEUP"])
    ] = "KEY_ENTER"
    """The key's name as `evtest` shows it."""

    device: Annotated[LineText, Field(min_length=1, max_length=255)] = "any"
    """Which device's key: its name as `evtest` shows it, its path (/dev/input/by-id/… stays the
    same from start to start), or any."""

    is_grabbed: StrictBool = False
    """Whether every key of the device is kept from other programs, so that a remote control
    types nothing into the console."""


class SocketSettings(SettingsGroup):
    """The Unix socket on which `seealoud press` reaches the daemon."""

    path: Annotated[FilePath, Field(examples=["/run/seealoud/seealoud.sock"])] | None = None
    """Where it is; at most 107 bytes. Not set: seealoud.sock in the runtime directory
    ($RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR/seealoud). Who may write to it may make the device
    speak, and see what it sees in words: it is open to the daemon's user and group. Set
    $SEEALOUD_SOCKET to the same path for `seealoud press`."""

    @field_validator("path")
    @classmethod
    def _can_be_found(cls, path: Path | None) -> Path | None:
        if path is None:
            return None
        if not path.is_absolute():
            raise ValueError(f"{path} must begin with /: other programs could not find it")
        if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
            raise ValueError(f"{path} is too long: at most {MAX_SOCKET_PATH_BYTES} bytes")
        return path


class TriggerSettings(SettingsGroup):
    """What makes the device do something, besides MQTT and narration."""

    press_time_factor: Annotated[_Number, Field(ge=0.5, le=4)] = 1
    """How much time presses get, of the button and of keys. With 1, two presses within 0.35 s are a
    double press, a long press lasts 0.8 s and a very long one 5 s, and a release shorter than
    0.03 s is ignored. With 2 all of that is twice as long, for hands that move slowly or
    tremble."""

    button: ButtonSettings = ButtonSettings()
    keys: tuple[KeySettings, ...] = ()
    socket: SocketSettings = SocketSettings()
