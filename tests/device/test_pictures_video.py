"""Videos: whole frames are read, damaged ones are left out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.camera_fakes import read_to_the_end

from device.camera.open import open_camera
from device.camera.settings import CameraSettings
from device.errors import CameraError, EndOfReplay, PictureError
from device.pictures.picture_format import JPEG_END
from device.pictures.video import Video, read_first_frame
from device.records import Frame

N_FRAMES = 6


def scene(number: int) -> bytes:
    noise = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", cv2.resize(noise, (320, 240)))[1].tobytes()


def pixels(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def half(jpeg: bytes) -> bytes:
    """Return a JPEG of the same length whose second half is missing."""
    return jpeg[: len(jpeg) // 2] + bytes(len(jpeg) - len(jpeg) // 2 - 2) + JPEG_END


def video(path: Path, damaged: Callable[[int], bool] = lambda number: False) -> Path:
    """Write an AVI of Motion JPEG, some of whose frames are then damaged in place."""
    fourcc = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, fourcc, 25, (320, 240))
    for number in range(N_FRAMES):
        writer.write(np.ascontiguousarray(pixels(scene(number))[:, :, ::-1]))
    writer.release()
    data = path.read_bytes()
    starts = [at for at in range(len(data)) if data.startswith(b"\xff\xd8\xff", at)]
    assert len(starts) == N_FRAMES
    for number, start in enumerate(starts):
        if damaged(number):
            end = data.index(JPEG_END, start) + 2
            data = data[:start] + half(data[start:end]) + data[end:]
    path.write_bytes(data)
    return path


def read_all(path: Path) -> list[np.ndarray | str]:
    opened = Video(path)
    found: list[np.ndarray | str] = []
    while True:
        try:
            image_hwc = opened.read()
        except PictureError as exc:
            found.append(str(exc))
            continue
        if image_hwc is None:
            opened.close()
            return found
        found.append(image_hwc)


def test_every_whole_frame_is_read(tmp_path: Path) -> None:
    found = read_all(video(tmp_path / "v.avi"))
    assert len(found) == N_FRAMES
    for number, image in enumerate(found):
        assert np.abs(image.astype(int) - pixels(scene(number))).mean() < 4


def test_damaged_frames_are_errors_and_the_others_are_whole(tmp_path: Path) -> None:
    found = read_all(video(tmp_path / "v.avi", lambda number: number % 2 == 0))
    assert [isinstance(thing, str) for thing in found] == [True, False] * (N_FRAMES // 2)
    assert "damaged" in found[0]


def test_a_raw_stream_of_jpegs_is_read(tmp_path: Path) -> None:
    path = tmp_path / "v.mjpeg"
    path.write_bytes(b"".join([scene(0), half(scene(1)), scene(2)]))
    first, second, third = read_all(path)
    np.testing.assert_array_equal(first, pixels(scene(0)))
    assert isinstance(second, str)
    np.testing.assert_array_equal(third, pixels(scene(2)))


def test_other_codecs_are_decoded_by_ffmpeg(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (64, 48))
    for _ in range(3):
        writer.write(np.full((48, 64, 3), (0, 20, 220), np.uint8))
    writer.release()
    found = read_all(path)
    assert len(found) == 3
    assert np.abs(found[0][20, 30].astype(int) - (220, 20, 0)).max() < 40


def test_describe_takes_the_first_whole_frame(tmp_path: Path) -> None:
    path = video(tmp_path / "v.avi", lambda number: number < 2)
    image_hwc = read_first_frame(path, "v.avi").image_hwc
    assert np.abs(image_hwc.astype(int) - pixels(scene(2))).mean() < 4


def test_describe_refuses_a_video_of_damaged_frames(tmp_path: Path, capfd) -> None:
    path = video(tmp_path / "v.avi", lambda number: True)
    with pytest.raises(PictureError, match=r"v.avi has no readable video frame: .*damaged"):
        read_first_frame(path, "v.avi")
    assert capfd.readouterr().err == ""


def test_a_replay_leaves_damaged_frames_out_with_a_warning(tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.WARNING)
    path = video(tmp_path / "v.avi", lambda number: number in (1, 3))
    settings = CameraSettings(source=str(path), replay={"pace": "fast"})
    camera = open_camera(settings)
    frames: list[Frame] = []
    with pytest.raises(EndOfReplay):
        read_to_the_end(camera, frames)
    assert len(frames) == N_FRAMES - 2
    assert caplog.text.count("is left out") == 2


def test_a_replay_of_damaged_frames_is_a_camera_error(tmp_path: Path) -> None:
    path = video(tmp_path / "v.avi", lambda number: True)
    settings = CameraSettings(source=str(path), replay={"pace": "fast"})
    camera = open_camera(settings)
    with pytest.raises(CameraError, match="no readable frame"):
        camera.read()
