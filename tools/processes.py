"""Child processes of the tools: how they are ended, and what the kernel reports about them."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any

_MB = 1e6


def end_process(process: subprocess.Popen[Any], timeout_s: float) -> None:
    """End a process with SIGTERM; with SIGKILL where it still runs after the timeout."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def peak_mb(pid: int) -> float:
    """Return the peak resident memory of a process in MB of 10^6 bytes."""
    return _memory_mb(pid, "VmHWM:")


def resident_mb(pid: int) -> float:
    """Return the present resident memory of a process in MB of 10^6 bytes."""
    return _memory_mb(pid, "VmRSS:")


def _memory_mb(pid: int, key: str, file: str = "status") -> float:
    status = Path(f"/proc/{pid}/{file}").read_text()
    line = next(line for line in status.splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024 / _MB


def children(pid: int, word: str) -> list[int]:
    """Return the child processes whose command contains a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                command = path.with_name("cmdline").read_bytes().decode(errors="replace")
                found += [int(path.parent.name)] * (word in command)
    return found


def tree_mb(pid: int) -> float:
    """Return the present memory of a process and all below it, in MB of 10^6 bytes.

    What they share counts once (the kernel's proportional set size).
    """
    used_mb = 0.0
    with contextlib.suppress(OSError, StopIteration):
        used_mb += _memory_mb(pid, "Pss:", "smaps_rollup")
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            used_mb += sum(tree_mb(int(child)) for child in path.read_text().split())
    return used_mb


def is_alive(pid: int) -> bool:
    """Return whether a process, or a thread of it, has not ended yet.

    A killed process of several threads is a zombie at once; its parent learns of its end, and its
    pipes are closed, only when the last thread has ended.
    """
    process = Path(f"/proc/{pid}")
    try:
        is_zombie = (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return not is_zombie or len(list((process / "task").iterdir())) > 1
    except OSError:
        return False
