"""The table ``[mqtt]`` of the settings."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from device.mqtt.device_id import default_device_id
from device.mqtt.settings import (
    PROTOCOLS,
    BrokerSettings,
    Protocol,
    TlsSettings,
    Transport,
    read_password,
)
from device.settings_base import MQTT_PASSWORD, SettingsGroup, find_credential

# The daemon's connections all have this name: after a break the broker then ends the old one at
# once, and not when its keepalive runs out, which would say "offline" of a device that is back.
DAEMON_SESSION = "daemon"
_PREFIX = re.compile(r"[^+#\x00/]+(/[^+#\x00/]+)*")


class MqttSettings(SettingsGroup):
    """Captions, events and commands over MQTT, and the device in Home Assistant."""

    is_on: bool = False
    """Whether a broker is used. Nothing else leaves the device."""

    host: Annotated[str, Field(min_length=1, max_length=253)] = "localhost"
    """Name or address of the broker."""

    port: Annotated[int, Field(ge=1, le=65535, examples=[1883])] | None = None
    """Its port. Not set: 1883, with TLS 8883; for WebSockets 80, with TLS 443."""

    transport: Transport = "tcp"
    """"websockets" where only HTTP gets through."""

    websocket_path: Annotated[str, Field(min_length=1, max_length=200)] = "/mqtt"
    """Where the broker listens for WebSockets."""

    username: Annotated[str, Field(min_length=1, examples=["seealoud"])] | None = None
    """User at the broker. Not set: signs in as nobody."""

    password_file: Path | None = None
    """File with the password. Not set: systemd's credential "mqtt-password", else
    $SEEALOUD_MQTT_PASSWORD."""

    is_tls_on: bool = False
    """Whether the connection is encrypted. The broker's certificate is always checked, against the
    system's authorities or ca_file."""

    ca_file: Path | None = None
    """PEM file of the authority that signed the broker's certificate; switches TLS on."""

    cert_file: Path | None = None
    """PEM file of our certificate, for a broker that wants one; switches TLS on."""

    key_file: Path | None = None
    """PEM file of its key, without passphrase. Not set: it is in cert_file."""

    protocols: Annotated[tuple[Protocol, ...], Field(min_length=1, max_length=2)] = PROTOCOLS
    """Versions of MQTT to try, in this order."""

    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 30
    """After 1.5 times this silence the broker says that the device is offline."""

    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Longest wait for the broker at each step: reaching it, its answer, each confirmation."""

    retry_min_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Wait before the first new attempt; it doubles with each, and chance shortens it by up to a
    half, so that many devices do not come at once."""

    retry_max_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Longest wait between attempts."""

    report_after_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    """How long the broker must be away before it is called a problem: one that restarts is none."""

    in_flight: Annotated[int, Field(ge=1, le=1000)] = 20
    """Messages on the way at a time, before the broker has confirmed the first of them."""

    queue_rows: Annotated[int, Field(ge=10, le=100_000)] = 1000
    """Events that may wait for the sender, and messages kept in memory where there is no state
    directory; beyond it the oldest messages are dropped and counted."""

    late_after_s: Annotated[float, Field(gt=0, le=86_400)] = 30.0
    """A message that is sent so long after what it tells is marked "late"."""

    commands_per_min: Annotated[int, Field(ge=1, le=6000)] = 120
    """Commands taken in a minute; more are refused."""

    diagnostics_period_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """How often temperature, latency and the like are published."""

    is_discovery_on: bool = True
    """Whether Home Assistant is told of the device."""

    discovery_prefix: Annotated[str, Field(min_length=1, max_length=100)] = "homeassistant"
    """The discovery prefix that Home Assistant is set to."""

    is_picture_on: bool = False
    """Whether the picture behind each caption is published as JPEG. It leaves the device then, and
    whoever may read the broker's topics can look through the camera."""

    @model_validator(mode="after")
    def _fits_together(self) -> MqttSettings:
        self._broker("device", password=None, session=None)
        if self.retry_max_s < self.retry_min_s:
            raise ValueError(
                f"retry_max_s {self.retry_max_s:g} is below retry_min_s {self.retry_min_s:g}"
            )
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file needs a user: set username as well")
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file needs its certificate: set cert_file as well")
        if not _PREFIX.fullmatch(self.discovery_prefix):
            raise ValueError(f"discovery_prefix {self.discovery_prefix!r} cannot begin a topic")
        return self

    def broker_settings(
        self, device_id: str | None = None, *, session: str | None = None
    ) -> BrokerSettings:
        """Return how to reach the broker.

        Args:
            device_id: of the topics; None for the one made from the machine's id.
            session: tells connections of one device apart; ``DAEMON_SESSION`` for the daemon's,
                None for a random one.

        Raises:
            ConfigError: the password file cannot be read.
        """
        password = None
        if self.username is not None:
            password = read_password(self.password_file or find_credential(MQTT_PASSWORD))
        return self._broker(device_id or default_device_id(), password, session)

    def _broker(self, device_id: str, password: str | None, session: str | None) -> BrokerSettings:
        files = (self.ca_file, self.cert_file, self.key_file)
        is_encrypted = self.is_tls_on or any(files)
        settings = BrokerSettings(
            host=self.host,
            device_id=device_id,
            port=self.port,
            username=self.username,
            password=password,
            tls=TlsSettings(*files) if is_encrypted else None,
            timeout_s=self.timeout_s,
            protocols=self.protocols,
            keepalive_s=self.keepalive_s,
            transport=self.transport,
            websocket_path=self.websocket_path,
        )
        return settings if session is None else replace(settings, session=session)
