"""One connection to a broker, from CONNECT to DISCONNECT; the only module that knows paho.

Rules that cost others days: a refused connection is not a connection; an exception in a callback
kills paho's thread, so callbacks only put values on a queue; paho calls ``on_publish`` while it
holds its own lock, so no lock of ours may be held around ``publish``.
"""

from __future__ import annotations

import logging
import queue
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from device.errors import BrokerError
from device.mqtt.settings import BrokerSettings
from device.mqtt.tls import tls_context

_LOGGER = logging.getLogger(__name__)
_UNSUPPORTED_PROTOCOL = 0x84
_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be published."""

    topic: str
    payload: bytes
    qos: int
    is_retained: bool


@dataclass(frozen=True, slots=True)
class _Answered:
    """The broker accepted (failure None) or refused the connection."""

    failure: str | None
    is_protocol_refused: bool


@dataclass(frozen=True, slots=True)
class _Lost:
    """The connection is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Confirmed:
    """The broker took (failure None) or refused a message."""

    mid: int
    failure: str | None


_Event = _Answered | _Lost | _Confirmed


class _UnansweredError(Exception):
    """The broker did not take this protocol version; it may well take an older one.

    Brokers that do not know MQTT 5 say so, hang up, or (amqtt) wait for bytes that never come.
    """


def open_connection(settings: BrokerSettings, will: Outgoing) -> Connection:
    """Return a connection that the broker has accepted, by the newest protocol that it takes.

    Args:
        settings: where, as whom and how long to wait.
        will: what the broker publishes when this process dies.

    Raises:
        BrokerError: the broker is away, refuses, cannot be trusted or does not answer in time.
        ConfigError: a TLS file cannot be used.
    """
    failure = ""
    for protocol in (_PROTOCOLS[name] for name in settings.protocols):
        try:
            return Connection(settings, will, protocol)
        except _UnansweredError as exc:
            failure = str(exc)
            _LOGGER.debug("by %s: %s", protocol.name, failure)
    raise BrokerError(failure)


