"""What the broker keeps of the device: its description, state, diagnostics, last caption, view.

Invariant: never an old message after a new one. Each is written when it is sent and not before, one
at a time, and again from the beginning over every connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from seealoud.device.bundles.feed import UpdateChanged
from seealoud.device.clock import Clock
from seealoud.device.errors import BrokerError
from seealoud.device.events import InViewChanged, PlaceChanged
from seealoud.device.mqtt import topics as t
from seealoud.device.mqtt.broker import BrokerSettings
from seealoud.device.mqtt.connection import Connection
from seealoud.device.mqtt.desired_document import DesiredReport
from seealoud.device.mqtt.discovery import announced_parts, discovery_message, rule_key
from seealoud.device.mqtt.identity import Identity
from seealoud.device.mqtt.inbox import ReceivedMessage
from seealoud.device.mqtt.payloads import CaptionMessage
from seealoud.device.mqtt.settings import MqttSettings
from seealoud.device.mqtt.state_messages import (
    Diagnostics,
    InViewMessage,
    MessageCounts,
    PlaceMessage,
    UpdateMessage,
    state_message,
)
from seealoud.device.mqtt.topics import OutgoingMessage
from seealoud.device.requests import Value

# How long the broker may take to send what it keeps.
_LOOK_S = 0.5


class RetainedMessage:
    """A topic of which only the newest message counts; used by one thread.

    Args:
        write: returns the message as things are now, or None where there is nothing to publish.
    """

    def __init__(self, write: Callable[[], OutgoingMessage | None]) -> None:
        self._write = write
        self._is_due = True
        self._is_on_the_way = False

    @property
    def is_idle(self) -> bool:
        """Whether the broker has the newest message, as far as it is known here."""
        return not (self._is_due or self._is_on_the_way)

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
    """All retained messages of the daemon; used by one thread, except for ``health``'s reason.

    Args:
        settings: what is published.
        identity: of the device.
        state_of: returns the daemon's state.
        counts: returns what the sender counts.
        clock: the time.

    Attributes:
        state: what can be changed.
        diagnostics: the health of the device.
        all: every retained message, in the order of publishing.
        health: composes the diagnostics.
        reports: returns what became of desired settings, for the state.
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
        self._view: InViewMessage | None = None
        self._place: PlaceMessage | None = None
        self._updating: OutgoingMessage | None = None
        self._rules = identity.rules
        self._gone: Mapping[str, str] = {}
        self.health = Diagnostics()
        self.reports: Callable[[], tuple[DesiredReport, ...]] = tuple
        self._discovery = RetainedMessage(self._write_discovery)
        self._in_view = RetainedMessage(self._write_in_view)
        self._where = RetainedMessage(self._write_place)
        self._update = RetainedMessage(lambda: self._updating)
        self._caption = RetainedMessage(self._write_caption)
        self.state = RetainedMessage(self._write_state)
        self.diagnostics = RetainedMessage(self._write_diagnostics)
        self.all = (
            self._discovery,
            self.state,
            self.diagnostics,
            self._in_view,
            self._where,
            self._update,
            self._caption,
        )

    def take_caption(self, message: CaptionMessage) -> None:
        """Publish the newest caption."""
        self._message = message
        self._caption.renew()

    def take_view(self, event: InViewChanged | PlaceChanged | UpdateChanged) -> None:
        """Publish the place, the update, or the rules in view; announce new rules."""
        if isinstance(event, UpdateChanged):
            message = UpdateMessage.of(event).model_dump_json()
            self._updating = t.UPDATE.message(self._identity.id, message)
            self._update.renew()
            return
        if isinstance(event, PlaceChanged):
            self._place = PlaceMessage.of(event)
            self._where.renew()
            return
        self._view = InViewMessage(at=event.at, rules=dict(event.rules))
        self._in_view.renew()
        if self._rules != tuple(event.rules):
            self._gone = {**self._gone, **{rule_key(x): "binary_sensor" for x in self._rules}}
            self._rules = tuple(event.rules)
            self._discovery.renew()

    def note_announced(self, payload: bytes) -> None:
        """Remove what an earlier start announced and this one does not.

        Args:
            payload: the description of the device that the broker has kept.
        """
        gone = {**self._gone, **announced_parts(payload)}
        if gone != self._gone:
            self._gone = gone
            self._discovery.renew()

    def _write_discovery(self) -> OutgoingMessage | None:
        settings = self._settings
        if not settings.is_discovery_on:
            return None
        topic = t.discovery_topic(settings.discovery_prefix, self._identity.id)
        payload = discovery_message(
            replace(self._identity, rules=self._rules),
            has_picture=settings.is_picture_on,
            gone=self._gone,
        )
        return OutgoingMessage(topic, payload, qos=1, is_retained=True)

    def _write_state(self) -> OutgoingMessage:
        now = self._clock.utc()
        message = state_message(self._state_of(), self._identity.voices, now, self.reports())
        return t.STATE.message(self._identity.id, message.model_dump_json())

    def _write_diagnostics(self) -> OutgoingMessage:
        message = self.health.message(self._state_of(), self._counts(), self._clock.utc())
        return t.DIAGNOSTICS.message(self._identity.id, message.model_dump_json())

    def _write_in_view(self) -> OutgoingMessage | None:
        if self._view is None:
            return None
        return t.IN_VIEW.message(self._identity.id, self._view.model_dump_json())

    def _write_place(self) -> OutgoingMessage | None:
        if self._place is None:
            return None
        return t.PLACE.message(self._identity.id, self._place.model_dump_json())

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
