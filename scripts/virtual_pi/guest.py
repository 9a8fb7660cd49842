"""Runs inside the virtual Raspberry Pi, as root, by systemd: tries the installed service for real.

Each line that begins with LAB goes to the serial console, where host.py reads it:
``LAB ok ...`` and ``LAB FAILED ...`` are results, ``LAB press`` and ``LAB cut`` ask for what only
the outside can do.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CONSOLE = Path("/dev/ttyAMA0")
KEPT = Path("/var/lib/lab.json")
VIVID = Path("/sys/bus/platform/drivers/vivid")
STATE = Path("/var/lib/seealoud")
SETTINGS = Path("/etc/seealoud/seealoud.toml")
RECORDED = Path("/run/lab.wav")
INSTALLER = "/root/seealoud/scripts/install-pi"
SEEALOUD = "/usr/local/bin/seealoud"
# Emulated, and on a host that may be busy: some thirty times slower than a Raspberry Pi.
LONG_S = 900.0
# [history] writes_per_hour = 120: what is older than this outlives a power cut.
ON_DISK_AFTER_S = 35.0
SILENT_RMS = 100.0
# The settings have no other sounds than words, four times as fast.
TENTHS_OF_WORDS = 4
WAV_HEADER, RATE_HZ = 44, 22_050
TENTH = RATE_HZ // 10
# One comes each second; some are on the way.
FRAMES_S = 15.0
VOLUME = 0.5


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
    """Tell a result."""
    say(f"{'ok' if is_so else 'FAILED'} {what} {detail}".rstrip())


def wait_for(what: str, look: Callable[[], Any], timeout_s: float = LONG_S) -> Any:
    """Return what is found, once it is, and tell how long that took; None when it never is."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < timeout_s:
        if found := look():
            say(f"ok {what} ({time.monotonic() - began_s:.1f} s)")
            return found
        time.sleep(0.5)
    say(f"FAILED {what}: not within {timeout_s:g} s")
    say(run("journalctl", "-u", "seealoud", "-n", "15", "--no-pager", "-o", "cat"))
    say(run(SEEALOUD, "press", "status"))
    return None


def show(key: str) -> str:
    """Return a property of the unit."""
    return run("systemctl", "show", "seealoud", "-p", key, "--value")


def is_active() -> bool:
    """Return whether systemd has heard READY=1."""
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
    claim(f"seealoud press {' '.join(words)}: taken", asked.returncode == 0, asked.stderr.strip())


def status() -> dict[str, Any]:
    """Return the daemon's own word; empty while it does not answer."""
    try:
        return dict(json.loads(run(SEEALOUD, "press", "status", "--json"))["data"])
    except (ValueError, KeyError, TypeError):
        return {}


def entries(kind: str = "", cause: str = "") -> list[dict[str, Any]]:
    """Return the history, or that of one kind and cause."""
    lines = run(SEEALOUD, "history", "--json", "--state", str(STATE)).splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return [x for x in told if kind in ("", x["kind"]) and cause in ("", x["cause"])]


def next_entry(what: str, do: Callable[[], None], kind: str, cause: str = "") -> None:
    """Do something and tell the entry of the history that comes of it."""
    before = len(entries(kind, cause))
    do()
    found = wait_for(what, lambda: entries(kind, cause)[before:])
    if found:
        keys = ("kind", "cause", "reason", "text", "caption", "probability", "frame_age_s")
        say(f"   {json.dumps({x: found[0][x] for x in keys})}")


def loudness() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the loudness of each tenth of a second of what the loopback card recorded so far."""
    data = RECORDED.read_bytes()[WAV_HEADER:]
    samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float64)
    tenths = samples[: samples.size // TENTH * TENTH].reshape(-1, TENTH)
    return np.asarray(np.sqrt((tenths**2).mean(axis=1)))


def try_system() -> None:
    """What this is."""
    systemd = run("systemctl", "--version").splitlines()[0]
    say(f"{run('uname', '-srm')}, {run('python3', '-V')}, {systemd}")
    model = Path("/proc/device-tree/system/linux,revision").read_bytes().hex()
    say(f"board revision {model}; {run('aplay', '-l').splitlines()[1]}")
    wait_for("the unit is active after the boot", is_active)
    say(f"   {start_s()}")
    said = run("systemd-analyze", "security", "--no-pager", "seealoud").splitlines()[-1]
    claim("systemd-analyze security:", any(f": {x}." in said for x in "01"), said.strip("→ "))
    wait_for("the camera gives frames", lambda: status().get("is_camera_available"))
    time.sleep(FRAMES_S)


def try_doctor() -> None:
    """The doctor, as the service's own user, while the daemon is away."""
    environment = [f"HOME={STATE}", f"STATE_DIRECTORY={STATE}"]
    done = subprocess.run(
        ["runuser", "-u", "seealoud", "--", "env", *environment, SEEALOUD, "doctor"],
        capture_output=True, text=True, timeout=LONG_S, check=False,
    )  # fmt: skip
    claim("seealoud doctor ends with 0", done.returncode == 0)
    say("\n".join(f"   {line}" for line in (done.stdout + done.stderr).splitlines()))


