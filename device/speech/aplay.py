"""One utterance through one `aplay` child: spawned at the first chunk, killed to cut.

`aplay` belongs to alsa-utils, which every Raspberry Pi OS has.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from contextlib import suppress
from typing import BinaryIO

from device.errors import PlaybackError
from device.speech.pcm import SAMPLE_BYTES, PcmChunk
from device.speech.pipes import write_bounded

_LOGGER = logging.getLogger(__name__)
# What a pipe on Linux holds, and so what aplay may still have to play when we have written all.
_PIPE_BYTES = 1 << 16
_KILL_TIMEOUT_S = 5.0
_QUOTED_LINES = 2


class AplayStream:
    """Sound on its way to one ALSA device.

    Args:
        device: an ALSA device as in ``aplay -L``.
        stall_timeout_s: longest time the device may take no sound, in seconds.
    """

    def __init__(self, device: str, stall_timeout_s: float) -> None:
        self._device = device
        self._stall_timeout_s = stall_timeout_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._sample_rate_hz = 0
        self._is_cut = False
        # In memory: it needs no reading thread, no disk, and never fills up like a pipe.
        self._stderr: BinaryIO = open(os.memfd_create("aplay-stderr"), "w+b")  # noqa: SIM115

    @property
    def is_cut(self) -> bool:
        """Whether `cut` was called."""
        return self._is_cut

    def write(self, chunk: PcmChunk) -> None:
        """Hand a chunk to the device; returns when all but the last second or so is played.

        Raises:
            PlaybackError: no aplay, no such device, or the device takes no sound.
        """
        process = self._started(chunk.sample_rate_hz)
        if process is None:
            return
        assert process.stdin is not None
        try:
            write_bounded(process.stdin.fileno(), chunk.to_bytes(), self._stall_timeout_s)
        except TimeoutError as exc:
            raise self._stalled() from exc
        except BrokenPipeError as exc:
            if not self._is_cut:
                raise self._refused(process) from exc

    def finish(self) -> None:
        """Return when the last sample has been played, or at once when cut.

        Raises:
            PlaybackError: the device refused the sound or never ends.
        """
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        in_pipe_s = _PIPE_BYTES / (SAMPLE_BYTES * self._sample_rate_hz)
        try:
            code = process.wait(in_pipe_s + self._stall_timeout_s)
        except subprocess.TimeoutExpired as exc:
            raise self._stalled() from exc
        if code != 0 and not self._is_cut:
            raise self._refused(process)

    def cut(self) -> None:
        """Stop the sound now; from any thread."""
        with self._lock:
            self._is_cut = True
            if self._process is not None:
                # SIGKILL: on SIGTERM aplay first plays out what it holds (measured: 0.55 s more).
                self._process.kill()

    def close(self) -> None:
        """Kill what still runs and free all; may be repeated."""
        process = self._process
        if process is not None:
            assert process.stdin is not None
            process.kill()
            process.stdin.close()
            try:
                process.wait(_KILL_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                _LOGGER.exception("aplay %d survives its killing", process.pid)
        self._stderr.close()

    def _started(self, sample_rate_hz: int) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._is_cut:
                return None
            if self._process is None:
                self._process = self._spawn(sample_rate_hz)
                self._sample_rate_hz = sample_rate_hz
            return self._process

    def _spawn(self, sample_rate_hz: int) -> subprocess.Popen[bytes]:
        command = ["aplay", "--quiet", f"--device={self._device}", "--file-type=raw"]
        command += ["--format=S16_LE", "--channels=1", f"--rate={sample_rate_hz}"]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                bufsize=0,
                # Out of the terminal's group: on Ctrl-C we decide what is still said.
                process_group=0,
            )
        except FileNotFoundError as exc:
            raise PlaybackError(
                "aplay, which plays the sound, is not installed: sudo apt install alsa-utils"
            ) from exc
        except OSError as exc:
            raise PlaybackError(f"aplay cannot be started: {exc}") from exc
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        _LOGGER.debug("aplay %d plays on %s at %d Hz", process.pid, self._device, sample_rate_hz)
        return process

    def _refused(self, process: subprocess.Popen[bytes]) -> PlaybackError:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_KILL_TIMEOUT_S)
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").split("\n")
        said = "; ".join([line.strip() for line in lines if line.strip()][-_QUOTED_LINES:])
        said = said or f"aplay ended with code {process.returncode}"
        return PlaybackError(
            f"the sound device {self._device!r} refused the sound: {said}. "
            "List the devices with: aplay -L"
        )

    def _stalled(self) -> PlaybackError:
        return PlaybackError(
            f"the sound device {self._device!r} took no sound for {self._stall_timeout_s:g} s. "
            f"Try it with: aplay -D {self._device} /usr/share/sounds/alsa/Front_Center.wav"
        )
