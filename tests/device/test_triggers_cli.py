"""``seealoud press``, as the user types it, against a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.triggers_parts import NotingController, target

from device import requests as r
from device.__main__ import main
from device.commands.daemon import press
from device.triggers.control_socket import ControlSocket


class Daemon:
    def __init__(self, path: Path) -> None:
        self.path, self.controller = path, NotingController()
        self.trigger = ControlSocket(path, target(self.controller))
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
        ("describe", r.Describe()),
        ("describe --id a1", r.Describe(id="a1")),
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
    assert {name.replace("-", "_") for name in press.commands} == actions


def test_the_status_is_a_table(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert daemon.press("status") == 0
    assert capsys.readouterr().out == "narration  yes\nvolume     0.5\n"


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
    ],
)
def test_what_is_wrong_is_told_in_one_line_without_a_daemon(
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
    assert "is it running? start it with: seealoud run, or systemctl status seealoud" in error
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
