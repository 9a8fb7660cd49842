"""Pictures that clients send: described as a press is, without any trace in narration or speech."""

from __future__ import annotations

import numpy as np
import pytest
from support.daemon import DaemonBench, ScriptedEye, dark, scene
from support.pictures import encoded

from seealoud.device.daemon.observer import Question
from seealoud.device.errors import PictureError, RequestError
from seealoud.device.events import Answered, Decided, DecisionReason, Event, InViewChanged
from seealoud.device.narrator.settings import NarrationRule, NarrationSettings
from seealoud.device.pictures.questions import MOST_WAITING, PictureAnswered, PictureQuestion
from seealoud.device.records import Cause


def _ask(bench: DaemonBench, data: bytes, own_id: str = "") -> list[PictureAnswered]:
    replies: list[PictureAnswered] = []
    bench.observer.pictures.ask(PictureQuestion(data, Cause.MQTT, own_id, replies.append))
    return replies


def _answered(bench: DaemonBench) -> list[PictureAnswered]:
    return [event for event in bench.events.events if isinstance(event, PictureAnswered)]


def test_picture_is_described_as_a_press_would_and_the_caller_gets_the_answer() -> None:
    bench = DaemonBench(NarrationSettings(is_on=False))
    bench.observer.ask(Question(Cause.BUTTON, 0.0))
    bench.clock.advance_to(1)
    bench.frames.fresh.append(bench.frames.frame(scene(1)))
    bench.observer.step()
    (pressed,) = (event for event in bench.events.of(Answered) if isinstance(event, Answered))
    replies = _ask(bench, encoded(scene(1), ".png"), "front-door")
    bench.observer.step()
    (answer,) = replies
    assert answer.description.text == pressed.text
    assert (answer.id, answer.cause) == ("front-door", Cause.MQTT)
    assert _answered(bench) == replies


def test_picture_leaves_no_trace_in_speech_narration_rules_and_places() -> None:
    rule = NarrationRule(name="dog", words=["dog"])
    bench = DaemonBench(NarrationSettings(is_on=True, rules=[rule]))
    bench.show(dark(), times=3)
    before: list[Event] = [*bench.events.events]
    spoken = [*bench.voice.texts]
    _ask(bench, encoded(scene(1), ".png"))
    bench.observer.step()
    assert [type(event) for event in bench.events.events[len(before) :]] == [PictureAnswered]
    assert bench.voice.texts == spoken
    assert bench.voice.earcons == []
    bench.show(scene(1), times=1)
    after = bench.events.events[len(before) + 1 :]
    # The dog of the picture did not count: the one before the camera comes into view only now.
    assert [e.reason for e in after if isinstance(e, Decided)] == [DecisionReason.ALERT]
    assert any(isinstance(event, InViewChanged) and event.rules["dog"] for event in after)


def test_picture_is_described_while_privacy_has_closed_the_camera() -> None:
    bench = DaemonBench()
    bench.frames.is_paused = True
    replies = _ask(bench, encoded(scene(1), ".png"))
    bench.observer.step()
    assert replies[0].description.words


def test_picture_that_is_too_dark_is_refused_in_words_and_keeps_the_withheld_caption() -> None:
    bench = DaemonBench()
    replies = _ask(bench, encoded(dark(), ".png"))
    bench.observer.step()
    found = replies[0].description
    assert (found.text, found.reason) == ("It is too dark to see.", "too_dark")
    assert found.said_caption is None
    assert found.caption is not None


def test_damaged_picture_and_failed_models_are_answered_too() -> None:
    bench = DaemonBench(NarrationSettings(is_on=False), eye=ScriptedEye(fails=True))
    cut, whole = _ask(bench, encoded(scene(1), ".png")[:60]), _ask(bench, encoded(scene(1), ".png"))
    for _ in range(3):
        bench.observer.step()
    assert cut[0].description.reason == "unreadable"
    assert "The picture" in cut[0].description.text
    assert cut[0].description.text.endswith(".")
    assert whole[0].description.reason == "failed"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<html><body>not found</body></html>", "it is a web page"),
        (b"\xff\xd8\xff" + bytes(10 * 10**6), "at most 10000000 are accepted"),
        (b"\x00\x01\x02\x03" * 20, "unknown format"),
        (encoded(np.zeros((4000, 4000), np.uint8), ".png"), "too many pixels .*4000 x 4000"),
    ],
)
def test_file_that_is_no_picture_is_refused_at_once(data: bytes, reason: str) -> None:
    bench = DaemonBench()
    with pytest.raises(PictureError, match=reason):
        _ask(bench, data)
    assert len(bench.observer.pictures) == 0


def test_avif_is_refused_because_its_parts_may_be_larger_than_its_header_states() -> None:
    bench = DaemonBench()
    with pytest.raises(PictureError, match="AVIF file, which is not accepted: send a JPEG or PNG"):
        _ask(bench, encoded(scene(1), ".avif"))


def test_fifth_waiting_picture_is_refused_and_the_four_are_answered_in_order() -> None:
    bench = DaemonBench(NarrationSettings(is_on=False))
    for number in range(MOST_WAITING):
        _ask(bench, encoded(scene(number), ".png"), str(number))
    with pytest.raises(RequestError, match="4 pictures are waiting"):
        _ask(bench, encoded(scene(1), ".png"), "fifth")
    for _ in range(2 * MOST_WAITING):
        bench.observer.step()
    assert [answer.id for answer in _answered(bench)] == ["0", "1", "2", "3"]
    _ask(bench, encoded(scene(1), ".png"))


def test_press_comes_before_waiting_pictures_and_narration_takes_turns_with_them() -> None:
    bench = DaemonBench()
    for number in range(MOST_WAITING):
        _ask(bench, encoded(scene(number), ".png"), str(number))
    bench.observer.ask(Question(Cause.BUTTON, bench.clock.now_s()))
    bench.clock.advance_to(1)
    bench.frames.fresh.append(bench.frames.frame(scene(5)))
    bench.frames.waiting = [bench.frames.frame(scene(6)) for _ in range(10)]
    for _ in range(5):
        bench.observer.step()
    kinds = [type(event) for event in bench.events.events if not isinstance(event, InViewChanged)]
    found = [kind for kind in kinds if kind in (Answered, PictureAnswered, Decided)]
    assert found == [Answered, PictureAnswered, Decided, PictureAnswered, Decided]
