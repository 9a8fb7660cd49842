"""One fresh frame from a camera, for a single question; the daemon's camera stays open instead."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from device.camera.camera import Camera
from device.camera.open import open_camera
from device.camera.settings import CameraSettings
from device.camera.source import parse_source
from device.clock import SystemClock
from device.errors import CameraError
from device.records import Frame


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What a camera gets before its frame counts."""

    frames: int = 12
    """Discarded: exposure and white balance of webcams settle within about ten frames."""
    timeout_s: float = 5.0
    """For all frames together; a camera that gave one frame by then has that one used."""


def grab_frame(
    name: str,
    open_it: Callable[[str], Camera] | None = None,
    warm_up: WarmUp = WarmUp(),
    clock: Callable[[], float] = time.monotonic,
) -> Frame:
    """Return a fresh frame of a camera.

    Args:
        name: a camera's name, by the grammar of ``device.camera.source``.
        open_it: opens the camera of a name; the machine's own by default.
        warm_up: how many frames are discarded, and the deadline.
        clock: monotonic seconds.

    Raises:
        CameraError: the name is wrong, the camera cannot be opened or gives no frame.
    """
    try:
        parse_source(name)
    except ValueError as exc:
        raise CameraError(str(exc)) from exc
    with closing((open_it or _open)(name)) as camera:
        return _last_of(camera, warm_up, clock)


def _last_of(camera: Camera, warm_up: WarmUp, clock: Callable[[], float]) -> Frame:
    """Return the first frame after the warm-up, or the last one before it was lost or too late.

    Raises:
        CameraError: it gave not a single one.
    """
    deadline_s = clock() + warm_up.timeout_s
    newest = camera.read()
    for _ in range(warm_up.frames):
        if clock() >= deadline_s:
            break
        try:
            newest = camera.read()
        except CameraError:
            break
    return newest


def _open(name: str) -> Camera:
    # A still picture needs no more than this; all frames of the warm-up come at the usual rate.
    return open_camera(CameraSettings(source=name, rate_hz=30.0), SystemClock())
