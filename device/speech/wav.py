"""Speech into a WAV file, whole or not at all."""

from __future__ import annotations

import contextlib
import itertools
import os
import wave
from collections.abc import Iterable
from pathlib import Path

from device.errors import SpeechError
from device.speech.pcm import SAMPLE_BYTES, PcmChunk


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
