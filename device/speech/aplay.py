"""The program `aplay`: plays one utterance in one child process, and lists the loudspeakers.

The child is started at the first chunk or before, and a cut kills it. `aplay` is part of
alsa-utils, which every Raspberry Pi OS has.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from seealoud.device.errors import PlaybackError
from seealoud.device.speech.child_process import (
    KILL_TIMEOUT_S,
    has_ended,
    kill_child,
    start_child,
    write_bounded,
)
from seealoud.device.speech.pcm import SAMPLE_BYTES, PcmChunk

_LOGGER = logging.getLogger(__name__)
# Capacity of a pipe on Linux, which aplay may still have to play when everything is written.
_PIPE_BYTES = 1 << 16
# What aplay and ALSA print, in the words of the system, and what it means for a user.
_REFUSALS = {
    "resource busy": "another program uses the sound device {device}: end that program, or set "
    "speech.device to a device that several can share",
    "Permission denied": "this user may not use the sound device {device}: "
    "sudo usermod -aG audio $USER, then log in again",
    "No such": "there is no sound device {device}; aplay -L lists the devices that there are",
}
_LIST_TIMEOUT_S = 10.0
# Converts rate and number of channels, which the voice's sound needs on most cards.
_CONVERTING = "plughw:"
# Usually a screen without loudspeakers; and a jack to which often nothing is connected.
_HDMI = re.compile(r"hdmi", re.IGNORECASE)
_JACK = re.compile(r"headphones|bcm2835", re.IGNORECASE)
_USB = re.compile(r"usb", re.IGNORECASE)


class AplayStream:
    """Sound on its way to one ALSA device.

    Args:
        device: an ALSA device as in ``aplay -L``.
        stall_timeout_s: longest time without the device accepting sound, in seconds.
    """

    def __init__(self, device: str, stall_timeout_s: float) -> None:
        self._device = device
        self._stall_timeout_s = stall_timeout_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._sample_rate_hz = 0
        self._is_begun = False
        self._is_cut = False
        # In memory: it needs no reading thread and no disk, and unlike a pipe it never fills up.
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
        """Start the player before there is sound, so that the first sample does not wait for it.

        An error of the device is reported by the first `write`.

        Raises:
            PlaybackError: there is no aplay.
        """
        with self._lock:
            if not self._is_cut and self._process is None:
                self._spawn_for(sample_rate_hz)

    def write(self, chunk: PcmChunk) -> None:
        """Write a chunk to the device; return when all but the last second or so is played.

        Raises:
            PlaybackError: there is no aplay, no such device, or the device accepts no sound.
        """
        process = self._started(chunk.sample_rate_hz)
        if process is None:
            return
        try:
            write_bounded(process, chunk.to_bytes(), self._stall_timeout_s)
        except TimeoutError as exc:
            raise self._stalled() from exc
        except BrokenPipeError as exc:
            if not self._is_cut:
                raise self._refused(process) from exc

    def finish(self) -> None:
        """Return when the last sample has been played, or at once after a cut.

        Raises:
            PlaybackError: the device refused the sound or never ends.
        """
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        in_pipe_s = _PIPE_BYTES / (SAMPLE_BYTES * self._sample_rate_hz)
        if not has_ended(process, in_pipe_s + self._stall_timeout_s):
            raise self._stalled()
        if process.wait() != 0 and not self._is_cut:
            raise self._refused(process)

    def cut(self) -> None:
        """Stop the sound now; from any thread."""
        with self._lock:
            self._is_cut = True
            if self._process is not None:
                # SIGKILL: on SIGTERM aplay first plays its buffer (measured: 0.55 s more).
                self._process.kill()

    def close(self) -> None:
        """Kill the player if it runs, and free everything; may be called again."""
        if self._process is not None:
            self._end(self._process)
        self._stderr.close()

    def _started(self, sample_rate_hz: int) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._is_cut:
                return None
            if self._process is not None and not self._is_fit_for(sample_rate_hz):
                self._end(self._process)
                self._process = None
            if self._process is None:
                self._spawn_for(sample_rate_hz)
            self._is_begun = True
            return self._process

    def _is_fit_for(self, sample_rate_hz: int) -> bool:
        """Return whether the process can play this rate; a prepared one may be unable to."""
        if self._is_begun:
            return True
        assert self._process is not None
        # An exclusive device rejects a second player while the first one plays.
        return self._sample_rate_hz == sample_rate_hz and self._process.poll() is None

    def _spawn_for(self, sample_rate_hz: int) -> None:
        self._process = self._spawn(sample_rate_hz)
        self._sample_rate_hz = sample_rate_hz

    def _spawn(self, sample_rate_hz: int) -> subprocess.Popen[bytes]:
        command = ["aplay", "--quiet", f"--device={self._device}", "--file-type=raw"]
        command += ["--format=S16_LE", "--channels=1", f"--rate={sample_rate_hz}"]
        try:
            process = start_child(command, subprocess.DEVNULL, self._stderr)
        except FileNotFoundError as exc:
            raise PlaybackError(
                "aplay, which plays the sound, is not installed: sudo apt install alsa-utils"
            ) from exc
        except OSError as exc:
            raise PlaybackError(f"aplay cannot be started: {exc}") from exc
        _LOGGER.debug("aplay %d plays on %s at %d Hz", process.pid, self._device, sample_rate_hz)
        return process

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        kill_child(process)
        process.stdin.close()

    def _refused(self, process: subprocess.Popen[bytes]) -> PlaybackError:
        with suppress(subprocess.TimeoutExpired):
            process.wait(KILL_TIMEOUT_S)
        self._stderr.seek(0)
        text = self._stderr.read().decode(errors="replace").strip()
        for line in text.splitlines():
            _LOGGER.debug("%s", line)
        # The last line ends with the system's reason: "aplay: main:831: audio open error: …".
        reason = text.rpartition("\n")[2].rpartition(": ")[2]
        reason = reason or f"aplay ended with code {process.returncode}"
        known = next((words for part, words in _REFUSALS.items() if part in text), None)
        if known is not None:
            return PlaybackError(known.format(device=repr(self._device)))
        return PlaybackError(
            f"the sound device {self._device!r} refused the sound: {reason}. "
            "List the devices with: aplay -L"
        )

    def _stalled(self) -> PlaybackError:
        return PlaybackError(
            f"the sound device {self._device!r} accepted no sound for {self._stall_timeout_s:g} s. "
            f"Try it with: aplay -D {self._device} /usr/share/sounds/alsa/Front_Center.wav"
        )


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """An ALSA device that plays.

    Attributes:
        name: for ``speech.device`` in the settings, e.g. "plughw:CARD=UACDemo,DEV=0".
        description: the card in ALSA's words, e.g. "UACDemoV1.0, USB Audio".
    """

    name: str
    description: str


def find_loudspeaker(listing: str | None = None) -> SoundDevice | None:
    """Return the device that most likely has a loudspeaker, or None if no card is there.

    A USB card or a sound board is plugged in to be used, so it comes first, then the headphone
    jack, then HDMI.

    Args:
        listing: output of ``aplay -L``; by default the command is run.
    """
    devices = list(sound_devices(_listed() if listing is None else listing))
    return min(devices, key=_rank, default=None)


def sound_devices(listing: str) -> Iterator[SoundDevice]:
    """Yield the devices of cards in the output of ``aplay -L`` that convert what they are given."""
    name = ""
    for line in listing.splitlines():
        if not line.startswith((" ", "\t")):
            name = line.strip()
        elif name.startswith(_CONVERTING):
            yield SoundDevice(name, line.strip())
            name = ""  # the further lines describe the same device


def _rank(device: SoundDevice) -> int:
    text = f"{device.name} {device.description}"
    if _HDMI.search(text):
        return 3
    if _JACK.search(text):
        return 2
    return 0 if _USB.search(text) else 1


def _listed() -> str:
    """Return the output of ``aplay -L``; nothing where it is not installed or fails."""
    try:
        done = subprocess.run(
            ("aplay", "-L"), capture_output=True, timeout=_LIST_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")
