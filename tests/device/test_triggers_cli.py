"""``seealoud press``, as the user types it, against a real socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.triggers_parts import NotingController, target

from seealoud.device import requests as r
from seealoud.device.__main__ import main
from seealoud.device.commands.place import place
from seealoud.device.commands.press import press
from seealoud.device.commands.status_text import status_sentences
from seealoud.device.events import Answered, Event
from seealoud.device.records import Cause
from seealoud.device.triggers.control_socket import ControlSocket


class AnsweringController(NotingController):
    """As the daemon: what describes is answered later, by an event."""

    publish: Callable[[Event], None] | None = None

    def handle(self, request: r.Request, cause: Cause, asked_s: float) -> r.Outcome:
        outcome = super().handle(request, cause, asked_s)
        if isinstance(request, r.Describe | r.Where) and self.publish is not None:
            for id_, words in (("other", "Another answer."), (request.id, "A cat, on the left.")):
                self.publish(Answered(at=datetime.now(UTC), text=words, cause=cause, id=id_))
        data = outcome.data if isinstance(request, r.Status) else {}
        answer = ANSWERS.get(request.action, "")
        return outcome.model_copy(update={"answer": answer, "data": data})


ANSWERS = {"summary": "A dog, twice.", "narrate": "Narration on."}


class Daemon:
    def __init__(self, path: Path) -> None:
        self.path, self.controller = path, AnsweringController()
        self.trigger = ControlSocket(path, target(self.controller))
        self.controller.publish = self.trigger.accept
        self.trigger.start()

    def press(self, *argv: str) -> int:
        return main(["press", *argv, "--socket", str(self.path)])


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "s")
    yield made
    made.trigger.close()


@pytest.mark.parametrize(
    ("typed", "request_"),
    [
        ("describe --id a1", r.Describe(id="a1", wants_answer=True)),
        ("where --id a2", r.Where(id="a2", wants_answer=True)),
        ("repeat", r.Repeat()),
        ("stop", r.Stop()),
        ("narrate", r.Narrate()),
        ("narrate on", r.Narrate(is_on=True)),
        ("narrate off", r.Narrate(is_on=False)),
        ("snooze 20", r.Snooze(minutes=20)),
        ("alerts off", r.AlertSwitch(is_on=False)),
        ("mute on", r.Mute(is_on=True)),
        ("privacy off", r.Privacy(is_on=False)),
        ("set volume 0.5", r.Set(name="volume", value=0.5)),
        ("set voice /voices/amy.onnx", r.Set(name="voice", value="/voices/amy.onnx")),
        ("say Dinner!", r.Say(text="Dinner!")),
        ("say it is -5 outside", r.Say(text="it is -5 outside")),
        ("self-check", r.SelfCheck()),
        ("summary", r.Summary()),
        ("summary 90", r.Summary(minutes=90)),
    ],
)
def test_what_is_typed_is_what_the_daemon_gets(
    daemon: Daemon, typed: str, request_: r.Request
) -> None:
    assert daemon.press(*typed.split()) == 0
    assert [request for request, _, _ in daemon.controller.asked] == [request_]


def test_every_request_can_be_typed() -> None:
    actions = {
        model.model_fields["action"].default
        for model in r.__dict__.values()
        if isinstance(model, type) and "action" in getattr(model, "model_fields", {})
    }
    typed = [*press.commands, *(f"place_{name}" for name in place.commands if name != "list")]
    assert {name.replace("-", "_") for name in typed} == actions


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        (["describe"], "A cat, on the left.\n"),
        (["summary"], "A dog, twice.\n"),
        (["narrate", "on"], "Narration on.\n"),
        (["mute", "on"], ""),
        # One sentence a line: a value that this version does not know is printed as well.
        (["status"], "The volume is 0.5.\nNarration: yes.\n"),
    ],
)
def test_the_answer_is_printed(
    daemon: Daemon, capsys: pytest.CaptureFixture[str], typed: list[str], printed: str
) -> None:
    assert daemon.press(*typed) == 0
    assert capsys.readouterr().out == printed


def test_json_has_the_answer_to_describe(
    daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    assert daemon.press("describe", "--json", "--id", "a1") == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["answer"], printed["id"]) == ("A cat, on the left.", "a1")


def test_an_answer_that_does_not_come_is_an_error_that_says_so(
    daemon: Daemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seealoud.device.triggers.control_socket.ANSWER_WAIT_S", 0.01)
    daemon.controller.publish = None
    assert daemon.press("describe") == 11
    assert "has not answered yet" in capsys.readouterr().err


STATE: dict[str, bool | int | float | str | None] = {
    "is_narrating": True, "snoozed_until": None, "is_muted": False, "is_private": False,
    "volume": 1.0, "rate": 1.5, "voice": None, "minimum_gap_s": 8.0,
    "is_camera_available": True, "is_camera_problem": False, "frame_age_s": 0.0512, "drops": 1,
    "last_caption": "A dog runs.", "caption_latency_ms": 34.2, "temperature_c": 55.3,
    "bundle": "lite2", "uptime_s": 7503, "problems": "", "version": "0.1.0",
}  # fmt: skip


def test_the_status_is_read_as_sentences() -> None:
    assert list(status_sentences(STATE)) == [
        "SeeAloud 0.1.0 has been running for 2 hours and 5 minutes.",
        "Narration is on.",
        "Narrated sentences are at least 8 seconds apart.",
        "Sound is on.",
        "The volume is 1.",
        "The rate of speech is 1.5.",
        "The voice is the built-in one.",
        "Privacy is off.",
        "The camera works; its newest picture is 0.1 seconds old.",
        "1 picture was replaced by newer ones before being looked at.",
        "The last caption was: A dog runs. It took 34 milliseconds.",
        "The model is lite2.",
        "The processor's temperature is 55 degrees Celsius.",
        "No problem is known.",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"is_narrating": False}, "Narration is off."),
        ({"snoozed_until": "2031-05-06T14:30:00+00:00"}, "Narration is paused until "),
        ({"is_muted": True}, "Sound is muted, except for alerts."),
        ({"is_alerting": False}, "Alerts of rules are off."),
        ({"is_private": True, "is_camera_available": False},
         "Privacy is on, so the camera is closed."),
        ({"is_camera_problem": True, "is_camera_available": False}, "The camera does not work."),
        ({"is_camera_available": False}, "The camera is not open yet."),
        ({"frame_age_s": None}, "The camera is open, and has given no picture yet."),
        ({"last_caption": None}, "Nothing has been captioned yet."),
        ({"temperature_c": None}, "The processor's temperature is not available"),
        ({"uptime_s": 1}, "SeeAloud 0.1.0 has been running for 1 second."),
        ({"uptime_s": 90000}, "SeeAloud 0.1.0 has been running for 1 day and 1 hour."),
        ({"voice": "/v/amy.onnx"}, "The voice is /v/amy.onnx."),
        ({"problems": "camera:0 is gone"}, "Needs attention: camera:0 is gone"),
        ({"is_new_field": None}, "Is new field: not known."),
    ],
)  # fmt: skip
def test_each_state_has_its_sentence(
    changes: dict[str, bool | int | float | str | None], line: str
) -> None:
    said = list(status_sentences({**STATE, **changes}))
    assert any(sentence.startswith(line) for sentence in said), said
    # Nothing that a screen reader would spell out.
    assert not [x for x in said if "  " in x or "->" in x or x.startswith("-") or "_" in x]


def test_json_is_the_outcome_as_it_came(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert daemon.press("status", "--json", "--id", "x") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["data"] == {"narration": True, "volume": 0.5}
    assert printed["id"] == "x"


def test_a_refusal_is_one_line_and_exit_code_10(
    daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.controller.refusal = "there is no history: set is_on = true in [history]"
    assert daemon.press("summary") == 10
    captured = capsys.readouterr()
    assert captured.err == "seealoud: there is no history: set is_on = true in [history]\n"
    assert daemon.press("summary", "--json") == 10
    assert json.loads(capsys.readouterr().out)["is_accepted"] is False


@pytest.mark.parametrize(
    ("typed", "code", "named"),
    [
        (["snooze", "--", "-1"], 10, "minutes"),
        (["snooze", "nan"], 10, "minutes"),
        (["set", "bundle", "x"], 10, "name"),
        (["say", ""], 10, "text"),
        (["mute"], 2, "press mute --help"),
        (["narrate", "maybe"], 2, "maybe"),
        (["dance"], 2, "dance"),
        (["desribe"], 2, "Did you mean: seealoud press describe?"),
        (["doctor"], 2, "Did you mean: seealoud doctor?"),
        (["snooze", "soon"], 2, "'soon' is not a number of minutes"),
        (["set", "volum", "1"], 10, "name must be 'volume', 'rate'"),
    ],
)
def test_what_is_wrong_is_reported_in_one_line_without_a_daemon(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    typed: list[str],
    code: int,
    named: str,
) -> None:
    assert main(["press", typed[0], "--socket", str(tmp_path / "none"), *typed[1:]]) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert named in error


def test_no_daemon_is_exit_code_11_and_says_how_to_start_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["press", "describe", "--socket", str(tmp_path / "none")]) == 11
    error = capsys.readouterr().err
    assert "is it running? start it with: sudo systemctl start seealoud, or seealoud run" in error
    assert error.count("\n") == 1


def test_the_socket_may_come_from_the_environment(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEALOUD_SOCKET", str(daemon.path))
    assert main(["press", "describe"]) == 0
    monkeypatch.delenv("SEEALOUD_SOCKET")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(daemon.path.parent))
    daemon.path.rename(daemon.path.parent / "seealoud.sock")
    assert main(["press", "describe"]) == 0
    assert daemon.controller.actions == ["describe", "describe"]
