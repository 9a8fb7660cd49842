"""Settings of the camera; a wrong value is refused by name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, field_validator

from seealoud.device.camera.camera import Flip
from seealoud.device.camera.source import CameraSource, parse_source
from seealoud.device.settings_base import LineText, Number, SettingsGroup

_HIGHEST_RATE_HZ = 120
_LONGEST_SIDE_PX = 4608


class ReplaySettings(SettingsGroup):
    """A recording in place of a camera: a video, or a folder of pictures in the order of names."""

    rate_hz: Annotated[Number, Field(ge=0.1, le=_HIGHEST_RATE_HZ)] = 2.0
    """Pictures a second of a folder; a video has its own."""

    is_looped: StrictBool = False
    """Whether it begins again after its end; else the daemon ends with it."""

    pace: Literal["real", "fast"] = "real"
    """"real": as fast as it was recorded, and what comes while the last frame is being looked at
    is lost, as with a camera. "fast": each frame as soon as all work on the last one is done, and
    none is lost."""


class CameraSettings(SettingsGroup):
    """The camera and how it is read."""

    source: Annotated[
        LineText, Field(min_length=1, examples=["/dev/v4l/by-id/usb-046d_C270-index0"])
    ] = "camera:0"
    """A USB camera by number (camera:0) or path (/dev/video0, or one below /dev/v4l/by-id, which
    stays the same), the Raspberry Pi's own (picamera2, picamera2:1), a stream (rtsp, rtsps, http
    or https address), or a video or folder of pictures, which are replayed."""

    width_px: Annotated[StrictInt, Field(ge=32, le=_LONGEST_SIDE_PX)] = 640
    """Width that is asked of the camera, before turning; it takes the nearest it has. Streams and
    recordings have their own."""

    height_px: Annotated[StrictInt, Field(ge=32, le=_LONGEST_SIDE_PX)] = 480
    """Height that is asked of the camera, before turning."""

    rate_hz: Annotated[Number, Field(ge=1, le=_HIGHEST_RATE_HZ)] = 10.0
    """Frames a second; a higher rate costs processor time and improves nothing."""

    rotation_deg: Literal[0, 90, 180, 270] = 0
    """How far the picture is turned clockwise, so that up is up."""

    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    """How the picture is mirrored after turning; "horizontal" exchanges left and right."""

    replay: ReplaySettings = ReplaySettings()

    @field_validator("source")
    @classmethod
    def _means_something(cls, text: str) -> str:
        parse_source(text)
        return text

    @property
    def parsed_source(self) -> CameraSource:
        """What ``source`` means."""
        return parse_source(self.source)

    @property
    def flipping(self) -> Flip:
        """``flip`` as ``orient`` takes it."""
        return Flip(self.flip)

    @property
    def is_replay(self) -> bool:
        """Whether it is a recording, with a time of its own."""
        return self.parsed_source.is_replay

    @property
    def is_lossless(self) -> bool:
        """Whether each frame waits until somebody wants it."""
        return self.is_replay and self.replay.pace == "fast"
