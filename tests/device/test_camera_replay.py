"""Replays: their own time, their pace, their end; and none of their frames lost."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.camera_fakes import read_to_the_end

from seealoud.device.camera.grabber import Grabber
from seealoud.device.camera.open import open_camera, open_clocks
from seealoud.device.camera.settings import CameraSettings
from seealoud.device.clock import Clocks, ReplayClock
from seealoud.device.errors import CameraError, EndOfReplay
from seealoud.device.events import EventBus
from seealoud.device.worker import Worker


def level(number: int) -> np.ndarray:
    return np.full((48, 64, 3), number * 20, np.uint8)


def number_of(frame) -> int:
    return round(float(frame.image_hwc.mean()) / 20)


def folder(path: Path, count: int = 5) -> Path:
    for number in range(count):
        assert cv2.imwrite(str(path / f"{number:03}.png"), level(number))
    return path


def video(path: Path, count: int = 5, rate_hz: float = 8.0) -> Path:
    fourcc = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, fourcc, rate_hz, (64, 48))
    for number in range(count):
        writer.write(level(number))
    writer.release()
    return path


def opened(source, clocks=None, is_busy=lambda: False, camera=(), **replay):
    replay = {"pace": "fast", **replay}
    settings = CameraSettings(source=str(source), replay=replay, **dict(camera))
    clocks = clocks or open_clocks(settings)
    return open_camera(settings, clocks, is_busy), clocks


def read_all(camera):
    frames = []
    with pytest.raises(EndOfReplay, match="is over after"):
        read_to_the_end(camera, frames)
    return frames


def times_of(film, camera, count):
    """Return what the film's clock shows with each frame."""
    return [(camera.read(), film.now_s())[1] for _ in range(count)]


@pytest.mark.parametrize("make", [folder, lambda path: video(path / "v.avi")])
def test_frames_come_in_order_with_their_own_time(make, tmp_path: Path):
    camera, clocks = opened(make(tmp_path), rate_hz=8)
    assert isinstance(clocks.film, ReplayClock)
    began_at = clocks.film.utc()
    frames = []
    for number in range(5):
        frames.append(camera.read())
        assert clocks.film.now_s() == number / 8
        assert (clocks.film.utc() - began_at).total_seconds() == number / 8
    assert read_all(camera) == []
    assert [number_of(frame) for frame in frames] == [0, 1, 2, 3, 4]


def test_frames_are_stamped_by_the_machine_also_when_the_film_is_faster(tmp_path: Path):
    """The broker, the log and a press know no other time."""
    camera, clocks = opened(folder(tmp_path), rate_hz=0.1)
    began_s, began_at = clocks.machine.now_s(), clocks.machine.utc()
    frames = read_all(camera)
    stamps_s = [frame.captured_s for frame in frames]
    assert began_s <= stamps_s[0] < stamps_s[-1] <= clocks.machine.now_s()
    assert began_at <= frames[0].captured_at <= frames[-1].captured_at <= clocks.machine.utc()
    assert clocks.film.now_s() == 40


def test_a_loop_continues_in_time(tmp_path: Path):
    camera, clocks = opened(folder(tmp_path, 2), rate_hz=4, is_looped=True)
    assert times_of(clocks.film, camera, 5) == [0, 0.25, 0.5, 0.75, 1.0]
    assert number_of(camera.read()) == 1


def test_a_replay_that_is_opened_again_continues_in_time(tmp_path: Path):
    camera, clocks = opened(folder(tmp_path), rate_hz=4)
    assert times_of(clocks.film, camera, 2) == [0, 0.25]
    camera.close()
    again, _ = opened(tmp_path, clocks, rate_hz=4)
    assert number_of(again.read()) == 0
    assert clocks.film.now_s() == 0.5


def test_the_real_pace_takes_its_time(tmp_path: Path):
    camera, _ = opened(folder(tmp_path, 4), rate_hz=20, pace="real")
    began_s = time.monotonic()
    read_all(camera)
    assert time.monotonic() - began_s >= 0.15


