"""The options of ``seealoud describe`` as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seealoud.device.errors import ConfigError

_NEEDS_MQTT = (
    "mqtt_user",
    "mqtt_password_file",
    "mqtt_tls",
    "mqtt_ca",
    "mqtt_cert",
    "mqtt_key",
    "mqtt_protocol",
)
# What --srt, --vtt and --audio-description write, by suffix: no film can be named by mistake.
_FILM_FILES = {"srt": ".srt", "vtt": ".vtt", "audio_description": ".wav"}
_NOT_OF_A_FILM = (
    *("recursive", "as_json", "speak", "audio_device", "wav", "output", "contact_sheet", "jobs"),
    *("mqtt", *_NEEDS_MQTT),
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
    srt: Path | None = None
    vtt: Path | None = None
    audio_description: Path | None = None
    beside: bool = False

    @property
    def is_film(self) -> bool:
        """Whether the scenes of a film are described."""
        return any(getattr(self, field) is not None for field in _FILM_FILES)

    def check(self) -> None:
        """Refuse an option that would be ignored.

        Raises:
            ConfigError: an option has no effect without another one.
        """
        if self.beside and self.audio_description is None:
            raise ConfigError("--beside has no effect by itself: give --audio-description as well")
        if self.is_film:
            self._check_film()
            return
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
                raise ConfigError(f"{_option(field)} needs a broker: give --mqtt HOST")

    def _check_film(self) -> None:
        given = [field for field in _FILM_FILES if getattr(self, field) is not None]
        for field in given:
            path: Path = getattr(self, field)
            if path.suffix.lower() != (suffix := _FILM_FILES[field]):
                raise ConfigError(f"{_option(field)} {path}: the suffix must be {suffix}")
        if len(self.sources) > 1:
            raise ConfigError(
                f"{_option(given[0])} is for one film, and {len(self.sources)} are named"
            )
        for field in _NOT_OF_A_FILM:
            if getattr(self, field):
                raise ConfigError(
                    f"{_option(field)} has no effect on a film with {_option(given[0])}: leave "
                    "one of them out"
                )
        if self.voice is not None and self.audio_description is None:
            raise ConfigError(
                "--voice has no effect on subtitles: give --audio-description as well"
            )


def _option(field: str) -> str:
    """Return the option of a field, as it is typed."""
    return "--json" if field == "as_json" else f"--{field.replace('_', '-')}"
