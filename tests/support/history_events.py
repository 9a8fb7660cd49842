"""Events and times for the tests of history and outbox, and a process to kill."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from support.captions import caption

from seealoud.device.events import (
    Alerted,
    Answered,
    Decided,
    DecisionReason,
    Event,
    Part,
    ProblemChanged,
)
from seealoud.device.history.entries import Entry, Kind
from seealoud.device.history.history import History
from seealoud.device.history.settings import HistorySettings
from seealoud.device.mqtt.outbox import OutboxMessage
from seealoud.device.records import Cause
from seealoud.device.testing import STARTED_AT, ManualClock

NOON = STARTED_AT
DEADLINE_S = 60.0
ROOT = Path(__file__).parents[2]


def answered(words: str = "a dog in the grass", at: datetime = NOON, **changes: Any) -> Answered:
    values: dict[str, Any] = {
        "text": f"I think {words}.",
        "cause": Cause.BUTTON,
        "caption": caption(words),
        "probability": 0.625,
        "frame_age_s": 0.125,
    }
    return Answered(at=at, **{**values, **changes})


def decided(text: str, *, is_spoken: bool, reason: DecisionReason, at: datetime = NOON) -> Decided:
    return Decided(
        at=at,
        is_spoken=is_spoken,
        reason=reason,
        text=f"{text}.",
        caption=caption(text),
        probability=0.5,
    )


def alerted(rule: str = "postman", at: datetime = NOON) -> Alerted:
    return Alerted(at=at, rule=rule, text="The postman.", caption=caption("a man with a bag"))


def problem(is_problem: bool = True, at: datetime = NOON) -> ProblemChanged:
    return ProblemChanged(at=at, part=Part.CAMERA, is_problem=is_problem, text="The camera is away")


def entry(caption_text: str, at: datetime = NOON, kind: Kind = Kind.NARRATED, **more: Any) -> Entry:
    values = {"id": f"{at.timestamp()}{caption_text}", "text": f"{caption_text}.", **more}
    return Entry(at=at, kind=kind, caption=caption_text, **values)


def message(number: int, at: datetime = NOON) -> OutboxMessage:
    payload = b'{"caption": "%d dogs"}' % number
    return OutboxMessage("seealoud/kitchen/caption", payload, 1, False, f"id-{number}", at)


def kept(path: Path, *events: Event, **settings: Any) -> None:
    """Write events into a history as the daemon does, and close it."""
    history = History(path, HistorySettings(**settings), ManualClock())
    for event in events:
        history.accept(event)
    history.step()
    history.close()


def counter(path: Path, name: str) -> int:
    """Return a counter of a database, from outside."""
    connection = sqlite3.connect(path)
    try:
        row = connection.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])
    finally:
        connection.close()


@contextmanager
def no_file_beyond(size_bytes: int) -> Iterator[None]:
    """Have the kernel refuse to make files larger: what a full disk does, without filling one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start Python on code, with its stdout to read; whoever starts it kills it."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
    )
