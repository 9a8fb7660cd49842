"""The sound of a film: its pauses, and speech placed into them.

The program ``ffmpeg`` decodes the sound, in a process of its own. Invariant: speech never overlaps
other speech, and never anything but a pause of the film.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seealoud.device.errors import SpeechError
from seealoud.device.speech.pcm import SAMPLE_BYTES, PcmChunk

_FFMPEG = "ffmpeg"
_NO_SOUND = "matches no streams"
_FULL_SCALE = 32768.0
_WINDOW_S = 0.05
# Quiet is what lies so far below the loud parts of this film, or below any audible level. Speech
# is 20 to 30 dB above the noise of a room.
_BELOW_LOUD_DB = 20.0
_LOUD_PERCENT = 95
_SILENT_DB = -55.0
_FLOOR = 1e-5  # -100 dB
# Shorter pauses are those between words.
_SHORTEST_PAUSE_S = 0.8
# Kept free at both ends of a pause, and between two captions.
_MARGIN_S = 0.15
# So much of a caption may be spoken after its scene.
_LATE_S = 1.0
_BLOCK_S = 30
_Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A stretch of a film.

    Attributes:
        start_s: its first moment, in seconds.
        end_s: the first moment after it.
    """

    start_s: float
    end_s: float


class FilmSound:
    """The first sound track of a film, mono, in a temporary file; the caller closes it.

    Args:
        path: of the film; a regular file.
        folder: where the temporary file is made: 160 MB for an hour.
        sample_rate_hz: to which the sound is converted.

    Raises:
        SpeechError: ``ffmpeg`` is missing, or the film has no sound track that can be read.
    """

    def __init__(self, path: Path, folder: Path, sample_rate_hz: int) -> None:
        program = shutil.which(_FFMPEG)
        if program is None:
            raise SpeechError(
                f"the sound of {path} cannot be read without the program ffmpeg: install it with "
                "sudo apt install ffmpeg, or give --beside for a file without the film's sound"
            )
        self.sample_rate_hz = sample_rate_hz
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - until close()
        try:
            self._decode(program, path)
            self.samples = self._mapped()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Free the temporary file."""
        self._file.close()

    def pauses(self) -> list[TimeSpan]:
        """Return where the film is quiet for long enough to say something."""
        levels_n = self._levels()
        if not levels_n.size:
            return []
        loud_db = float(np.percentile(levels_n, _LOUD_PERCENT))
        is_quiet_n = levels_n < max(_SILENT_DB, loud_db - _BELOW_LOUD_DB)
        edges = np.flatnonzero(np.diff(is_quiet_n, prepend=False, append=False))
        spans = [(a * _WINDOW_S, b * _WINDOW_S) for a, b in edges.reshape(-1, 2).tolist()]
        return [
            TimeSpan(start_s + _MARGIN_S, end_s - _MARGIN_S)
            for start_s, end_s in spans
            if end_s - start_s >= _SHORTEST_PAUSE_S
        ]

    def _decode(self, program: str, path: Path) -> None:
        # No other protocol: a playlist in disguise must not make it fetch anything.
        command = [program, "-nostdin", "-v", "error", "-protocol_whitelist", "file"]
        command += ["-i", f"file:{path}", "-map", "0:a:0", "-ac", "1"]
        # A track that begins late, or has holes, keeps its times.
        command += ["-ar", str(self.sample_rate_hz), "-af", "aresample=async=1:first_pts=0"]
        # Written through a pipe protocol that the whitelist of the input does not concern.
        command += ["-f", "s16le", "pipe:1"]
        done = subprocess.run(command, stdout=self._file, stderr=subprocess.PIPE, check=False)
        if done.returncode == 0:
            return
        said = done.stderr.decode("utf-8", "replace").strip()
        if _NO_SOUND in said:
            raise SpeechError(
                f"{path} has no sound track to speak into: give --beside for a file with the "
                "description only"
            )
        raise SpeechError(
            f"ffmpeg cannot read the sound of {path}: "
            f"{said.splitlines()[-1] if said else f'it ended with code {done.returncode}'}"
        )

    def _mapped(self) -> _Samples:
        n_samples = os.fstat(self._file.fileno()).st_size // SAMPLE_BYTES
        if not n_samples:
            return np.zeros(0, np.int16)
        return np.memmap(self._file, np.dtype("<i2"), "r", shape=(n_samples,))

    def _levels(self) -> npt.NDArray[np.float64]:
        """Return the level of each window in decibels of full scale; the last, cut one is left out.

        In blocks: the sound of a long film does not fit into memory as floats.
        """
        window = round(_WINDOW_S * self.sample_rate_hz)
        block = window * round(_BLOCK_S / _WINDOW_S)
        levels = []
        for at in range(0, len(self.samples) // window * window, block):
            part = self.samples[at : at + block].astype(np.float64) / _FULL_SCALE
            rows_nw = part[: len(part) // window * window].reshape(-1, window)
            levels.append(np.sqrt(np.mean(rows_nw**2, axis=1)))
        if not levels:
            return np.zeros(0)
        return np.asarray(20.0 * np.log10(np.maximum(np.concatenate(levels), _FLOOR)))


def place(
    scenes: Sequence[TimeSpan], lengths_s: Sequence[Sequence[float]], pauses: Sequence[TimeSpan]
) -> list[tuple[float, int] | None]:
    """Return when each scene's speech begins, and in which form; None where none has room.

    Args:
        scenes: in their order.
        lengths_s: for each scene, the lengths of the forms of its speech, the best form first.
        pauses: in their order; where speech may be.
    """
    found: list[tuple[float, int] | None] = []
    free_s = 0.0
    for scene, forms_s in zip(scenes, lengths_s, strict=True):
        rooms = [
            (at_s, form)
            for form, length_s in enumerate(forms_s)
            for pause in pauses
            if (at_s := max(pause.start_s, scene.start_s, free_s)) < scene.end_s
            and at_s + length_s <= min(pause.end_s, scene.end_s + _LATE_S)
        ]
        best = min(rooms, key=lambda room: (room[1], room[0]), default=None)
        if best is not None:
            free_s = best[0] + forms_s[best[1]] + _MARGIN_S
        found.append(best)
    return found


def mixed(
    film: _Samples, speech: Iterable[tuple[float, _Samples]], sample_rate_hz: int, length_s: float
) -> Iterator[PcmChunk]:
    """Yield the film's sound with speech added to it, of the given length.

    Args:
        film: int16 [n], mono; empty for silence. What is missing at its end is silence.
        speech: when each text begins, and its samples.
        sample_rate_hz: of all of them.
        length_s: of what is yielded.
    """
    clips = [(round(start_s * sample_rate_hz), samples) for start_s, samples in speech]
    n_all = round(length_s * sample_rate_hz)
    for at in range(0, n_all, _BLOCK_S * sample_rate_hz):
        end = min(at + _BLOCK_S * sample_rate_hz, n_all)
        block = np.zeros(end - at, np.int32)
        part = film[at:end]
        block[: len(part)] = part
        for start, samples in clips:
            first, last = max(start, at), min(start + len(samples), end)
            if first < last:
                block[first - at : last - at] += samples[first - start : last - start]
        yield PcmChunk(block.clip(-32768, 32767).astype(np.int16), sample_rate_hz)
