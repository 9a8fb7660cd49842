"""Streams: damaged pictures are not frames, and no server can take much memory or time."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.camera_fakes import wait_for
from support.camera_streams import BOUNDARY, jpeg_of, mjpeg_server, part_of, raw_server
from support.peak_memory import PEAK_MB

from device.camera.camera import Camera
from device.camera.grabber import Grabber
from device.camera.live import LiveCamera, LiveOptions
from device.camera.open import grab_frame, open_camera
from device.camera.settings import CameraSettings
from device.camera.stream import open_stream
from device.clock import SystemClock
from device.errors import CameraError
from device.events import EventBus
from device.testing import EventRecorder
from device.worker import Worker

MOST_MB = 300
OPTIONS = LiveOptions(rate_hz=120, damaged_after_s=0.5)
END_MARK = b"\xff\xd9"


def scene(number: int = 0) -> bytes:
    """Return a JPEG of 240 x 320 pixels with something in every part."""
    noise = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", cv2.resize(noise, (320, 240)))[1].tobytes()


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "half": half,
    "half, then the end mark": lambda data: half(data) + END_MARK,
    "three quarters": lambda data: data[: len(data) * 3 // 4],
    "half, then zeros": lambda data: half(data) + bytes(len(data) // 2),
    "header alone": lambda data: data[:300],
    "no JPEG": lambda _: b"<html>busy</html>",
    "nothing": lambda _: b"",
}


def stream(where: str, options: LiveOptions = OPTIONS, timeout_s: float = 5.0) -> Camera:
    url = f"http://{where}/v.mjpg"
    return LiveCamera(url, lambda: open_stream(url, url, timeout_s), SystemClock(), options)


# ---------------------------------------------------------------- damaged pictures


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_pictures_are_not_frames_and_a_problem_when_they_last(kind: str, capfd) -> None:
    with mjpeg_server(part=lambda number: part_of(DAMAGE[kind](scene(number)))) as where:
        camera = stream(where)
        with pytest.raises(CameraError, match="damaged pictures") as caught:
            camera.read()
        camera.close()
    assert "check its cable or its Wi-Fi" in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", DAMAGE)
def test_only_the_whole_pictures_between_damaged_ones_are_frames(kind: str) -> None:
    def part(number: int) -> bytes:
        return part_of(DAMAGE[kind](scene(1)) if number % 3 else scene(0))

    whole = cv2.imdecode(np.frombuffer(scene(0), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    with mjpeg_server(part=part) as where:
        camera = stream(where)
        for _ in range(5):
            np.testing.assert_array_equal(camera.read().image_hwc, whole)
        camera.close()


def test_a_whole_picture_without_its_end_mark_is_a_frame() -> None:
    with mjpeg_server(part=lambda number: part_of(scene(number)[:-2])) as where:
        camera = stream(where)
        assert camera.read().image_hwc.shape == (240, 320, 3)
        camera.close()


def test_padding_behind_a_picture_is_harmless() -> None:
    with mjpeg_server(part=lambda number: part_of(scene(number) + bytes(777))) as where:
        camera = stream(where)
        assert camera.read().image_hwc.shape == (240, 320, 3)
        camera.close()


def test_a_few_damaged_pictures_of_a_slow_camera_do_not_lose_it() -> None:
    with mjpeg_server(part=lambda n: part_of(half(scene(n)) if n < 20 else scene(n))) as where:
        camera = stream(where, LiveOptions(rate_hz=10, lost_after_s=0.1))
        assert camera.read().image_hwc.shape == (240, 320, 3)
        camera.close()


def test_lasting_damage_is_reported_once_and_its_end_as_well() -> None:
    is_damaged = threading.Event()

    def part(number: int) -> bytes:
        return part_of(half(scene(number)) if is_damaged.is_set() else scene(number))

    noted, bus, clock = EventRecorder(), EventBus(), SystemClock()
    bus.subscribe(noted)
    with mjpeg_server(part=part) as where:
        grabber = Grabber(lambda: stream(where), clock, bus, CameraSettings())
        worker = Worker("camera", grabber.step, lambda reason: None, wake=grabber.wake)
        worker.start()
        assert grabber.take(20) is not None
        is_damaged.set()
        wait_for(lambda: len(noted.events) == 1)
        assert not grabber.is_available
        is_damaged.clear()
        wait_for(lambda: len(noted.events) == 2)
        worker.request_stop()
        assert worker.join(20)
        grabber.close()
    assert [event.is_problem for event in noted.events] == [True, False]
    assert "damaged pictures" in noted.events[0].text


def test_describe_refuses_damaged_pictures_of_a_stream() -> None:
    with (
        mjpeg_server(part=lambda number: part_of(half(scene(number)))) as where,
        pytest.raises(CameraError, match="damaged pictures"),
    ):
        grab_frame(f"http://{where}/v.mjpg")


# ---------------------------------------------------------------- how cameras stream


@pytest.mark.parametrize(
    ("content_type", "head"),
    [
        (f'multipart/x-mixed-replace;boundary="{BOUNDARY}"', f"--{BOUNDARY}\r\n\r\n"),
        (f"multipart/x-mixed-replace; boundary=--{BOUNDARY}", f"--{BOUNDARY}\r\nX: y\r\n\r\n"),
        (f"multipart/mixed; boundary={BOUNDARY}", f"\r\n--{BOUNDARY}\r\nContent-type:a/b\r\n\r\n"),
        ("multipart/x-mixed-replace", f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n"),
        (f"multipart/x-mixed-replace; boundary={BOUNDARY}", f"--{BOUNDARY}\nA: b\n\n"),
    ],
)
def test_streams_without_lengths_and_with_odd_boundaries(content_type: str, head: str) -> None:
    def part(number: int) -> bytes:
        return head.encode() + jpeg_of(number) + b"\r\n"

    with mjpeg_server(part=part, content_type=content_type) as where:
        camera = stream(where)
        first = camera.read()
        assert camera.read().captured_s > first.captured_s
        camera.close()


def test_a_camera_that_asks_for_digest_is_signed_in_to() -> None:
    with mjpeg_server(sign_in="Digest") as where:
        url = f"http://ann:secret@{where}/v.mjpg"
        camera = open_camera(CameraSettings(source=url))
        assert camera.read().image_hwc.shape == (48, 64, 3)
        camera.close()


def test_an_address_of_a_single_picture_says_so() -> None:
    with mjpeg_server(content_type="image/jpeg") as where:
        camera = stream(where)
        with pytest.raises(CameraError, match="a single picture, not a stream"):
            camera.read()
        camera.close()


def test_a_video_that_is_not_a_multipart_stream_is_played(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for _ in range(50):
        video.write(np.full((48, 64, 3), (0, 20, 220), np.uint8))
    video.release()
    data = path.read_bytes()
    with mjpeg_server(
        part=lambda number: data if number == 1 else b"", content_type="video/avi"
    ) as where:
        camera = stream(where)
        assert camera.read().image_hwc.shape == (48, 64, 3)
        camera.close()


# ---------------------------------------------------------------- bounds


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"


def huge_dimensions() -> bytes:
    """Return a small JPEG whose header announces 30,000 x 30,000 pixels."""
    data = bytearray(scene())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = (30_000).to_bytes(2, "big") * 2
    return bytes(data)


def two_gigabytes(connection, stop) -> None:
    connection.sendall(ANSWER + b"--frame\r\nContent-Length: 2147483000\r\n\r\n\xff\xd8")
    while not stop.is_set():
        connection.sendall(bytes(1 << 20))


def endless_part(connection, stop) -> None:
    connection.sendall(ANSWER + b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8")
    while not stop.is_set():
        connection.sendall(bytes(1 << 20))


def endless_header(connection, stop) -> None:
    connection.sendall(ANSWER + b"--frame\r\n")
    while not stop.is_set():
        connection.sendall(b"X-Y: " + b"z" * (1 << 20))


def endless_answer(connection, stop) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Y: ")
    while not stop.is_set():
        connection.sendall(b"z" * (1 << 20))


def no_boundary(connection, stop) -> None:
    connection.sendall(ANSWER)
    while not stop.is_set():
        connection.sendall(b"\r\n" * (1 << 19))


def many_pixels(connection, stop) -> None:
    connection.sendall(ANSWER)
    while not stop.wait(0.02):
        connection.sendall(part_of(huge_dimensions()))


HOSTILE = [
    two_gigabytes, endless_part, endless_header, endless_answer, no_boundary, many_pixels,
]  # fmt: skip


@pytest.mark.parametrize("answer", HOSTILE, ids=lambda answer: answer.__name__)
def test_no_stream_takes_much_memory_or_is_a_frame(answer) -> None:
    """In a process of its own, whose peak is the camera's."""
    code = PEAK_MB + (
        "import sys\n"
        "from device.camera.open import open_camera\n"
        "from device.camera.settings import CameraSettings\n"
        "from device.errors import CameraError\n"
        "settings = CameraSettings(source=sys.argv[1])\n"
        "camera = open_camera(settings, read_timeout_s=2)\n"
        "try:\n"
        "    camera.read()\n"
        "except CameraError as exc:\n"
        "    print(exc)\n"
        "camera.close()\n"
        "print(peak_mb())\n"
    )
    with raw_server(answer) as where:
        done = subprocess.run(
            [sys.executable, "-c", code, f"http://{where}/v.mjpg"],
            capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2], check=True,
        )  # fmt: skip
    *reason, peak_mb = done.stdout.splitlines()
    assert reason, "no frame can come from this server"
    assert int(peak_mb) <= MOST_MB


