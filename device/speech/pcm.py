"""Mono 16-bit PCM in chunks, as it goes from voice to playback, and WAV files of it."""

from __future__ import annotations

import contextlib
import itertools
import os
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seealoud.device.errors import SpeechError

SAMPLE_BYTES = 2
_LITTLE_ENDIAN = np.dtype("<i2")


@dataclass(frozen=True, slots=True, eq=False)
class PcmChunk:
    """A stretch of sound, usually one sentence.

    Attributes:
        samples: int16 array [n], mono, -32768..32767.
        sample_rate_hz: samples per second, e.g. 22050.
    """

    samples: npt.NDArray[np.int16]
    sample_rate_hz: int

    @staticmethod
    def from_bytes(data: bytes, sample_rate_hz: int) -> PcmChunk:
        """Return the chunk whose little-endian bytes are ``data``."""
        return PcmChunk(np.frombuffer(data, dtype=_LITTLE_ENDIAN), sample_rate_hz)

    def to_bytes(self) -> bytes:
        """Return the samples as little-endian bytes, two per sample."""
        return self.samples.astype(_LITTLE_ENDIAN, copy=False).tobytes()

    @property
    def duration_s(self) -> float:
        """Length of the sound, in seconds."""
        return len(self.samples) / self.sample_rate_hz


def write_wav(path: str | Path, chunks: Iterable[PcmChunk]) -> float:
    """Write the chunks into a mono 16-bit WAV file, replacing it at once; return its seconds.

    Raises:
        SpeechError: the file cannot be written, or there is no sound to write.
    """
    target = Path(path)
    remaining = iter(chunks)
    first = next(remaining, None)
    if first is None:
        raise SpeechError(f"there is no sound to write into {target}: the text has no words")
    # Beside the target, so that the rename stays within one file system.
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        duration_s = _write_draft(draft, first, remaining)
        draft.replace(target)
    except OSError as exc:
        raise SpeechError(
            f"the WAV file {target} cannot be written: {exc.strerror or exc}. "
            "Choose a folder that exists and that you may write to"
        ) from exc
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return duration_s


def _write_draft(draft: Path, first: PcmChunk, remaining: Iterable[PcmChunk]) -> float:
    duration_s = 0.0
    with draft.open("wb") as file:
        with wave.open(file, "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(SAMPLE_BYTES)
            wav.setframerate(first.sample_rate_hz)
            for chunk in itertools.chain([first], remaining):
                wav.writeframes(chunk.to_bytes())
                duration_s += chunk.duration_s
        file.flush()
        # Without it a power cut after the rename leaves an empty file.
        os.fsync(file.fileno())
    return duration_s
