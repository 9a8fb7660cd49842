"""One utterance through one `aplay` child: spawned at the first chunk or before, killed to cut.

`aplay` belongs to alsa-utils, which every Raspberry Pi OS has.
"""

from __future__ import annotations

import logging
import os
import select
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
        self._is_begun = False
        self._is_cut = False
        # In memory: it needs no reading thread, no disk, and never fills up like a pipe.
        self._stderr: BinaryIO = open(os.memfd_create("aplay-stderr"), "w+b")  # noqa: SIM115

    @property
    def is_cut(self) -> bool:
        """Whether `cut` was called."""
        return self._is_cut

    @property
    def pid(self) -> int | None:
        """The player's process id; None before it is started."""
        return None if self._process is None else self._process.pid

    @property
    def is_waiting(self) -> bool:
        """Whether a player that was prepared still waits for its first sound."""
        process = self._process
        return process is not None and not self._is_begun and process.poll() is None

    def prepare(self, sample_rate_hz: int) -> None:
        """Start the player before there is sound: the first sample is played without its start.

        What it says against the device is found out at the first `write`.

        Raises:
            PlaybackError: there is no aplay.
        """
        with self._lock:
            if not self._is_cut and self._process is None:
                self._spawn_for(sample_rate_hz)

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
        if not _has_ended(process, in_pipe_s + self._stall_timeout_s):
            raise self._stalled()
        if process.wait() != 0 and not self._is_cut:
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
        if self._process is not None:
            _end(self._process)
        self._stderr.close()

    def _started(self, sample_rate_hz: int) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._is_cut:
                return None
            if self._process is not None and not self._is_fit_for(sample_rate_hz):
                _end(self._process)
                self._process = None
            if self._process is None:
                self._spawn_for(sample_rate_hz)
            self._is_begun = True
            return self._process

    def _is_fit_for(self, sample_rate_hz: int) -> bool:
        """Return whether the process can play this, which a prepared one may not."""
        if self._is_begun:
            return True
        assert self._process is not None
        # A device that only one can have refuses the second player while the first one plays.
        return self._sample_rate_hz == sample_rate_hz and self._process.poll() is None

    def _spawn_for(self, sample_rate_hz: int) -> None:
        self._process = self._spawn(sample_rate_hz)
        self._sample_rate_hz = sample_rate_hz

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


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.kill()
    process.stdin.close()
    if _has_ended(process, _KILL_TIMEOUT_S):
        process.wait()
    else:
        _LOGGER.error("aplay %d survives its killing", process.pid)


def _has_ended(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Return whether the process ends within a time, as soon as it does.

    `Popen.wait` with a timeout sleeps up to 50 ms between its looks: as long as a press may wait.
    """
    if process.poll() is not None:
        return True
    pid_fd = os.pidfd_open(process.pid)
    try:
        poller = select.poll()
        poller.register(pid_fd, select.POLLIN)
        return bool(poller.poll(timeout_s * 1000))
    finally:
        os.close(pid_fd)
