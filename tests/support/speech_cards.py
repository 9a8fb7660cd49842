"""ALSA devices made of files that stand in for a sound card.

`WavCard` is ALSA's file plugin: it takes sound as fast as it comes and keeps a WAV file.
`PacedCard` takes one utterance at the pace of a loudspeaker, through a pipe that holds 4096 bytes
(93 ms), and notes when each byte was heard. `LastingCard`, the daemon's benchmark's loudspeaker,
does so until it is closed, also for players that are held ready: these would truncate the WAV file.
"""

from __future__ import annotations

import os
import select
import threading
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from support.loudspeaker import (
    BYTES_PER_S,
    PIPE_BYTES,
    RATE_HZ,
    AlsaPipe,
    PipeSpeaker,
)

__all__ = ["BYTES_PER_S", "PIPE_BYTES", "RATE_HZ", "LastingCard", "PacedCard", "WavCard"]

SLICE_BYTES = 882  # 20 ms
DEADLINE_S = 30.0
ALSA_CONFIG = """
pcm.!default {{ type plug; slave.pcm "capture" }}
pcm.capture {{ type file; slave.pcm "sink"; file "{file}"; format "{format}"; truncate true }}
pcm.sink {{ type null }}
pcm.absent {{ type hw; card 31 }}
"""


class WavCard:
    """An ALSA default device that writes what it plays into a WAV file."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._file = folder / "played.wav"
        config = folder / "asound.conf"
        config.write_text(ALSA_CONFIG.format(file=self._file, format="wav"))
        monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))

    def samples(self) -> np.ndarray:
        with wave.open(str(self._file)) as wav:
            assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (RATE_HZ, 1, 2)
            return np.frombuffer(wav.readframes(wav.getnframes()), "<i2")


class _HeardCard:
    """What was heard of a card, and when; waiting for it has a deadline."""

    _heard: list[tuple[float, bytes]]
    _changed: threading.Condition

    def wait_heard(self, duration_s: float) -> None:
        """Return when so much sound has been heard."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: self.heard_s() >= duration_s, timeout=DEADLINE_S
            ), f"heard only {self.heard_s():.2f} s"

    def heard_s(self, after_s: float = 0.0) -> float:
        """Return how much sound came out after a moment of the monotonic clock."""
        return sum(len(data) for at_s, data in self._heard if at_s > after_s) / BYTES_PER_S

    def last_heard_s(self) -> float:
        """Return the moment of the last sound."""
        return self._heard[-1][0]


class PacedCard(_HeardCard):
    """An ALSA default device that plays one utterance in real time and notes what was heard."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pipe = AlsaPipe.in_folder(folder)
        monkeypatch.setenv("ALSA_CONFIG_PATH", str(pipe.config))
        self._fd = pipe.fd
        self._heard = []
        self._changed = threading.Condition()
        # Set before sound comes: then none is ever taken out of the pipe.
        self.is_stuck = False
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    def wait_end(self) -> None:
        """Return when the pipe is empty and its writer gone."""
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()

    def close(self) -> None:
        self.wait_end()
        os.close(self._fd)

    def _play(self) -> None:
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        poller.poll(DEADLINE_S * 1000)
        os.set_blocking(self._fd, True)
        due_s = time.monotonic()
        while not self.is_stuck and (data := os.read(self._fd, SLICE_BYTES)):
            with self._changed:
                self._heard.append((time.monotonic(), data))
                self._changed.notify_all()
            due_s += len(data) / BYTES_PER_S
            time.sleep(max(0.0, due_s - time.monotonic()))


class LastingCard(_HeardCard, PipeSpeaker):
    """An ALSA default device that plays in real time until it is closed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder)
        monkeypatch.setenv("ALSA_CONFIG_PATH", str(self.config))

    def wait_sound(self, after_s: float) -> float:
        """Return the moment of the first sound after a moment."""

        def first() -> float | None:
            return next((at_s for at_s, _ in self._heard if at_s > after_s), None)

        with self._changed:
            assert self._changed.wait_for(lambda: first() is not None, timeout=DEADLINE_S)
            found = first()
        assert found is not None
        return found

    def samples(self) -> np.ndarray:
        """Return all that was heard so far; as it comes from a player, padded with zeros."""
        with self._changed:
            return np.frombuffer(b"".join(data for _, data in self._heard), "<i2")
