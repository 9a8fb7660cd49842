"""The controller: every request carried out whole or refused with a reason, kept, and reported."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from support.daemon import DaemonBench, scene

from seealoud.device import requests as r
from seealoud.device.daemon.controller import Answers, DaemonController
from seealoud.device.daemon.live_settings import LiveParts, LiveSettings
from seealoud.device.daemon.status import ProblemAnnouncer
from seealoud.device.errors import VoiceError
from seealoud.device.events import (
    Alerted,
    Answered,
    Event,
    Part,
    ProblemChanged,
    Requested,
    SettingChanged,
    SummedUp,
)
from seealoud.device.narrator.settings import NarrationSettings
from seealoud.device.records import Cause, Earcon, HistorySummary, Priority
from seealoud.device.settings import state as state_module
from seealoud.device.settings.schema import Settings
from seealoud.device.settings.state import StateFile

BUTTON, CLI = Cause.BUTTON, Cause.CLI


class Bench(DaemonBench):
    """A controller over a scripted observer and voice, and a real state file."""

    def begin(self, path: Path, settings: Settings | None = None) -> DaemonController:
        settings = settings or Settings()
        parts = LiveParts(self.observer, self.frames, self.voice, StateFile(path))
        live = LiveSettings(parts, settings, self.bus, self.clock)
        answers = Answers(lambda: "All is well.", lambda: {"drops": 3}, self.places, self.summary)
        self.controller = DaemonController(
            self.observer, self.voice, live, answers, self.bus, self.clock
        )
        return self.controller

    def ask(self, request: r.Request, cause: Cause = CLI) -> r.Outcome:
        return self.controller.handle(request, cause, self.clock.now_s())

    def changed(self) -> dict[str, object]:
        """Return the last value of each setting that was published."""
        return {event.name: event.value for event in self.events.of(SettingChanged)}

    def summary(self, minutes: float) -> HistorySummary:
        now = self.clock.utc()
        text = f"In the last {minutes:g} minutes: nothing."
        return HistorySummary(now - timedelta(minutes=minutes), now, (), (), (), text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


@pytest.fixture
def bench(path: Path) -> Bench:
    bench = Bench()
    bench.begin(path)
    return bench


def _told(bench: Bench) -> list[Requested]:
    return [event for event in bench.events.of(Requested) if isinstance(event, Requested)]


def test_describe_asks_the_observer_and_sounds_at_once_unless_a_finger_has(bench: Bench) -> None:
    assert bench.ask(r.Describe(id="x"), Cause.MQTT).id == "x"
    assert bench.voice.earcons == [Earcon.HEARD]
    bench.ask(r.Describe(), BUTTON)
    assert bench.voice.earcons == [Earcon.HEARD]  # the press has sounded when the finger went down
    bench.clock.advance_to(1)
    bench.frames.fresh = [bench.frames.frame(scene(1))]
    bench.observer.step()
    causes = [event.cause for event in bench.events.of(Answered) if isinstance(event, Answered)]
    assert causes == [Cause.MQTT, BUTTON]


def test_every_request_is_published_with_its_outcome(bench: Bench) -> None:
    bench.ask(r.Stop(id="a"))
    bench.ask(r.Set(name="volume", value=99, id="b"))
    accepted, refused = _told(bench)
    assert (accepted.action, accepted.is_accepted, accepted.reason) == ("stop", True, "")
    assert (refused.action, refused.is_accepted, refused.id) == ("set", False, "b")
    assert "99" in refused.reason
    assert bench.voice.stops == 1


def test_repeat_without_anything_said_says_so(bench: Bench) -> None:
    outcome = bench.ask(r.Repeat())
    assert (outcome.is_accepted, outcome.answer) == (True, "Nothing has been said yet.")
    assert bench.voice.texts == ["Nothing has been said yet."]


def test_repeat_answers_with_the_words_that_are_repeated(bench: Bench) -> None:
    bench.ask(r.Say(text="Dinner is ready."))
    assert bench.ask(r.Repeat()).answer == "Dinner is ready."


def test_say_goes_before_narration_and_behind_answers(bench: Bench) -> None:
    bench.ask(r.Say(text="Dinner is ready.", id="m1"), Cause.MQTT)
    (utterance,) = bench.voice.utterances
    assert (utterance.text, utterance.priority) == ("Dinner is ready.", Priority.ALERT)
    assert (utterance.cause, utterance.id) == (Cause.MQTT, "m1")


def test_narration_is_switched_confirmed_in_words_and_kept(bench: Bench, path: Path) -> None:
    bench.ask(r.Narrate(is_on=False))
    assert bench.steered(lambda narrator: narrator.is_on) is False
    bench.ask(r.Narrate())  # to the other state
    assert bench.voice.texts == ["Narration off.", "Narration on."]
    assert bench.changed()["is_narrating"] is True
    bench.ask(r.Narrate(is_on=False))
    again = Bench()
    again.begin(path)
    assert again.steered(lambda narrator: narrator.is_on) is False
    assert again.controller.status()["is_narrating"] is False


def test_alerts_are_switched_without_narration_and_kept(bench: Bench, path: Path) -> None:
    bench.ask(r.AlertSwitch(is_on=True))
    assert bench.voice.texts == ["Alerts on. There are no rules yet."]
    rules = {"narration": {"rules": [{"name": "dog", "words": ["dog"]}]}}
    bench.controller.reload(Settings.model_validate(rules))
    bench.ask(r.Narrate(is_on=False))
    bench.ask(r.AlertSwitch(is_on=False))
    bench.ask(r.Narrate(is_on=False))
    bench.ask(r.Narrate(is_on=True))
    assert bench.voice.texts[1:] == [
        "Narration off. Alerts stay on.",
        "Alerts off.",
        "Narration off.",
        "Narration on.",
    ]
    assert bench.changed()["is_alerting"] is False
    again = Bench()
    again.begin(path, Settings.model_validate(rules))
    assert again.controller.status()["is_alerting"] is False
    again.ask(r.AlertSwitch(is_on=True))
    assert again.voice.texts == ["Alerts on."]


def test_an_alert_is_raised_and_spoken_though_narration_is_off(path: Path) -> None:
    narration = {"is_on": False, "rules": [{"name": "dog", "words": ["dog"]}]}
    bench = Bench(NarrationSettings.model_validate(narration))
    bench.begin(path, Settings.model_validate({"narration": narration}))
    bench.show(scene(1), times=5)
    (alert,) = bench.voice.utterances
    assert (alert.priority, alert.cause) == (Priority.ALERT, Cause.NARRATION)
    assert alert.text.startswith("Alert: I see a dog number")
    assert bench.voice.earcons == [Earcon.ALERT]
    assert [event.rule for event in bench.events.of(Alerted)] == ["dog"]
    bench.ask(r.AlertSwitch(is_on=False))
    encoded = bench.eye.encoded
    bench.show(scene(2), times=5)
    assert (bench.voice.texts[1:], bench.eye.encoded) == (["Alerts off."], encoded)


def test_a_snooze_ends_by_itself_in_words_also_after_a_restart(bench: Bench, path: Path) -> None:
    bench.ask(r.Snooze(minutes=30))
    assert bench.voice.texts[-1] == "Narration pauses for 30 minutes."
    assert bench.steered(lambda narrator: narrator.snoozed_until_s) == 1800
    bench.clock.advance_to(1799)
    bench.controller.tick()
    assert bench.changed()["snoozed_until"] is not None

    again = Bench(clock=bench.clock)
    again.begin(path)
    assert again.steered(lambda narrator: narrator.snoozed_until_s) == pytest.approx(1800)
    again.clock.advance_to(1800)
    again.controller.tick()
    again.controller.tick()
    assert again.voice.texts == ["Narration is back."]
    assert again.controller.status()["snoozed_until"] is None


def test_a_setting_changed_on_a_full_disk_is_saved_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "_FIRST_RETRY_S", 0.0)
    folder = tmp_path / "state"
    folder.touch()  # a file where the directory should be
    bench = Bench()
    bench.begin(folder / "state.json")
    assert bench.ask(r.Mute(is_on=True)).is_accepted
    folder.unlink()
    bench.controller.tick()
    again = Bench()
    again.begin(folder / "state.json")
    assert again.controller.status()["is_muted"] is True


def test_switching_narration_on_ends_a_snooze(bench: Bench) -> None:
    bench.ask(r.Snooze(minutes=30))
    bench.ask(r.Narrate(is_on=True))
    assert bench.controller.status()["snoozed_until"] is None


def test_privacy_lets_the_camera_go_and_stays_after_a_restart(bench: Bench, path: Path) -> None:
    bench.ask(r.Privacy(is_on=True))
    assert bench.frames.is_paused
    assert bench.voice.texts == ["Privacy on. The camera is off."]
    again = Bench()
    again.begin(path)
    assert again.frames.is_paused
    again.ask(r.Privacy(is_on=False))
    assert not again.frames.is_paused


def test_muting_says_nothing_and_unmuting_says_so(bench: Bench, path: Path) -> None:
    bench.ask(r.Mute(is_on=True))
    assert bench.voice.settings["is_muted"] is True
    assert bench.voice.texts == []
    again = Bench()
    again.begin(path)
    assert again.voice.settings["is_muted"] is True
    again.ask(r.Mute(is_on=False))
    assert again.voice.texts == ["Sound on."]


@pytest.mark.parametrize(
    ("name", "value"), [("volume", 0.5), ("rate", 1.5), ("minimum_gap_s", 30), ("snooze_min", 5)]
)
def test_numbers_are_set_saved_and_published(
    bench: Bench, path: Path, name: str, value: float
) -> None:
    assert bench.ask(r.Set.model_validate({"name": name, "value": value})).is_accepted
    kept = "snoozed_until" if name == "snooze_min" else name
    published = bench.changed()[kept]
    assert published == value or name == "snooze_min"
    again = Bench(clock=bench.clock)
    again.begin(path)
    assert again.controller.status()[kept] == published


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("volume", -0.1),
        ("volume", "loud"),
        ("rate", 0),
        ("rate", 99),
        ("minimum_gap_s", -1),
        ("snooze_min", 1e9),
        ("snooze_min", "soon"),
        ("voice", 3),
    ],
)
def test_a_refused_value_changes_nothing(
    bench: Bench, path: Path, name: str, value: float | str
) -> None:
    before = bench.controller.status()
    outcome = bench.ask(r.Set.model_validate({"name": name, "value": value}))
    assert not outcome.is_accepted
    assert name in outcome.reason
    assert bench.controller.status() == before
    assert bench.events.of(SettingChanged) == []
    assert not path.exists()


def test_a_voice_is_loaded_before_it_is_kept_and_a_broken_one_is_refused(bench: Bench) -> None:
    assert bench.ask(r.Set(name="voice", value="/voices/anna.onnx")).is_accepted
    assert bench.voice.settings["voice"] == "/voices/anna.onnx"
    assert bench.controller.status()["voice"] == "/voices/anna.onnx"
    bench.voice.voice_error = VoiceError("the voice's file /x.onnx is missing")
    outcome = bench.ask(r.Set(name="voice", value="/x.onnx"))
    assert (outcome.is_accepted, "missing" in outcome.reason) == (False, True)
    assert bench.controller.status()["voice"] == "/voices/anna.onnx"


def test_summary_and_self_check_are_answers_in_words(bench: Bench) -> None:
    bench.ask(r.Summary(minutes=15))
    bench.ask(r.SelfCheck())
    assert bench.voice.texts == ["In the last 15 minutes: nothing.", "All is well."]


def test_a_summary_is_published_whole_whatever_asks_for_it_and_however_silent(bench: Bench) -> None:
    bench.ask(r.Mute(is_on=True))
    bench.ask(r.Summary(minutes=15, id="s1"), Cause.MQTT)
    bench.ask(r.Summary(), BUTTON)
    first, second = (e for e in bench.events.of(SummedUp) if isinstance(e, SummedUp))
    assert (first.cause, first.id, second.cause, second.id) == (Cause.MQTT, "s1", BUTTON, "")
    assert first.summary.text == "In the last 15 minutes: nothing."
    assert second.summary.until - second.summary.since == timedelta(minutes=60)


def test_without_a_history_a_summary_is_refused_and_nothing_is_published(path: Path) -> None:
    bench = Bench()
    bench.summary = None  # type: ignore[method-assign,assignment]
    bench.begin(path)
    assert "[history]" in bench.ask(r.Summary()).reason
    assert bench.events.of(SummedUp) == []


def test_status_is_returned_without_speech(bench: Bench) -> None:
    data = bench.ask(r.Status()).data
    assert (data["drops"], data["is_private"], data["volume"]) == (3, False, 1.0)
    assert bench.voice.texts == []


def test_new_settings_are_taken_but_what_was_changed_at_run_time_stays(bench: Bench) -> None:
    bench.ask(r.Set(name="volume", value=0.5))
    text = {"speech": {"volume": 0.9, "rate": 1.2}, "narration": {"minimum_gap_s": 60}}
    bench.controller.reload(Settings.model_validate(text))
    status = bench.controller.status()
    assert (status["volume"], status["rate"], status["minimum_gap_s"]) == (0.5, 1.2, 60)
    assert bench.voice.settings["rate"] == 1.2


def _problem(bench: Bench, part: Part, is_problem: bool) -> Event:
    return ProblemChanged(at=bench.clock.utc(), part=part, is_problem=is_problem, text="/dev/x")


def _greeted(bench: Bench) -> ProblemAnnouncer:
    """Return one whose greeting was long ago, so that every part has worked since."""
    troubles = ProblemAnnouncer(bench.voice.announce, bench.clock.now_s)
    troubles.greet("", is_spoken=False)
    bench.clock.advance_to(3600)
    return troubles


def test_problems_are_said_once_each_way_without_paths() -> None:
    bench = Bench()
    troubles = _greeted(bench)
    assert troubles.spoken_summary() == "All is well."
    for is_problem in (True, True, False, False):
        troubles.accept(_problem(bench, Part.CAMERA, is_problem))
        if is_problem:
            assert troubles.open == {Part.CAMERA: "/dev/x"}
            assert troubles.spoken_summary() == "The camera is gone."
    assert bench.voice.texts == ["The camera is gone.", "The camera is back."]
    assert all(u.priority is Priority.ALERT for u in bench.voice.utterances)


@pytest.mark.parametrize("part", Part)
def test_every_part_has_words_or_none_on_purpose(part: Part) -> None:
    bench = Bench()
    troubles = _greeted(bench)
    troubles.accept(_problem(bench, part, True))
    expected = 0 if part in (Part.SOUND, Part.VOICE) else 1
    assert len(bench.voice.texts) == expected
