"""Connections to a broker: accepted by it, with every message followed until it is confirmed.

A refused connection is not a connection. On a ``DeviceConnection`` the device is present as well:
it publishes "online" once the broker has accepted it and "offline" before it ends.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from seealoud.device.errors import BrokerError
from seealoud.device.mqtt.broker import DAEMON_SESSION, BrokerSettings, Protocol
from seealoud.device.mqtt.inbox import LaneOf, ReceivedMessage, lane_by_topic
from seealoud.device.mqtt.paho_client import (
    ConnectAnswer,
    ConnectionLost,
    PahoClient,
    PublishAnswer,
    broker_error,
)
from seealoud.device.mqtt.topics import AVAILABILITY, OFFLINE, ONLINE, OutgoingMessage

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The broker has confirmed a message, or (failure not None) refused it.

    Attributes:
        key: as it was given to ``send``.
        topic: of the message.
        failure: the broker's reason.
    """

    key: Hashable
    topic: str
    failure: str | None


@dataclass(frozen=True, slots=True)
class _OnTheWay:
    key: Hashable
    topic: str
    deadline_s: float


class Connection:
    """A connection that the broker has accepted, by the newest version of MQTT that it takes.

    Used by one thread.

    Args:
        settings: the broker, the credentials and the timeouts.
        will: what the broker publishes when this process dies; None for nothing.
        notify: called from paho's thread when ``receive`` has something; it must return at once.
        lane_of: as for ``Inbox``.

    Raises:
        BrokerError: the broker is away, refuses, cannot be trusted or does not answer in time.
        ConfigError: a TLS file cannot be used.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        will: OutgoingMessage | None = None,
        notify: Callable[[], None] = lambda: None,
        lane_of: LaneOf = lane_by_topic,
    ) -> None:
        self._settings = settings
        self._on_the_way: dict[int, _OnTheWay] = {}
        self._lost_reason: str | None = None
        self._client = _connected_client(
            settings, lambda protocol: PahoClient(settings, will, protocol, notify, lane_of)
        )

    def subscribe(self, patterns: Sequence[str]) -> None:
        """Ask for messages; they come from ``receive``.

        Raises:
            BrokerError: the broker is gone.
        """
        self._client.subscribe(patterns)

    def send(self, message: OutgoingMessage, key: Hashable) -> None:
        """Hand a message over and return at once; ``receive`` returns its ``Confirmation``.

        Args:
            message: what to publish.
            key: comes back in the confirmation.

        Raises:
            BrokerError: the broker is gone.
        """
        number = self._client.publish(message)
        deadline_s = time.monotonic() + self._settings.timeout_s
        self._on_the_way[number] = _OnTheWay(key, message.topic, deadline_s)

    def receive(self, timeout_s: float = 0.0) -> Confirmation | ReceivedMessage | None:
        """Return what happened next, or None after the time.

        Raises:
            BrokerError: the connection is lost, or a message was not confirmed in time; the
                broker may have it nevertheless.
        """
        end_s = time.monotonic() + timeout_s
        while True:
            wait_s = min(end_s, self._first_deadline_s()) - time.monotonic()
            match self._next_event(wait_s):
                case ReceivedMessage() as received:
                    return received
                case PublishAnswer(number, failure):
                    if (sent := self._on_the_way.pop(number, None)) is not None:
                        return Confirmation(sent.key, sent.topic, failure)
                    continue
            now_s = time.monotonic()
            if now_s >= self._first_deadline_s():
                raise self._unconfirmed(self._settings.timeout_s)
            if now_s >= end_s:
                return None

    def deliver(self, message: OutgoingMessage) -> None:
        """Publish a message and return once the broker has it; other events are ignored.

        Raises:
            BrokerError: the broker refused it, is gone or did not confirm in time.
        """
        key = object()
        self.send(message, key)
        while True:
            event = self.receive(self._settings.timeout_s)
            if isinstance(event, Confirmation) and event.key is key:
                if event.failure is None:
                    return
                raise broker_error(
                    self._settings, f"refused a message on {message.topic}: {event.failure}"
                )

    def close(self) -> None:
        """Disconnect; a second time does nothing."""
        self._client.close()

    def abandon(self) -> None:
        """End the connection without DISCONNECT: the broker publishes the last will."""
        self._on_the_way.clear()
        self._client.abandon()

    def _next_event(self, timeout_s: float) -> PublishAnswer | ReceivedMessage | None:
        """Return what happened next, or None after the time.

        Raises:
            BrokerError: the connection is lost.
        """
        match self._client.next_event(timeout_s if self._lost_reason is None else 0.0):
            case ConnectionLost(reason):
                self._lost_reason = reason
            case PublishAnswer() | ReceivedMessage() as event:
                return event
        if self._lost_reason is not None:
            raise broker_error(self._settings, f"is gone ({self._lost_reason}): is it running?")
        return None

    def _first_deadline_s(self) -> float:
        # They are in the order of sending, and all have the same time.
        first = next(iter(self._on_the_way.values()), None)
        return float("inf") if first is None else first.deadline_s

    def _unconfirmed(self, timeout_s: float) -> BrokerError:
        return broker_error(self._settings, f"did not confirm a message within {timeout_s:g} s")


class DeviceConnection(Connection):
    """A connection on which the device is present.

    Args:
        settings: the broker, the credentials and the timeouts.
        listen_to: patterns of topics to subscribe to before "online" is published.
        notify, lane_of: as for ``Connection``.

    Raises:
        BrokerError: the broker is away or refuses.
        ConfigError: a TLS file cannot be used.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        listen_to: Sequence[str] = (),
        notify: Callable[[], None] = lambda: None,
        lane_of: LaneOf = lane_by_topic,
    ) -> None:
        will = AVAILABILITY.message(settings.device_id, OFFLINE)
        super().__init__(settings, will, notify, lane_of)
        try:
            if listen_to:
                self.subscribe(listen_to)
            self.say_online()
        except BaseException:
            self.abandon()
            raise

    def say_online(self) -> None:
        """Publish that the device is online.

        Raises:
            BrokerError: the broker is gone.
        """
        self._say(ONLINE)

    def close(self, timeout_s: float | None = None) -> None:
        """Publish "offline" and disconnect.

        Args:
            timeout_s: longest wait for the confirmation; None for as long as for any message.

        Raises:
            BrokerError: the broker did not confirm it; the connection is closed anyway.
        """
        wait_s = self._settings.timeout_s if timeout_s is None else timeout_s
        self._on_the_way.clear()
        try:
            self._say(OFFLINE)
            end_s = time.monotonic() + wait_s
            while self._on_the_way and (left_s := end_s - time.monotonic()) > 0:
                self.receive(left_s)
            if self._on_the_way:
                raise self._unconfirmed(wait_s)
            super().close()
        finally:
            self.abandon()

    def _say(self, presence: str) -> None:
        self.send(AVAILABILITY.message(self._settings.device_id, presence), presence)


