"""A full disk, a card that became read-only, and a clock that jumps by ten years."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from seealoud.device import requests as r
from seealoud.device.events import Part
from tools.torture.home import (
    NARRATION_OFF,
    Home,
    answer_of,
    home,
    is_greeted,
    wait_drained,
    wait_heard,
)
from tools.torture.ledger import stored_ids
from tools.torture.processes import DaemonProcess, TortureError, wait_for
from tools.torture.report import Section
from tools.torture.sound import spoken_of

_DISK_BYTES = 4 * 2**20
_CARD_BYTES = 16 * 2**20
_YEARS_DAYS = 3652
_MOST_PRESSES = 200
_FULL, _SAVED_AGAIN = spoken_of(Part.DISK).failed, spoken_of(Part.DISK).works
_NOT_SAVED = spoken_of(Part.STATE).failed
_ROOT_ONLY = "not measured: needs root, to mount a file system"


def fill_disk(folder: Path, count: int, _seed: int) -> Section:
    """Fill the state folder's file system while the daemon works, and make room again."""
    section = Section("disk")
    size = ["-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs"]
    with _mounted(folder, size) as is_mounted:
        if not is_mounted:
            section.expect("the disk is filled", _ROOT_ONLY, None)
            return section.end()
        with home(folder, NARRATION_OFF) as at_home:
            _fill(section, at_home, count)
    return section.end()


def _fill(section: Section, at_home: Home, count: int) -> None:
    daemon, gaps = at_home.daemon, []
    daemon.start()
    wait_for("frames", lambda: daemon.ask(r.Status()).data["is_camera_available"])
    for number in range(count):
        wait_for("the greeting", partial(is_greeted, daemon, number + 1))
        answer_of(daemon, f"before{number}")
        wait_for("it is stored", lambda: stored_ids(daemon.state)[0])
        before = stored_ids(daemon.state)[0]
        filler = daemon.state / "filler"
        _write_until_full(filler)
        gap_s = 20.0 + number
        daemon.ask(r.Set(name="minimum_gap_s", value=gap_s))
        _work_until_full(daemon, number)
        wait_heard(daemon, number + 1, _FULL)
        filler.unlink()
        wait_heard(daemon, number + 1, _SAVED_AGAIN)
        answer_of(daemon, f"after{number}")
        daemon.ask(r.Say(text="There is room again.", id=f"room{number}"))
        daemon.wait_note(event="speech", id=f"room{number}")
        code = daemon.end()
        section.equal("exit code after SIGTERM", code, 0)
        section.equal("entries lost once written", len(before - stored_ids(daemon.state)[0]), 0)
        daemon.start()
        gaps.append((daemon.ask(r.Status()).data["minimum_gap_s"], gap_s))
    _compare(section, at_home)
    wrong = [x for x in gaps if x[0] != x[1]]
    section.none("settings changed on the full disk and lost after it had room", wrong)
    for text in (_FULL, _SAVED_AGAIN):
        section.equal(f"{text!r}: samples played", at_home.sound.wait_heard(text, count), count)


def _work_until_full(daemon: DaemonProcess, number: int) -> None:
    """Have the daemon answer until it notices the full disk: its log has room for some entries."""
    for press in range(_MOST_PRESSES):
        answer_of(daemon, f"full{number}-{press}")
        daemon.wait_note(event="speech", id=f"full{number}-{press}")
        problems = [x for x in daemon.notes("problem") if x["part"] == "disk" and x["is_problem"]]
        if len(problems) > number:
            return


def freeze_card(folder: Path, count: int, _seed: int) -> Section:
    """Have the kernel make the card read-only, as it does after an error, and restart with that."""
    section = Section("card")
    image = folder / "card.ext4"
    with image.open("wb") as file:
        file.truncate(_CARD_BYTES)
    made = subprocess.run(["/usr/sbin/mkfs.ext4", "-q", str(image)], check=False)
    with _mounted(folder, ["-o", "loop", str(image)]) as is_mounted:
        if made.returncode or not is_mounted:
            section.expect("the card is made read-only", _ROOT_ONLY, None)
            return section.end()
        with home(folder, NARRATION_OFF) as at_home:
            for number in range(count):
                _freeze(section, at_home, image, number)
            at_home.daemon.start()
            _compare(section, at_home)
    return section.end()


