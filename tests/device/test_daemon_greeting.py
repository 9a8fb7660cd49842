"""The greeting: the device says that it is ready, once, with all that is missing."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from support.daemon import DaemonBench

from seealoud.device.camera.source import SourceKind
from seealoud.device.daemon.sentences import NO_BROKER, no_camera
from seealoud.device.daemon.status import Greeting, ProblemAnnouncer
from seealoud.device.events import Part, ProblemChanged
from seealoud.device.narrator.settings import NarrationSettings
from seealoud.device.records import Cause, Priority

READY = "SeeAloud is ready."
NO_CAMERA = "I find no camera. Plug one in."


@dataclass
class Camera:
    is_available: bool = False
    is_paused: bool = False


@dataclass
class Start(DaemonBench):
    """A daemon that has just started; ``at`` lets its main thread look at the clock."""

    camera: Camera = field(default_factory=Camera)
    kind: SourceKind = SourceKind.DEVICE

    def __post_init__(self) -> None:
        super().__post_init__()
        missing = {Part.CAMERA: no_camera(self.kind), Part.BROKER: NO_BROKER}
        self.problems = ProblemAnnouncer(self.voice.announce, self.clock.now_s, missing)
        self.greeting = Greeting(
            self.camera, self.problems, self.narration, self.clock, is_replay=False
        )

    def report(self, part: Part, is_problem: bool = True) -> None:
        self.problems.accept(
            ProblemChanged(at=self.clock.utc(), part=part, is_problem=is_problem, text="/dev/x")
        )

    def at(self, seconds: float) -> list[str]:
        """Return what was spoken since the start."""
        self.clock.advance_to(seconds)
        self.greeting.greet_where_due()
        return self.voice.texts


def test_greeting_comes_with_the_first_picture_and_once() -> None:
    start = Start(NarrationSettings(is_on=False))  # also with narration off
    assert start.at(0.5) == []
    start.camera.is_available = True
    assert start.at(1.0) == [READY]
    assert start.at(60.0) == [READY]
    (utterance,) = start.voice.utterances
    assert (utterance.priority, utterance.cause) == (Priority.ALERT, Cause.STARTUP)


def test_greeting_says_what_is_missing_and_later_that_it_works() -> None:
    start = Start()
    start.report(Part.CAMERA)
    start.report(Part.BUTTON)
    assert start.at(4.0) == []  # a camera may come late at boot
    assert start.at(5.0) == [f"{READY} {NO_CAMERA} The button does not work."]
    assert start.problems.spoken_summary() == f"{NO_CAMERA} The button does not work."
    start.clock.advance_to(15)
    start.report(Part.BROKER)  # it is reported when it has been away for a while
    start.report(Part.CAMERA, False)
    start.report(Part.BROKER, False)
    start.report(Part.CAMERA)
    assert start.voice.texts[1:] == [
        "There is no connection to your home.",
        "The camera works now.",
        "The connection to your home works now.",
        "The camera is gone.",
    ]
    start.report(Part.CAMERA, False)
    assert start.voice.texts[-1] == "The camera is back."


def test_greeting_leaves_out_a_problem_that_is_over() -> None:
    start = Start()
    start.report(Part.CAMERA)
    assert start.at(2.0) == []
    start.report(Part.CAMERA, False)
    start.camera.is_available = True
    assert start.at(2.5) == [READY]


def test_a_broker_that_is_lost_long_after_the_greeting_is_lost() -> None:
    start = Start(camera=Camera(is_available=True))
    start.at(0.5)
    start.clock.advance_to(3600)
    start.report(Part.BROKER)
    start.report(Part.CAMERA)
    assert start.voice.texts[1:] == ["The connection to your home is lost.", "The camera is gone."]


def test_a_camera_that_is_lost_soon_after_it_was_seen_is_gone() -> None:
    start = Start(camera=Camera(is_available=True))
    start.at(0.5)
    start.clock.advance_to(2)
    start.report(Part.CAMERA)
    assert start.voice.texts[1:] == ["The camera is gone."]


def test_greeting_waits_no_longer_for_a_camera_that_takes_its_time() -> None:
    start = Start()
    assert start.at(14.0) == []
    assert start.at(15.0) == [f"{READY} The camera gives no picture."]


def test_greeting_names_privacy() -> None:
    start = Start(camera=Camera(is_paused=True))
    assert start.at(0.5) == [f"{READY} Privacy is on. The camera is off."]


@pytest.mark.parametrize("kind", SourceKind)
def test_each_kind_of_camera_that_is_missing_has_its_next_step(kind: SourceKind) -> None:
    start = Start(kind=kind)
    start.report(Part.CAMERA)
    (text,) = start.at(5.0)
    assert text == f"{READY} {no_camera(kind).failed}"
    assert "gone" not in text


def test_greeting_is_not_spoken_in_quiet_hours_and_problems_are_afterwards() -> None:
    start = Start(NarrationSettings(quiet_hours=("00:00-12:00", "12:00-00:00")))
    start.report(Part.CAMERA)
    assert start.at(5.0) == []
    start.report(Part.CAMERA, False)
    assert start.voice.texts == ["The camera works now."]


def test_a_recording_is_not_greeted() -> None:
    start = Start()
    start.greeting = Greeting(
        start.camera, start.problems, start.narration, start.clock, is_replay=True
    )
    assert start.at(20.0) == []
    start.report(Part.BUTTON)
    assert start.voice.texts == ["The button does not work."]
