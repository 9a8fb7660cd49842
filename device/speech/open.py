"""Opens what the settings of the speech name: the loudspeaker, and Piper voices."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from device.errors import VoiceError
from device.speech.piper import PiperOptions, PiperVoiceProcess
from device.speech.playback import AlsaPlayback, NullPlayback, Playback
from device.speech.settings import SpeechSettings
from device.speech.voice import find_voice

_LOGGER = logging.getLogger(__name__)


class PiperVoices:
    """Opens Piper voices; from any thread.

    Args:
        phrase_timeout_s: how long a voice may take to make a phrase.

    Attributes:
        restarts: how often the process of any of them had died and was started again.
    """

    def __init__(self, phrase_timeout_s: float) -> None:
        self._options = PiperOptions(reply_timeout_s=phrase_timeout_s)
        self._lock = threading.Lock()
        self.restarts = 0

    def open(self, path: str | None) -> PiperVoiceProcess:
        """Return a voice that is not loaded yet; None is the built-in one.

        Raises:
            VoiceError: its files are missing.
        """
        return PiperVoiceProcess(find_voice(path), self._options, on_restart=self._count)

    def _count(self) -> None:
        with self._lock:
            self.restarts += 1


def open_playback(settings: SpeechSettings) -> Playback:
    """Return where the settings want the sound to go."""
    if settings.output == "none":
        return NullPlayback()
    return AlsaPlayback(
        settings.device, settings.stall_timeout_s, is_kept_open=settings.is_device_kept_open
    )


def with_kept_voice(settings: SpeechSettings, kept: str | None) -> SpeechSettings:
    """Return the settings with the voice that was chosen last, if it can still be used.

    Args:
        settings: as they were read.
        kept: path of the voice; empty for the built-in one, None where none was chosen.
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
