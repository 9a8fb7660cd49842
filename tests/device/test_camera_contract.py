"""What every camera must do, on every implementation."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.camera_fakes import FakePicamera2
from support.camera_streams import mjpeg_server

from device.camera.camera import Camera
from device.camera.drivers import OpenCvCapture, Wish, open_picamera
from device.camera.live import LiveCamera
from device.camera.open import open_camera
from device.camera.settings import CameraSettings
from device.clock import SystemClock
from device.errors import CameraError

RED_RGB = (220, 20, 0)
TOLERANCE = 60  # JPEG, and the blue that counts
N_FRAMES = 3
CLOSE_S = 2.0


def reddish(number: int) -> np.ndarray:
    """Return uint8 [48, 64, 3], BGR: red, with a blue that counts."""
    return np.full((48, 64, 3), (number * 3 % 50, 20, 220), np.uint8)


def write_video(path: Path, n_frames: int = 40, rate_hz: float = 50.0) -> Path:
    fourcc = cv2.VideoWriter.fourcc(*"MJPG")
    video = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, fourcc, rate_hz, (64, 48))
    assert video.isOpened()
    for number in range(n_frames):
        video.write(reddish(number))
    video.release()
    return path


class PacedCapture(OpenCvCapture):
    """A file in place of a camera, which does not give frames as fast as it can."""

    def grab(self) -> bool:
        time.sleep(0.01)
        return super().grab()


def opencv_file(tmp_path: Path) -> Camera:
    path = write_video(tmp_path / "v.avi", n_frames=3000)
    capture = PacedCapture(cv2.VideoCapture(str(path), cv2.CAP_FFMPEG))
    return LiveCamera("file", lambda: capture, SystemClock())


def replay(source: Path, **values: object) -> Camera:
    settings = CameraSettings(source=str(source), replay={"is_looped": True, **values})
    return open_camera(settings)


def replayed_video(tmp_path: Path) -> Camera:
    return replay(write_video(tmp_path / "v.avi"))


def replayed_folder(tmp_path: Path) -> Camera:
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), reddish(number))
    return replay(tmp_path, rate_hz=50)


def fast_folder(tmp_path: Path) -> Camera:
    replayed_folder(tmp_path).close()
    return replay(tmp_path, pace="fast")


def picamera(tmp_path: Path) -> Camera:
    def open_fake() -> object:
        return open_picamera(0, "picamera2", Wish(64, 48, 10), FakePicamera2)

    return LiveCamera("picamera2", open_fake, SystemClock())


def real_device(tmp_path: Path) -> Camera:
    devices = sorted(Path("/dev").glob("video*"))
    if not devices:
        pytest.skip("this machine has no /dev/video*")
    return open_camera(CameraSettings(source=str(devices[0])))


def real_picamera(tmp_path: Path) -> Camera:
    pytest.importorskip("picamera2", reason="picamera2 comes with Raspberry Pi OS")
    return open_camera(CameraSettings(source="picamera2"))


MAKERS = [
    opencv_file, replayed_video, replayed_folder, fast_folder, picamera, real_device, real_picamera,
]  # fmt: skip


@pytest.fixture(params=[*MAKERS, "mjpeg"], ids=lambda p: p if isinstance(p, str) else p.__name__)
def camera(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Camera]:
    if request.param == "mjpeg":
        with mjpeg_server() as where:
            settings = CameraSettings(source=f"http://{where}/v.mjpg")
            opened = open_camera(settings, read_timeout_s=8)
            yield opened
            opened.close()
        return
    make: Callable[[Path], Camera] = request.param
    opened = make(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def is_made_red(request: pytest.FixtureRequest) -> bool:
    return "real" not in request.node.name


def test_frames_are_rgb_contiguous_and_in_order(camera: Camera, is_made_red: bool):
    frames = [camera.read() for _ in range(N_FRAMES)]
    for frame in frames:
        assert frame.image_hwc.dtype == np.uint8
        assert frame.image_hwc.ndim == 3
        assert frame.image_hwc.shape[2] == 3
        assert frame.image_hwc.flags.c_contiguous
        assert frame.source == camera.name
        assert frame.captured_at.tzinfo is not None
        if is_made_red:
            assert np.abs(frame.image_hwc[20, 30].astype(int) - RED_RGB).max() < TOLERANCE
    times_s = [frame.captured_s for frame in frames]
    assert all(a < b for a, b in itertools.pairwise(times_s))


def test_close_may_be_repeated_and_ends_reading(camera: Camera):
    camera.read()
    camera.close()
    camera.close()
    with pytest.raises(CameraError, match="closed"):
        camera.read()


def test_close_lets_a_waiting_read_go(camera: Camera):
    """Whatever it waits for: another thread reads without end until the camera is closed."""
    errors: list[CameraError] = []
    has_read = threading.Event()

    def read_on() -> None:
        try:
            while True:
                camera.read()
                has_read.set()
        except CameraError as exc:
            errors.append(exc)

    reader = threading.Thread(target=read_on)
    reader.start()
    assert has_read.wait(20)
    began_s = time.monotonic()
    camera.close()
    reader.join(20)
    assert not reader.is_alive()
    assert time.monotonic() - began_s < CLOSE_S
    assert "closed" in str(errors[0])


def test_two_cameras_leave_no_threads(camera: Camera):
    camera.read()
    camera.close()
    names = [thread.name for thread in threading.enumerate()]
    assert f"fetch {camera.name}" not in names
