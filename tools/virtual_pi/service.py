"""Controls the service inside the virtual Raspberry Pi as a user and systemd do, and the host.

Each line that begins with LAB goes to the serial console, where host.py reads it: ``LAB ok ...``
and ``LAB FAILED ...`` are results, ``LAB press`` and ``LAB cut`` ask for what only the outside
can do.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONSOLE = Path("/dev/ttyAMA0")
STATE = Path("/var/lib/seealoud")
SEEALOUD = "/usr/local/bin/seealoud"
# Emulated, and on a host that may be busy: some thirty times slower than a Raspberry Pi.
LONG_S = 900.0


def say(text: str) -> None:
    """Write lines for the host."""
    with CONSOLE.open("w") as console:
        for line in text.splitlines():
            console.write(f"\r\nLAB {line}\r\n")


def run(*command: str, timeout_s: float = LONG_S) -> str:
    """Return what a command printed on both outputs, whatever its exit code."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    return (done.stdout + done.stderr).strip()


def claim(what: str, is_so: bool, detail: object = "") -> None:
    """Print a result; a failed one with the last lines of the service's log."""
    say(f"{'ok' if is_so else 'FAILED'} {what} {detail}".rstrip())
    if not is_so:
        say(logged_last())


def logged_last() -> str:
    """Return the last lines of the unit's log, which say why."""
    return run("journalctl", "-u", "seealoud", "-n", "15", "--no-pager", "-o", "short-monotonic")


def wait_for(what: str, look: Callable[[], Any], timeout_s: float = LONG_S) -> Any:
    """Return what is found and print how long that took; None after the deadline."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < timeout_s:
        if found := look():
            say(f"ok {what} ({time.monotonic() - began_s:.1f} s)")
            return found
        time.sleep(0.5)
    say(f"FAILED {what}: not within {timeout_s:g} s")
    say(logged_last())
    say(run(SEEALOUD, "press", "status"))
    return None


def show(key: str) -> str:
    """Return a property of the unit."""
    return run("systemctl", "show", "seealoud", "-p", key, "--value")


def is_active() -> bool:
    """Return whether systemd has received READY=1."""
    return run("systemctl", "is-active", "seealoud") == "active"


def journal() -> str:
    """Return what the running process has logged."""
    return run("journalctl", "--no-pager", "-o", "cat", f"_PID={show('MainPID')}")


def start_s() -> str:
    """Return how long the unit's last start took, from the process to READY=1."""
    began_us, ready_us = (
        int(show(f"{x}TimestampMonotonic")) for x in ("ExecMainStart", "ActiveEnter")
    )
    return f"{(ready_us - began_us) / 1e6:.1f} s from process to READY=1"


def press(*words: str) -> None:
    """Ask the daemon for something, as a user would."""
    asked = subprocess.run(
        [SEEALOUD, "press", *words], capture_output=True, text=True, timeout=LONG_S, check=False
    )
    # Emulated, an answer may take longer than the command waits; whether one comes is checked
    # apart.
    is_taken = asked.returncode == 0 or "accepted the request" in asked.stderr
    claim(f"seealoud press {' '.join(words)}: taken", is_taken, asked.stderr.strip())


def status() -> dict[str, Any]:
    """Return the daemon's own status; empty while it does not answer."""
    try:
        return dict(json.loads(run(SEEALOUD, "press", "status", "--json"))["data"])
    except (ValueError, KeyError, TypeError):
        return {}


def entries(kind: str = "", cause: str = "") -> list[dict[str, Any]]:
    """Return the history, or that of one kind and cause."""
    lines = run(SEEALOUD, "history", "--json", "--state", str(STATE)).splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    return [x for x in entries if kind in ("", x["kind"]) and cause in ("", x["cause"])]


def next_entry(what: str, do: Callable[[], None], kind: str, cause: str = "") -> dict[str, Any]:
    """Do something; print and return the entry of the history that results."""
    before = len(entries(kind, cause))
    do()
    found = wait_for(what, lambda: entries(kind, cause)[before:])
    if found:
        keys = ("kind", "cause", "reason", "text", "caption", "probability", "frame_age_s")
        say(f"   {json.dumps({x: found[0][x] for x in keys})}")
    return found[0] if found else {}
