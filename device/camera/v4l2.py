"""What Linux knows of a camera's device file: why it cannot be used, and what to do.

Invariant: only looks; the camera is left as it was.
"""

from __future__ import annotations

import errno
import fcntl
import getpass
import os
import stat
import struct
from pathlib import Path

from device.camera.holders import holders_of
from device.errors import CameraError

_DEVICES = Path("/dev")
# linux/videodev2.h: _IOR('V', 0, struct v4l2_capability), which ends in two words of capabilities
# and three reserved ones.
_VIDIOC_QUERYCAP = 0x80685600
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
_CAPTURES = 0x00000001 | 0x00001000  # V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE
_TELLS_DEVICE_CAPS = 0x80000000


def check_device(path: Path, name: str) -> None:
    """Look whether a device file is a camera that we may open.

    Raises:
        CameraError: it is not; the message says what to do.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise CameraError(f"{name} cannot be opened: {advice(path)}") from exc
    except PermissionError as exc:
        raise CameraError(f"{name} cannot be opened: {_not_permitted(path)}") from exc
    except OSError as exc:
        if exc.errno == errno.EBUSY:
            raise CameraError(f"{name} cannot be opened: {busy(path)}") from exc
        raise CameraError(f"{name} cannot be opened: {exc.strerror}: replug the camera") from exc
    try:
        _check_captures(fd, path, name)
    finally:
        os.close(fd)


def _check_captures(fd: int, path: Path, name: str) -> None:
    if not stat.S_ISCHR(os.fstat(fd).st_mode):
        raise CameraError(f"{name} is no camera: {path} is no device file")
    buffer = bytearray(_CAPABILITY.size)
    try:
        fcntl.ioctl(fd, _VIDIOC_QUERYCAP, buffer)
    except OSError as exc:
        raise CameraError(f"{name} is no camera: {path} is another kind of device") from exc
    _, card, _, _, capabilities, of_node = _CAPABILITY.unpack(buffer)
    if not (of_node if capabilities & _TELLS_DEVICE_CAPS else capabilities) & _CAPTURES:
        label = card.partition(b"\0")[0].decode(errors="replace")
        raise CameraError(
            f"{name} gives no pictures: {path} is another node of {label!r}; "
            "v4l2-ctl --list-devices shows which ones do"
        )


def advice(path: Path, devices: Path = _DEVICES) -> str:
    """Return what is there instead of a device that cannot be opened, and what to do next."""
    if path.exists():
        return busy(path)
    prefix = f"{devices}/video"
    numbers = sorted(
        int(entry.name.removeprefix("video"))
        for entry in devices.glob("video*")
        if entry.name.removeprefix("video").isdecimal()
    )
    if not numbers:
        return f"there is no {prefix}*: plug a camera in"
    found = ", ".join(f"{prefix}{number}" for number in numbers)
    return f"there is no {path}, but {found}: try camera:{numbers[0]}"


def busy(path: Path) -> str:
    """Return who uses a device that is there and permitted, and what to do next."""
    if holders := holders_of(path):
        return f"{' and '.join(map(str, holders))} uses {path}: end that program first"
    return f"{path} is there, but in use or not answering: end what uses it, or replug it"


def _not_permitted(path: Path) -> str:
    return (
        f"{path} is not permitted: sudo usermod -aG video {_user()}, then log in again "
        "(just plugged in, it takes two seconds to be)"
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        return str(os.getuid())
