"""Measures whether daemon and voice fit into the memory of a small board, by a control group."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from device.errors import SeeAloudError
from tests.support.loudspeaker import PipeSpeaker
from tests.support.picture_stream import PictureStream
from tools.daemon_bench.figures import sized
from tools.daemon_bench.running import RunningDaemon, running
from tools.samples import sample_pictures

LIMITS_MB = (512, 448, 384, 320, 256, 192)
_PRESSES = 10
_ANSWER_S = 20.0
_MEMORY_GROUPS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))  # version 1, version 2


def measure_memory(folder: Path) -> dict[str, Any]:
    """Return what is answered under smaller and smaller limits, with the voice and without.

    The peak includes pages of files that the kernel keeps while there is room; what counts is
    whether a process had to be killed.
    """
    return {
        "with_voice": _under_limits(folder / "voice", "alsa"),
        "without_voice": _under_limits(folder / "silent", "none"),
    }


def _under_limits(folder: Path, output: str) -> list[dict[str, Any]]:
    rows = []
    for limit_mb in LIMITS_MB:
        rows.append(_measure(folder / str(limit_mb), output, limit_mb))
        if rows[-1]["answered"] < _PRESSES or rows[-1]["killed"]:
            break
    return rows


def _measure(folder: Path, output: str, limit_mb: int) -> dict[str, Any]:
    folder.mkdir(parents=True)
    scenes = [sized(path) for path in sample_pictures()]
    stream, speaker = PictureStream(scenes[0]), PipeSpeaker(folder)
    settings = f'[camera]\nsource = "{stream.address}"\n[speech]\noutput = "{output}"\n'
    answered, lines = 0, []
    with (
        _memory_group(limit_mb) as group,
        running(folder, settings, speaker.config, group.folder) as daemon,
    ):
        try:
            daemon.wait_ready()
            for number in range(_PRESSES):
                stream.show(scenes[number % len(scenes)])
                daemon.describe(f"press {number}")
                answered += _is_answered(daemon, f"press {number}")
        except (SeeAloudError, OSError):
            pass  # it was killed; the row shows what was answered before
        lines = list(daemon.lines())
        row = {"peak_mb": group.peak_mb(), "killed": group.kills()}
    speaker.close()
    stream.close()
    first = sorted(x["first_sample_s"] for x in lines if x.get("first_sample_s"))
    return {
        "limit_mb": limit_mb,
        "answered": answered,
        **row,
        "first_word_ms": round(first[len(first) // 2] * 1000) if first else None,
    }


def _is_answered(daemon: RunningDaemon, request_id: str) -> bool:
    deadline_s = time.monotonic() + _ANSWER_S
    while time.monotonic() < deadline_s and daemon.process.poll() is None:
        if any(x.get("id") == request_id and x.get("first_sample_s") for x in daemon.lines()):
            return True
        time.sleep(0.1)
    return False


class _Group:
    """A control group with a limit of memory, of either version."""

    def __init__(self, folder: Path, limit_mb: int) -> None:
        self.folder = folder
        self._is_first_version = (folder / "memory.limit_in_bytes").exists()
        name = "memory.limit_in_bytes" if self._is_first_version else "memory.max"
        (folder / name).write_text(str(limit_mb * 10**6))

    def peak_mb(self) -> float:
        """Return the largest use, in MB of 10^6 bytes."""
        name = "memory.max_usage_in_bytes" if self._is_first_version else "memory.peak"
        return round(int((self.folder / name).read_text()) / 10**6, 1)

    def kills(self) -> int:
        """Return how many processes the kernel ended for want of memory."""
        name = "memory.oom_control" if self._is_first_version else "memory.events"
        facts = dict(line.split() for line in (self.folder / name).read_text().splitlines())
        return int(facts.get("oom_kill", 0))


@contextmanager
def _memory_group(limit_mb: int) -> Iterator[_Group]:
    """Yield a control group, and remove it.

    Raises:
        SeeAloudError: the machine does not allow one.
    """
    root = next((path for path in _MEMORY_GROUPS if any(path.glob("memory.*"))), _MEMORY_GROUPS[1])
    folder = root / f"seealoud-{os.getpid()}-{limit_mb}"
    try:
        folder.mkdir()
        group = _Group(folder, limit_mb)
    except OSError as exc:
        raise SeeAloudError(f"{folder}: no control group of memory: {exc}; run it as root") from exc
    try:
        yield group
    finally:
        time.sleep(0.5)  # the kernel empties it only after its last process has ended
        folder.rmdir()
