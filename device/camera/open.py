"""From a camera's name or settings to a camera; the only module that knows every kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from device.camera.camera import WARM_UP_FRAMES, Camera
from device.camera.drivers import Wish, open_device, open_picamera
from device.camera.live import READ_TIMEOUT_S, Driver, LiveCamera, LiveOptions
from device.camera.replay import PictureFolder, ReplayCamera, ReplayOptions, VideoFile
from device.camera.settings import CameraSettings
from device.camera.source import CameraSource, SourceKind, parse_source
from device.camera.stream import open_stream
from device.clock import Clocks, ReplayClock, SystemClock
from device.errors import CameraError
from device.records import Frame


def open_clocks(settings: CameraSettings) -> Clocks:
    """Return the machine's time, and that of the recording where one is replayed."""
    machine = SystemClock()
    is_film = settings.is_replay
    return Clocks(machine, ReplayClock(datetime.now(UTC)) if is_film else machine)


def open_camera(
    settings: CameraSettings,
    clocks: Clocks | None = None,
    is_busy: Callable[[], bool] = lambda: False,
    read_timeout_s: float = READ_TIMEOUT_S,
) -> Camera:
    """Return the camera that the settings name; the caller closes it.

    A live camera opens in the background; its first ``read`` raises where that failed.

    Args:
        settings: which, and how.
        clocks: as from ``open_clocks``, and by default from there; frames are stamped by the
            machine's.
        is_busy: whether work on the last frame goes on; a fast replay waits for its end.
        read_timeout_s: a live camera that gives no frame for so long is lost.

    Raises:
        CameraError: a recording cannot be read.
    """
    source = settings.parsed_source
    clocks = clocks or open_clocks(settings)
    if source.is_replay:
        return _replay(settings, source, clocks, is_busy)
    options = LiveOptions(
        rate_hz=settings.rate_hz,
        read_timeout_s=read_timeout_s,
        rotation_deg=settings.rotation_deg,
        flip=settings.flipping,
    )
    opener = _opener(settings, source, read_timeout_s)
    return LiveCamera(source.name, opener, clocks.machine, options)


def _opener(
    settings: CameraSettings, source: CameraSource, read_timeout_s: float
) -> Callable[[], Driver]:
    wish = Wish(settings.width_px, settings.height_px, settings.rate_hz)
    if source.kind is SourceKind.STREAM:
        return partial(open_stream, source.target, source.name, read_timeout_s)
    if source.kind is SourceKind.PICAMERA:
        return partial(open_picamera, int(source.target), source.name, wish)
    return partial(open_device, Path(source.target), source.name, wish)


def _replay(
    settings: CameraSettings, source: CameraSource, clocks: Clocks, is_busy: Callable[[], bool]
) -> ReplayCamera:
    path = Path(source.target)
    is_folder = source.kind is SourceKind.FOLDER
    recording = PictureFolder(path, settings.replay.rate_hz) if is_folder else VideoFile(path)
    options = ReplayOptions(
        is_looped=settings.replay.is_looped,
        is_fast=settings.is_lossless,
        rotation_deg=settings.rotation_deg,
        flip=settings.flipping,
        is_busy=is_busy,
    )
    return ReplayCamera(source.name, recording, clocks, options)


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How long a camera warms up before its frame is used."""

    frames: int = WARM_UP_FRAMES
    """Frames to discard."""
    timeout_s: float = 5.0
    """For all frames together; after it, the last frame that the camera gave is used."""


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
    return open_camera(CameraSettings(source=name, rate_hz=30.0))
