"""The table ``[mqtt]`` of the settings, and the limits that are not settings."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field, model_validator

from seealoud.device.mqtt.broker import (
    BrokerSettings,
    TlsSettings,
    Transport,
    default_device_id,
    read_password,
)
from seealoud.device.settings_base import (
    MQTT_PASSWORD,
    FilePath,
    HostText,
    LineText,
    SettingsGroup,
    find_credential,
)

_PREFIX = re.compile(r"[^+#\x00/]+(/[^+#\x00/]+)*")


@dataclass(frozen=True, slots=True)
class MqttLimits:
    """Times and sizes of the daemon's MQTT that need no setting; tests pass others.

    Attributes:
        timeout_s: for each step: reaching the broker, its answer, and each confirmation. Far longer
            than a broker in the same house takes, and a radio link may lose a packet or two.
        retry_min_s: wait before the first new attempt; it doubles with each.
        retry_max_s: longest wait between attempts, so that the device is back within a minute
            of the broker.
        report_after_s: how long the broker must be away before it is a problem; one that restarts
            is not.
        in_flight: messages on the way at a time; as many as Mosquitto sends by default.
        queue_rows: events that may wait for the worker; many seconds of the busiest camera.
        late_after_s: a message that is sent so long after its event is marked "late": no
            automation should act on an older one as if it were news.
        diagnostics_period_s: how often temperature, latency and the like are published.
        commands_per_min: commands taken in a minute; more come only from a program that has gone
            wrong.
        spread_s: what many devices of one broker would do at the same moment is done by each at
            random within this: connecting again, carrying out a command for the whole site.
        start_spread_s: the same for the first connection; shorter, since few devices start at
            the same moment, and somebody waits for the one that does.
    """

    timeout_s: float = 5.0
    retry_min_s: float = 1.0
    retry_max_s: float = 60.0
    report_after_s: float = 10.0
    in_flight: int = 20
    queue_rows: int = 1000
    late_after_s: float = 30.0
    diagnostics_period_s: float = 60.0
    commands_per_min: float = 120.0
    spread_s: float = 5.0
    start_spread_s: float = 2.0


class MqttSettings(SettingsGroup):
    """Captions, events and commands over MQTT, and the device in Home Assistant."""

    is_on: bool = False
    """Whether a broker is used. Nothing leaves the device in any other way."""

    host: Annotated[HostText, Field(min_length=1, max_length=253)] = "localhost"
    """Name or address of the broker."""

    port: Annotated[int, Field(ge=1, le=65535, examples=[1883])] | None = None
    """Its port. Not set: 1883, with TLS 8883; for WebSockets 80, with TLS 443."""

    transport: Transport = "tcp"
    """"websockets" where only HTTP gets through."""

    websocket_path: Annotated[LineText, Field(min_length=1, max_length=200)] = "/mqtt"
    """Where the broker listens for WebSockets."""

    username: (
        Annotated[LineText, Field(min_length=1, max_length=1000, examples=["seealoud"])] | None
    ) = None
    """User at the broker. Not set: connects without one."""

    password_file: FilePath | None = None
    """File with the password. Not set: systemd's credential "mqtt-password", else
    $SEEALOUD_MQTT_PASSWORD."""

    is_tls_on: bool = False
    """Whether the connection is encrypted. The broker's certificate is always checked, against the
    system's authorities or ca_file."""

    ca_file: FilePath | None = None
    """PEM file of the authority that signed the broker's certificate; switches TLS on."""

    cert_file: FilePath | None = None
    """PEM file of our certificate, for a broker that wants one; switches TLS on."""

    key_file: FilePath | None = None
    """PEM file of its key, without passphrase. Not set: it is in cert_file."""

    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 30
    """After 1.5 times this silence the broker says that the device is offline."""

    is_discovery_on: bool = True
    """Whether the device announces itself to Home Assistant."""

    discovery_prefix: Annotated[LineText, Field(min_length=1, max_length=100)] = "homeassistant"
    """The discovery prefix that Home Assistant is set to."""

    is_site_wide_on: bool = False
    """Whether commands and desired settings for every device (seealoud/all/…) are taken, besides
    those for this one. Whoever may publish there can then mute this device."""

    is_picture_on: bool = False
    """Whether the picture behind each caption is published as JPEG. It leaves the device then, and
    everybody who may read the broker's topics can look through the camera."""

    @model_validator(mode="after")
    def _fits_together(self) -> MqttSettings:
        self._broker("device", password=None, session=None)
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
            session: distinguishes the connections of one device; ``DAEMON_SESSION`` for the
                daemon's, None for a random one.

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
            keepalive_s=self.keepalive_s,
            transport=self.transport,
            websocket_path=self.websocket_path,
        )
        return settings if session is None else replace(settings, session=session)
