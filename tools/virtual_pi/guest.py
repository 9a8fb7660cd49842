"""Runs inside the virtual Raspberry Pi, as root, by systemd: tries the installed service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from service import (
    LONG_S,
    SEEALOUD,
    STATE,
    claim,
    entries,
    is_active,
    journal,
    next_entry,
    press,
    run,
    say,
    show,
    start_s,
    status,
    wait_for,
)

KEPT = Path("/var/lib/lab.json")
PHOTOGRAPHED, VIVID_NODE = "/dev/video9", "/dev/video0"
VIVID = Path("/sys/bus/platform/drivers/vivid")
SETTINGS = Path("/etc/seealoud/seealoud.toml")
RECORDED = Path("/run/lab.wav")
INSTALLER = "/root/seealoud/scripts/install-pi"
BROKEN = Path("/root/broken")
HOME = Path("/opt/seealoud")
CURRENT, PREVIOUS, TRIAL = HOME / "current", HOME / "previous", HOME / "trial"
# device.history.settings.SYNC_SPACING_S: what is older than this survives a power cut.
ON_DISK_AFTER_S = 35.0
SILENT_RMS = 100.0
# The settings have no other sounds than words, four times as fast.
TENTHS_OF_WORDS = 4
WAV_HEADER, RATE_HZ = 44, 22_050
TENTH = RATE_HZ // 10
# One comes each second; some are on the way.
FRAMES_S = 15.0
VOLUME = 0.5


def loudness() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the loudness of each tenth of a second of what the loopback card recorded so far."""
    data = RECORDED.read_bytes()[WAV_HEADER:]
    samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float64)
    tenths = samples[: samples.size // TENTH * TENTH].reshape(-1, TENTH)
    return np.asarray(np.sqrt((tenths**2).mean(axis=1)))


def try_system() -> None:
    """Print the system, and check that the service is active."""
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


def try_captioning() -> None:
    """A V4L2 camera that sees a photograph: captioned, and spoken into the loopback card."""
    recorder = subprocess.Popen(
        ["arecord", "-q", "-D", "plughw:CARD=Loopback,DEV=1", "-f", "S16_LE", "-r", str(RATE_HZ),
         "-c", "1", str(RECORDED)]
    )  # fmt: skip
    try:
        answer = next_entry(
            "what the V4L2 camera sees was described",
            lambda: press("describe"),
            "described",
            "cli",
        )
        # An unsure caption is withheld; what is sure is named all the same.
        is_described = bool(answer.get("caption") or answer.get("things"))
        claim("something was said of it:", is_described, answer.get("text"))
        is_heard = wait_for(
            "words came out of the sound card",
            lambda: RECORDED.exists() and int((loudness() > SILENT_RMS).sum()) >= TENTHS_OF_WORDS,
        )
        if not is_heard:
            size = RECORDED.stat().st_size if RECORDED.exists() else 0
            say(f"   arecord: exit code {recorder.poll()}, {size} bytes recorded")
            say(run("sh", "-c", "cat /proc/asound/Loopback/pcm*/sub0/status; ps -C aplay,python"))
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


def try_freezing() -> None:
    """A camera that hangs: its picture no longer changes by as much as noise."""
    next_entry("a picture that never changes: the problem is reported", turn_freezing, "problem")
    answer = next_entry(
        "a press is answered all the same", lambda: press("describe"), "described", "cli"
    )
    claim("the answer names the cause:", answer.get("reason") == "frozen", answer.get("text"))
    next_entry("the picture changes: the camera is back", turn_freezing, "recovery")


def turn_freezing() -> None:
    """Freeze the camera that sees the photograph, or end that."""
    run("systemctl", "kill", "--signal=USR1", "lab-camera")


def change_camera() -> None:
    """Another camera, by the settings and a restart: vivid, which can be unplugged."""
    text = SETTINGS.read_text()
    SETTINGS.write_text(text.replace(PHOTOGRAPHED, VIVID_NODE))
    run("systemctl", "restart", "seealoud")
    wait_for("another camera in the settings: active after a restart", is_active)
    wait_for("it gives frames", lambda: status().get("is_camera_available"))
    time.sleep(FRAMES_S)
    next_entry(
        "vivid's test pattern is answered for, and not captioned",
        lambda: press("describe"),
        "described",
        "cli",
    )


def try_unplugging() -> None:
    """The camera goes and comes back."""
    next_entry("unplugged: the problem is reported",
               lambda: void((VIVID / "unbind").write_text("vivid.0")), "problem")  # fmt: skip
    next_entry("replugged: the camera is back",
               lambda: void((VIVID / "bind").write_text("vivid.0")), "recovery")  # fmt: skip


def void(_: object) -> None:
    """Return nothing."""


def try_hang() -> None:
    """A stopped process does not notify the watchdog; systemd ends it and starts another."""
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
    """Change settings at run time, which must be the same after the power cut."""
    wait_for("it answers", status)
    run("systemctl", "reload", "seealoud")
    wait_for("SIGHUP: the settings are read anew", lambda: "settings reloaded" in journal())
    press("set", "volume", str(VOLUME))
    press("narrate", "off")
    wait_for("they are in force", lambda: status().get("volume") == VOLUME)


def first_boot() -> None:
    """Everything up to the power cut."""
    try_system()
    try_captioning()
    try_freezing()
    change_camera()
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
    try_upgrading()
    try_uninstalling()
    say("done")


def try_upgrading() -> None:
    """An upgrade to the same program, the way back, and an upgrade that cannot start."""
    first, ids = CURRENT.resolve(), {x["id"] for x in entries()}
    say(install(INSTALLER, "--upgrade"))
    second = CURRENT.resolve()
    claim("upgraded: another version is in use, and active", second != first and is_active())
    claim("the version before is kept", PREVIOUS.resolve() == first)
    now = wait_for("it answers", status) or {}
    claim("the volume is kept:", now.get("volume") == VOLUME, now.get("volume"))
    claim("the history is kept", ids <= {x["id"] for x in entries()})
    say(install(INSTALLER, "--rollback"))
    claim("--rollback: the version before is active", CURRENT.resolve() == first and is_active())
    run("cp", "-a", "/root/seealoud", str(BROKEN))
    with (BROKEN / "device/app.py").open("a") as module:
        module.write('raise RuntimeError("this version cannot start")\n')
    say(install(str(BROKEN / "scripts/install-pi"), "--upgrade"))
    claim("a version that cannot start is given up", CURRENT.resolve() == first and is_active())
    claim("the version before that is still there", PREVIOUS.resolve() == second)
    claim("the history is kept", ids <= {x["id"] for x in entries()})
    claim("nothing waits for a rollback", not TRIAL.exists())


def install(*command: str) -> str:
    """Run the installer with the Python packages that the image has; return its last lines."""
    packages = ["env", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/root/wheels"]
    return "\n".join(f"   {line}" for line in run(*packages, *command).splitlines()[-4:])


def try_uninstalling() -> None:
    """Uninstalling leaves only data, and with --purge nothing."""
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
    """Run the checks of this boot."""
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
