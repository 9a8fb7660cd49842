"""Settings that can be changed while the daemon runs: applied, saved, and published.

Invariant: the parts, the state file and the published events always agree; a value that is refused
changes none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from seealoud.device.camera.grabber import Grabber
from seealoud.device.clock import Clock
from seealoud.device.daemon.observer import Observer
from seealoud.device.errors import RequestError
from seealoud.device.events import EventBus, SettingChanged
from seealoud.device.narrator.narrator import Narrator
from seealoud.device.records import Cause
from seealoud.device.requests import MAX_SNOOZE_MIN, Value
from seealoud.device.settings.keys import tables_of
from seealoud.device.settings.reference import allowed_phrase
from seealoud.device.settings.schema import Settings
from seealoud.device.settings.state import RunState, StateFile
from seealoud.device.settings_base import SettingsGroup
from seealoud.device.speech.announcer import Announcer


@dataclass(frozen=True, slots=True)
class LiveParts:
    """The parts that live settings act on.

    Attributes:
        observer: controls the narrator.
        camera: released for privacy.
        voice: speaks.
        state_file: stores the changes.
    """

    observer: Observer
    camera: Grabber
    voice: Announcer
    state_file: StateFile


class LiveSettings:
    """The settings of the file, overridden by the changes made at run time.

    Not thread-safe: the controller holds a lock around each call.
    """

    def __init__(self, parts: LiveParts, settings: Settings, bus: EventBus, clock: Clock) -> None:
        self._parts = parts
        self._settings = settings
        self._bus = bus
        self._clock = clock
        self._state = parts.state_file.read()
        self._restore()

    @property
    def is_narrating(self) -> bool:
        """Whether narration is switched on; it may be snoozed nevertheless."""
        stored = self._state.is_narrating
        return self._settings.narration.is_on if stored is None else stored

    @property
    def is_alerting(self) -> bool:
        """Whether rules raise alerts."""
        return self._state.is_alerting is not False

    @property
    def has_rules(self) -> bool:
        """Whether there are any rules."""
        return bool(self._settings.narration.rules)

    def values(self) -> Mapping[str, Value]:
        """Return the value of every live setting."""
        until, speech = self._state.snoozed_until, self._settings.speech
        voice = None if speech.voice is None else str(speech.voice)
        gap_s = self._settings.narration.minimum_gap_s
        return {
            "is_narrating": self.is_narrating,
            "is_alerting": self.is_alerting,
            "snoozed_until": None if until is None else until.isoformat(timespec="seconds"),
            "is_muted": bool(self._state.is_muted),
            "is_private": bool(self._state.is_private),
            "volume": self._effective("volume", speech.volume),
            "rate": self._effective("rate", speech.rate),
            "voice": self._effective("voice", voice),
            "minimum_gap_s": self._effective("minimum_gap_s", gap_s),
        }

    def reload(self, settings: Settings) -> None:
        """Replace the settings of the file; changes made at run time still override them."""
        self._settings = settings
        self._parts.observer.steer(lambda narrator: narrator.reload(settings.narration))
        self._restore()

    def narrate(self, is_on: bool, cause: Cause) -> None:
        """Switch narration on or off; on also ends a snooze, so that narration starts now."""
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
        """Return whether a snooze has expired since the last call; it is ended then."""
        until = self._state.snoozed_until
        if until is None or self._clock.utc() < until:
            return False
        self.snooze(0, Cause.SCHEDULE)
        return True

    def save_where_due(self) -> None:
        """Save changes that could not be saved before; call it often."""
        self._parts.state_file.retry_where_due()

    def alert(self, is_on: bool, cause: Cause) -> None:
        """Switch the alerts of all rules on or off."""
        self._parts.observer.steer(lambda narrator: narrator.set_alerting(is_on))
        self._keep("is_alerting", is_on, cause)

    def mute(self, is_on: bool, cause: Cause) -> None:
        """Mute all sound except alerts, or unmute it."""
        self._parts.voice.set_muted(is_on)
        self._keep("is_muted", is_on, cause)

    def privacy(self, is_on: bool, cause: Cause) -> None:
        """Release the camera, or open it again."""
        if is_on:
            self._parts.camera.pause()
        else:
            self._parts.camera.resume()
        self._keep("is_private", is_on, cause)

    def keep_voice(self, path: str, cause: Cause) -> None:
        """Save the path of the voice in use; empty for the built-in one."""
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
        """Apply all settings to the parts, without publishing anything."""
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
            narrator.set_alerting(self.is_alerting)
            narrator.set_minimum_gap(gap_s)

        self._parts.observer.steer(restore)
        self._steer_snooze(self._state.snoozed_until)

    def _steer_snooze(self, until: datetime | None) -> None:
        rest_s = None if until is None else (until - self._clock.utc()).total_seconds()
        self._parts.observer.snooze(rest_s)

    def _effective(self, name: str, default: Value) -> Value:
        stored: Value = getattr(self._state, name)
        return default if stored is None else stored

    def _keep(self, name: str, value: float | str | datetime | None, cause: Cause) -> None:
        """Save one value of the state and publish it."""
        self._state = RunState.model_validate({**self._state.model_dump(), name: value})
        self._parts.state_file.write(self._state)
        shown = value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
        self._bus.publish(SettingChanged(at=self._clock.utc(), name=name, value=shown, cause=cause))


def _checked(group: SettingsGroup, name: str, value: float | str) -> float:
    """Return the value as a number, if the settings file allows it for this key.

    Raises:
        RequestError: it is not allowed.
    """
    try:
        changed = type(group).model_validate({**group.model_dump(), name: value})
    except ValidationError as exc:
        taken = next(allowed_phrase(key) for key in tables_of(type(group)).keys if key.name == name)
        shown = repr(value) if isinstance(value, str) else f"{value:g}"
        raise RequestError(f"{name}: {shown} is not allowed; it takes {taken}") from exc
    return float(getattr(changed, name))


def _minutes(value: float | str) -> float:
    try:
        minutes = float(value)
    except ValueError as exc:
        raise RequestError(f"snooze_min {value!r} is not a number") from exc
    if not 0 <= minutes <= MAX_SNOOZE_MIN:
        raise RequestError(f"snooze_min {minutes:g} is not between 0 and {MAX_SNOOZE_MIN}")
    return minutes
