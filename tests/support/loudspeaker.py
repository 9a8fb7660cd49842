"""An ALSA device that is a pipe, read at a loudspeaker's pace: what was heard, and when."""

from __future__ import annotations

import array
import fcntl
import os
import select
import termios
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE_HZ = 22_050
BYTES_PER_S = 2 * RATE_HZ
PIPE_BYTES = 4096  # 93 ms
_SLICE_BYTES = 442  # 10 ms
_ALIKE = 0.9  # correlation with the sound as it was rendered
_LOOKED_S = 1.0
_ALSA = """
pcm.!default {{ type plug; slave.pcm "pipe" }}
pcm.pipe {{ type file; slave.pcm "sink"; file "{fifo}"; format "raw"; truncate true }}
pcm.sink {{ type null }}
"""


@dataclass(frozen=True, slots=True)
class AlsaPipe:
    """An ALSA default device whose sound comes out of a small pipe.

    Attributes:
        fifo: the pipe.
        config: ALSA's file that makes it the default device (``ALSA_CONFIG_PATH``).
        fd: its reading end, which does not block.
    """

    fifo: Path
    config: Path
    fd: int

    @classmethod
    def in_folder(cls, folder: Path) -> AlsaPipe:
        """Return one made there, open already: aplay waits for a reader, and finds it small."""
        fifo, config = folder / "loudspeaker", folder / "asound.conf"
        os.mkfifo(fifo)
        config.write_text(_ALSA.format(fifo=fifo))
        fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return cls(fifo, config, fd)


class PipeSpeaker:
    """An ALSA default device that is heard at a loudspeaker's pace, and remembered."""

    def __init__(self, folder: Path) -> None:
        pipe = AlsaPipe.in_folder(folder)
        self.config = pipe.config
        self._fd = pipe.fd
        self._writer = os.open(pipe.fifo, os.O_WRONLY)  # without one the pipe would end
        self._heard: list[tuple[float, bytes]] = []
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def delay_ms(self, sound: npt.NDArray[np.int16], asked_s: float) -> float | None:
        """Return how long after a moment a sound began to be heard; None where it was not."""
        slices = [(t, d) for t, d in self._heard if asked_s <= t <= asked_s + _LOOKED_S]
        if not slices:
            return None
        samples = np.frombuffer(b"".join(d for _, d in slices), "<i2").astype(np.float64)
        shape = sound.astype(np.float64)
        if len(samples) < len(shape):
            return None
        energy = np.convolve(samples**2, np.ones(len(shape)), "valid")
        match = np.correlate(samples, shape, "valid") / np.sqrt(energy * (shape**2).sum() + 1)
        if match.max() < _ALIKE:
            return None
        starts = np.cumsum([0, *(len(d) // 2 for _, d in slices)])
        index = int(np.searchsorted(starts, match.argmax(), side="right")) - 1
        return (slices[index][0] - asked_s) * 1000

    def buffered_ms(self) -> float:
        """Return how much sound waits in the pipe; a sound card drops it when speech is cut."""
        waiting = array.array("i", [0])
        fcntl.ioctl(self._fd, termios.FIONREAD, waiting)
        return waiting[0] / BYTES_PER_S * 1000

    def close(self) -> None:
        """Stop reading the pipe."""
        self._is_closed = True
        self._thread.join()
        os.close(self._fd)
        os.close(self._writer)

    def _listen(self) -> None:
        due_s = 0.0
        while not self._is_closed:
            if not select.select([self._fd], [], [], 0.05)[0]:
                continue
            data = os.read(self._fd, _SLICE_BYTES)
            now_s = time.monotonic()
            with self._changed:
                self._heard.append((now_s, data))
                self._changed.notify_all()
            due_s = max(due_s, now_s) + len(data) / BYTES_PER_S
            time.sleep(max(0.0, due_s - time.monotonic()))
