"""Checks of the machine itself: system, disk, temperature, power, permissions."""

from __future__ import annotations

import grp
import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from device.doctor.finding import Finding, Level

_MB = 1 << 20
SMALLEST_FREE_MB = 100
# The Raspberry Pi slows itself down from 80 degrees on, and ends at 85.
HOTTEST_C = 80.0
THERMAL_ZONE = Path("/sys/class/thermal/thermal_zone0/temp")
_VCGENCMD_TIMEOUT_S = 2.0
# Bits of `vcgencmd get_throttled`: now, and since the start.
_UNDER_VOLTAGE_NOW, _UNDER_VOLTAGE_ONCE = 1 << 0, 1 << 16
_SINCE_START = 16  # by so much is the second set of bits shifted
_THROTTLING = (
    (0, "too little voltage"),
    (1, "frequency limited"),
    (2, "slowed down"),
    (3, "slowed down by heat"),
)
_BOARD, _CPU_INFO = Path("/proc/device-tree/model"), Path("/proc/cpuinfo")


def check_system() -> Finding:
    """Return which system this is; LiteRT has no 32-bit packages."""
    bits = struct.calcsize("P") * 8
    text = f"{platform.machine()}, {bits} bit, Python {platform.python_version()}"
    if bits == 64:
        return Finding("System", Level.OK, text)
    return Finding("System", Level.FAILURE, text, "install the 64-bit Raspberry Pi OS")


def board_name() -> str:
    """Return the name of the board, as in "Raspberry Pi 5 Model B Rev 1.0", or the processor's."""
    if _BOARD.is_file():
        return _BOARD.read_text(encoding="utf-8").rstrip("\0\n")
    for line in _CPU_INFO.read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def check_disk(folder: Path) -> Finding:
    """Return whether a folder can be written to and its disk has room."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK):
        return Finding(
            "Disk",
            Level.FAILURE,
            f"{existing} cannot be written, so settings and history are not saved",
            f"sudo chown {_user()} {existing}",
        )
    free_mb = shutil.disk_usage(existing).free // _MB
    text = f"{free_mb} MB free for {folder}"
    if free_mb < SMALLEST_FREE_MB:
        fix = "make room: seealoud history erase, sudo apt clean, sudo journalctl --vacuum-size=50M"
        return Finding("Disk", Level.WARNING, text, fix)
    return Finding("Disk", Level.OK, text)


def temperature_c(zone: Path = THERMAL_ZONE) -> float | None:
    """Return the processor's temperature in degrees Celsius; None if the machine has no sensor."""
    try:
        return int(zone.read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):
        return None


def check_temperature(zone: Path = THERMAL_ZONE) -> Finding:
    """Return how hot the processor is."""
    celsius = temperature_c(zone)
    if celsius is None:
        return Finding("Temperature", Level.NOTE, "not available on this machine")
    text = f"{celsius:.0f} degrees"
    if celsius >= HOTTEST_C:
        fix = "let air reach the device, or give it a heat sink or a fan"
        return Finding("Temperature", Level.WARNING, f"{text}, so it slows down", fix)
    return Finding("Temperature", Level.OK, text)


def throttling_flags(command: Sequence[str] = ("vcgencmd", "get_throttled")) -> int | None:
    """Return the bits that a Raspberry Pi's firmware reports; None on another machine."""
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, timeout=_VCGENCMD_TIMEOUT_S, check=True
        ).stdout
        return int(said.strip().rpartition("=")[2], 16)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def throttling_words(flags: int | None) -> str:
    """Return the bits of ``throttling_flags`` in words, without full stop."""
    if flags is None:
        return "not available on this machine"
    now, before = (
        [words for bit, words in _THROTTLING if flags >> (bit + shift) & 1]
        for shift in (0, _SINCE_START)
    )
    said = [f"now: {', '.join(now)}"] if now else []
    said += [f"since the start: {', '.join(before)}"] if before else []
    return "; ".join(said) or "none"


def check_power(command: Sequence[str] = ("vcgencmd", "get_throttled")) -> Finding:
    """Return whether a Raspberry Pi gets enough power, as reported by its firmware."""
    flags = throttling_flags(command)
    if flags is None:
        return Finding("Power", Level.NOTE, "not available on this machine")
    if flags & _UNDER_VOLTAGE_NOW:
        fix = "use the power supply made for this Raspberry Pi, and a short cable"
        return Finding("Power", Level.FAILURE, "too little voltage now", fix)
    if flags & _UNDER_VOLTAGE_ONCE:
        fix = "use the power supply made for this Raspberry Pi, and a short cable"
        return Finding("Power", Level.WARNING, "too little voltage at times", fix)
    return Finding("Power", Level.OK, "enough")


def check_groups(needed: Sequence[str]) -> Finding:
    """Return whether this user may use the devices of some groups.

    Args:
        needed: groups such as ``video``; groups that do not exist on this machine are ignored.
    """
    if os.geteuid() == 0:
        return Finding("Permissions", Level.OK, "root may use every device")
    mine = {*os.getgroups(), os.getegid()}
    known = {group.gr_name: group.gr_gid for group in grp.getgrall()}
    missing = [name for name in needed if name in known and known[name] not in mine]
    if not missing:
        return Finding("Permissions", Level.OK, f"in the groups {', '.join(needed)}")
    fix = f"sudo usermod -aG {','.join(missing)} {_user()}, then log in again"
    text = f"{_user()} is not in the group {', '.join(missing)}"
    return Finding("Permissions", Level.WARNING, text, fix)


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name
