"""The one-shot camera, against a fake that keeps the rules of a real one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from device.errors import CameraError
from device.sources.camera import WarmUp, _advice, grab_frame


class FakeCapture:
    """A camera whose n-th frame has n as its blue value; read() says so where none comes."""

    def __init__(self, *, is_open=True, good=10**6, fails_first=0):
        self.is_open, self.good, self.fails_first = is_open, good, fails_first
        self.reads = 0
        self.is_released = False

    def isOpened(self):  # noqa: N802 - OpenCV's name
        return self.is_open

    def read(self):
        self.reads += 1
        number = self.reads - self.fails_first
        if not 1 <= number <= self.good:
            return False, None
        return True, np.full((4, 6, 3), (number, 0, 200), np.uint8)  # BGR

    def release(self):
        self.is_released = True


def steps(period_s):
    """Return a clock that goes on by so much at each look."""
    ticks = itertools.count()
    return lambda: next(ticks) * period_s


def test_the_frame_after_the_warm_up_is_used():
    capture = FakeCapture()
    frame = grab_frame("camera:3", lambda index: capture, WarmUp(frames=5), steps(0.03))
    assert frame.image_hwc[0, 0].tolist() == [200, 0, 6]  # RGB of the sixth
    assert frame.source == "camera:3"
    assert frame.image_hwc.flags.c_contiguous
    assert capture.is_released


def test_the_index_reaches_opencv():
    asked = []
    grab_frame("camera:12", lambda index: asked.append(index) or FakeCapture(), WarmUp(frames=0))
    assert asked == [12]


def test_a_slow_camera_gives_its_last_frame_before_the_deadline():
    frame = grab_frame("camera:0", lambda _: FakeCapture(good=2), WarmUp(9, 1.0), steps(0.2))
    assert frame.image_hwc[0, 0, 2] == 2


def test_failing_first_reads_are_forgiven():
    capture = FakeCapture(fails_first=3)
    frame = grab_frame("camera:0", lambda _: capture, WarmUp(2, 10.0), steps(0.01))
    assert frame.image_hwc[0, 0, 2] == 3


def test_a_camera_without_frames_ends_at_the_deadline():
    capture = FakeCapture(good=0)
    with pytest.raises(CameraError, match=r"camera:0 opened but gave no frame within 1 s"):
        grab_frame("camera:0", lambda _: capture, WarmUp(timeout_s=1.0), steps(0.1))
    assert capture.is_released
    assert capture.reads < 15


def test_a_camera_that_does_not_open_is_an_error():
    capture = FakeCapture(is_open=False)
    with pytest.raises(CameraError, match=r"camera:7 cannot be opened"):
        grab_frame("camera:7", lambda _: capture)
    assert capture.is_released
    assert capture.reads == 0


@pytest.mark.parametrize("name", ["camera:", "camera:front", "camera:-1", "camera:1000"])
def test_a_wrong_name_is_an_error(name):
    with pytest.raises(CameraError, match="camera:0"):
        grab_frame(name, lambda _: FakeCapture())


def test_advice_tells_what_is_there(tmp_path):
    assert "no " in _advice(0, tmp_path)
    (tmp_path / "video2").touch()
    (tmp_path / "video10").touch()
    (tmp_path / "videotape").touch()
    assert "try camera:2" in _advice(0, tmp_path)
    assert "group video" in _advice(10, tmp_path)


def test_opencv_itself_is_quiet_about_a_missing_camera(capfd):
    with pytest.raises(CameraError, match=r"camera:99 cannot be opened"):
        grab_frame("camera:99")
    assert capfd.readouterr().err == ""
