"""The options of ``seealoud describe`` as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from device.errors import ConfigError

_NEEDS_MQTT = (
    "mqtt_user",
    "mqtt_password_file",
    "mqtt_tls",
    "mqtt_ca",
    "mqtt_cert",
    "mqtt_key",
    "mqtt_protocol",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeOptions:
    """One field per option, with its name; ``--help`` documents them.

    Attributes:
        sources: the pictures to describe, at least one.
    """

    sources: tuple[str, ...]
    recursive: bool = False
    bundle: str | None = None
    as_json: bool = False
    beam: int | None = None
    n_best: int = 3
    threads: int | None = None
    speak: bool = False
    audio_device: str | None = None
    voice: Path | None = None
    wav: Path | None = None
    output: Path | None = None
    contact_sheet: Path | None = None
    jobs: int | None = None
    progress: bool | None = None
    mqtt: str | None = None
    mqtt_user: str | None = None
    mqtt_password_file: Path | None = None
    mqtt_tls: bool = False
    mqtt_ca: Path | None = None
    mqtt_cert: Path | None = None
    mqtt_key: Path | None = None
    mqtt_protocol: str | None = None
    device_id: str | None = None

    def check(self) -> None:
        """Refuse an option that would be ignored.

        Raises:
            ConfigError: an option has no effect without another one.
        """
        if self.voice is not None and self.wav is None and not self.speak:
            raise ConfigError("--voice has no effect by itself: give --speak or --wav as well")
        if self.audio_device is not None and not self.speak:
            raise ConfigError("--audio-device has no effect by itself: give --speak as well")
        if self.output is not None and self.as_json:
            raise ConfigError(
                "--json prints, and --output writes a file instead: give --output NAME.jsonl alone"
            )
        for field in _NEEDS_MQTT:
            if getattr(self, field) and self.mqtt is None:
                raise ConfigError(f"--{field.replace('_', '-')} needs a broker: give --mqtt HOST")
