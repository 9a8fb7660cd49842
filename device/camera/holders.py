"""Who has a file open, as far as this user may see."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has the file open."""

    pid: int
    program: str

    def __str__(self) -> str:
        return f"{self.program} (pid {self.pid})"


def holders_of(path: Path) -> list[Holder]:
    """Return the other processes that have a file open; those of other users only for root."""
    real = os.path.realpath(path)
    return [
        Holder(pid, _program(pid))
        for pid in _pids()
        if pid != os.getpid() and any(target == real for target in _open_files(pid))
    ]


def _pids() -> Iterator[int]:
    try:
        names = os.listdir(_PROC)
    except OSError:  # not Linux, or hidden from us
        return
    yield from sorted(int(name) for name in names if name.isdecimal())


def _open_files(pid: int) -> Iterator[str]:
    """Yield the targets of a process's open files; nothing where it has ended or is another's."""
    folder = _PROC / str(pid) / "fd"
    try:
        numbers = os.listdir(folder)
    except OSError:
        return
    for number in numbers:
        try:
            yield os.readlink(folder / number)
        except OSError:  # closed meanwhile
            continue


def _program(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return "a program"
