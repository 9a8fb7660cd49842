"""Captions of a single command to one broker, each confirmed before the next.

The blocking face of a ``Session``: it connects when there is something to say, says online before
and offline after, and every failure is a BrokerError that leaves it usable for the next caption.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType

from device.errors import BrokerError
from device.mqtt.payloads import caption_message
from device.mqtt.session import Session, outgoing
from device.mqtt.settings import BrokerSettings
from device.mqtt.tls import tls_context
from device.mqtt.topics import CAPTION
from device.records import Cause, Description


class MqttPublisher:
    """Publishes captions, each confirmed by the broker; used by one thread.

    Example:
        with MqttPublisher(BrokerSettings("127.0.0.1", "kitchen")) as publisher:
            publisher.publish(described, Cause.DESCRIBE)
    """

    def __init__(self, settings: BrokerSettings) -> None:
        """Check what can be checked without the broker.

        Raises:
            ConfigError: a TLS file cannot be used.
        """
        if settings.tls is not None:
            tls_context(settings.tls)
        self._settings = settings
        self._session: Session | None = None

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
        try:
            while self._session is not None and self._session.receive() is not None:
                pass
        except BrokerError:
            self._drop()
        return self._session is not None

    def publish(self, described: Description, cause: Cause) -> None:
        """Publish what is said of a picture and return once the broker has confirmed it.

        Raises:
            BrokerError: the broker is away, refuses or does not confirm in time.
        """
        session = self._connected()
        message = caption_message(described, cause, now=datetime.now(UTC))
        session.deliver(outgoing(CAPTION, self._settings.device_id, message.to_json()))

    def close(self) -> None:
        """Say offline and disconnect; a second time does nothing.

        Where the connection is lost already, the broker's last will has said offline.

        Raises:
            BrokerError: the broker did not confirm offline; the connection is closed anyway.
        """
        if not self.is_connected:
            return
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _connected(self) -> Session:
        """Return a session that is alive."""
        if self.is_connected and self._session is not None:
            return self._session
        self._session = Session(self._settings)
        return self._session

    def _drop(self) -> None:
        """Close the connection, if there is one, without a word."""
        if self._session is not None:
            session, self._session = self._session, None
            session.abandon()
