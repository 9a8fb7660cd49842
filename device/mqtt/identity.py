"""The device as others see it: its id and name, and what can be set."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import annotated_types

from seealoud.device import __version__
from seealoud.device.errors import RequestError
from seealoud.device.mqtt.broker import default_device_id
from seealoud.device.narrator.settings import NarrationRule, NarrationSettings
from seealoud.device.requests import MAX_SNOOZE_MIN
from seealoud.device.settings_base import SettingsGroup
from seealoud.device.speech.settings import SpeechSettings

BUILT_IN_VOICE = "Built-in"
_SHOWN_CHARS = 80
MODEL_FILE = Path("/proc/device-tree/model")


@dataclass(frozen=True, slots=True)
class Range:
    """The values of a number: ``low`` to ``high``, in steps."""

    low: float
    high: float
    step: float


def range_of(group: type[SettingsGroup], name: str, step: float) -> Range:
    """Return the range of a setting.

    Raises:
        ValueError: the setting has no lower or no upper bound.
    """
    marks = group.model_fields[name].metadata
    low = next((float(str(x.ge)) for x in marks if isinstance(x, annotated_types.Ge)), None)
    high = next((float(str(x.le)) for x in marks if isinstance(x, annotated_types.Le)), None)
    if low is None or high is None:
        raise ValueError(f"{group.__name__}.{name} has no bounds")
    return Range(low, high, step)


@dataclass(frozen=True, slots=True)
class Board:
    """The computer: its model, and the revision of its hardware."""

    model: str = "SeeAloud"
    revision: str = ""


def board_model(file: Path = MODEL_FILE) -> str:
    """Return the board's name, as in "Raspberry Pi 4 Model B Rev 1.4"; empty on other machines.

    Args:
        file: the device tree's name for the board.
    """
    try:
        return file.read_bytes().decode("utf-8", "replace").rstrip("\0").strip()
    except OSError:
        return ""


def read_board(file: Path = MODEL_FILE) -> Board:
    """Return which Raspberry Pi this is, or else the kind of processor.

    Args:
        file: as for ``board_model``.
    """
    text = board_model(file)
    if not text:
        return Board(revision=platform.machine())
    model, mark, revision = text.partition(" Rev ")
    return Board(model, f"{mark}{revision}".strip())


@dataclass(frozen=True, slots=True)
class Identity:
    """One device.

    Attributes:
        id: its name in topics.
        name: for people.
        board: the computer that it runs on.
        rules: names of the alert rules, each of which is a sensor.
        version: of the program.
        voices: paths of the voices that can be chosen, by their names; the built-in one has an
            empty path.
        volume: its range.
        rate: its range.
        minimum_gap_s: its range, in seconds.
        snooze_min: its range, in minutes.
        page_url: the address of its page for other machines; empty without one.
        has_updates: whether newer bundles are looked for.
    """

    id: str
    name: str = "SeeAloud"
    board: Board = Board()
    rules: tuple[str, ...] = ()
    version: str = __version__
    voices: Mapping[str, str] = field(default_factory=lambda: {BUILT_IN_VOICE: ""})
    volume: Range = Range(0.0, 1.0, 0.05)
    rate: Range = Range(0.5, 2.0, 0.05)
    minimum_gap_s: Range = Range(0.0, 3600.0, 1.0)
    snooze_min: Range = Range(0.0, float(MAX_SNOOZE_MIN), 1.0)
    page_url: str = ""
    has_updates: bool = False

    def voice_path(self, name: str) -> str:
        """Return the path of a voice by its name or path.

        Raises:
            RequestError: it is not one of ``voices``; others would reveal which files exist.
        """
        path = name if name in self.voices.values() else self.voices.get(name)
        if path is None:
            known = ", ".join(self.voices)
            raise RequestError(f"voice {name[:_SHOWN_CHARS]!r} is unknown: known are {known}")
        return path


def identity_of(
    device_id: str | None,
    name: str,
    speech: SpeechSettings,
    rules: Sequence[NarrationRule] = (),
    *,
    installed_voices: Mapping[str, str] | None = None,
) -> Identity:
    """Return the identity of a device; without an id, the one made from the machine's."""
    return Identity(
        id=device_id or default_device_id(),
        name=name,
        board=read_board(),
        rules=tuple(rule.name for rule in rules),
        voices=voices_of(speech, installed_voices),
        volume=range_of(SpeechSettings, "volume", 0.05),
        rate=range_of(SpeechSettings, "rate", 0.05),
        minimum_gap_s=range_of(NarrationSettings, "minimum_gap_s", 1.0),
    )


def voices_of(speech: SpeechSettings, installed: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the paths of the voices that can be chosen, by their names.

    Args:
        speech: has the voice of the settings.
        installed: paths of the voices that are installed, by their names.
    """
    voices = {BUILT_IN_VOICE: "", **(installed or {})}
    if speech.voice is not None:
        voices[speech.voice.stem] = str(speech.voice)
    return voices


def voice_name(path: str, voices: Mapping[str, str]) -> str:
    """Return the name of a voice; that of its file where it has none."""
    named = {voice_path: name for name, voice_path in voices.items()}
    return named.get(path) or path.rpartition("/")[2].removesuffix(".onnx")
