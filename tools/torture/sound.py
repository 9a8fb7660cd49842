"""An ALSA device that writes what is played into a file, and the sound that words must have."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from device.speech.piper import PiperOptions, PiperVoiceProcess
from device.speech.voice import find_voice

# Through "cat", because ALSA begins the file anew with each player.
_ALSA = """
pcm.!default {{ type plug; slave.pcm "kept" }}
pcm.kept {{ type file; slave.pcm "sink"; file "|cat >> {file}"; format "raw" }}
pcm.sink {{ type null }}
"""


class RecordedSound:
    """A default sound device that keeps all samples (int16, mono, at the voice's rate).

    Attributes:
        environ: the variables by which a program finds it.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "sound.raw"
        config = folder / "asound.conf"
        config.write_text(_ALSA.format(file=self._file))
        self.environ = {"ALSA_CONFIG_PATH": str(config)}

    def times_heard(self, text: str) -> int:
        """Return how often the whole sound of a text is in what was played."""
        played = self._file.read_bytes() if self._file.exists() else b""
        return played.count(_sound_of(text))


@cache
def _sound_of(text: str) -> bytes:
    """Return the samples of a text, spoken without random variation."""
    options = PiperOptions(is_deterministic=True)
    with PiperVoiceProcess(find_voice(), options) as voice:
        return b"".join(chunk.samples.tobytes() for chunk in voice.synthesize(text))
