"""The sound that travels between voice and playback: mono 16-bit PCM in chunks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
