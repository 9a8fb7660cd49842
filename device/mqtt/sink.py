"""The daemon on MQTT: events go out, commands come in, Home Assistant finds the device.

Invariants: ``accept`` only puts an event on a queue and never waits; events of a time without the
broker are stored and sent later, in order; of a state, only the newest is sent. A published state
is the daemon's own afterwards, never what a command asked for.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from seealoud.device.bundles.feed import UpdateChanged
from seealoud.device.events import (
    Decided,
    DecisionReason,
    Event,
    InViewChanged,
    PlaceChanged,
    ProblemChanged,
    Requested,
    SettingChanged,
)
from seealoud.device.mqtt import topics as t
from seealoud.device.mqtt.broker import DAEMON_SESSION, tls_context
from seealoud.device.mqtt.broker_connection import BrokerConnection
from seealoud.device.mqtt.commands import ResultMessage
from seealoud.device.mqtt.connection import Confirmation, DeviceConnection
from seealoud.device.mqtt.identity import Identity
from seealoud.device.mqtt.messages import event_message
from seealoud.device.mqtt.outbox import Outbox, OutboxMessage
from seealoud.device.mqtt.outbox_sender import OutboxSender
from seealoud.device.mqtt.payloads import CaptionMessage, Happened
from seealoud.device.mqtt.retained import RetainedMessage, RetainedTopics
from seealoud.device.mqtt.settings import MqttLimits, MqttSettings
from seealoud.device.mqtt.state_messages import MessageCounts
from seealoud.device.mqtt.subscriptions import DaemonSide, Subscriptions

_IDLE_S = 0.25
_FLUSH_S = _GOODBYE_S = 0.5
_MOST_RECEIVED = 500


class MqttSink:
    """A ``device.events.Listener``; ``step`` and ``wake`` for a ``device.worker.Worker``.

    Args:
        settings: of the broker, and what is published.
        identity: of the device.
        daemon: what is used of it.
        outbox: stores messages; the caller closes it afterwards.
        limits: times and sizes, other than the usual ones.
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
        limits: MqttLimits | None = None,
        chance: random.Random | None = None,
    ) -> None:
        clock = self._clock = daemon.clock
        limits = self._limits = limits or MqttLimits()
        self._settings = settings
        self._identity = identity
        self._daemon = daemon
        self._outbox = outbox
        self._chance = chance or random.Random()
        self._events: queue.Queue[Event] = queue.Queue(limits.queue_rows)
        self._lost_events = 0
        self._signal = threading.Event()
        self._retained = RetainedTopics(settings, identity, daemon.state_of, self._counts, clock)
        self._subscriptions = Subscriptions(
            settings, identity, daemon, self._retained, limits, self._chance
        )
        self._sender = OutboxSender(outbox, limits.in_flight, limits.late_after_s, clock)
        self._broker = BrokerConnection(
            self._opener(), self.wake, daemon.bus, clock, limits, self._chance
        )
        self._next_diagnostics_s = clock.now_s() + limits.diagnostics_period_s

    # ------------------------------------------------------------ from any thread

    def accept(self, event: Event) -> None:
        """Take an event and return at once."""
        if isinstance(event, Decided) and not event.is_spoken:
            # One of these for each frame: the worker is not woken for it.
            self._retained.health.narration_reason = event.reason.value
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
        """Whether there is a connection."""
        return self._broker.is_connected

    def step(self) -> None:
        """Do what there is to do, and wait a little for more."""
        self._signal.clear()
        self._take_events()
        if self._broker.tend():
            self._begin_connection()
        self._answer(self._subscriptions.tend(self._clock.now_s(), self.is_connected))
        if self.is_connected:
            self._receive()
            self._send()
        else:
            self._sender.rest()
        self._signal.wait(_IDLE_S)

    def close(self) -> None:
        """Send what can be sent within half a second, say offline, and disconnect.

        After the worker has ended; what was not sent stays in the outbox.
        """
        self._take_events()
        end_s = time.monotonic() + _FLUSH_S
        while self.is_connected and not self._is_idle and time.monotonic() < end_s:
            self._signal.clear()
            self._receive()
            self._send_waiting()
            self._signal.wait(max(0.0, min(0.05, end_s - time.monotonic())))
        self._sender.connection_ended()
        self._broker.close(_GOODBYE_S)

    def _opener(self) -> Callable[[], DeviceConnection]:
        broker = replace(
            self._settings.broker_settings(self._identity.id, session=DAEMON_SESSION),
            timeout_s=self._limits.timeout_s,
        )
        if broker.tls is not None:
            tls_context(broker.tls)  # its files are checked at the start, not at each connection
        subscriptions = self._subscriptions
        return lambda: DeviceConnection(
            broker, subscriptions.patterns, self.wake, subscriptions.lane
        )

    def _take_events(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._take(self._events.get_nowait())

    def _take(self, event: Event) -> None:
        if isinstance(event, SettingChanged | Requested):
            self._retained.state.renew()
        elif isinstance(event, ProblemChanged):
            self._retained.health.note(event)
            self._retained.diagnostics.renew()
        elif isinstance(event, InViewChanged | PlaceChanged | UpdateChanged):
            self._retained.take_view(event)
        elif isinstance(event, Decided):
            self._retained.health.narration_reason = event.reason.value
        if (found := event_message(event)) is None:
            return
        topic, message = found
        if isinstance(event, Requested):  # not stored: nobody waits for an old one
            self._publish(topic, message.to_json())
            return
        self._sender.put(self._stored(topic, message))
        # A heartbeat says the same once more: the last caption and its picture stay as they are.
        if (
            topic is t.CAPTION
            and isinstance(message, CaptionMessage)
            and message.reason != DecisionReason.HEARTBEAT
        ):
            self._retained.take_caption(message)
            self._send_picture(message)

    def _stored(self, topic: t.Topic, message: Happened) -> OutboxMessage:
        return OutboxMessage(
            topic.of(self._identity.id),
            message.to_json(),
            topic.qos,
            topic.is_retained,
            id=str(message.id),
            at=message.at,
        )

    def _publish(self, topic: t.Topic, payload: str | bytes) -> None:
        """Publish a message that is lost where there is no connection."""
        self._broker.send(topic.message(self._identity.id, payload), topic)

    def _send_picture(self, message: CaptionMessage) -> None:
        is_seen = message.caption or message.things
        if not (self._settings.is_picture_on and self.is_connected and is_seen):
            return
        picture = self._daemon.picture_of()
        if picture is not None and not self._daemon.state_of().get("is_private"):
            self._publish(t.PICTURE, picture)

    def _begin_connection(self) -> None:
        self._sender.connection_ended()
        for retained in self._retained.all:
            retained.connection_ended()
        self._subscriptions.connection_began(self._clock.now_s())

    def _receive(self) -> None:
        """Handle received messages; in a flood only so many that time is left for the rest."""
        for _ in range(_MOST_RECEIVED):
            if (event := self._broker.receive()) is None:
                return
            if isinstance(event, Confirmation):
                self._confirm(event)
            else:
                self._answer(self._subscriptions.take(event, self._clock.now_s()))
        self._signal.set()

    def _answer(self, results: Iterable[ResultMessage]) -> None:
        for result in results:
            self._publish(t.RESULT, result.model_dump_json())

    def _confirm(self, confirmation: Confirmation) -> None:
        if isinstance(confirmation.key, RetainedMessage):
            confirmation.key.delivered()
        else:
            self._sender.confirm(confirmation)

    def _send(self) -> None:
        now_s = self._clock.now_s()
        if self._subscriptions.is_online_due(now_s):
            self._broker.use(DeviceConnection.say_online)
        if now_s >= self._next_diagnostics_s:
            self._next_diagnostics_s = now_s + self._limits.diagnostics_period_s
            self._retained.state.renew()
            self._retained.diagnostics.renew()
        self._take_events()  # those that the commands of this step led to
        self._send_waiting()

    def _send_waiting(self) -> None:
        for retained in self._retained.all:
            if (message := retained.take()) is not None:
                self._broker.send(message, retained)
        self._broker.use(self._sender.send_waiting)

    @property
    def _is_idle(self) -> bool:
        return self._sender.is_idle and all(retained.is_idle for retained in self._retained.all)

    def _counts(self) -> MessageCounts:
        return MessageCounts(
            waiting=len(self._outbox),
            dropped=self._outbox.dropped + self._lost_events,
            refused=self._sender.refused,
        )
