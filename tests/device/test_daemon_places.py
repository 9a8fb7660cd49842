"""Places in the daemon: taught by frames, recognised on request, published, forgotten."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from support.daemon import DaemonBench, ScriptedEye, dark, scene

from seealoud.device import requests as r
from seealoud.device.clock import Clocks
from seealoud.device.daemon import sentences
from seealoud.device.daemon.controller import Answers, DaemonController
from seealoud.device.daemon.live_settings import LiveParts, LiveSettings
from seealoud.device.daemon.observer import Observer
from seealoud.device.daemon.place_finder import LESSON_PICTURES, PlaceFinder
from seealoud.device.daemon.place_observer import PlaceObserver
from seealoud.device.events import Answered, PlaceAnswered, PlaceChanged
from seealoud.device.records import Cause, Frame
from seealoud.device.settings.schema import Settings
from seealoud.device.settings.state import StateFile
from seealoud.device.vision.captioner import Encoded
from seealoud.device.vision.places import PlaceFile

MQTT = Cause.MQTT
KITCHEN, BATH, HALL = 1, 2, 3


@dataclass
class PlaceEye(ScriptedEye):
    """Returns features that differ from scene to scene as those of different rooms do."""

    encoder: str = "a" * 64

    def encode(self, frame: Frame) -> Encoded:
        encoded = super().encode(frame)
        number = next(n for n in range(1, 9) if np.array_equal(frame.image_hwc, scene(n)))
        room_d = np.eye(16, dtype=np.float32)[number] + encoded.pooled_d * np.float32(0.001)
        return replace(encoded, pooled_d=room_d, encoder=self.encoder)


class Bench(DaemonBench):
    """The controller and observer with places in a folder."""

    def begin(self, folder: Path, *, is_spoken_first: bool = False) -> None:
        finder = PlaceFinder(
            PlaceFile(folder / "places.npz"), self.bus, self.clock, is_spoken_first=is_spoken_first
        )
        places = PlaceObserver(self.frames, self.voice, self.bus, self.clock, finder)
        self.finder = places
        parts = (self.frames, self.sight, self.narrator, self.voice, self.bus)
        self.observer = Observer(*parts, Clocks(self.clock, self.clock), places)
        live_parts = LiveParts(
            self.observer, self.frames, self.voice, StateFile(folder / "state.json")
        )
        live = LiveSettings(live_parts, Settings(), self.bus, self.clock)
        answers = Answers(lambda: "", dict, places)
        self.controller = DaemonController(
            self.observer, self.voice, live, answers, self.bus, self.clock
        )

    def ask(self, request: r.Request) -> r.Outcome:
        return self.controller.handle(request, MQTT, self.clock.now_s())

    def see(self, image_hwc: np.ndarray) -> None:
        """Let the camera take a picture, and the observer do one step."""
        self.clock.advance_to(self.clock.now_s() + 1)
        self.frames.fresh = [self.frames.frame(image_hwc)]
        self.observer.step()

    def teach(self, name: str, number: int, times: int = LESSON_PICTURES) -> str:
        assert self.ask(r.PlaceTeach(name=name)).is_accepted
        for _ in range(times):
            self.see(scene(number))
        return self.voice.last

    def where(self, image_hwc: np.ndarray) -> str:
        assert self.ask(r.Where(id="w")).is_accepted
        self.see(image_hwc)
        return self.voice.last

    def published(self) -> list[tuple[str | None, tuple[str, ...]]]:
        found = [e for e in self.events.of(PlaceChanged) if isinstance(e, PlaceChanged)]
        return [(event.place, event.known) for event in found]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(eye=PlaceEye())
    bench.begin(tmp_path)
    return bench


def test_a_place_is_taught_recognised_and_an_unknown_one_refused(bench: Bench) -> None:
    assert bench.where(scene(KITCHEN)) == "No place has been taught yet."
    assert bench.teach("kitchen", KITCHEN) == "I have learnt kitchen, from 8 pictures."
    assert bench.teach("Anna's bath", BATH) == "I have learnt Anna's bath, from 8 pictures."
    assert bench.where(scene(KITCHEN)) == "This looks like kitchen."
    assert bench.where(scene(BATH)) == "This looks like Anna's bath."
    assert bench.where(scene(HALL)) == "I do not recognise this place."
    answers = [e for e in bench.events.of(PlaceAnswered) if isinstance(e, PlaceAnswered)]
    assert [(e.text, e.cause, e.id) for e in answers][-1] == (bench.voice.last, MQTT, "w")
    both = ("kitchen", "Anna's bath")
    assert bench.published()[-3:] == [("kitchen", both), ("Anna's bath", both), (None, both)]
    assert bench.eye.decoded == 0  # no caption is made for it


def test_narration_and_answers_publish_the_place_without_another_encoder_run(bench: Bench) -> None:
    bench.teach("kitchen", KITCHEN)
    bench.show(scene(BATH), times=1)
    assert bench.published()[-1] == (None, ("kitchen",))
    encoded = bench.eye.encoded
    bench.show(scene(KITCHEN), times=1)
    assert bench.published()[-1] == ("kitchen", ("kitchen",))
    assert bench.eye.encoded == encoded + 1


@pytest.mark.parametrize("is_spoken_first", [True, False])
def test_the_place_is_said_before_the_caption_where_wanted(
    tmp_path: Path, is_spoken_first: bool
) -> None:
    bench = Bench(eye=PlaceEye())
    bench.begin(tmp_path, is_spoken_first=is_spoken_first)
    bench.teach("kitchen", KITCHEN)
    for number, first in (
        (KITCHEN, "Kitchen: I see" if is_spoken_first else "I see"),
        (HALL, "I see"),
    ):
        bench.ask(r.Describe())
        bench.see(scene(number))
        assert bench.voice.last.startswith(first)
        (*_, answered) = bench.events.of(Answered)
        assert isinstance(answered, Answered)
        assert answered.text == bench.voice.last
    bench.ask(r.Describe())
    bench.see(dark())
    assert "dark" in bench.voice.last
    assert "Kitchen" not in bench.voice.last


def test_a_press_during_a_lesson_is_answered_at_once(bench: Bench) -> None:
    bench.ask(r.PlaceTeach(name="kitchen"))
    bench.see(scene(KITCHEN))
    bench.ask(r.Describe())
    bench.see(scene(KITCHEN))
    assert bench.voice.last.startswith("I see a dog")
    for _ in range(LESSON_PICTURES):
        bench.see(scene(KITCHEN))
    assert bench.voice.last.startswith("I have learnt kitchen")


def test_a_second_lesson_is_refused_until_the_first_is_over(bench: Bench) -> None:
    bench.ask(r.PlaceTeach(name="kitchen"))
    for _ in range(3):  # before it begins, and while it lasts
        refused = bench.ask(r.PlaceTeach(name="bath"))
        assert refused.reason.startswith("another place is being learnt: try 'bath' again")
        bench.see(scene(KITCHEN))
    for _ in range(LESSON_PICTURES):
        bench.see(scene(KITCHEN))
    assert bench.teach("bath", BATH) == "I have learnt bath, from 8 pictures."


def test_two_kinds_of_questions_at_once_are_both_answered_the_newest_last(bench: Bench) -> None:
    bench.teach("bath", BATH)
    bench.ask(r.Where())
    bench.ask(r.Describe())
    before = len(bench.voice.texts)
    bench.see(scene(BATH))
    first, second = bench.voice.texts[before:]
    assert first == "This looks like bath."
    assert second.startswith("I see a dog")


def test_a_lesson_without_a_usable_picture_says_why(bench: Bench, tmp_path: Path) -> None:
    bench.ask(r.PlaceTeach(name="kitchen"))
    for _ in range(LESSON_PICTURES + 1):
        bench.see(dark())
    assert bench.voice.last == "It is too dark to see. The place was not learnt."
    bench.frames.pause()
    bench.frames.fresh = []
    bench.ask(r.PlaceTeach(name="kitchen"))
    bench.observer.step()
    assert bench.voice.last == "Privacy is on. The camera is off. The place was not learnt."
    assert not (tmp_path / "places.npz").exists()


def test_no_place_is_published_while_the_camera_is_off(bench: Bench) -> None:
    bench.teach("kitchen", KITCHEN)
    assert bench.published()[-1] == ("kitchen", ("kitchen",))
    bench.ask(r.Privacy(is_on=True))
    bench.observer.step()
    assert bench.published()[-1] == (None, ("kitchen",))
    number = len(bench.published())
    bench.observer.step()
    assert len(bench.published()) == number


def test_a_place_without_a_frame_is_answered_in_words(bench: Bench) -> None:
    bench.ask(r.Where())
    bench.observer.step()
    assert bench.voice.last == sentences.NO_FRAME
    assert bench.where(dark()) == "It is too dark to see."
    bench.eye.fails = True
    assert bench.where(scene(KITCHEN)) == sentences.FAILED


def test_places_are_kept_and_forgotten_one_by_one_or_all(bench: Bench, tmp_path: Path) -> None:
    bench.teach("kitchen", KITCHEN)
    bench.teach("bath", BATH)
    again = Bench(eye=PlaceEye())
    again.begin(tmp_path)
    assert again.where(scene(KITCHEN)) == "This looks like kitchen."
    refused = again.ask(r.PlaceForget(name="hall"))
    assert (refused.is_accepted, refused.reason) == (
        False,
        "there is no place 'hall': known are kitchen, bath",
    )
    assert again.ask(r.PlaceForget(name="kitchen")).answer == "The place kitchen is forgotten."
    assert again.published()[-1] == (None, ("bath",))
    assert again.where(scene(KITCHEN)) == sentences.UNKNOWN_PLACE
    assert again.ask(r.PlaceForget()).answer == "All places are forgotten."
    assert again.published()[-1] == (None, ())
    assert not (tmp_path / "places.npz").exists()
    assert bench.where(scene(BATH)) == sentences.NO_PLACES  # the other process sees it


def test_another_encoder_disables_places_with_one_line(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.teach("kitchen", KITCHEN)
    assert isinstance(bench.eye, PlaceEye)
    bench.eye.encoder = "b" * 64
    with caplog.at_level(logging.WARNING, "seealoud.device.daemon.place_finder"):
        bench.show(scene(BATH))
        bench.show(scene(KITCHEN))
        assert bench.where(scene(KITCHEN)) == sentences.PLACES_OF_ANOTHER_MODEL
    (line,) = [record.getMessage() for record in caplog.records]
    assert "kitchen" not in line  # a name may be personal
    assert "seealoud place forget --all" in line
    assert bench.published()[-1] == (None, ("kitchen",))
    assert bench.teach("bath", BATH) == sentences.PLACE_REFUSED
    bench.eye.encoder = "a" * 64
    assert bench.where(scene(KITCHEN)) == "This looks like kitchen."


def test_a_bundle_without_confidence_says_that_it_cannot(bench: Bench) -> None:
    bench.honesty.common_da = None
    assert bench.teach("kitchen", KITCHEN) == sentences.NO_PLACES_POSSIBLE
    assert bench.where(scene(KITCHEN)) == sentences.NO_PLACES_POSSIBLE


def test_a_damaged_file_is_logged_once_and_never_ends_the_daemon(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "places.npz").write_bytes(b"no archive")
    with caplog.at_level(logging.WARNING, "seealoud.device.daemon.place_finder"):
        bench.show(scene(KITCHEN))
        bench.show(scene(BATH))
    (line,) = [record.getMessage() for record in caplog.records]
    assert "seealoud place forget --all" in line
    assert bench.teach("kitchen", KITCHEN) == sentences.PLACE_REFUSED
    bench.ask(r.PlaceForget())
    assert bench.teach("kitchen", KITCHEN) == "I have learnt kitchen, from 8 pictures."


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "kit\nchen", "kit\x1b[2Jchen"])
def test_a_name_that_cannot_be_spoken_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        r.PlaceTeach(name=name)
    assert r.PlaceTeach(name="  kitchen ").name == "kitchen"