def _freeze(section: Section, at_home: Home, image: Path, number: int) -> None:
    daemon = at_home.daemon
    daemon.start()
    wait_for("frames", lambda: daemon.ask(r.Status()).data["is_camera_available"])
    answer_of(daemon, f"before{number}")
    wait_for("it is stored", lambda: stored_ids(daemon.state)[0])
    before = stored_ids(daemon.state)[0]
    # What the kernel has not written yet is lost by design: up to 30 s, as with a power cut.
    subprocess.run(["sync", "-f", str(daemon.state)], check=True)
    subprocess.run(["mount", "-o", "remount,abort", str(daemon.state)], check=True)
    answer_of(daemon, f"frozen{number}")
    daemon.ask(r.Set(name="minimum_gap_s", value=30.0 + number))
    wait_heard(daemon, number + 1, _NOT_SAVED)
    section.expect("a press is answered with a read-only card", "yes", True)
    section.equal("exit code after SIGTERM", daemon.end(), 0)
    try:
        daemon.start()
        wait_for("frames", lambda: daemon.ask(r.Status()).data["is_camera_available"])
        answer_of(daemon, f"started{number}")
        section.expect("a press is answered after a start with it", "yes", True)
        section.equal("exit code after SIGTERM", daemon.end(), 0)
    except TortureError as exc:
        section.expect("a press is answered after a start with it", f"no: {exc}"[-300:], False)
    subprocess.run(["umount", str(daemon.state)], check=True)
    subprocess.run(["/usr/sbin/e2fsck", "-fy", str(image)], check=False, capture_output=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(daemon.state)], check=True)
    section.equal("entries lost once written", len(before - stored_ids(daemon.state)[0]), 0)


def move_clock(folder: Path, count: int, _seed: int) -> Section:
    """Set the daemon's UTC time ten years ahead and back while it works, and before it starts."""
    section = Section("clock")
    steps = [_YEARS_DAYS, 0, -_YEARS_DAYS, 0][:count]
    problems: list[str] = []
    with home(folder, NARRATION_OFF) as at_home:
        daemon, written = at_home.daemon, set[str]()
        daemon.start()
        wait_for("frames", lambda: daemon.ask(r.Status()).data["is_camera_available"])
        answer_of(daemon, "first")
        for number, days in enumerate(steps):
            (folder / "days").write_text(str(days))
            answer_of(daemon, f"moved{number}")
            code = daemon.end()
            written |= stored_ids(daemon.state)[0]
            daemon.start()
            wait_for("frames", lambda: daemon.ask(r.Status()).data["is_camera_available"])
            answer_of(daemon, f"restarted{number}")
            entries = stored_ids(daemon.state)[0]
            if code or written - entries:
                lost = len(written - entries)
                problems.append(f"{days} days: exit code {code}, {lost} of {len(written)} lost")
        section.equal("times that the clock was moved, with a restart", len(steps), len(steps))
        section.none("steps after which entries of the history are lost", problems)
        section.expect("... entries compared", len(written), None)
        _compare(section, at_home)
    return section.end()


def _compare(section: Section, at_home: Home) -> None:
    """Record that every answer was published, and that the daemon ends well."""
    daemon = at_home.daemon
    wait_drained(daemon)
    answers = {note["id"] for note in daemon.notes("answer")}
    received = at_home.subscriber.ids("caption", "request_id")
    section.none("answers that never reached the subscriber", sorted(answers - received.keys()))
    section.expect("... answers compared", len(answers), None)
    section.equal("exit code at the end", daemon.end(), 0)
    section.none("tracebacks and internal errors", daemon.tracebacks())


@contextmanager
def _mounted(folder: Path, arguments: list[str]) -> Iterator[bool]:
    """Mount the state folder; yield whether that is possible here, and unmount it."""
    state = folder / "state"
    state.mkdir()
    done = subprocess.run(["mount", *arguments, str(state)], check=False, capture_output=True)
    try:
        yield done.returncode == 0 and os.geteuid() == 0
    finally:
        subprocess.run(["umount", str(state)], check=False, capture_output=True)


def _write_until_full(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
