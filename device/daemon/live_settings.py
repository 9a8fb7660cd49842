"""What can be changed while the daemon runs: applied to the parts, kept, told to everyone.

Invariant: the parts, the state file and what listeners were told never disagree; a value that is
refused changes none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import ValidationError

from device.clock import Clock
from device.daemon.observer import Observer
from device.errors import RequestError
from device.events import EventBus, SettingChanged
from device.narrator.narrator import Narrator
from device.records import Cause
from device.requests import MAX_SNOOZE_MIN
from device.settings.schema import Settings
from device.settings.state import RunState, StateFile
from device.settings_base import SettingsGroup

Value = bool | int | float | str | None


class LiveVoice(Protocol):
    """What can be changed of speech; ``device.speech.announcer.Announcer``."""

    def set_volume(self, volume: float) -> None:
        """Speak as loud as this at once: also what is being said."""

    def set_rate(self, rate: float) -> None:
        """Speak as fast as this from the next utterance on."""

    def set_muted(self, is_muted: bool) -> None:
        """Say nothing at all, or speak again."""


class PausableCamera(Protocol):
    """A camera that can be let go; ``device.camera.grabber.Grabber``."""

    def pause(self) -> None:
        """Let the camera go."""

    def resume(self) -> None:
        """Open it again."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What live settings act upon.

    Attributes:
        observer: holds the narrator.
        camera: let go for privacy.
        voice: speaks.
        state_file: keeps what was changed.
    """

    observer: Observer
    camera: PausableCamera
    voice: LiveVoice
    state_file: StateFile


class LiveSettings:
    """The settings of the file, and before them what was changed at run time.

    Not thread-safe: the controller has the lock.
    """

    def __init__(self, parts: Parts, settings: Settings, bus: EventBus, clock: Clock) -> None:
        self._parts, self._settings, self._bus, self._clock = parts, settings, bus, clock
        self._state = parts.state_file.read()
        self._restore()

    @property
    def is_narrating(self) -> bool:
        """Whether narration is switched on; it may be snoozed all the same."""
        stored = self._state.is_narrating
        return self._settings.narration.is_on if stored is None else stored

    def values(self) -> Mapping[str, Value]:
        """Return every live setting as it is now."""
        until, speech = self._state.snoozed_until, self._settings.speech
        voice = None if speech.voice is None else str(speech.voice)
        gap_s = self._settings.narration.minimum_gap_s
        return {
            "is_narrating": self.is_narrating,
            "snoozed_until": None if until is None else until.isoformat(timespec="seconds"),
            "is_muted": bool(self._state.is_muted),
            "is_private": bool(self._state.is_private),
            "volume": self._effective("volume", speech.volume),
            "rate": self._effective("rate", speech.rate),
            "voice": self._effective("voice", voice),
            "minimum_gap_s": self._effective("minimum_gap_s", gap_s),
        }

    def reload(self, settings: Settings) -> None:
        """Take settings that were read anew; what was changed at run time stays."""
        self._settings = settings
        self._parts.observer.steer(lambda narrator: narrator.reload(settings.narration))
        self._restore()

    def narrate(self, is_on: bool, cause: Cause) -> None:
        """Switch narration; on ends a snooze, since whoever does it wants to hear it now."""
        self._parts.observer.steer(lambda narrator: narrator.set_on(is_on))
        if is_on and self._state.snoozed_until is not None:
            self.snooze(0, cause)
        self._keep("is_narrating", is_on, cause)

    def snooze(self, minutes: float, cause: Cause) -> None:
        """Pause narration for some minutes; 0 ends the pause."""
        until = self._clock.utc() + timedelta(minutes=minutes) if minutes else None
        self._steer_snooze(until)
        self._keep("snoozed_until", until, cause)

    def is_snooze_over(self) -> bool:
        """Return whether a snooze has just run out; it is ended then."""
        until = self._state.snoozed_until
        if until is None or self._clock.utc() < until:
            return False
        self.snooze(0, Cause.SCHEDULE)
        return True

    def mute(self, is_on: bool, cause: Cause) -> None:
        """Say nothing at all, or speak again."""
        self._parts.voice.set_muted(is_on)
        self._keep("is_muted", is_on, cause)

    def privacy(self, is_on: bool, cause: Cause) -> None:
        """Let the camera go, or open it again."""
        if is_on:
            self._parts.camera.pause()
        else:
            self._parts.camera.resume()
        self._keep("is_private", is_on, cause)

    def keep_voice(self, path: str, cause: Cause) -> None:
        """Keep which voice speaks now; empty for the built-in one."""
        self._keep("voice", path, cause)

    def set_number(self, name: str, value: float | str, cause: Cause) -> None:
        """Change one setting by its name.

        Raises:
            RequestError: the value is out of its range.
        """
        match name:
            case "snooze_min":
                self.snooze(_minutes(value), cause)
            case "minimum_gap_s":
                number = _checked(self._settings.narration, name, value)
                self._parts.observer.steer(lambda narrator: narrator.set_minimum_gap(number))
                self._keep(name, number, cause)
            case _:
                number = _checked(self._settings.speech, name, value)
                voice = self._parts.voice
                (voice.set_volume if name == "volume" else voice.set_rate)(number)
                self._keep(name, number, cause)

    def _restore(self) -> None:
        """Bring every part to these settings, without a word."""
        now = self.values()
        voice = self._parts.voice
        voice.set_volume(float(now["volume"] or 0.0))
        voice.set_rate(float(now["rate"] or 1.0))
        voice.set_muted(bool(now["is_muted"]))
        if now["is_private"]:
            self._parts.camera.pause()
        gap_s = float(now["minimum_gap_s"] or 0.0)

        def restore(narrator: Narrator) -> None:
            narrator.set_on(self.is_narrating)
            narrator.set_minimum_gap(gap_s)

        self._parts.observer.steer(restore)
        self._steer_snooze(self._state.snoozed_until)

    def _steer_snooze(self, until: datetime | None) -> None:
        until_s = None
        if until is not None:
            until_s = self._clock.now_s() + (until - self._clock.utc()).total_seconds()
        self._parts.observer.steer(lambda narrator: narrator.snooze(until_s))

    def _effective(self, name: str, default: Value) -> Value:
        stored: Value = getattr(self._state, name)
        return default if stored is None else stored

    def _keep(self, name: str, value: float | str | datetime | None, cause: Cause) -> None:
        """Store one value of the state and tell everyone."""
        self._state = RunState.model_validate({**self._state.model_dump(), name: value})
        self._parts.state_file.write(self._state)
        told = value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
        self._bus.publish(SettingChanged(at=self._clock.utc(), name=name, value=told, cause=cause))


def _checked(group: SettingsGroup, name: str, value: float | str) -> float:
    """Return a number that the settings file would take for this key.

    Raises:
        RequestError: it would not.
    """
    try:
        changed = type(group).model_validate({**group.model_dump(), name: value})
    except ValidationError as exc:
        raise RequestError(f"{name} {value!r}: {exc.errors()[0]['msg']}") from exc
    return float(getattr(changed, name))


def _minutes(value: float | str) -> float:
    try:
        minutes = float(value)
    except ValueError as exc:
        raise RequestError(f"snooze_min {value!r} is no number") from exc
    if not 0 <= minutes <= MAX_SNOOZE_MIN:
        raise RequestError(f"snooze_min {minutes:g} is not in 0..{MAX_SNOOZE_MIN}")
    return minutes
