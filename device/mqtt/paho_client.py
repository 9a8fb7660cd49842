"""Paho's client for one connection, from the socket to DISCONNECT.

Only this module and ``bounded_client`` know paho.

Facts that are easy to miss: an exception in a callback kills paho's thread, so callbacks only put
values into the inbox, which bounds them in length and in number; paho calls ``on_publish`` while it
holds its own lock, so no lock of ours may be held around ``publish``. Every failure is raised as a
``BrokerError`` that says what to do.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from seealoud.device.errors import BrokerError
from seealoud.device.mqtt.bounded_client import MAX_PACKET_BYTES, BoundedClient
from seealoud.device.mqtt.broker import BrokerSettings, Protocol, tls_context
from seealoud.device.mqtt.inbox import Inbox, LaneOf, ReceivedMessage, lane_by_topic
from seealoud.device.mqtt.topics import DESCRIBE_PICTURE, OutgoingMessage

_LOGGER = logging.getLogger(__name__)
_RECEIVE_BUFFER_BYTES = 2**16
# The sender bounds how many are on the way at a time; paho must hold none of them back.
_MAX_IN_FLIGHT = 1000
_UNSUPPORTED_PROTOCOL = 0x84
_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """The broker accepted (failure None) or refused the connection."""

    failure: str | None
    is_protocol_refused: bool


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class PublishAnswer:
    """The broker took (failure None) or refused the message with this number."""

    number: int
    failure: str | None


BrokerEvent = ConnectAnswer | ConnectionLost | PublishAnswer


def broker_error(settings: BrokerSettings, what: str) -> BrokerError:
    """Return an error about the broker, with its address."""
    return BrokerError(f"MQTT broker {settings.address} {what}")


class PahoClient:
    """A client whose CONNECT is sent; used by one thread, and never reopened.

    Args:
        settings: the broker, the credentials and the timeouts.
        will: what the broker publishes when this process dies; None for nothing.
        protocol: the version of MQTT.
        notify: called from paho's thread after each event; it must return at once.
        lane_of: as for ``Inbox``.

    Raises:
        BrokerError: the broker is away, cannot be trusted or does not answer in time.
        ConfigError: a TLS file cannot be used.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        will: OutgoingMessage | None,
        protocol: Protocol,
        notify: Callable[[], None],
        lane_of: LaneOf = lane_by_topic,
    ) -> None:
        self._settings = settings
        self._notify = notify
        large_topic = DESCRIBE_PICTURE.of(settings.device_id)
        self._inbox: Inbox[BrokerEvent] = Inbox(lane_of, large_topic)
        self._socket: socket.socket | None = None
        client = _make_client(settings, will, _PROTOCOLS[protocol])
        client.has_room = self._inbox.has_room
        client.large_topic = large_topic.encode()
        self._client: paho.Client | None = client
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_socket_open = self._on_socket_open
        try:
            _reach_broker(client, settings, _PROTOCOLS[protocol])
            client.loop_start()
        except BaseException:
            self.close()
            raise

    def publish(self, message: OutgoingMessage) -> int:
        """Hand a message over and return its number, which comes back in ``PublishAnswer``.

        Raises:
            BrokerError: the broker is gone.
        """
        sent = self._open_client().publish(
            message.topic, message.payload, qos=message.qos, retain=message.is_retained
        )
        self._require_success(sent.rc)
        return sent.mid

    def subscribe(self, patterns: Sequence[str]) -> None:
        """Ask for messages.

        Raises:
            BrokerError: the broker is gone.
        """
        code, _ = self._open_client().subscribe([(pattern, 1) for pattern in patterns])
        self._require_success(code)

    def next_event(self, timeout_s: float) -> BrokerEvent | ReceivedMessage | None:
        """Return what happened next, or None after the time."""
        return self._inbox.get(timeout_s)

    def close(self) -> None:
        """Send DISCONNECT and end paho's thread; a second time does nothing.

        DISCONNECT suppresses the last will: publish before it what must be known.
        """
        if (client := self._taken_client()) is not None:
            client.disconnect()
            self._end(client)

    def abandon(self) -> None:
        """End without DISCONNECT, so that the broker publishes the last will."""
        if (client := self._taken_client()) is not None:
            if self._socket is not None:
                # paho's thread sees the end at once; otherwise it waits for confirmations.
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
            self._end(client)

    def _taken_client(self) -> paho.Client | None:
        client, self._client = self._client, None
        return client

    def _open_client(self) -> paho.Client:
        if self._client is None:
            raise broker_error(self._settings, "is no longer connected: it was closed here")
        return self._client

    def _require_success(self, code: MQTTErrorCode) -> None:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise broker_error(
                self._settings, f"is gone ({paho.error_string(code)}): is it running?"
            )

    def _end(self, client: paho.Client) -> None:
        client.loop_stop()
        # The callbacks point back here: without them paho's wake-up sockets are closed at once.
        client.on_connect = client.on_disconnect = client.on_publish = None
        client.on_message = client.on_subscribe = client.on_socket_open = None
        if self._socket is not None:
            self._socket.close()

    # paho's thread, sometimes with paho's lock held: queue the value and leave.

    def _put(self, event: BrokerEvent) -> None:
        self._inbox.put(event)
        self._notify()

    def _on_socket_open(self, _c: Any, _u: Any, opened: Any) -> None:
        # Our own handle on it: paho may close its own at any time.
        self._socket = socket.socket(fileno=os.dup(opened.fileno()))
        # What waits here delays what the broker confirms; without a limit it would be megabytes.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)

    def _on_connect(self, _c: Any, _u: Any, _f: Any, reason: ReasonCode, _p: Any) -> None:
        failure = str(reason) if reason.is_failure else None
        self._put(ConnectAnswer(failure, reason.value == _UNSUPPORTED_PROTOCOL))

    def _on_disconnect(self, _c: Any, _u: Any, _f: Any, reason: ReasonCode, _p: Any) -> None:
        self._put(ConnectionLost(str(reason)))

    def _on_publish(self, _c: Any, _u: Any, mid: int, reason: ReasonCode, _p: Any) -> None:
        self._put(PublishAnswer(mid, str(reason) if reason.is_failure else None))

    def _on_subscribe(self, _c: Any, _u: Any, _m: int, reasons: list[ReasonCode], _p: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            address = self._settings.address
            _LOGGER.warning("MQTT broker %s refuses the subscription: %s", address, reasons[0])

    def _on_message(self, _c: Any, _u: Any, message: paho.MQTTMessage) -> None:
        # Its topic as bytes: a client may break the rules.
        if self._inbox.put_message(message._topic, bytes(message.payload), message.retain):
            self._notify()


def _make_client(
    settings: BrokerSettings, will: OutgoingMessage | None, protocol: MQTTProtocolVersion
) -> BoundedClient:
    """Return a client that is set up, except for its callbacks, and has not connected."""
    client = BoundedClient(
        CallbackAPIVersion.VERSION2,
        client_id=settings.client_id,
        protocol=protocol,
        transport=settings.transport,
        # A new client is made instead: paho's own attempts hide a wrong password.
        reconnect_on_failure=False,
    )
    client.connect_timeout = settings.timeout_s
    client.max_inflight_messages = _MAX_IN_FLIGHT
    if settings.transport == "websockets":
        client.ws_set_options(settings.websocket_path)
    if will is not None:
        client.will_set(will.topic, will.payload, qos=will.qos, retain=will.is_retained)
    if settings.username is not None:
        client.username_pw_set(settings.username, settings.password)
    if settings.tls is not None:
        client.tls_set_context(tls_context(settings.tls))
    return client


def _reach_broker(
    client: paho.Client, settings: BrokerSettings, protocol: MQTTProtocolVersion
) -> None:
    """Open the socket, with TLS where it is wanted, and send CONNECT."""
    properties = None
    if protocol is MQTTProtocolVersion.MQTTv5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = MAX_PACKET_BYTES
    try:
        client.connect(
            settings.host, settings.effective_port, settings.keepalive_s, properties=properties
        )
    except (OSError, UnicodeError, paho.WebsocketConnectionError) as exc:
        raise broker_error(settings, _reason(exc, settings)) from exc


def _reason(exc: Exception, settings: BrokerSettings) -> str:
    """Return why the broker could not be reached, and what to do."""
    match exc:
        case ssl.SSLCertVerificationError():
            return (
                f"has a certificate that is not trusted ({exc.verify_message}): "
                "give the CA that signed it, and the host name that it is for"
            )
        case ssl.SSLError():
            return f"does not accept a TLS connection ({exc.reason}): is it a TLS port?"
        case TimeoutError():
            return f"does not answer within {settings.timeout_s:g} s"
        case socket.gaierror() | UnicodeError():
            return "is an unknown host: check its name"
        case paho.WebsocketConnectionError():
            return f"does not speak WebSockets ({exc}): check port and path"
        case ConnectionResetError():
            return f"hung up ({exc.strerror}): is it a TLS port?"
        case OSError():
            return f"cannot be reached ({exc.strerror or exc}): is it running?"
        case _:
            return f"cannot be reached ({exc}): is it running?"