def test_close_ends_a_long_pause(tmp_path: Path):
    camera, _ = opened(folder(tmp_path), rate_hz=0.1, pace="real")
    camera.read()
    closer = threading.Timer(0.05, camera.close)
    closer.start()
    began_s = time.monotonic()
    with pytest.raises(CameraError, match="closed"):
        camera.read()
    assert time.monotonic() - began_s < 10
    closer.join()


def test_a_fast_replay_waits_while_there_is_work(tmp_path: Path):
    looks = []

    def is_busy():
        looks.append(1)
        return len(looks) < 5

    camera, clocks = opened(folder(tmp_path), is_busy=is_busy)
    camera.read()
    assert len(looks) == 5
    assert clocks.film.now_s() == 0


def test_also_the_end_waits_for_the_work(tmp_path: Path):
    work = [True] * 3
    is_busy = lambda: bool(work) and work.pop()  # noqa: E731
    camera, _ = opened(folder(tmp_path, 1), is_busy=is_busy, pace="real", rate_hz=100)
    camera.read()
    assert len(work) == 3
    with pytest.raises(EndOfReplay):
        camera.read()
    assert work == []


def test_a_live_clock_is_read_and_not_moved(tmp_path: Path):
    live = open_clocks(CameraSettings())
    assert live == Clocks(live.machine, live.machine)
    camera, _ = opened(folder(tmp_path), live)
    before_s = time.monotonic()
    assert before_s <= camera.read().captured_s <= time.monotonic()


def test_pictures_that_cannot_be_read_are_passed_over(tmp_path: Path, caplog):
    folder(tmp_path, 2)
    (tmp_path / "000a.png").write_bytes(b"nonsense")
    (tmp_path / ".hidden.png").write_bytes(b"nonsense")
    (tmp_path / "notes.txt").write_text("nonsense")
    camera, _ = opened(tmp_path)
    assert [number_of(frame) for frame in read_all(camera)] == [0, 1]
    assert caplog.text.count("cannot be read as a picture") == 1


def test_recordings_are_turned_and_mirrored(tmp_path: Path):
    camera, _ = opened(folder(tmp_path), camera={"rotation_deg": 90})
    assert camera.read().image_hwc.shape == (64, 48, 3)


@pytest.mark.parametrize("is_looped", [False, True])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none/", "not a folder of pictures"),
        ("empty/", "no readable picture"),
        ("none.mp4", "does not exist"),
        ("bad.mp4", "not a video that can be read"),
    ],
)
def test_what_cannot_be_replayed_is_a_camera_error(name, words, is_looped, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.mp4").write_bytes(b"nonsense")
    with pytest.raises(CameraError, match=words):
        opened(f"{tmp_path}/{name}", is_looped=is_looped)[0].read()


def test_no_frame_of_a_fast_replay_is_lost_and_questions_do_not_block(tmp_path: Path):
    """Through grabber and worker, with a consumer that is slow at times and asks in between."""
    source = video(tmp_path / "v.avi", 12, 8.0)
    settings = CameraSettings(source=str(source), replay={"pace": "fast"})
    clocks, ended, is_busy = open_clocks(settings), threading.Event(), threading.Event()
    grabber = Grabber(
        lambda: open_camera(settings, clocks, is_busy.is_set),
        *(clocks.machine, EventBus(), settings, ended.set),
    )
    worker = Worker("camera", grabber.step, lambda reason: None, wake=grabber.wake)
    worker.start()
    seen, at_s = [], []
    while not ended.is_set():
        if len(seen) == 4:
            asked_s = clocks.machine.now_s()
            answer = grabber.wait_newer_than(asked_s, 20)
            assert answer.captured_s > asked_s
            seen.append(number_of(answer))
            at_s.append(clocks.film.now_s())
        frame = grabber.take(0.2)
        if frame is not None:
            is_busy.set()
            # The film stands still while there is work.
            assert clocks.film.now_s() == number_of(frame) / 8
            seen.append(number_of(frame))
            at_s.append(clocks.film.now_s())
            is_busy.clear()
    with closing(grabber):
        worker.request_stop()
        assert worker.join(20)
    assert seen == list(range(12))
    assert at_s == [i / 8 for i in range(12)]
    assert (grabber.frames, grabber.drops) == (12, 0)
