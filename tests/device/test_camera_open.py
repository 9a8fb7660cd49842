"""The one-shot camera, on a scripted camera and on none."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from support.camera_fakes import ScriptedCamera

from seealoud.device.camera.open import WarmUp, grab_frame
from seealoud.device.errors import CameraError
from seealoud.device.testing import ManualClock


def camera_of(n_frames, *, after=None):
    script = [np.full((4, 6, 3), number, np.uint8) for number in range(1, n_frames + 1)]
    return ScriptedCamera(ManualClock(), [*script, *([after] if after else [])])


def steps(period_s):
    """Return a clock that goes on by so much at each look."""
    ticks = itertools.count()
    return lambda: next(ticks) * period_s


def test_the_frame_after_the_warm_up_is_used():
    camera = camera_of(20)
    frame = grab_frame("camera:3", lambda _: camera, WarmUp(frames=5), steps(0.03))
    assert frame.image_hwc[0, 0, 0] == 6
    assert camera.is_closed


def test_the_name_reaches_who_opens():
    asked = []
    grab_frame("camera:12", lambda name: asked.append(name) or camera_of(1), WarmUp(frames=0))
    assert asked == ["camera:12"]


def test_a_slow_camera_gives_its_last_frame_before_the_deadline():
    frame = grab_frame("camera:0", lambda _: camera_of(9), WarmUp(9, 1.0), steps(0.4))
    assert frame.image_hwc[0, 0, 0] == 3


def test_a_camera_that_is_lost_while_it_warms_up_gives_its_last_frame():
    camera = camera_of(2, after=CameraError("camera:0 is lost"))
    frame = grab_frame("camera:0", lambda _: camera, WarmUp(9, 10.0), steps(0.01))
    assert frame.image_hwc[0, 0, 0] == 2


def test_a_camera_without_a_frame_is_an_error_and_is_closed():
    camera = camera_of(0, after=CameraError("camera:0 gave no frame for 5 s"))
    with pytest.raises(CameraError, match="gave no frame"):
        grab_frame("camera:0", lambda _: camera)
    assert camera.is_closed


@pytest.mark.parametrize("name", ["camera:", "camera:front", "camera:-1", "camera:1000"])
def test_a_wrong_name_is_an_error(name):
    with pytest.raises(CameraError, match="camera:0"):
        grab_frame(name, lambda _: camera_of(1))


def test_opencv_itself_is_quiet_about_a_missing_camera(capfd):
    with pytest.raises(CameraError, match=r"camera:99 cannot be opened"):
        grab_frame("camera:99")
    assert capfd.readouterr().err == ""
