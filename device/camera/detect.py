"""Finds the camera that is plugged in, for the settings file of a new installation.

Invariant: devices are only queried, never opened for pictures, so that a running daemon keeps its
camera.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.camera.v4l2 import camera_names, captures

# A Raspberry Pi has device files of its own that give pictures but are no cameras that a person
# plugged in: those of the ribbon connector (read through picamera2), the scaler and the codecs.
_NOT_PLUGGED_IN = ("bcm2835", "unicam", "rp1-cfe", "pispbe", "rpivid", "rpi-hevc")
_LINKS = Path("/dev/v4l/by-id")


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
