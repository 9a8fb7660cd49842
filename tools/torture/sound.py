"""An ALSA device that writes what is played into a file, and the sound that words must have."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import numpy as np

from device.daemon.sentences import PARTS, PartSentences
from device.events import Part
from device.speech.piper import PiperOptions, PiperVoiceProcess
from device.speech.voice import find_voice

# About -50 dB of full scale.
_SILENT = 100
# What ALSA has taken is in the file a moment later.
_WRITTEN_S = 5.0
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

    def wait_heard(self, text: str, times: int) -> int:
        """Return how often it is there, as soon as that is often enough, or after a moment."""
        end_s = time.monotonic() + _WRITTEN_S
        while (found := self.times_heard(text)) < times and time.monotonic() < end_s:
            time.sleep(0.1)
        return found


@cache
def _sound_of(text: str) -> bytes:
    """Return the samples of a text, spoken without random variation, from its first sound on."""
    options = PiperOptions(is_deterministic=True)
    with PiperVoiceProcess(find_voice(), options) as voice:
        samples = np.concatenate([chunk.samples for chunk in voice.synthesize(text)])
    # The silence before the words is shorter where the daemon has kept the sound of a sentence.
    begin = int(np.flatnonzero(np.abs(samples.astype(int)) > _SILENT)[0])
    return samples[begin:].tobytes()


def spoken_of(part: Part) -> PartSentences:
    """Return the sentences by which the daemon reports that a part fails, and works again."""
    sentences = PARTS[part]
    assert sentences is not None
    return sentences