def try_camera_and_sound() -> None:
    """V4L2 camera looked through, and the answer spoken into the loopback card."""
    recorder = subprocess.Popen(
        ["arecord", "-q", "-D", "plughw:CARD=Loopback,DEV=1", "-f", "S16_LE", "-r", str(RATE_HZ),
         "-c", "1", str(RECORDED)]
    )  # fmt: skip
    try:
        next_entry(
            "the V4L2 camera's picture was answered for",
            lambda: press("describe"),
            "described",
            "cli",
        )
        wait_for(
            "words came out of the sound card",
            lambda: RECORDED.exists() and int((loudness() > SILENT_RMS).sum()) >= TENTHS_OF_WORDS,
        )
        time.sleep(20)
    finally:
        recorder.terminate()
        recorder.wait()
    loud = loudness()
    heard = loud[loud > SILENT_RMS]
    if heard.size:
        say(
            f"   {loud.size / 10:.0f} s recorded, {heard.size / 10:.1f} s of it sound of RMS "
            f"{heard.mean():.0f}; the rest has RMS {loud[loud <= SILENT_RMS].mean():.1f}"
        )


def try_unplugging() -> None:
    """The camera goes and comes back."""
    next_entry("unplugged: the problem is told",
               lambda: void((VIVID / "unbind").write_text("vivid.0")), "problem")  # fmt: skip
    next_entry("replugged: the camera is back",
               lambda: void((VIVID / "bind").write_text("vivid.0")), "recovery")  # fmt: skip


def void(_: object) -> None:
    """Return nothing."""


def try_hang() -> None:
    """A stopped process feeds no watchdog; systemd ends it and starts another."""
    before, pid = show("NRestarts"), show("MainPID")
    os.kill(int(pid), signal.SIGSTOP)
    wait_for("hang: ended by the watchdog", lambda: show("NRestarts") != before)
    wait_for("another process is active", lambda: is_active() and show("MainPID") != pid)
    said = run("journalctl", "-u", "seealoud", "--no-pager", "-o", "cat", "-g", "atchdog")
    say("\n".join(f"   {line}" for line in said.splitlines()[:2]))


def try_stop() -> None:
    """SIGTERM leads to exit code 0."""
    wait_for("it answers", status)
    run("systemctl", "stop", "seealoud")
    began_us = int(show("ActiveExitTimestampMonotonic"))
    took_s = (int(show("ExecMainExitTimestampMonotonic")) - began_us) / 1e6
    result, code = show("Result"), show("ExecMainStatus")
    claim(
        "SIGTERM:",
        (result, code) == ("success", "0"),
        f"{result}, exit code {code}, {took_s:.1f} s",
    )
    try_doctor()
    run("systemctl", "start", "seealoud")
    wait_for("started again", is_active)
    say(f"   {start_s()}")


def try_settings() -> None:
    """What is changed at run time, to be found again after the power cut."""
    wait_for("it answers", status)
    run("systemctl", "reload", "seealoud")
    wait_for("SIGHUP: the settings are read anew", lambda: "settings read anew" in journal())
    press("set", "volume", str(VOLUME))
    press("narrate", "off")
    wait_for("they are in force", lambda: status().get("volume") == VOLUME)


def first_boot() -> None:
    """Everything up to the power cut."""
    try_system()
    try_camera_and_sound()
    next_entry("a pulse at GPIO 3 is a press", lambda: say("press"), "described", "button")
    try_unplugging()
    try_hang()
    try_stop()
    try_settings()
    time.sleep(ON_DISK_AFTER_S)
    KEPT.write_text(json.dumps([x["id"] for x in entries()]))
    run("sync", str(KEPT))
    say("cut")


def second_boot() -> None:
    """After the power cut."""
    before = set(json.loads(KEPT.read_text()))
    wait_for("after the power cut: the unit is active", is_active)
    say(f"   {start_s()}")
    now = wait_for("it answers", status) or {}
    claim("the volume is kept:", now.get("volume") == VOLUME, now.get("volume"))
    claim("narration is still off", now.get("is_narrating") is False)
    kept = before & {x["id"] for x in entries()}
    claim("the history is kept:", before == kept != set(), f"{len(kept)} of {len(before)} entries")
    try_uninstalling()
    say("done")


def try_uninstalling() -> None:
    """It leaves nothing but data, and with --purge nothing."""
    find = ("find", "/", "-xdev", "-name", "*seealoud*", "-not", "-path", "/root/*",
            "-not", "-path", "/sys/*", "-not", "-path", "/proc/*", "-prune")  # fmt: skip
    say("\n".join(f"   {line}" for line in run(INSTALLER, "--uninstall").splitlines()))
    left = {x for x in run(*find).splitlines() if not x.endswith("/seealoud.service.d")}
    data = {str(STATE), str(SETTINGS.parent)}
    claim("uninstalled, what is left is data:", left == data and not is_active(), sorted(left))
    run(INSTALLER, "--uninstall", "--purge")
    left = {x for x in run(*find).splitlines() if not x.endswith("/seealoud.service.d")}
    claim("with --purge nothing is left:", not left, sorted(left) or "")
    user = run("getent", "passwd", "seealoud")
    claim("the user is gone as well", not user, user)


def main() -> int:
    """Run the boot that this is."""
    try:
        (second_boot if KEPT.exists() else first_boot)()
    except Exception:  # noqa: BLE001 - whatever it is, the host waits for an end
        say("FAILED: the driver itself")
        say(traceback.format_exc())
        say("done")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