class Connection:
    """A connection that the broker has accepted; used by one thread, and never reopened."""

    def __init__(
        self, settings: BrokerSettings, will: Outgoing, protocol: MQTTProtocolVersion
    ) -> None:
        self._settings = settings
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._is_alive = False
        client = self._make_client(will, protocol)
        self._client: paho.Client | None = client
        try:
            self._reach_broker(client)
            client.loop_start()
            self._await_answer()
        except BaseException:
            self._shut()
            raise
        self._is_alive = True
        _LOGGER.info("connected to %s by %s", settings.address, protocol.name)

    @property
    def is_alive(self) -> bool:
        """Whether the connection has not been seen to end."""
        while not self._events.empty():
            self._note(self._events.get())
        return self._is_alive

    def publish(self, message: Outgoing) -> None:
        """Publish a message and return once the broker has confirmed it.

        Raises:
            BrokerError: the broker refused it, is gone or did not confirm in time; it may have
                taken the message all the same.
        """
        if self._client is None:
            raise self._error("has no connection any more: it was closed here")
        deadline_s = time.monotonic() + self._settings.timeout_s
        sent = self._client.publish(
            message.topic, message.payload, qos=message.qos, retain=message.is_retained
        )
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._is_alive = False
            raise self._error(f"is gone ({paho.error_string(sent.rc)}): is it running?")
        while (event := self._next_event(deadline_s)) is not None:
            if isinstance(event, _Lost):
                raise self._error(f"is gone ({event.reason}): is it running?")
            if isinstance(event, _Confirmed) and event.mid == sent.mid:
                if event.failure is None:
                    return
                raise self._error(f"refused a message on {message.topic}: {event.failure}")
        raise self._error(f"did not confirm a message within {self._settings.timeout_s:g} s")

    def close(self) -> None:
        """Say goodbye and end paho's thread; a second time does nothing.

        A clean goodbye suppresses the last will: publish what must be known before.
        """
        self._is_alive = False
        self._shut()

    def _make_client(self, will: Outgoing, protocol: MQTTProtocolVersion) -> paho.Client:
        """Return a client that is set up but has not connected."""
        settings = self._settings
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            protocol=protocol,
            # A new Connection is made instead: paho's own attempts hide a wrong password.
            reconnect_on_failure=False,
        )
        client.connect_timeout = settings.timeout_s
        client.will_set(will.topic, will.payload, qos=will.qos, retain=will.is_retained)
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password)
        if settings.tls is not None:
            client.tls_set_context(tls_context(settings.tls))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _reach_broker(self, client: paho.Client) -> None:
        """Open the socket, with TLS where it is wanted, and send CONNECT."""
        settings = self._settings
        try:
            client.connect(settings.host, settings.effective_port, settings.keepalive_s)
        except ssl.SSLCertVerificationError as exc:
            raise self._error(
                f"has a certificate that is not trusted ({exc.verify_message}): "
                "give the CA that signed it, and the host name that it is for"
            ) from exc
        except ssl.SSLError as exc:
            raise self._error(
                f"does not speak TLS with us ({exc.reason}): is it a TLS port?"
            ) from exc
        except TimeoutError as exc:
            raise self._error(f"does not answer within {settings.timeout_s:g} s") from exc
        except (socket.gaierror, UnicodeError) as exc:
            raise self._error("is an unknown host: check its name") from exc
        except ConnectionResetError as exc:
            raise self._error(f"hung up ({exc.strerror}): is it a TLS port?") from exc
        except OSError as exc:
            raise self._error(f"cannot be reached ({exc.strerror or exc}): is it running?") from exc

    def _await_answer(self) -> None:
        """Wait for the broker's answer to CONNECT; each protocol gets its share of the time."""
        share_s = self._settings.timeout_s / len(self._settings.protocols)
        match self._next_event(time.monotonic() + share_s):
            case _Answered(None):
                return
            case _Answered(failure, is_protocol_refused=False):
                raise self._error(f"refused the connection: {failure}: check user and password")
            case _Answered(failure):
                raise _UnansweredError(self._said(f"refused the connection: {failure}"))
            case _Lost(reason):
                raise _UnansweredError(
                    self._said(f"hung up without an answer ({reason}): is it a TLS port?")
                )
            case _:
                raise _UnansweredError(
                    self._said(f"does not answer within {self._settings.timeout_s:g} s")
                )

    def _next_event(self, deadline_s: float) -> _Event | None:
        """Return what happened next, or None at the deadline."""
        try:
            event = self._events.get(timeout=max(0.0, deadline_s - time.monotonic()))
        except queue.Empty:
            return None
        self._note(event)
        return event

    def _note(self, event: _Event) -> None:
        if isinstance(event, _Lost):
            self._is_alive = False

    def _shut(self) -> None:
        """End the socket and paho's thread, whatever state they are in."""
        client, self._client = self._client, None
        if client is None:
            return
        client.disconnect()
        client.loop_stop()
        # They point back here: without the circle paho's wake-up sockets are closed at once.
        client.on_connect = client.on_disconnect = client.on_publish = None

    def _said(self, what: str) -> str:
        return f"MQTT broker {self._settings.address} {what}"

    def _error(self, what: str) -> BrokerError:
        return BrokerError(self._said(what))

    # paho's thread, sometimes with paho's lock held: queue the value and leave.

    def _on_connect(self, _c: Any, _u: Any, _f: Any, reason: ReasonCode, _p: Any) -> None:
        failure = str(reason) if reason.is_failure else None
        self._events.put(_Answered(failure, reason.value == _UNSUPPORTED_PROTOCOL))

    def _on_disconnect(self, _c: Any, _u: Any, _f: Any, reason: ReasonCode, _p: Any) -> None:
        self._events.put(_Lost(str(reason)))

    def _on_publish(self, _c: Any, _u: Any, mid: int, reason: ReasonCode, _p: Any) -> None:
        self._events.put(_Confirmed(mid, str(reason) if reason.is_failure else None))
