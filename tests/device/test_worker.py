"""Workers: repeated, restarted after a failure up to a limit, stopped under one deadline."""

from __future__ import annotations

import itertools
import logging
import threading
import time

import pytest

from seealoud.device.errors import WorkerError
from seealoud.device.worker import Patience, Worker, stop_all

WAIT_S = 30.0
HASTY = Patience(step_s=0.05, crashes=3, window_s=60, pause_s=0.0)


def _ignored(_: str) -> None:
    raise AssertionError("a worker that works is not given up")


def test_a_step_is_repeated_until_the_stop() -> None:
    enough = threading.Event()
    seen: list[int] = []

    def step() -> None:
        seen.append(1)
        if len(seen) == 3:
            enough.set()
        time.sleep(0.001)

    worker = Worker("counter", step, _ignored)
    worker.start()
    assert enough.wait(WAIT_S)
    stop_all([worker], WAIT_S)
    at_the_end = len(seen)
    assert worker.join(0)
    assert len(seen) == at_the_end
    assert not worker.is_stuck  # it was meant to end


def test_a_failed_step_is_logged_and_repeated(caplog: pytest.LogCaptureFixture) -> None:
    recovered = threading.Event()
    failures = [ValueError("first"), ValueError("second")]

    def step() -> None:
        if failures:
            raise failures.pop(0)
        recovered.set()
        recovered.wait(0.001)

    worker = Worker("moody", step, _ignored, patience=HASTY)
    with caplog.at_level(logging.ERROR):
        worker.start()
        assert recovered.wait(WAIT_S)
        stop_all([worker], WAIT_S)
    logged = [record for record in caplog.records if "moody: a step failed" in record.message]
    assert len(logged) == 2
    assert all(record.exc_info for record in logged)


def test_who_fails_too_often_is_given_up_once_and_counts_as_stuck() -> None:
    given_up: list[str] = []
    over = threading.Event()

    def give_up(why: str) -> None:
        given_up.append(why)
        over.set()

    def step() -> None:
        raise RuntimeError("always")

    worker = Worker("hopeless", step, give_up, patience=HASTY)
    worker.start()
    assert over.wait(WAIT_S)
    assert worker.join(WAIT_S)
    assert given_up == ["hopeless failed 3 times within 60 s"]
    assert worker.is_stuck


def test_failures_far_apart_are_no_reason_to_give_up() -> None:
    passed = threading.Event()
    count = itertools.count(1)

    def step() -> None:
        if next(count) > 6:
            passed.set()
            passed.wait(0.001)
            return
        time.sleep(0.02)
        raise RuntimeError("now and then")

    patience = Patience(step_s=5, crashes=3, window_s=0.001, pause_s=0)
    worker = Worker("rarely", step, _ignored, patience=patience)
    worker.start()
    assert passed.wait(WAIT_S)
    stop_all([worker], WAIT_S)


def test_a_step_that_hangs_is_stuck_until_it_shows_progress() -> None:
    go_on, in_step = threading.Event(), threading.Event()

    def step() -> None:
        in_step.set()
        go_on.wait()

    worker = Worker("slow", step, _ignored, wake=go_on.set, patience=HASTY)
    worker.start()
    assert in_step.wait(WAIT_S)
    deadline_s = time.monotonic() + WAIT_S
    while not worker.is_stuck and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert worker.is_stuck
    worker.progress()
    assert not worker.is_stuck
    stop_all([worker], WAIT_S)


def test_stopping_wakes_every_worker_before_it_waits_for_the_first() -> None:
    """The first can end only when the second was asked to stop."""
    stopping = threading.Event()
    first = Worker("first", lambda: stopping.wait(WAIT_S) and None, _ignored)
    second = Worker("second", lambda: stopping.wait(WAIT_S) and None, _ignored, stopping.set)
    for worker in (first, second):
        worker.start()
    began_s = time.monotonic()
    stop_all([first, second], WAIT_S)
    assert time.monotonic() - began_s < WAIT_S / 2


def test_survivors_are_named() -> None:
    release = threading.Event()
    deaf = Worker("deaf", lambda: release.wait() and None, _ignored)
    deaf.start()
    try:
        with pytest.raises(WorkerError, match="deaf"):
            stop_all([deaf], 0.05)
    finally:
        release.set()
        assert deaf.join(WAIT_S)


def test_a_worker_that_never_started_can_be_stopped() -> None:
    stop_all([Worker("idle", lambda: None, _ignored)], 0.1)
