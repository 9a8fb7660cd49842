"""What the broker keeps of the device: its description, state, diagnostics, and last caption.

Invariant: never an old message after a new one. Each is written when it is sent and not before, one
at a time, and again from the beginning over every connection.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field

from device.clock import Clock
from device.errors import BrokerError
from device.mqtt import topics as t
from device.mqtt.broker import BrokerSettings
from device.mqtt.connection import Connection
from device.mqtt.discovery import discovery_message
from device.mqtt.identity import Identity
from device.mqtt.inbox import ReceivedMessage
from device.mqtt.payloads import SCHEMA_VERSION, CaptionMessage, Message, UtcTime, Value
from device.mqtt.settings import MqttSettings
from device.mqtt.topics import OutgoingMessage

# How long the broker may take to send what it keeps.
_LOOK_S = 0.5


class StateMessage(Message):
    """What can be changed of the device, as it is now."""

    schema_version: Literal[2] = SCHEMA_VERSION
    at: UtcTime = Field(description="When it was so, in UTC.")
    is_narrating: bool
    is_muted: bool
    is_private: bool = Field(description="Whether the camera is let go.")
    snoozed_until: UtcTime | None = None
    snooze_min: int = Field(ge=0, description="Minutes of the snooze that are left, rounded up.")
    volume: float
    rate: float
    minimum_gap_s: float
    voice: str = Field(description="Name of the voice.")


class DiagnosticsMessage(Message):
    """How the device is."""

    schema_version: Literal[2] = SCHEMA_VERSION
    at: UtcTime = Field(description="When it was so, in UTC.")
    is_camera_problem: bool = Field(description="The camera is lost, and not for privacy.")
    frame_age_s: float | None = Field(description="Age of the newest frame.")
    caption_latency_ms: float | None = Field(description="Time of the last caption.")
    temperature_c: float | None = Field(description="Of the processor.")
    frame_drops: int = Field(ge=0, description="Frames that nobody looked at.")
    waiting_messages: int = Field(ge=0, description="Messages that the broker does not have yet.")
    dropped_messages: int = Field(ge=0, description="Messages that were given up for lack of room.")
    refused_messages: int = Field(ge=0, description="Messages that the broker did not want.")
    bundle: str = Field(description="Name of the bundle in use.")
    uptime_s: float = Field(ge=0, description="Since the daemon's start.")
    version: str = Field(description="Of SeeAloud.")
    narration_reason: str = Field(description="Why narration spoke last, or did not.")


@dataclass(frozen=True, slots=True)
class MessageCounts:
    """What the sink counts of its messages."""

    waiting: int = 0
    dropped: int = 0
    refused: int = 0


class RetainedMessage:
    """A topic of which only the newest message counts; used by one thread.

    Args:
        write: returns the message as things are now, or None where there is nothing to publish.
    """

    def __init__(self, write: Callable[[], OutgoingMessage | None]) -> None:
        self._write = write
        self._is_due = True
        self._is_on_the_way = False

    def renew(self) -> None:
        """Note that there is something new to publish."""
        self._is_due = True

    def take(self) -> OutgoingMessage | None:
        """Return the message that is to be sent now, if any."""
        if not self._is_due or self._is_on_the_way:
            return None
        message = self._write()
        self._is_due = False
        self._is_on_the_way = message is not None
        return message

    def delivered(self) -> None:
        """Note that the broker has it."""
        self._is_on_the_way = False

    def connection_ended(self) -> None:
        """Publish it again over the next connection."""
        self._is_due = True
        self._is_on_the_way = False


class RetainedTopics:
    """All retained messages of the daemon; used by one thread, but for ``narration_reason``.

    Args:
        settings: what is published.
        identity: of the device.
        state_of: returns the daemon's state.
        counts: returns what the sender counts.
        clock: the time.

    Attributes:
        state: what can be changed.
        diagnostics: how the device is.
        all: every retained message, in the order of publishing.
        narration_reason: why narration spoke last, or did not.
    """

    def __init__(
        self,
        settings: MqttSettings,
        identity: Identity,
        state_of: Callable[[], Mapping[str, Value]],
        counts: Callable[[], MessageCounts],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._state_of = state_of
        self._counts = counts
        self._clock = clock
        self._message: CaptionMessage | None = None
        self._caption = RetainedMessage(self._write_caption)
        self.state = RetainedMessage(self._write_state)
        self.diagnostics = RetainedMessage(self._write_diagnostics)
        self.all = (
            RetainedMessage(self._write_discovery),
            self.state,
            self.diagnostics,
            self._caption,
        )
        self.narration_reason = ""

    def take_caption(self, message: CaptionMessage) -> None:
        """Have the newest caption published."""
        self._message = message
        self._caption.renew()

    def _write_discovery(self) -> OutgoingMessage | None:
        settings = self._settings
        if not settings.is_discovery_on:
            return None
        topic = t.discovery_topic(settings.discovery_prefix, self._identity.id)
        payload = discovery_message(self._identity, has_picture=settings.is_picture_on)
        return OutgoingMessage(topic, payload, qos=1, is_retained=True)

    def _write_state(self) -> OutgoingMessage:
        message = state_message(self._state_of(), self._identity.voices, self._clock.utc())
        return t.STATE.message(self._identity.id, message.model_dump_json())

    def _write_diagnostics(self) -> OutgoingMessage:
        message = diagnostics_message(
            self._state_of(), self._counts(), self.narration_reason, self._clock.utc()
        )
        return t.DIAGNOSTICS.message(self._identity.id, message.model_dump_json())

    def _write_caption(self) -> OutgoingMessage | None:
        if self._message is None:
            return None
        return t.LAST_CAPTION.message(self._identity.id, self._message.to_json())


def forget(settings: BrokerSettings, prefix: str) -> tuple[str, ...]:
    """Remove a device from a broker, and so from Home Assistant: empty its retained topics.

    Args:
        settings: the broker, and which device.
        prefix: Home Assistant's discovery prefix.

    Returns:
        The names of these topics.

    Raises:
        BrokerError: the broker is away or refuses, or the device is online and would come back.
    """
    topics = t.retained_topics(prefix, settings.device_id)
    # Should this process die, it must not leave what it came to remove.
    connection = Connection(settings, will=t.AVAILABILITY.message(settings.device_id, b""))
    try:
        _require_offline(connection, settings.device_id)
        for topic in topics:
            connection.deliver(OutgoingMessage(topic, b"", qos=1, is_retained=True))
    finally:
        connection.close()
    return topics


def _require_offline(connection: Connection, device_id: str) -> None:
    connection.subscribe([t.AVAILABILITY.of(device_id)])
    end_s = time.monotonic() + _LOOK_S
    while (left_s := end_s - time.monotonic()) > 0:
        event = connection.receive(left_s)
        if isinstance(event, ReceivedMessage) and event.payload == t.ONLINE.encode():
            raise BrokerError(
                f"device {device_id} is online and would announce itself again: "
                "stop it first (systemctl stop seealoud)"
            )


def state_message(
    state: Mapping[str, Value], voices: Mapping[str, str], now: datetime
) -> StateMessage:
    """Return the message for the daemon's state.

    Args:
        state: as the controller's ``status`` returns it.
        voices: paths of the voices by their names.
        now: aware.
    """
    until = state.get("snoozed_until")
    snoozed_until = datetime.fromisoformat(str(until)) if until else None
    left_min = 0.0 if snoozed_until is None else (snoozed_until - now).total_seconds() / 60
    return StateMessage(
        at=now,
        is_narrating=bool(state.get("is_narrating")),
        is_muted=bool(state.get("is_muted")),
        is_private=bool(state.get("is_private")),
        snoozed_until=snoozed_until if left_min > 0 else None,
        snooze_min=max(0, math.ceil(left_min)),
        volume=_number(state, "volume"),
        rate=_number(state, "rate"),
        minimum_gap_s=_number(state, "minimum_gap_s"),
        voice=voice_name(str(state.get("voice") or ""), voices),
    )


def voice_name(path: str, voices: Mapping[str, str]) -> str:
    """Return the name of a voice; that of its file where it has none."""
    named = {voice_path: name for name, voice_path in voices.items()}
    return named.get(path) or path.rpartition("/")[2].removesuffix(".onnx")


def diagnostics_message(
    state: Mapping[str, Value], counts: MessageCounts, narration_reason: str, now: datetime
) -> DiagnosticsMessage:
    """Return the message for how the device is; ``state`` as in ``state_message``."""
    return DiagnosticsMessage(
        at=now,
        is_camera_problem=bool(state.get("is_camera_problem")) and not state.get("is_private"),
        frame_age_s=_rounded(state, "frame_age_s", 1),
        caption_latency_ms=_rounded(state, "caption_latency_ms", 1),
        temperature_c=_rounded(state, "temperature_c", 1),
        frame_drops=int(_number(state, "drops")),
        waiting_messages=counts.waiting,
        dropped_messages=counts.dropped,
        refused_messages=counts.refused,
        bundle=str(state.get("bundle") or ""),
        uptime_s=round(_number(state, "uptime_s")),
        version=str(state.get("version") or ""),
        narration_reason=narration_reason,
    )


def _number(state: Mapping[str, Value], name: str) -> float:
    value = state.get(name)
    return 0.0 if value is None else float(value)


def _rounded(state: Mapping[str, Value], name: str, digits: int) -> float | None:
    return None if state.get(name) is None else round(_number(state, name), digits)
