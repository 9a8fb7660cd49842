"""What happens in the daemon, as values, and the bus that passes them to the listeners.

The seam for MQTT, history, metrics and the log: they subscribe, no other part knows them.
Invariant: a listener that fails does not affect the others.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from seealoud.device.records import Caption, Cause, HistorySummary, Thing, Utterance

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        at: aware UTC time.
    """

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested(Event):
    """A request came.

    Attributes:
        action: name of the request, as in ``device.requests``.
        cause: through what.
        is_accepted: whether it is carried out.
        reason: why not; empty when it is.
        id: given by the client, or empty.
    """

    action: str
    cause: Cause
    is_accepted: bool
    reason: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    """An answer to "describe" was found, and goes to speech.

    Attributes:
        text: what is spoken, worded by how sure it is.
        cause: through what it was asked for.
        caption: None where nothing could be captioned.
        reason: why there is no caption, as in ``too_dark``; empty where there is one.
        probability: calibrated, that the words of the caption are right, 0..1; None where unknown.
        frame_age_s: age of the frame when it was captioned, in seconds; None without a frame.
        id: given by the client, or empty.
        things: what is named beside the caption, or instead of it, the surest first.
    """

    text: str
    cause: Cause
    caption: Caption | None = None
    reason: str = ""
    probability: float | None = None
    frame_age_s: float | None = None
    id: str = ""
    things: tuple[Thing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SummedUp(Event):
    """An answer to "what did I miss" was found, and goes to speech.

    Attributes:
        summary: what was seen, counted, and in words.
        cause: through what it was asked for.
        id: given by the client, or empty.
    """

    summary: HistorySummary
    cause: Cause
    id: str = ""


class DecisionReason(StrEnum):
    """Why narration spoke, or why it did not."""

    FIRST = "first"
    CHANGED = "changed"
    HEARTBEAT = "heartbeat"
    ALERT = "alert"
    NARRATION_OFF = "narration_off"
    SNOOZED = "snoozed"
    QUIET_HOURS = "quiet_hours"
    PICTURE_SAME = "picture_same"
    FEATURES_SAME = "features_same"
    NOT_STABLE = "not_stable"
    TOO_SOON = "too_soon"
    TEXT_SAME = "text_same"
    UNUSABLE_PICTURE = "unusable_picture"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Event):
    """Narration looked at a frame.

    Attributes:
        is_spoken: whether ``text`` goes to speech.
        reason: why, or why not.
        detail: numbers and words for people, as in "feature change 0.03 < 0.12".
        text: what is or would have been said; empty where nothing was captioned.
        caption: None where nothing was captioned.
        probability: as in ``Answered``.
        frame_age_s: as in ``Answered``.
        things: as in ``Answered``.
    """

    is_spoken: bool
    reason: DecisionReason
    detail: str = ""
    text: str = ""
    caption: Caption | None = None
    probability: float | None = None
    frame_age_s: float | None = None
    things: tuple[Thing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerted(Event):
    """A keyword rule fired.

    Attributes:
        rule: its name in the settings.
        text: what is spoken; empty where the alert makes no sound.
        caption: in which the words were found, or beside which the things were named; None where
            the caption is withheld.
        things: among which the words were found, or which were named beside the caption.
        captured_at: aware UTC time of the frame; None where only the caption has it.
    """

    rule: str
    text: str
    caption: Caption | None
    things: tuple[Thing, ...] = ()
    captured_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InViewChanged(Event):
    """What the keyword rules wait for came into view, or left it.

    Attributes:
        rules: whether it is in view, by the name of every rule, in the order of the settings; None
            while the device does not look.
    """

    rules: Mapping[str, bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceChanged(Event):
    """Another of the taught places is seen than before, or the list of them has changed.

    Attributes:
        place: its name; None where no taught place is recognised.
        known: the names of all places that were taught.
    """

    place: str | None
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceAnswered(Event):
    """An answer to "where am I" was found, or a place was taught; it goes to speech.

    Attributes:
        text: what is spoken.
        cause: through what it was asked for.
        id: given by the client, or empty.
    """

    text: str
    cause: Cause
    id: str = ""


class SpeechOutcome(StrEnum):
    """How an utterance ended."""

    HEARD = "heard"
    CUT = "cut"
    REPLACED = "replaced"
    SILENT = "silent"
    """There is no sound card, or speech is muted."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoke(Event):
    """An utterance has ended.

    Attributes:
        utterance: the words.
        outcome: how it ended.
        first_sample_s: from ``utterance.asked_s`` to the first sample given to the sound device;
            None where there was none.
        detail: why it failed; empty otherwise.
    """

    utterance: Utterance
    outcome: SpeechOutcome
    first_sample_s: float | None = None
    detail: str = ""


class Part(StrEnum):
    """Parts that can fail and recover."""

    CAMERA = "camera"
    SOUND = "sound"
    VOICE = "voice"
    BROKER = "broker"
    BUNDLE = "bundle"
    BUTTON = "button"
    KEYS = "keys"
    SOCKET = "socket"
    SIGNALS = "signals"
    PAGE = "page"
    STATE = "state"
    DISK = "disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemChanged(Event):
    """A part failed or recovered; once for each change, by ``device.part_health.PartHealth``.

    Attributes:
        part: which.
        is_problem: whether it does not work now.
        text: what is wrong and what to do, or that it works again; one line for people.
    """

    part: Part
    is_problem: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChanged(Event):
    """A setting was changed at run time.

    Attributes:
        name: as in ``device.settings.state.RunState``.
        value: the new one.
        cause: through what it was changed.
    """

    name: str
    value: bool | int | float | str | None
    cause: Cause


class Listener(Protocol):
    """Takes events, in the thread in which they happen."""

    def accept(self, event: Event) -> None:
        """Take an event and return at once; longer work is queued."""


class EventBus:
    """Passes each event to every listener, in the order of subscription."""

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def subscribe(self, listener: Listener) -> None:
        """Add a listener; before the workers start."""
        self._listeners = (*self._listeners, listener)

    def publish(self, event: Event) -> None:
        """Pass an event to every listener; from any thread."""
        for listener in self._listeners:
            try:
                listener.accept(event)
            except Exception:
                _LOGGER.exception("%s could not take %s", type(listener).__name__, event)