def probe(settings: BrokerSettings) -> None:
    """Return once the broker has accepted a connection, which is then closed.

    Nothing is published and there is no will; a daemon of the same device stays connected.

    Args:
        settings: the broker; with a session of its own, since a broker ends the older of two
            connections with one client id.

    Raises:
        BrokerError: the broker is away, refuses, cannot be trusted or does not answer in time.
        ConfigError: a TLS file cannot be used.
        ValueError: the session is the daemon's.
    """
    if settings.session == DAEMON_SESSION:
        raise ValueError(f"a probe as {settings.client_id} would end the daemon's connection")
    Connection(settings).close()


def _connected_client(
    settings: BrokerSettings, open_client: Callable[[Protocol], PahoClient]
) -> PahoClient:
    reason = ""
    for protocol in settings.protocols:
        client = open_client(protocol)
        try:
            reason = _refusal(client, settings)
            if not reason:
                _LOGGER.info("connected to %s by MQTT %s", settings.address, protocol)
                return client
        except BaseException:
            client.close()
            raise
        client.close()
        _LOGGER.debug("MQTT broker %s, by MQTT %s: %s", settings.address, protocol, reason)
    raise broker_error(settings, reason)


def _refusal(client: PahoClient, settings: BrokerSettings) -> str:
    """Return why the broker did not take this version of MQTT; empty where it did.

    Each version gets its share of the time. Brokers that do not know MQTT 5 say so, hang up, or
    (amqtt) wait for bytes that never come.

    Raises:
        BrokerError: it would refuse any version.
    """
    match client.next_event(settings.timeout_s / len(settings.protocols)):
        case ConnectAnswer(None):
            return ""
        case ConnectAnswer(failure, is_protocol_refused=True):
            return f"refused the connection: {failure}"
        case ConnectAnswer(failure):
            raise broker_error(
                settings, f"refused the connection: {failure}: check user and password"
            )
        case ConnectionLost(why):
            return f"hung up without an answer ({why}): is it a TLS port?"
        case _:
            return f"does not answer within {settings.timeout_s:g} s"
