"""The daemon on MQTT: events go out, commands come in, Home Assistant knows the device.

Invariants: ``accept`` only puts an event on a queue and never waits; what happened while the broker
is away goes to the outbox, and later over, in order; of what is so, only the newest is told. States
are what the daemon says of itself afterwards, never what a command wished.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from device.clock import Clock
from device.events import (
    Decided,
    Event,
    EventBus,
    ProblemChanged,
    Requested,
    SettingChanged,
)
from device.history.outbox import OutboxMessage
from device.mqtt import topics as t
from device.mqtt.command_handler import CommandHandler
from device.mqtt.connection import Received
from device.mqtt.daemon_settings import DAEMON_SESSION, MqttSettings
from device.mqtt.dialer import Dialer
from device.mqtt.identity import Identity
from device.mqtt.link import Link
from device.mqtt.messages import Counts, Value, event_message
from device.mqtt.outbox import Outbox
from device.mqtt.outbox_sender import OutboxSender
from device.mqtt.payloads import CaptionMessage
from device.mqtt.retained import RetainedTopics
from device.mqtt.retained_message import RetainedMessage
from device.mqtt.session import Delivered, Session, outgoing
from device.mqtt.tls import tls_context
from device.requests import Controller

_IDLE_S = 0.25
# Home Assistant asks for it, so that not all devices speak at once when it starts.
_LONGEST_BIRTH_DELAY_S = 5.0
_FLUSH_S = 0.5
_GOODBYE_S = 0.5


@dataclass(frozen=True, slots=True)
class DaemonSide:
    """What MQTT has of the daemon.

    Attributes:
        controller: carries commands out.
        bus: told when the broker is away.
        state_of: returns the daemon's state, as the command ``status`` does.
        clock: the time.
        picture_of: returns the newest picture as JPEG, None where there is none; only called where
            pictures are switched on.
    """

    controller: Controller
    bus: EventBus
    state_of: Callable[[], Mapping[str, Value]]
    clock: Clock
    picture_of: Callable[[], bytes | None] = lambda: None


class MqttSink:
    """A ``device.events.Listener``; ``step`` and ``wake`` for a ``device.worker.Worker``.

    Args:
        settings: of the broker, and what is published.
        identity: who we are.
        daemon: what we have of it.
        outbox: where messages wait; whoever made it closes it afterwards.
        chance: for waits that must differ from device to device.

    Raises:
        ConfigError: the password or a TLS file cannot be used.
    """

    def __init__(
        self,
        settings: MqttSettings,
        identity: Identity,
        daemon: DaemonSide,
        outbox: Outbox,
        chance: random.Random | None = None,
    ) -> None:
        self._settings, self._identity, self._daemon = settings, identity, daemon
        self._clock, self._outbox = daemon.clock, outbox
        self._chance = chance or random.Random()
        self._events: queue.Queue[Event] = queue.Queue(settings.queue_rows)
        self._lost_events = 0
        self._signal = threading.Event()
        self._desk = CommandHandler(
            identity, daemon.controller, self._clock, settings.commands_per_min
        )
        self._courier = OutboxSender(outbox, settings.in_flight, settings.late_after_s, self._clock)
        self._link = Link(settings, self._dialer(), daemon.bus, self._clock, self._chance)
        self._retained = RetainedTopics(
            settings, identity, daemon.state_of, self._counts, self._clock
        )
        self._next_diagnostics_s = self._clock.now_s() + settings.diagnostics_period_s
        self._announce_s = float("inf")

    # ------------------------------------------------------------ from any thread

    def accept(self, event: Event) -> None:
        """Take an event and return at once."""
        if isinstance(event, Decided) and not event.is_spoken:
            self._retained.narration_reason = (
                event.reason.value
            )  # of each frame: no reason to wake up
            return
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._lost_events += 1
        self._signal.set()

    def wake(self) -> None:
        """End a step that waits."""
        self._signal.set()

    # ------------------------------------------------------------ the worker's thread

    @property
    def is_connected(self) -> bool:
        """Whether there is a session."""
        return self._link.session is not None

    def step(self) -> None:
        """Do what there is to do, and wait a little for more."""
        self._signal.clear()
        self._take_events()
        if self._link.tend():
            self._begin_session()
        if self.is_connected:
            self._hear()
            self._tell()
        else:
            self._courier.rest()
        self._signal.wait(_IDLE_S)

    def close(self) -> None:
        """Send what can be sent within half a second, say offline, and disconnect.

        After the worker has ended; what was not sent stays in the outbox.
        """
        self._take_events()
        end_s = time.monotonic() + _FLUSH_S
        while self.is_connected and not self._courier.is_idle and time.monotonic() < end_s:
            self._signal.clear()
            self._hear()
            self._link.use(self._courier.bring)
            self._signal.wait(max(0.0, min(0.05, end_s - time.monotonic())))
        self._courier.session_ended()
        self._link.close(_GOODBYE_S)

    def _dialer(self) -> Dialer:
        broker = self._settings.broker_settings(self._identity.id, session=DAEMON_SESSION)
        if broker.tls is not None:
            tls_context(broker.tls)
        patterns = list(t.subscriptions(self._identity.id))
        if self._settings.is_discovery_on:
            patterns.append(t.birth_topic(self._settings.discovery_prefix))
        return Dialer(lambda: Session(broker, patterns, self.wake), self.wake)

    def _take_events(self) -> None:
        while True:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                return
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, SettingChanged | Requested):
            self._retained.state.renew()
        elif isinstance(event, ProblemChanged):
            self._retained.diagnostics.renew()
        elif isinstance(event, Decided):
            self._retained.narration_reason = event.reason.value
        if (found := event_message(event)) is None:
            return
        topic, message = found
        ready = outgoing(topic, self._identity.id, message.to_json())
        if isinstance(event, Requested):
            self._link.send(ready, "request")  # nobody waits for an old one
            return
        self._courier.put(
            OutboxMessage(
                id=str(message.id),
                topic=ready.topic,
                payload=ready.payload,
                qos=ready.qos,
                is_retained=ready.is_retained,
                at=message.at,
            )
        )
        if isinstance(message, CaptionMessage):
            self._retained.take_caption(message)
            self._send_picture(message)

    def _send_picture(self, message: CaptionMessage) -> None:
        is_seen = message.caption or message.things
        if not (self._settings.is_picture_on and self.is_connected and is_seen):
            return
        picture = self._daemon.picture_of()
        if picture is not None and not self._daemon.state_of().get("is_private"):
            self._link.send(outgoing(t.PICTURE, self._identity.id, picture), "picture")

    def _begin_session(self) -> None:
        self._courier.session_ended()
        for bulletin in self._retained.all:
            bulletin.session_ended()
        self._announce_s = float("inf")

    def _hear(self) -> None:
        while (happening := self._link.receive()) is not None:
            if isinstance(happening, Received):
                self._receive(happening)
            else:
                self._confirm(happening)

    def _confirm(self, delivered: Delivered) -> None:
        if isinstance(delivered.key, RetainedMessage):
            delivered.key.delivered()
        else:
            self._courier.delivered(delivered)

    def _receive(self, received: Received) -> None:
        if received.topic == t.birth_topic(self._settings.discovery_prefix):
            if received.payload == t.ONLINE.encode() and not received.is_retained:
                delay_s = self._chance.uniform(0.0, _LONGEST_BIRTH_DELAY_S)
                self._announce_s = self._clock.now_s() + delay_s
        elif received.topic == t.AVAILABILITY.of(self._identity.id):
            if received.payload == t.OFFLINE.encode() and not received.is_retained:
                # Another client of this device has gone; we have not.
                self._link.use(Session.say_online)
        elif (result := self._desk.handle(received)) is not None:
            payload = result.model_dump_json()
            self._link.send(outgoing(t.RESULT, self._identity.id, payload), "result")

    def _tell(self) -> None:
        now_s = self._clock.now_s()
        if now_s >= self._announce_s:
            self._announce_s = float("inf")
            for bulletin in self._retained.all:
                bulletin.renew()
        if now_s >= self._next_diagnostics_s:
            self._next_diagnostics_s = now_s + self._settings.diagnostics_period_s
            self._retained.state.renew()
            self._retained.diagnostics.renew()
        self._take_events()  # those that the commands of this step led to
        for bulletin in self._retained.all:
            if (message := bulletin.take()) is not None:
                self._link.send(message, bulletin)
        self._link.use(self._courier.bring)

    def _counts(self) -> Counts:
        return Counts(
            waiting=len(self._outbox),
            dropped=self._outbox.dropped + self._lost_events,
            refused=self._courier.refused,
        )
