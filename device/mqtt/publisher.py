"""Captions and availability of one device on one broker.

The seam for whoever publishes: it connects when there is something to say, says online before
and offline after, and every failure is a BrokerError that leaves it usable for the next caption.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType

from device.mqtt.connection import Connection, Outgoing, open_connection
from device.mqtt.payloads import caption_message
from device.mqtt.settings import BrokerSettings
from device.mqtt.tls import tls_context
from device.mqtt.topics import AVAILABILITY, CAPTION, OFFLINE, ONLINE, Topic
from device.records import Caption, Cause


class MqttPublisher:
    """Publishes captions, each confirmed by the broker; used by one thread.

    Example:
        with MqttPublisher(BrokerSettings("127.0.0.1", "kitchen")) as publisher:
            publisher.publish_caption(caption, Cause.DESCRIBE)
    """

    def __init__(self, settings: BrokerSettings) -> None:
        """Check what can be checked without the broker.

        Raises:
            ConfigError: a TLS file cannot be used.
        """
        if settings.tls is not None:
            tls_context(settings.tls)
        self._settings = settings
        self._connection: Connection | None = None

    def __enter__(self) -> MqttPublisher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def connect(self) -> None:
        """Connect and say online; does nothing while the connection is alive.

        Raises:
            BrokerError: the broker is away or refuses.
        """
        self._connected()

    def publish_caption(self, caption: Caption, cause: Cause) -> None:
        """Publish a caption and return once the broker has confirmed it.

        Raises:
            BrokerError: the broker is away, refuses or does not confirm in time.
        """
        connection = self._connected()
        message = caption_message(caption, cause, published_at=datetime.now(UTC))
        connection.publish(self._outgoing(CAPTION, message.to_json()))

    def close(self) -> None:
        """Say offline and disconnect; a second time does nothing.

        Where the connection is lost already, the broker's last will has said offline.

        Raises:
            BrokerError: the broker did not confirm offline; the connection is closed anyway.
        """
        try:
            if self._connection is not None and self._connection.is_alive:
                self._connection.publish(self._outgoing(AVAILABILITY, OFFLINE))
        finally:
            self._drop()

    def _connected(self) -> Connection:
        """Return a connection that is alive and has said online."""
        if self._connection is not None and self._connection.is_alive:
            return self._connection
        self._drop()
        connection = open_connection(self._settings, self._outgoing(AVAILABILITY, OFFLINE))
        try:
            connection.publish(self._outgoing(AVAILABILITY, ONLINE))
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _drop(self) -> None:
        """Close the connection, if there is one, without a word."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def _outgoing(self, topic: Topic, payload: str | bytes) -> Outgoing:
        data = payload.encode() if isinstance(payload, str) else payload
        return Outgoing(topic.of(self._settings.device_id), data, topic.qos, topic.is_retained)