def test_a_large_picture_is_decoded_in_half_its_size_for_the_memory() -> None:
    code = PEAK_MB + (
        "import sys\n"
        "from device.camera.open import open_camera\n"
        "from device.camera.settings import CameraSettings\n"
        "camera = open_camera(CameraSettings(source=sys.argv[1]))\n"
        "kept = [camera.read() for _ in range(2)]\n"
        "camera.close()\n"
        "assert kept[1].image_hwc.shape == (1296, 2304, 3)\n"
        "print(peak_mb())\n"
    )
    picture = cv2.imencode(".jpg", np.full((2592, 4608, 3), 90, np.uint8))[1].tobytes()
    with mjpeg_server(part=lambda _: part_of(picture)) as where:
        done = subprocess.run(
            [sys.executable, "-c", code, f"http://{where}/v.mjpg"],
            capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2], check=True,
        )  # fmt: skip
    assert int(done.stdout) <= MOST_MB


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\n", ANSWER, ANSWER + b"--frame\r\n"])
def test_a_server_that_drips_does_not_keep_a_thread(begin: bytes) -> None:
    def drip(connection, stop) -> None:
        connection.sendall(begin)
        while not stop.wait(0.1):
            connection.sendall(b"x")

    with raw_server(drip) as where:
        camera = stream(where, timeout_s=1.0)
        began_s = time.monotonic()
        with pytest.raises(CameraError):
            camera.read()
        assert time.monotonic() - began_s < 8
        name = f"fetch http://{where}/v.mjpg"
        wait_for(lambda: name not in [thread.name for thread in threading.enumerate()])
        camera.close()


