"""The grabber: newest frames, losses and recoveries reported once, privacy, frozen cameras."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from support.camera_fakes import (
    FakeCapture,
    ScriptedCamera,
    end_of_replay,
    noise,
    wait_for,
)

from seealoud.device.camera.frames import Frames
from seealoud.device.camera.grabber import Grabber, GrabberTimes
from seealoud.device.camera.live import LiveCamera, LiveOptions
from seealoud.device.camera.settings import CameraSettings
from seealoud.device.clock import SystemClock
from seealoud.device.errors import CameraError
from seealoud.device.events import EventBus, Part
from seealoud.device.records import Frame
from seealoud.device.testing import EventRecorder, ManualClock
from seealoud.device.worker import Worker

LOST = CameraError("camera:0 is lost")


class Bench:
    """A grabber over cameras that are opened one after the other."""

    def __init__(self, *cameras, clock=None, on_end=lambda: None, times=None, **settings):
        self.clock = clock or ManualClock()
        self.cameras = list(cameras)
        self.opened = []
        self.noted = EventRecorder()
        bus = EventBus()
        bus.subscribe(self.noted)
        quick = {"warm_up_frames": 0, "first_retry_s": 0.01, "longest_retry_s": 0.02}
        grabber_times = GrabberTimes(**(quick | (times or {})))
        self.grabber = Grabber(
            self.open, self.clock, bus, CameraSettings(**settings), on_end, grabber_times
        )

    def open(self):
        camera = self.cameras.pop(0)
        if isinstance(camera, Exception):
            raise camera
        self.opened.append(camera)
        return camera

    def script(self, *things):
        camera = ScriptedCamera(self.clock, list(things))
        self.cameras.append(camera)
        return camera

    def step(self, times=1):
        for _ in range(times):
            self.grabber.step()

    def step_until(self, condition):
        def step_and_look():
            self.grabber.step()
            return condition()

        wait_for(step_and_look)

    @property
    def problems(self):
        return [(event.is_problem, event.text) for event in self.noted.events]


# ---------------------------------------------------------------- frames


def test_the_newest_frame_replaces_untaken_ones_and_drops_are_counted():
    bench = Bench()
    bench.script(*map(noise, range(5)))
    bench.step(3)
    taken = bench.grabber.take(0)
    assert (taken.image_hwc == noise(2)).all()
    assert bench.grabber.drops == 2
    assert bench.grabber.take(0) is None
    assert bench.grabber.latest() is taken
    bench.step(2)
    assert (bench.grabber.frames, bench.grabber.drops) == (5, 3)
    assert bench.problems == []


def test_a_stale_frame_is_never_handed_out():
    bench = Bench()
    bench.script(noise(0))
    bench.step()
    bench.clock.advance(2.0)
    assert bench.grabber.latest() is not None
    assert bench.grabber.is_available
    bench.clock.advance(0.1)
    assert bench.grabber.latest() is None
    assert bench.grabber.take(0) is None
    assert bench.grabber.wait_newer_than(0, 0) is None
    assert not bench.grabber.is_available
    assert bench.grabber.drops == 1
    assert bench.grabber.frame_age_s == pytest.approx(2.1)


def test_without_a_frame_there_is_no_age():
    assert Bench().grabber.frame_age_s is None


def test_a_utc_clock_that_jumps_back_does_no_harm():
    bench = Bench()
    bench.script(noise(0), noise(1))
    bench.step()
    first = bench.grabber.take(0)
    bench.clock.wall_offset = timedelta(days=-400)
    bench.clock.advance(0.1)
    bench.step()
    second = bench.grabber.wait_newer_than(first.captured_s, 0)
    assert second.captured_at < first.captured_at
    assert bench.grabber.latest() is second


def test_a_frame_from_before_the_press_is_no_answer():
    bench = Bench()
    bench.script(noise(0), noise(1))
    bench.step()
    pressed_s = bench.clock.now_s()
    assert bench.grabber.wait_newer_than(pressed_s, 0) is None
    found = []
    asker = threading.Thread(
        target=lambda: found.append(bench.grabber.wait_newer_than(pressed_s, 20))
    )
    asker.start()
    bench.clock.advance(0.1)
    bench.step()
    asker.join(20)
    assert (found[0].image_hwc == noise(1)).all()
    assert bench.grabber.take(0) is None  # the answer counts as taken, the older one was dropped
    assert bench.grabber.drops == 1


def test_the_first_frames_after_opening_are_thrown_away():
    bench = Bench(times={"warm_up_frames": 3})
    bench.script(*map(noise, range(5)))
    bench.step(4)
    assert (bench.grabber.take(0).image_hwc == noise(3)).all()
    assert bench.grabber.frames == 1


def test_a_fast_replay_reads_only_when_a_frame_is_awaited():
    bench = Bench(source="pictures/", replay={"pace": "fast"})
    camera = bench.script(noise(0), noise(1))
    bench.step()
    assert camera.reads == 0
    found = []
    taker = threading.Thread(target=lambda: found.append(bench.grabber.take(20)))
    taker.start()
    bench.step_until(lambda: not taker.is_alive())
    taker.join()
    assert (found[0].image_hwc == noise(0)).all()
    assert camera.reads == 1
    bench.step()
    assert camera.reads == 1


def test_frames_of_a_fast_replay_queue_up_in_order_and_never_grow_stale():
    clock = ManualClock()
    frames = Frames(clock, stale_after_s=2.0, is_lossless=True)
    for number in range(3):
        frames.put(Frame(noise(number), "pictures/", clock.utc(), clock.now_s()))
        clock.advance(10)
    newest = frames.wait_newer_than(clock.now_s() - 15, 0)
    assert (newest.image_hwc == noise(2)).all()
    assert [(frames.take(0).image_hwc == noise(n)).all() for n in range(2)] == [True, True]
    assert frames.take(0) is None
    assert frames.drops == 0


# ---------------------------------------------------------------- loss and recovery


def test_loss_and_recovery_are_reported_once():
    bench = Bench()
    lost = bench.script(noise(0), LOST)
    bench.cameras += [CameraError("no camera"), CameraError("not permitted")]
    bench.script(noise(1), noise(2))
    bench.step_until(lambda: bench.grabber.frames == 3)
    assert bench.problems == [(True, "camera:0 is lost"), (False, "camera:0 gives frames again")]
    assert {event.part for event in bench.noted.events} == {Part.CAMERA}
    assert lost.is_closed
    assert bench.grabber.reconnects == 1
    assert bench.grabber.is_available


def test_while_it_is_lost_it_is_not_available():
    bench = Bench()
    bench.script(noise(0), LOST)
    bench.step(2)
    assert not bench.grabber.is_available


def test_a_camera_that_is_missing_from_the_start_is_a_problem_too():
    bench = Bench(CameraError("there is no /dev/video*"))
    bench.script(noise(0))
    bench.step_until(lambda: bench.grabber.frames == 1)
    assert [is_problem for is_problem, _ in bench.problems] == [True, False]
    assert bench.grabber.reconnects == 0  # it had never been there


def test_a_camera_that_comes_and_goes_waits_longer_each_time():
    bench = Bench(*[LOST] * 3, times={"first_retry_s": 0.2, "longest_retry_s": 60})
    bench.step()
    assert len(bench.cameras) == 2
    bench.step()  # waits for what is left of the time, which wakes no thread
    bench.step_until(lambda: len(bench.cameras) == 1)
    assert bench.problems == [(True, "camera:0 is lost")]


def test_a_real_thread_survives_a_camera_that_vanishes_and_returns():
    captures = [FakeCapture(), FakeCapture()]
    waiting = list(captures)
    clock = SystemClock()
    options = LiveOptions(rate_hz=120, lost_after_s=0.05)

    def open_it():
        return LiveCamera("camera:0", lambda: waiting.pop(0), clock, options)

    noted, bus = EventRecorder(), EventBus()
    bus.subscribe(noted)
    times = GrabberTimes(warm_up_frames=1, first_retry_s=0.01, stale_after_s=60)
    grabber = Grabber(open_it, clock, bus, CameraSettings(), times=times)
    worker = Worker("camera", grabber.step, lambda reason: None, wake=grabber.wake)
    worker.start()
    assert grabber.take(20) is not None
    captures[0].is_plugged = False
    wait_for(lambda: len(noted.events) == 1)
    wait_for(lambda: len(noted.events) == 2)
    assert [event.is_problem for event in noted.events] == [True, False]
    assert grabber.wait_newer_than(clock.now_s(), 20) is not None
    worker.request_stop()
    assert worker.join(20)
    grabber.close()
    assert all(capture.is_released for capture in captures)
    assert len(noted.events) == 2  # the stop is no loss


# ---------------------------------------------------------------- frozen


def test_a_frozen_camera_is_a_problem_until_a_picture_differs():
    bench = Bench()

    def later(image, seconds):
        return lambda: bench.clock.advance(seconds) or image

    still = noise(1)
    bench.script(noise(0), still, later(still, 29), later(still, 2))
    reopened = bench.script(later(still, 1))
    bench.script(later(noise(2), 1))
    bench.step(4)
    assert [is_problem for is_problem, _ in bench.problems] == [True]
    assert "the very same picture for 30 s" in bench.problems[0][1]
    assert not bench.grabber.is_available
    assert bench.grabber.is_frozen
    bench.step_until(lambda: reopened.is_closed)
    assert len(bench.problems) == 1
    assert bench.grabber.is_frozen
    bench.step_until(lambda: len(bench.problems) == 2)
    assert not bench.grabber.is_frozen
    assert (bench.grabber.take(0).image_hwc == noise(2)).all()
    assert bench.grabber.frames == 4


def test_a_camera_that_is_unplugged_while_frozen_is_no_longer_frozen():
    bench = Bench()
    bench.script(noise(1), lambda: bench.clock.advance(31) or noise(1))
    bench.cameras.append(LOST)
    bench.step(2)
    assert bench.grabber.is_frozen
    bench.step_until(lambda: not bench.cameras)
    assert not bench.grabber.is_frozen
    assert not bench.grabber.is_available


@pytest.mark.parametrize(
    ("image", "settings"),
    [
        (noise(1) // 64, {}),  # a dark room
        (noise(1), {"times": {"frozen_after_s": 0}}),
        (noise(1), {"source": "pictures/"}),
    ],
)
def test_darkness_and_recordings_are_not_frozen(image, settings):
    bench = Bench(**settings)
    bench.script(*[lambda: bench.clock.advance(20) or image] * 5)
    bench.step(5)
    assert bench.problems == []


def test_a_camera_that_was_released_for_privacy_is_no_longer_frozen():
    bench = Bench()
    bench.script(noise(1), lambda: bench.clock.advance(31) or noise(1))
    bench.step(2)
    bench.grabber.pause()
    assert not bench.grabber.is_frozen


# ---------------------------------------------------------------- privacy and the end


def test_pause_releases_the_camera_and_discards_its_frames():
    bench = Bench()
    first = bench.script(noise(0))
    bench.script(noise(1))
    bench.step()
    bench.grabber.pause()
    assert first.is_closed
    assert bench.grabber.latest() is None
    assert bench.grabber.take(0) is None
    assert bench.grabber.is_paused
    assert not bench.grabber.is_available
    bench.step()
    assert len(bench.opened) == 1
    bench.grabber.resume()
    bench.step()
    assert bench.grabber.is_available
    assert bench.problems == []
    assert bench.grabber.reconnects == 0


def test_pause_in_the_middle_of_a_read_is_no_loss():
    bench = Bench()
    camera = bench.script()
    reader = threading.Thread(target=bench.step)
    reader.start()
    assert camera.is_waiting.wait(20)
    bench.grabber.pause()
    reader.join(20)
    assert not reader.is_alive()
    assert bench.problems == []


def test_pause_in_the_middle_of_opening_closes_what_was_opened():
    bench = Bench()
    camera = ScriptedCamera(bench.clock, [noise(0)])

    def open_slowly():
        bench.grabber.pause()
        return camera

    bench.grabber._open_camera = open_slowly
    bench.step()
    assert camera.is_closed
    assert camera.reads == 0
    assert bench.grabber.latest() is None


def test_a_frame_that_was_on_its_way_when_privacy_began_is_forgotten():
    bench = Bench()
    bench.script(lambda: bench.grabber.pause() or noise(0))
    bench.step()
    assert bench.grabber.latest() is None
    assert bench.grabber.frames == 0


def test_wake_ends_every_wait():
    bench = Bench()
    camera = bench.script()
    takers = [
        threading.Thread(target=bench.step),
        threading.Thread(target=lambda: bench.grabber.take(60)),
        threading.Thread(target=lambda: bench.grabber.wait_newer_than(0, 60)),
    ]
    for taker in takers:
        taker.start()
    assert camera.is_waiting.wait(20)
    bench.grabber.wake()
    bench.grabber.close()
    for taker in takers:
        taker.join(20)
        assert not taker.is_alive()
    bench.step()
    assert len(bench.opened) == 1
    assert bench.problems == []


def test_the_end_of_a_replay_is_no_loss_and_waits_for_its_last_frame():
    ended = []
    bench = Bench(source="pictures/", on_end=lambda: ended.append(1))
    camera = bench.script(noise(0), *[end_of_replay()] * 9)
    bench.step()
    taker = threading.Timer(0.05, bench.grabber.take, [0])
    taker.start()
    bench.step_until(lambda: bench.grabber.has_ended)
    taker.join()
    bench.step()
    assert ended == [1]
    assert bench.problems == []
    assert camera.is_closed
    assert bench.grabber.drops == 0
