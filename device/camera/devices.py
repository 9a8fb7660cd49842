"""Cameras that are plugged in: which there are, why one cannot be used, and what to do.

Invariant: devices are only queried, never opened for pictures, so that a running daemon keeps its
camera.
"""

from __future__ import annotations

import errno
import fcntl
import getpass
import os
import stat
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seealoud.device.errors import CameraError

_DEVICES = Path("/dev")
_PROC = Path("/proc")
# linux/videodev2.h: _IOR('V', 0, struct v4l2_capability), which ends in two words of capabilities
# and three reserved ones.
_VIDIOC_QUERYCAP = 0x80685600
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
_CAPTURES = 0x00000001 | 0x00001000  # V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE
_HAS_DEVICE_CAPS = 0x80000000
# A Raspberry Pi has device files of its own that give pictures but are no cameras that a person
# plugged in: those of the ribbon connector (read through picamera2), the scaler and the codecs.
_NOT_PLUGGED_IN = ("bcm2835", "unicam", "rp1-cfe", "pispbe", "rpivid", "rpi-hevc")
_LINKS = Path("/dev/v4l/by-id")


def check_device(path: Path, name: str) -> None:
    """Look whether a device file is a camera that we may open.

    Raises:
        CameraError: it is not; the message names the next step.
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


@dataclass(frozen=True, slots=True)
class CaptureNode:
    """A device file of a camera, as its driver describes it."""

    driver: str
    label: str
    gives_pictures: bool


def captures(path: Path) -> CaptureNode | None:
    """Return what a device file that gives pictures belongs to; None if it gives none."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        node = _query(fd)
    except OSError:
        return None
    finally:
        os.close(fd)
    return node if node.gives_pictures else None


def _query(fd: int) -> CaptureNode:
    """Return what the driver says of an open device file.

    Raises:
        OSError: it is not a video device.
    """
    buffer = bytearray(_CAPABILITY.size)
    fcntl.ioctl(fd, _VIDIOC_QUERYCAP, buffer)
    driver, card, _, _, capabilities, of_node = _CAPABILITY.unpack(buffer)
    mask = of_node if capabilities & _HAS_DEVICE_CAPS else capabilities
    driver_name, label = (
        text.partition(b"\0")[0].decode(errors="replace") for text in (driver, card)
    )
    return CaptureNode(driver_name, label, bool(mask & _CAPTURES))


def _check_captures(fd: int, path: Path, name: str) -> None:
    if not stat.S_ISCHR(os.fstat(fd).st_mode):
        raise CameraError(f"{name} is not a camera: {path} is not a device file")
    try:
        node = _query(fd)
    except OSError as exc:
        raise CameraError(f"{name} is not a camera: {path} is another kind of device") from exc
    if not node.gives_pictures:
        raise CameraError(
            f"{name} gives no pictures: {path} is another node of {node.label!r}; "
            "v4l2-ctl --list-devices shows which ones do"
        )


def advice(path: Path, devices: Path = _DEVICES) -> str:
    """Return what is there instead of a device that cannot be opened, and what to do next."""
    if path.exists():
        return busy(path)
    found = camera_names(devices)
    if not found:
        return f"there is no {devices}/video*: plug a camera in"
    paths = ", ".join(map(str, found.values()))
    return f"there is no {path}, but {paths}: try {next(iter(found))}"


def camera_names(devices: Path = _DEVICES) -> dict[str, Path]:
    """Return the device files of cameras, in their order, by the names of ``device.camera.source``.

    Some may be nodes of a camera that give no pictures.
    """
    numbers = sorted(
        int(entry.name.removeprefix("video"))
        for entry in devices.glob("video*")
        if entry.name.removeprefix("video").isdecimal()
    )
    return {f"camera:{number}": devices / f"video{number}" for number in numbers}


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


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A camera that is plugged in.

    Attributes:
        source: for ``camera.source`` in the settings.
        description: kind and model, e.g. "USB camera HD Pro Webcam C920".
    """

    source: str
    description: str


def find_camera(
    ribbon_cameras: Callable[[], Iterable[Mapping[str, Any]]] | None = None,
    devices: Path = Path("/dev"),
    links: Path = _LINKS,
) -> FoundCamera | None:
    """Return the camera at the ribbon connector, else the first USB camera, else None.

    Args:
        ribbon_cameras: lists libcamera's cameras; by default as picamera2 does, if it is installed.
        devices: folder of the device files.
        links: folder of links that name a USB camera by its model, whatever its number.
    """
    for camera in (ribbon_cameras or _libcamera_cameras)():
        # libcamera lists USB cameras as well; OpenCV reads those.
        if "/usb" not in str(camera.get("Id", "")).lower():
            number, model = int(camera.get("Num", 0)), camera.get("Model", "unknown model")
            source = f"picamera2:{number}" if number else "picamera2"
            return FoundCamera(source, f"camera {model} at the ribbon connector")
    for name, path in camera_names(devices).items():
        node = captures(path)
        if node is not None and not node.driver.startswith(_NOT_PLUGGED_IN):
            return FoundCamera(_lasting_name(path, links) or name, f"USB camera {node.label}")
    return None


def _libcamera_cameras() -> Iterable[Mapping[str, Any]]:
    """Return what libcamera lists; nothing without picamera2, or if libcamera fails."""
    try:
        from picamera2 import Picamera2

        found: Iterable[Mapping[str, Any]] = Picamera2.global_camera_info()
    except (ImportError, RuntimeError, OSError, IndexError):
        return ()
    return found


def _lasting_name(path: Path, links: Path) -> str | None:
    """Return the link to a device file that stays when cameras are plugged in another order."""
    real = os.path.realpath(path)
    found = (link for link in sorted(links.glob("*")) if os.path.realpath(link) == real)
    link = next(found, None)
    return None if link is None else str(link)
