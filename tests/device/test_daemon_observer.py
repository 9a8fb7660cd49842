"""The observer: answers of fresh frames, one look for many presses, and models that rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.captions import THINGS
from support.daemon import DaemonBench, ScriptedEye, ScriptedHonesty, dark, scene

from seealoud.device.daemon.observer import Question
from seealoud.device.events import Alerted, Answered, Decided, DecisionReason, InViewChanged
from seealoud.device.narrator.settings import NarrationRule, NarrationSettings
from seealoud.device.records import Cause, Description, Earcon, Frame, Priority, Thing
from seealoud.device.vision.captioner import Encoded
from seealoud.device.vision.describe import FrameDescriber
from seealoud.device.vision.sentences import CANNOT_TELL

PRESS = Cause.BUTTON


def _quiet() -> DaemonBench:
    return DaemonBench(NarrationSettings(is_on=False))


def _ask(bench: DaemonBench, *ids: str) -> None:
    for request_id in ids or ("",):
        bench.observer.ask(Question(PRESS, bench.clock.now_s(), request_id))


def test_an_answer_is_of_a_frame_that_is_newer_than_the_press() -> None:
    bench = _quiet()
    bench.clock.advance_to(10)
    bench.frames.fresh.append(bench.frames.frame(scene(1)))  # as old as the press: a buffered one
    _ask(bench, "q")
    bench.clock.advance_to(10.1)
    newer = bench.frames.frame(scene(2))
    bench.frames.fresh.append(newer)
    bench.observer.step()
    (answer,) = bench.events.of(Answered)
    assert isinstance(answer, Answered)
    assert answer.caption is not None
    assert answer.caption.captured_at == newer.captured_at
    assert (answer.cause, answer.id, answer.reason) == (PRESS, "q", "")
    assert answer.probability == 0.9
    assert answer.frame_age_s == pytest.approx(0)
    (utterance,) = bench.voice.utterances
    assert utterance.text == answer.text == f"I see {answer.caption.text}."
    assert (utterance.priority, utterance.asked_s) == (Priority.ANSWER, 10)


def test_twenty_presses_that_wait_cost_one_look_and_all_are_answered() -> None:
    bench = _quiet()
    _ask(bench, *(f"press {n}" for n in range(20)))
    bench.clock.advance_to(0.1)
    bench.frames.fresh.append(bench.frames.frame(scene(1)))
    bench.observer.step()
    assert bench.eye.encoded == 1
    assert len(bench.voice.utterances) == 1
    ids = [event.id for event in bench.events.of(Answered) if isinstance(event, Answered)]
    assert ids == [f"press {n}" for n in range(20)]


def test_the_same_scene_is_answered_again() -> None:
    bench = _quiet()
    for second in (1, 2):
        _ask(bench)
        bench.clock.advance_to(second)
        bench.frames.fresh = [bench.frames.frame(scene(1))]
        bench.observer.step()
    assert len(set(bench.voice.texts)) == 1
    assert len(bench.voice.texts) == 2


def test_no_frame_in_time_is_an_answer_in_words_that_no_sound_delays() -> None:
    bench = _quiet()
    _ask(bench)
    bench.observer.step()
    assert bench.voice.texts == ["The camera gives no picture."]
    assert bench.voice.earcons == []
    (answer,) = bench.events.of(Answered)
    assert isinstance(answer, Answered)
    assert (answer.reason, answer.caption) == ("no_frame", None)


def test_the_answer_about_a_frozen_camera_says_what_is_wrong_with_it() -> None:
    bench = _quiet()
    bench.frames.is_frozen = True
    _ask(bench)
    bench.observer.step()
    assert bench.voice.texts == [
        "The camera keeps giving the same picture. Unplug it and plug it in again."
    ]
    assert bench.voice.earcons == []
    (answer,) = bench.events.of(Answered)
    assert isinstance(answer, Answered)
    assert (answer.reason, answer.caption) == ("frozen", None)


def test_with_privacy_on_the_answer_says_so() -> None:
    bench = _quiet()
    bench.frames.is_paused = True
    _ask(bench)
    bench.observer.step()
    assert bench.voice.texts == ["Privacy is on. The camera is off."]


def test_a_dark_picture_is_never_captioned() -> None:
    bench = _quiet()
    _ask(bench)
    bench.clock.advance_to(0.1)
    bench.frames.fresh = [bench.frames.frame(dark())]
    bench.observer.step()
    assert bench.voice.texts == ["It is too dark to see."]
    assert bench.eye.encoded == 0


def test_a_picture_unlike_all_training_is_not_put_into_words() -> None:
    bench = _quiet()
    bench.honesty.is_strange = True
    _ask(bench)
    bench.clock.advance_to(0.1)
    bench.frames.fresh = [bench.frames.frame(scene(1))]
    bench.observer.step()
    assert bench.eye.decoded == 0
    (answer,) = bench.events.of(Answered)
    assert isinstance(answer, Answered)
    assert answer.reason == "unfamiliar"


def test_a_captioner_that_fails_is_answered_for_too() -> None:
    bench = DaemonBench(NarrationSettings(is_on=False), eye=ScriptedEye(fails=True))
    _ask(bench)
    bench.clock.advance_to(0.1)
    bench.frames.fresh = [bench.frames.frame(scene(1))]
    bench.observer.step()
    assert bench.voice.texts == ["Something went wrong while I looked. Please try again."]


def test_a_late_frame_is_announced_by_a_sound_of_its_own() -> None:
    bench = _quiet()
    _ask(bench)
    bench.clock.advance_to(1.0)
    bench.frames.fresh = [bench.frames.frame(scene(1))]
    bench.observer.step()
    assert bench.voice.earcons == [Earcon.CAPTURED]


def test_a_static_scene_is_narrated_once_and_then_runs_no_model() -> None:
    bench = DaemonBench()
    bench.show(scene(1), times=20)
    spoken = [event for event in bench.events.of(Decided) if event.is_spoken]
    assert [event.reason for event in spoken] == [DecisionReason.FIRST]
    encoded = bench.eye.encoded
    bench.show(scene(1), seconds=0.1, times=50)
    assert bench.eye.encoded == encoded
    last = bench.events.events[-1]
    assert isinstance(last, Decided)
    assert last.reason is DecisionReason.PICTURE_SAME
    assert len(bench.events.of(Decided)) == 70  # every frame's decision is published


def test_a_new_scene_is_narrated_and_an_answer_counts_as_narrated() -> None:
    bench = DaemonBench()
    bench.show(scene(1), times=10)
    assert len(bench.voice.texts) == 1
    _ask(bench)
    bench.clock.advance_to(bench.clock.now_s() + 0.1)
    bench.frames.fresh = [bench.frames.frame(scene(2))]
    bench.observer.step()
    bench.show(scene(2), times=20)
    assert len(bench.voice.texts) == 2  # the answer said it; narration does not repeat it
    bench.show(scene(3), times=20)
    assert len(bench.voice.texts) == 3
    assert bench.voice.utterances[-1].priority is Priority.NARRATION


def test_a_lasting_fault_is_spoken_once_and_then_the_scene_after_it() -> None:
    bench = DaemonBench()
    bench.show(scene(1), times=10)
    bench.show(dark(), times=30)
    bench.show(scene(1), times=10)
    first, fault, again = bench.voice.texts
    assert fault == "It is too dark to see."
    assert first == again


def test_a_rule_is_an_alert_with_a_sound_above_narration() -> None:
    rule = NarrationRule(name="dogs", words=("dog",), cooldown_s=600)
    bench = DaemonBench(NarrationSettings(is_on=True, rules=(rule,)))
    bench.show(scene(1), times=5)
    assert Earcon.ALERT in bench.voice.earcons
    assert bench.voice.utterances[0].priority is Priority.ALERT


def test_what_a_rule_finds_is_published_when_it_changes_and_unknown_without_a_camera() -> None:
    rules = tuple(NarrationRule(name=word, words=(word,)) for word in ("dog", "cat"))
    bench = DaemonBench(NarrationSettings(is_on=True, rules=rules))

    def views() -> list[Any]:
        return [dict(event.rules) for event in bench.events.of(InViewChanged)]

    unknown, found = {"dog": None, "cat": None}, {"dog": True, "cat": False}
    bench.show(scene(1), times=5)
    assert views()[-1] == found
    bench.show(scene(1), times=5)
    before = len(views())
    bench.show(scene(1), times=50)
    assert len(views()) == before
    bench.frames.pause()
    bench.observer.step()
    assert views()[-1] == unknown
    bench.frames.resume()
    bench.observer.step()
    assert views()[-1] == found
    bench.steered(lambda narrator: narrator.set_alerting(False))
    bench.observer.step()
    assert views()[-1] == unknown
    bench.steered(lambda narrator: narrator.reload(NarrationSettings()))
    bench.observer.step()
    bench.observer.step()
    assert views()[-1] == {}
    assert len(views()) == before + 4


def test_what_is_not_sure_is_said_with_its_hedge() -> None:
    bench = DaemonBench(NarrationSettings(is_on=False), honesty=ScriptedHonesty(known=0.1))
    _ask(bench)
    bench.clock.advance_to(0.1)
    bench.frames.fresh = [bench.frames.frame(scene(1))]
    bench.observer.step()
    assert bench.voice.texts == [CANNOT_TELL]
    (answer,) = bench.events.of(Answered)
    assert isinstance(answer, Answered)
    assert (answer.caption, answer.probability, answer.reason) == (None, None, "unsure")


def test_another_captioner_takes_over_between_frames_and_the_old_one_is_closed() -> None:
    bench, other = DaemonBench(), DaemonBench()
    bench.show(scene(1), times=3)
    bench.observer.replace_describer(other.sight)
    bench.show(scene(2), times=10)
    assert bench.eye.is_closed
    assert other.eye.encoded > 0
    bench.observer.close()
    assert other.eye.is_closed


class NamingSight(FrameDescriber):
    """Names things beside every caption, or instead of one, as the detector does."""

    def __init__(self, sight: FrameDescriber, things: tuple[Thing, ...], reason: str = "") -> None:
        self._inner = sight
        self._things = things
        self._reason = reason

    @property
    def common_da(self) -> None:
        return None

    def look(
        self,
        frame: Frame,
        *,
        captions_refused: bool = False,
        on_encoded: Callable[[Encoded], None] | None = None,
    ) -> Description:
        found = self.encode(frame)
        return found if isinstance(found, Description) else self.describe(found, frame)

    def refusal(self, frame: Frame) -> Description | None:
        return self._inner.refusal(frame)

    def encode(self, frame: Frame) -> Encoded | Description:
        if self._reason:
            text = "I am not sure. On the left a cat."
            return Description(text, reason=self._reason, things=self._things)
        return self._inner.encode(frame)

    def describe(self, encoded: Encoded, frame: Frame) -> Description:
        return replace(self._inner.describe(encoded, frame), things=self._things)

    def close(self) -> None:
        self._inner.close()


def _naming(reason: str = "", things: tuple[Thing, ...] = THINGS, **narration: Any) -> DaemonBench:
    bench = DaemonBench(NarrationSettings(**narration))
    bench.observer.replace_describer(NamingSight(bench.sight, things, reason))
    return bench


def _answer(bench: DaemonBench) -> Answered:
    _ask(bench)
    bench.clock.advance_to(bench.clock.now_s() + 0.1)
    bench.frames.fresh = [bench.frames.frame(scene(1))]
    bench.observer.step()
    (answer,) = bench.events.of(Answered)
    assert isinstance(answer, Answered)
    return answer


def test_an_answer_carries_the_things_beside_its_caption() -> None:
    answer = _answer(_naming(is_on=False))
    assert answer.things == THINGS
    assert answer.caption is not None


def test_things_without_a_caption_are_an_answer_and_no_failure() -> None:
    bench = _naming("unsure", is_on=False)
    answer = _answer(bench)
    assert (answer.things, answer.caption, answer.reason) == (THINGS, None, "unsure")
    assert bench.voice.texts == ["I am not sure. On the left a cat."]
    assert bench.voice.earcons == []


def test_without_things_it_is_said_without_a_sound_of_failure() -> None:
    bench = _naming("unsure", (), is_on=False)
    _answer(bench)
    assert bench.voice.earcons == []


def test_what_narration_says_carries_its_things() -> None:
    bench = _naming()
    bench.show(scene(1), times=3)
    first, *others = [e for e in bench.events.of(Decided) if isinstance(e, Decided)]
    assert (first.is_spoken, first.things) == (True, THINGS)
    assert [event.things for event in others] == [(), ()]  # the detector did not run


def test_a_withheld_caption_s_things_are_narrated_once_as_an_event_with_them() -> None:
    bench = _naming("unsure")
    bench.show(scene(1), times=20)
    spoken = [event for event in bench.events.of(Decided) if event.is_spoken]
    assert [(e.things, e.caption, e.text) for e in spoken] == [
        (THINGS, None, "I am not sure. On the left a cat.")
    ]


@pytest.mark.parametrize("reason", ["", "unsure"])
def test_an_alert_carries_the_thing_that_it_found_with_a_sound_and_its_place(reason: str) -> None:
    rule = NarrationRule(name="cats", words=("cats",), cooldown_s=600)
    bench = _naming(reason, rules=(rule,))
    bench.show(scene(1), times=5)
    (alert,) = bench.events.of(Alerted)
    assert isinstance(alert, Alerted)
    assert (alert.rule, alert.text, alert.things) == (
        *("cats", "Alert: A cat, on the left."), THINGS[:1])  # fmt: skip
    assert (alert.caption is None) is bool(reason)
    assert alert.captured_at == bench.frames.clock.utc() - timedelta(seconds=4)
    assert Earcon.ALERT in bench.voice.earcons
    assert bench.voice.utterances[0].priority is Priority.ALERT


def test_an_alert_of_the_caption_carries_what_is_named_beside_it() -> None:
    rule = NarrationRule(name="dogs", words=("dog",), cooldown_s=600)
    bench = _naming(rules=(rule,))
    bench.show(scene(1))
    (alert,) = bench.events.of(Alerted)
    assert isinstance(alert, Alerted)
    assert alert.things == THINGS
    assert alert.caption is not None