# ---------------------------------------------------------------- USB cameras


class MotionJpegDevice:
    """The methods of ``cv2.VideoCapture`` on a USB camera that gives its JPEGs as they are."""

    def __init__(self, pictures: list[bytes]) -> None:
        self.pictures = pictures
        self.number = -1

    def grab(self) -> bool:
        time.sleep(0.005)
        self.number += 1
        return True

    def retrieve(self) -> tuple[bool, np.ndarray]:
        data = self.pictures[self.number % len(self.pictures)]
        return True, np.frombuffer(data, np.uint8)[np.newaxis]

    def release(self) -> None:
        """Nothing to release."""


def usb(pictures: list[bytes]) -> Camera:
    from device.camera.drivers import OpenCvCapture

    capture = OpenCvCapture(MotionJpegDevice(pictures))
    return LiveCamera("camera:0", lambda: capture, SystemClock(), OPTIONS)


def test_damaged_pictures_of_a_usb_camera_are_not_frames() -> None:
    camera = usb([half(scene()), scene(), scene()[:-2], half(scene()) + END_MARK])
    whole = cv2.imdecode(np.frombuffer(scene(), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    for _ in range(6):
        np.testing.assert_array_equal(camera.read().image_hwc, whole)
    camera.close()


def test_a_usb_camera_with_a_bad_cable_is_a_problem() -> None:
    camera = usb([half(scene()), half(scene()) + END_MARK])
    with pytest.raises(CameraError, match="damaged pictures"):
        camera.read()
    camera.close()
