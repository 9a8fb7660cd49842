"""Sets paho's client up and brings it to the broker; only this and ``connection`` know paho.

Invariant: whatever goes wrong on the way leaves here as a ``BrokerError`` that says what to do.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from device.errors import BrokerError
from device.mqtt.settings import BrokerSettings
from device.mqtt.tls import tls_context

# A broker that knows MQTT 5 does not even send longer ones; of others paho has to take them whole.
_MAX_PACKET_BYTES = 2**16
# How many are on the way at a time is bounded by who sends; paho shall hold none of them back.
_MAX_IN_FLIGHT = 1000


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be published."""

    topic: str
    payload: bytes
    qos: int
    is_retained: bool


def said(settings: BrokerSettings, what: str) -> str:
    """Return a sentence about the broker, with its address."""
    return f"MQTT broker {settings.address} {what}"


def broker_error(settings: BrokerSettings, what: str) -> BrokerError:
    """Return an error that says so."""
    return BrokerError(said(settings, what))


def make_client(
    settings: BrokerSettings, will: Outgoing | None, protocol: MQTTProtocolVersion
) -> paho.Client:
    """Return a client that is set up, but for its callbacks, and has not connected.

    Raises:
        ConfigError: a TLS file cannot be used.
    """
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=settings.client_id,
        protocol=protocol,
        transport=settings.transport,
        # A new Connection is made instead: paho's own attempts hide a wrong password.
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


def reach_broker(
    client: paho.Client, settings: BrokerSettings, protocol: MQTTProtocolVersion
) -> None:
    """Open the socket, with TLS where it is wanted, and send CONNECT.

    Raises:
        BrokerError: it is away, cannot be trusted or does not answer in time.
    """
    try:
        client.connect(
            settings.host,
            settings.effective_port,
            settings.keepalive_s,
            properties=_connect_properties(protocol),
        )
    except ssl.SSLCertVerificationError as exc:
        raise broker_error(
            settings,
            f"has a certificate that is not trusted ({exc.verify_message}): "
            "give the CA that signed it, and the host name that it is for",
        ) from exc
    except ssl.SSLError as exc:
        raise broker_error(
            settings, f"does not speak TLS with us ({exc.reason}): is it a TLS port?"
        ) from exc
    except TimeoutError as exc:
        raise broker_error(settings, f"does not answer within {settings.timeout_s:g} s") from exc
    except (socket.gaierror, UnicodeError) as exc:
        raise broker_error(settings, "is an unknown host: check its name") from exc
    except paho.WebsocketConnectionError as exc:
        raise broker_error(
            settings, f"does not speak WebSockets ({exc}): check port and path"
        ) from exc
    except ConnectionResetError as exc:
        raise broker_error(settings, f"hung up ({exc.strerror}): is it a TLS port?") from exc
    except OSError as exc:
        raise broker_error(
            settings, f"cannot be reached ({exc.strerror or exc}): is it running?"
        ) from exc


def _connect_properties(protocol: MQTTProtocolVersion) -> Properties | None:
    if protocol is not MQTTProtocolVersion.MQTTv5:
        return None
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = _MAX_PACKET_BYTES
    return properties
