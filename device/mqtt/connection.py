"""One connection to a broker, from CONNECT to DISCONNECT; with paho behind it.

Rules that cost others days: a refused connection is not a connection; an exception in a callback
kills paho's thread, so callbacks only put values on a queue; paho calls ``on_publish`` while it
holds its own lock, so no lock of ours may be held around ``publish``. What others send is bounded
before it is queued, in length and in number.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from device.errors import BrokerError
from device.mqtt.paho_client import Outgoing, broker_error, make_client, reach_broker, said
from device.mqtt.settings import BrokerSettings

_LOGGER = logging.getLogger(__name__)
_UNSUPPORTED_PROTOCOL = 0x84
MAX_RECEIVED_BYTES = 2**13
_MAX_WAITING = 1000
_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


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
class Confirmed:
    """The broker took (failure None) or refused a message."""

    mid: int
    failure: str | None


@dataclass(frozen=True, slots=True)
class Received:
    """Somebody's message.

    Attributes:
        topic: whole.
        payload: its first ``MAX_RECEIVED_BYTES``.
        size_bytes: of the whole payload.
        is_retained: the broker had kept it from before.
    """

    topic: str
    payload: bytes
    size_bytes: int
    is_retained: bool


Happening = Confirmed | Received
_Event = _Answered | _Lost | Happening


class _UnansweredError(Exception):
    """The broker did not take this protocol version; it may well take an older one.

    Brokers that do not know MQTT 5 say so, hang up, or (amqtt) wait for bytes that never come.
    """


def _nothing() -> None:
    """Tell nobody."""


def open_connection(
    settings: BrokerSettings, will: Outgoing | None, notify: Callable[[], None] = _nothing
) -> Connection:
    """Return a connection that the broker has accepted, by the newest protocol that it takes.

    Args:
        settings: where, as whom and how long to wait.
        will: what the broker publishes when this process dies; None for nothing.
        notify: called from paho's thread when something has happened; it must return at once.

    Raises:
        BrokerError: the broker is away, refuses, cannot be trusted or does not answer in time.
        ConfigError: a TLS file cannot be used.
    """
    failure = ""
    for protocol in (_PROTOCOLS[name] for name in settings.protocols):
        try:
            return Connection(settings, will, protocol, notify)
        except _UnansweredError as exc:
            failure = str(exc)
            _LOGGER.debug("by %s: %s", protocol.name, failure)
    raise BrokerError(failure)


class Connection:
    """A connection that the broker has accepted; used by one thread, and never reopened."""

    def __init__(
        self,
        settings: BrokerSettings,
        will: Outgoing | None,
        protocol: MQTTProtocolVersion,
        notify: Callable[[], None] = _nothing,
    ) -> None:
        self._settings = settings
        self._notify = notify
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._lost_reason: str | None = None
        self._socket: socket.socket | None = None
        client = make_client(settings, will, protocol)
        self._client: paho.Client | None = client
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_socket_open = self._on_socket_open
        try:
            reach_broker(client, settings, protocol)
            client.loop_start()
            self._await_answer()
        except BaseException:
            self._shut()
            raise
        _LOGGER.info("connected to %s by %s", settings.address, protocol.name)

    def send(self, message: Outgoing) -> int:
        """Hand a message over and return its number, which comes back in ``Confirmed``.

        Raises:
            BrokerError: the broker is gone.
        """
        client = self._open_client()
        sent = client.publish(
            message.topic, message.payload, qos=message.qos, retain=message.is_retained
        )
        self._require_success(sent.rc)
        return sent.mid

    def subscribe(self, patterns: Sequence[str]) -> None:
        """Ask for messages; they come from ``receive``.

        Raises:
            BrokerError: the broker is gone.
        """
        code, _ = self._open_client().subscribe([(pattern, 1) for pattern in patterns])
        self._require_success(code)

    def receive(self, timeout_s: float) -> Happening | None:
        """Return what happened next, or None after the time.

        Raises:
            BrokerError: the connection is lost.
        """
        if self._lost_reason is not None:
            timeout_s = 0.0
        match self._next_event(time.monotonic() + timeout_s):
            case _Lost(reason):
                self._lost_reason = reason
            case Confirmed() | Received() as happening:
                return happening
        if self._lost_reason is not None:
            raise broker_error(self._settings, f"is gone ({self._lost_reason}): is it running?")
        return None

    def close(self) -> None:
        """Say goodbye and end paho's thread; a second time does nothing.

        A clean goodbye suppresses the last will: publish what must be known before.
        """
        self._shut()

    def abandon(self) -> None:
        """End the connection without goodbye, so that the broker publishes the last will."""
        client, self._client = self._client, None
        if client is None:
            return
        if self._socket is not None:
            # paho's thread sees the end at once; it would wait for what the broker never confirms.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        client.loop_stop()
        self._let_go(client)

    def _await_answer(self) -> None:
        """Wait for the broker's answer to CONNECT; each protocol gets its share of the time."""
        share_s = self._settings.timeout_s / len(self._settings.protocols)
        match self._next_event(time.monotonic() + share_s):
            case _Answered(None):
                return
            case _Answered(failure, is_protocol_refused=False):
                raise broker_error(
                    self._settings, f"refused the connection: {failure}: check user and password"
                )
            case _Answered(failure):
                raise _UnansweredError(said(self._settings, f"refused the connection: {failure}"))
            case _Lost(reason):
                raise _UnansweredError(
                    said(self._settings, f"hung up without an answer ({reason}): is it a TLS port?")
                )
            case _:
                raise _UnansweredError(
                    said(self._settings, f"does not answer within {self._settings.timeout_s:g} s")
                )

    def _next_event(self, deadline_s: float) -> _Event | None:
        """Return what happened next, or None at the deadline."""
        try:
            return self._events.get(timeout=max(0.0, deadline_s - time.monotonic()))
        except queue.Empty:
            return None

    def _open_client(self) -> paho.Client:
        if self._client is None:
            raise broker_error(self._settings, "has no connection any more: it was closed here")
        return self._client

    def _require_success(self, code: MQTTErrorCode) -> None:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise broker_error(
                self._settings, f"is gone ({paho.error_string(code)}): is it running?"
            )

    def _shut(self) -> None:
        """End the socket and paho's thread, whatever state they are in."""
        client, self._client = self._client, None
        if client is None:
            return
        client.disconnect()
        client.loop_stop()
        self._let_go(client)

    def _let_go(self, client: paho.Client) -> None:
        # The callbacks point back here: without them paho's wake-up sockets are closed at once.
        client.on_connect = client.on_disconnect = client.on_publish = None
        client.on_message = client.on_subscribe = client.on_socket_open = None
        if self._socket is not None:
            self._socket.close()

    # paho's thread, sometimes with paho's lock held: queue the value and leave.

    def _put(self, event: _Event) -> None:
        self._events.put(event)
        self._notify()

    def _on_socket_open(self, _c: Any, _u: Any, opened: Any) -> None:
        # Our own handle on it: paho may close its own at any time.
        self._socket = socket.socket(fileno=os.dup(opened.fileno()))

    def _on_connect(self, _c: Any, _u: Any, _f: Any, reason: ReasonCode, _p: Any) -> None:
        failure = str(reason) if reason.is_failure else None
        self._put(_Answered(failure, reason.value == _UNSUPPORTED_PROTOCOL))

    def _on_disconnect(self, _c: Any, _u: Any, _f: Any, reason: ReasonCode, _p: Any) -> None:
        self._put(_Lost(str(reason)))

    def _on_publish(self, _c: Any, _u: Any, mid: int, reason: ReasonCode, _p: Any) -> None:
        self._put(Confirmed(mid, str(reason) if reason.is_failure else None))

    def _on_subscribe(self, _c: Any, _u: Any, _m: int, reasons: list[ReasonCode], _p: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            _LOGGER.warning("%s", said(self._settings, f"lets us hear no commands: {reasons[0]}"))

    def _on_message(self, _c: Any, _u: Any, message: paho.MQTTMessage) -> None:
        received = _received(message)
        if received is not None and self._events.qsize() < _MAX_WAITING:
            self._put(received)


def _received(message: paho.MQTTMessage) -> Received | None:
    try:
        topic = message.topic
    except UnicodeDecodeError:  # an unknown command of somebody who does not keep to the rules
        return None
    payload = bytes(message.payload)
    return Received(topic, payload[:MAX_RECEIVED_BYTES], len(payload), message.retain)
