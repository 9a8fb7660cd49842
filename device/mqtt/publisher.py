"""Captions of a single command to one broker, each confirmed before the next.

It connects when there is something to publish, publishes "online" before it and "offline" at the
end, and every failure is a BrokerError that leaves it usable for the next caption.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType

from seealoud.device.errors import BrokerError
from seealoud.device.mqtt.broker import BrokerSettings, tls_context
from seealoud.device.mqtt.connection import DeviceConnection
from seealoud.device.mqtt.payloads import caption_message
from seealoud.device.mqtt.topics import CAPTION
from seealoud.device.records import Cause, Description


class MqttPublisher:
    """A ``seealoud.device.commands.sinks.Sink``; used by one thread.

    Example:
        with MqttPublisher(BrokerSettings("127.0.0.1", "kitchen")) as publisher:
            publisher.accept(description)
    """

    name = "the MQTT broker"

    def __init__(self, settings: BrokerSettings) -> None:
        """Check what can be checked without the broker.

        Raises:
            ConfigError: a TLS file cannot be used.
        """
        if settings.tls is not None:
            tls_context(settings.tls)
        self._settings = settings
        self._connection: DeviceConnection | None = None

    def __enter__(self) -> MqttPublisher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection that has not been seen to end."""
        if self._connection is not None:
            try:
                while self._connection.receive() is not None:
                    pass
            except BrokerError:
                self._connection.abandon()
                self._connection = None
        return self._connection is not None

    def accept(self, description: Description) -> None:
        """Publish the caption, or why it is not said; return once the broker has confirmed it.

        Raises:
            BrokerError: the broker is away, refuses or does not confirm in time.
        """
        if not self.is_connected or self._connection is None:
            self._connection = DeviceConnection(self._settings)
        message = caption_message(description, Cause.DESCRIBE, now=datetime.now(UTC))
        self._connection.deliver(CAPTION.message(self._settings.device_id, message.to_json()))

    def close(self) -> None:
        """Publish "offline" and disconnect; a second time does nothing.

        Where the connection is lost already, the last will has published "offline".

        Raises:
            BrokerError: the broker did not confirm offline; the connection is closed anyway.
        """
        if self.is_connected and self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()
