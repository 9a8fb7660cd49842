"""A connection on which the device is present, and what is on the way to the broker.

The one way to the broker, of ``seealoud describe --mqtt`` and of the daemon: it says "online" when
the broker has accepted the connection and "offline" before it ends, and follows every message until
the broker has confirmed it; many may be on the way. Used by one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from device.mqtt.connection import Confirmed, Received, open_connection
from device.mqtt.paho_client import Outgoing, broker_error
from device.mqtt.settings import BrokerSettings
from device.mqtt.topics import AVAILABILITY, OFFLINE, ONLINE, Topic


@dataclass(frozen=True, slots=True)
class Delivered:
    """The broker has a message, or (failure not None) does not want it.

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


def outgoing(topic: Topic, device_id: str, payload: str | bytes) -> Outgoing:
    """Return a message on a device's topic."""
    data = payload.encode() if isinstance(payload, str) else payload
    return Outgoing(topic.of(device_id), data, topic.qos, topic.is_retained)


class Session:
    """See the module.

    Args:
        settings: where, as whom and how long to wait.
        listen_to: patterns of topics to hear; before anybody is told that the device is online.
        notify: called from another thread when ``receive`` has something.

    Raises:
        BrokerError: the broker is away or refuses.
        ConfigError: a TLS file cannot be used.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        listen_to: Sequence[str] = (),
        notify: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._on_the_way: dict[int, _OnTheWay] = {}
        will = outgoing(AVAILABILITY, settings.device_id, OFFLINE)
        self._connection = open_connection(settings, will, notify)
        try:
            if listen_to:
                self._connection.subscribe(listen_to)
            self.say_online()
        except BaseException:
            self._connection.abandon()
            raise

    @property
    def on_the_way(self) -> int:
        """How many messages the broker has not confirmed."""
        return len(self._on_the_way)

    def say_online(self) -> None:
        """Publish that the device is online.

        Raises:
            BrokerError: the broker is gone.
        """
        self._say(ONLINE)

    def send(self, message: Outgoing, key: Hashable) -> None:
        """Hand a message over and return at once; ``receive`` tells when the broker has it.

        Args:
            message: what to publish.
            key: comes back in ``Delivered``.

        Raises:
            BrokerError: the broker is gone.
        """
        mid = self._connection.send(message)
        deadline_s = time.monotonic() + self._settings.timeout_s
        self._on_the_way[mid] = _OnTheWay(key, message.topic, deadline_s)

    def receive(self, timeout_s: float = 0.0) -> Delivered | Received | None:
        """Return what happened next, or None after the time.

        Raises:
            BrokerError: the connection is lost, or a message was not confirmed in time; the
                broker may have it all the same.
        """
        end_s = time.monotonic() + timeout_s
        while True:
            wait_s = max(0.0, min(end_s, self._first_deadline_s()) - time.monotonic())
            happening = self._connection.receive(wait_s)
            if isinstance(happening, Received):
                return happening
            if isinstance(happening, Confirmed):
                if (sent := self._on_the_way.pop(happening.mid, None)) is not None:
                    return Delivered(sent.key, sent.topic, happening.failure)
                continue
            now_s = time.monotonic()
            if now_s >= self._first_deadline_s():
                raise broker_error(
                    self._settings,
                    f"did not confirm a message within {self._settings.timeout_s:g} s",
                )
            if now_s >= end_s:
                return None

    def deliver(self, message: Outgoing) -> None:
        """Publish a message and return once the broker has it; what else happens is passed over.

        Raises:
            BrokerError: the broker refused it, is gone or did not confirm in time.
        """
        key = object()
        self.send(message, key)
        while True:
            happening = self.receive(self._settings.timeout_s)
            if isinstance(happening, Delivered) and happening.key is key:
                if happening.failure is None:
                    return
                raise broker_error(
                    self._settings, f"refused a message on {message.topic}: {happening.failure}"
                )

    def close(self, timeout_s: float | None = None) -> None:
        """Say offline and disconnect; a second time does nothing.

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
                raise broker_error(self._settings, f"did not confirm a message within {wait_s:g} s")
            self._connection.close()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """End the connection without a word: the broker says offline, by our last will."""
        self._on_the_way.clear()
        self._connection.abandon()

    def _say(self, presence: str) -> None:
        self.send(outgoing(AVAILABILITY, self._settings.device_id, presence), presence)

    def _first_deadline_s(self) -> float:
        # They are in the order of sending, and all have the same time.
        first = next(iter(self._on_the_way.values()), None)
        return float("inf") if first is None else first.deadline_s
