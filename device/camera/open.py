"""From the settings to a camera; the only place that knows every kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from device.camera.camera import Camera
from device.camera.live import Capture, LiveCamera, LiveOptions
from device.camera.opencv import Wish, open_device, open_stream
from device.camera.picamera import open_picamera
from device.camera.recording import PictureFolder, VideoFile
from device.camera.replay import ReplayCamera, ReplayOptions
from device.camera.settings import CameraSettings
from device.camera.source import CameraSource, SourceKind
from device.clock import Clock, ReplayClock, SystemClock


def open_clock(settings: CameraSettings) -> Clock:
    """Return the time that goes with the camera: a recording's own, else the machine's."""
    return ReplayClock(datetime.now(UTC)) if settings.is_replay else SystemClock()


def open_camera(
    settings: CameraSettings, clock: Clock, is_busy: Callable[[], bool] = lambda: False
) -> Camera:
    """Return the camera that the settings name; the caller closes it.

    A live camera opens in the background: why it could not be, its first ``read`` says.

    Args:
        settings: which, and how.
        clock: as from ``open_clock``.
        is_busy: whether work on the last frame goes on; a fast replay waits for its end.

    Raises:
        CameraError: a recording cannot be read.
    """
    source = settings.parsed_source
    if source.is_replay:
        return _replay(settings, source, clock, is_busy)
    options = LiveOptions(
        rate_hz=settings.rate_hz,
        read_timeout_s=settings.read_timeout_s,
        rotation_deg=settings.rotation_deg,
        flip=settings.flipping,
    )
    return LiveCamera(source.name, _opener(settings, source), clock, options)


def _opener(settings: CameraSettings, source: CameraSource) -> Callable[[], Capture]:
    wish = Wish(settings.width_px, settings.height_px, settings.rate_hz)
    if source.kind is SourceKind.STREAM:
        return partial(open_stream, source.target, source.name, settings.read_timeout_s)
    if source.kind is SourceKind.PICAMERA:
        return partial(open_picamera, int(source.target), source.name, wish)
    return partial(open_device, Path(source.target), source.name, wish)


def _replay(
    settings: CameraSettings, source: CameraSource, clock: Clock, is_busy: Callable[[], bool]
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
    return ReplayCamera(source.name, recording, clock, options)
