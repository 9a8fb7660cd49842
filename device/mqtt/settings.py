"""What it takes to reach a broker; wrong values are refused before anything is connected."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from device.errors import ConfigError
from device.mqtt.device_id import check_device_id

PASSWORD_VARIABLE = "SEEALOUD_MQTT_PASSWORD"
PLAIN_PORT = 1883
TLS_PORT = 8883
WEBSOCKETS_PORT = 80
WEBSOCKETS_TLS_PORT = 443
Protocol = Literal["5", "3.1.1"]
Transport = Literal["tcp", "websockets"]
# Newest first; 3.1.1 is what amqtt and many small brokers speak.
PROTOCOLS: tuple[Protocol, ...] = ("5", "3.1.1")
_BROKER = re.compile(
    r"\[(?P<ipv6>[^\]]+)\](?::(?P<port6>\d+))?|(?P<host>[^:\[\]]+)(?::(?P<port>\d+))?"
)
_HOST = re.compile(r"[A-Za-z0-9_.:%-]{1,253}")


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How the broker proves who it is, and how we do.

    Attributes:
        ca_file: PEM file of the authority that signed the broker's certificate; None for the
            system's own.
        cert_file: PEM file of our certificate, where the broker wants one.
        key_file: PEM file of its key; None where it is inside ``cert_file``.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


def _random_suffix() -> str:
    return secrets.token_hex(3)


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """One broker, and who we are to it.

    Attributes:
        host: name or address.
        device_id: names this device in every topic.
        port: 1..65535; None for the usual one, 1883 or with TLS 8883.
        username: None to sign in as nobody.
        password: never in a log or a message.
        tls: None for an unencrypted connection.
        timeout_s: for each step: reaching the broker, its answer, and each confirmation.
        protocols: MQTT versions to try, of "5" and "3.1.1", in this order.
        keepalive_s: silence after which the broker publishes our last will is 1.5 times this.
        session: tells several connections of one device apart; a broker drops the older of
            two equal ones, and a single ``describe`` must not push the daemon out.
        transport: MQTT directly, or inside WebSockets.
        websocket_path: where the broker listens for these.
    """

    host: str
    device_id: str
    port: int | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsSettings | None = None
    timeout_s: float = 5.0
    protocols: tuple[Protocol, ...] = PROTOCOLS
    keepalive_s: int = 30
    session: str = field(default_factory=_random_suffix)
    transport: Transport = "tcp"
    websocket_path: str = "/mqtt"

    def __post_init__(self) -> None:
        """Refuse what no broker could have.

        Raises:
            ConfigError: a value is out of its range.
        """
        check_device_id(self.device_id)
        if not _HOST.fullmatch(self.host):
            raise ConfigError("the MQTT host is no host name: write HOST or HOST:PORT")
        if not self.protocols:
            raise ConfigError("no MQTT version to try: name 5, 3.1.1 or both")
        if self.port is not None and not 1 <= self.port <= 65535:
            raise ConfigError(f"MQTT port {self.port} is not in 1..65535")
        if self.password is not None and self.username is None:
            raise ConfigError("an MQTT password needs a user: give --mqtt-user as well")
        if not self.websocket_path.startswith("/"):
            raise ConfigError(
                f"MQTT websocket path {self.websocket_path!r} does not begin with a slash"
            )

    @property
    def client_id(self) -> str:
        """The MQTT client identifier of this connection."""
        return f"{self.device_id}-{self.session}"

    @property
    def effective_port(self) -> int:
        """The port that is used."""
        if self.port is not None:
            return self.port
        if self.transport == "websockets":
            return WEBSOCKETS_PORT if self.tls is None else WEBSOCKETS_TLS_PORT
        return PLAIN_PORT if self.tls is None else TLS_PORT

    @property
    def address(self) -> str:
        """``host:port``, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.effective_port}"


def parse_broker(text: str) -> tuple[str, int | None]:
    """Return host and port of ``HOST``, ``HOST:PORT``, ``[IPV6]:PORT`` or a bare IPv6 address.

    Raises:
        ConfigError: it is none of these. The text is not repeated where it may hold a password.
    """
    if "@" in text:
        raise ConfigError(
            "the MQTT host must not hold user or password: give --mqtt-user and "
            f"--mqtt-password-file or {PASSWORD_VARIABLE}"
        )
    if "://" in text:
        raise ConfigError(f"MQTT host {text!r}: write HOST or HOST:PORT (and --mqtt-tls for TLS)")
    match = _BROKER.fullmatch(text)
    if match is None and not _is_ipv6(text):
        raise ConfigError(f"MQTT host {text!r} is no host: write HOST or HOST:PORT")
    if match is None:
        return text, None
    port = match["port6"] or match["port"]
    return match["ipv6"] or match["host"], int(port) if port else None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def read_password(file: Path | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the password from a file, else from the environment, else None.

    The line end that editors add to a file does not count.

    Raises:
        ConfigError: the file cannot be read or is empty.
    """
    if file is None:
        return environ.get(PASSWORD_VARIABLE) or None
    try:
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"MQTT password file {file} cannot be read: {reason}") from exc
    if not password:
        raise ConfigError(f"MQTT password file {file} is empty: write the password into it")
    return password
