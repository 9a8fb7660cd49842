"""How a broker is reached: address, credentials, TLS and the device id.

Invariants: wrong values are refused before anything is connected; the broker's certificate is
always checked; the machine's own id is never published.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from seealoud.device.errors import ConfigError
from seealoud.device.files import open_regular, read_regular
from seealoud.device.mqtt.topics import ROOT, SITE
from seealoud.device.settings_base import check_host

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
# What Home Assistant accepts as an object id as well; no level separator and no wildcard.
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# machine-id(5): never publish it, hash it with a key of the application's own.
_APPLICATION_KEY = b"seealoud device id 1"
_ID_HEX_DIGITS = 8
# The daemon's connections all have this name: after a break the broker then ends the old one at
# once. Otherwise it would, when the keepalive runs out, say "offline" of a device that is back.
DAEMON_SESSION = "daemon"
MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Certificates for the connection.

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
    """One broker, and how to connect to it.

    Attributes:
        host: name or address.
        device_id: names this device in every topic.
        port: 1..65535; None for the usual one, 1883 or with TLS 8883.
        username: None to connect without a user.
        password: never in a log or a message.
        tls: None for an unencrypted connection.
        timeout_s: for each step: reaching the broker, its answer, and each confirmation.
        protocols: MQTT versions to try, of "5" and "3.1.1", in this order.
        keepalive_s: silence after which the broker publishes our last will is 1.5 times this.
        session: distinguishes the connections of one device; a broker ends the older of two
            with the same name, and a single ``describe`` must not end the daemon's.
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
        try:
            check_host(self.host)
        except ValueError as exc:  # without the text, which may contain a password
            raise ConfigError("the MQTT host is not a host name: write HOST or HOST:PORT") from exc
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
        raise ConfigError(f"MQTT host {text!r} is not a host: write HOST or HOST:PORT")
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
        password = read_regular(file).decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"MQTT password file {file} cannot be read: {reason}") from exc
    if not password:
        raise ConfigError(f"MQTT password file {file} is empty: write the password into it")
    return password


def check_device_id(device_id: str) -> str:
    """Return the device id if it can be part of a topic.

    Raises:
        ConfigError: it has other characters than letters, digits, ``-`` and ``_``, or stands for
            every device.
    """
    if device_id == SITE:
        raise ConfigError(
            f"device id {device_id!r} cannot be used: {ROOT}/{SITE}/command is for every device; "
            f"take another one, as in '{SITE}-rooms'"
        )
    if not _VALID.fullmatch(device_id):
        raise ConfigError(
            f"device id {device_id!r} cannot be used: "
            "write 1 to 64 letters, digits, '-' or '_', first a letter or a digit"
        )
    return device_id


def default_device_id(files: Sequence[Path] = MACHINE_ID_FILES) -> str:
    """Return ``seealoud-`` and 8 hex digits, the same ones on every start of this machine."""
    digest = hmac.new(_APPLICATION_KEY, _machine_identity(files).encode(), hashlib.sha256)
    return f"seealoud-{digest.hexdigest()[:_ID_HEX_DIGITS]}"


def _machine_identity(files: Sequence[Path]) -> str:
    """Return the machine's own id, or its host name where it has none (some containers)."""
    for file in files:
        try:
            identity = read_regular(file).decode("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if identity and identity != "uninitialized":
            return identity
    return socket.gethostname()


class _ClosingSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails, which paho leaves to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context in which the broker's certificate and host name are checked.

    Raises:
        ConfigError: a file is missing or holds something else than it should.
    """
    if settings.key_file is not None and settings.cert_file is None:
        raise ConfigError("an MQTT key needs its certificate: give --mqtt-cert as well")
    for file in (settings.ca_file, settings.cert_file, settings.key_file):
        _require_readable(file)
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except ssl.SSLError as exc:
        raise ConfigError(f"MQTT CA file {settings.ca_file} holds no PEM certificate") from exc
    context.sslsocket_class = _ClosingSocket
    if settings.cert_file is not None:
        _load_own(context, settings.cert_file, settings.key_file)
    return context


def _load_own(context: ssl.SSLContext, cert_file: Path, key_file: Path | None) -> None:
    """Load our certificate and its key."""
    try:
        # An empty password instead of OpenSSL's question on the terminal.
        context.load_cert_chain(cert_file, key_file, password="")
    except ssl.SSLError as exc:
        raise ConfigError(
            f"MQTT certificate {cert_file} and key {key_file or cert_file} do not fit together, "
            "are not PEM files, or the key has a passphrase"
        ) from exc


def _require_readable(file: Path | None) -> None:
    if file is None:
        return
    try:
        open_regular(file).close()
    except OSError as exc:
        raise ConfigError(f"MQTT file {file} cannot be read: {exc.strerror}") from exc
