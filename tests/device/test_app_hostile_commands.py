"""Commands that attackers send, carried out by a real daemon core: all answered, none fatal."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.daemon_core import DaemonCore, core_settings

from device.settings.paths import Directories
from device.settings.state import RunState, StateFile

PATHS = (
    *("\0", "~nosuchuser/x", "~", "/", "", ".", "..", "a\0b", "/dev/null", "/proc/self/mem"),
    *("/" + "x" * 300, "/x" * 3000, "\x1b[2J", "\n", "~nosuchuser", "/tmp/\x7f", "-", "\ud7ff"),
)
ACTIONS = (
    *("describe", "repeat", "stop", "say", "narrate", "snooze", "mute", "privacy", "set"),
    *("alerts", "self_check", "status", "summary", "", "\0", "reload"),
)
NAMES = ("volume", "rate", "minimum_gap_s", "snooze_min", "voice", "", "bundle")
TOPICS = (
    *(
        "command",
        "alerts/set",
        "narration/set",
        "mute/set",
        "privacy/set",
        "volume/set",
        "rate/set",
    ),
    *("minimum_gap_s/set", "snooze_min/set", "voice/set", "say/set", "nothing/set", "\0/set"),
)
ODD_NUMBERS = ("nan", "inf", "-inf", "1e400", "-0.0", "1" * 400, "٣", "1_0", "0x1", " 1 ")
numbers = st.one_of(
    st.floats(allow_nan=False), st.integers(-(10**30), 10**30), st.sampled_from([0, 1, -1, 1e308])
)
values = st.one_of(
    numbers,
    st.sampled_from(PATHS),
    st.sampled_from(ODD_NUMBERS),
    st.text(max_size=60),
    st.booleans(),
    st.none(),
    st.lists(st.integers(), max_size=2),
)
requests = st.fixed_dictionaries(
    {"action": st.sampled_from(ACTIONS)},
    optional={
        "name": st.sampled_from(NAMES),
        "value": values,
        "text": st.one_of(st.text(max_size=600), st.sampled_from(PATHS)),
        "minutes": values,
        "is_on": values,
        "id": st.one_of(st.text(max_size=70), st.integers()),
        "more": st.none(),
    },
)
payloads = st.one_of(
    requests.map(lambda x: json.dumps(x).encode()),
    st.binary(max_size=200),
    st.sampled_from((*PATHS, *ODD_NUMBERS, "ON", "off", "Built-in")).map(
        lambda x: x.encode("utf-8", "surrogatepass")
    ),
    st.sampled_from([b"[" * 4000, b'{"a":' * 600, b"\xff", b"", b"x" * 5000, b"null", b"1" * 4096]),
)
_TRIES = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def run_core(tmp_path: Path, work: Any, more: str = "") -> None:
    DaemonCore(core_settings(tmp_path, more), tmp_path, work).run()


def still_answers(core: DaemonCore) -> None:
    outcome = core.send_line(b'{"action": "status", "id": "last"}\n')
    assert outcome is not None
    assert outcome.is_accepted
    assert outcome.id == "last"
    assert core.send_mqtt("command", b'{"action": "status"}').is_accepted


@pytest.mark.parametrize("path", ["\0", "~nosuchuser/x", "/" + "x" * 300, "a\nb"])
def test_a_voice_that_is_no_path_is_refused_and_six_of_them_end_nothing(
    tmp_path: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    request = json.dumps({"action": "set", "name": "voice", "value": path}).encode()

    def work(core: DaemonCore) -> None:
        for _ in range(6):
            result = core.send_mqtt("command", request)
            assert not result.is_accepted
            assert result.reason
            outcome = core.send_line(request + b"\n")
            assert outcome is not None
            assert not outcome.is_accepted
        still_answers(core)

    with caplog.at_level(logging.INFO):
        run_core(tmp_path, work)
    assert not [record for record in caplog.records if record.exc_info]


def test_a_defect_in_one_command_becomes_its_answer_and_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def work(core: DaemonCore) -> None:
        def broken(*_: object) -> str:
            raise ZeroDivisionError("division by zero")

        core._answers = core._controller._answers
        object.__setattr__(core._answers, "self_check", broken)
        for _ in range(6):
            result = core.send_mqtt("command", b'{"action": "self_check", "id": "7"}')
            assert result.reason == "internal error: ZeroDivisionError: division by zero"
            assert result.id == "7"
            outcome = core.send_line(b'{"action": "self_check"}\n')
            assert outcome is not None
            assert outcome.reason == result.reason
        still_answers(core)

    with caplog.at_level(logging.WARNING):
        run_core(tmp_path, work)
    lines = [x for x in caplog.records if "ZeroDivisionError" in x.getMessage()]
    assert len(lines) == 12
    assert not [record for record in lines if record.exc_info]


def test_random_mqtt_messages_are_all_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def work(core: DaemonCore) -> None:
        @_TRIES
        @given(st.sampled_from(TOPICS), payloads, st.booleans())
        def send(topic: str, payload: bytes, is_retained: bool) -> None:
            core.send_mqtt(topic, payload, is_retained)

        send()
        still_answers(core)

    run_core(tmp_path, work)
    assert not [record for record in caplog.records if record.exc_info]
    assert "internal error" not in caplog.text


def test_random_socket_lines_are_all_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def work(core: DaemonCore) -> None:
        @_TRIES
        @given(payloads)
        def send(line: bytes) -> None:
            core.send_line(line)

        send()
        still_answers(core)

    run_core(tmp_path, work)
    assert not [record for record in caplog.records if record.exc_info]
    assert "internal error" not in caplog.text


states = st.one_of(
    st.binary(max_size=200),
    st.fixed_dictionaries(
        {},
        optional={
            "schema_version": st.sampled_from([1, 1.0, True, 2, "1", None]),
            "volume": values,
            "rate": values,
            "voice": values,
            "minimum_gap_s": values,
            "is_narrating": values,
            "is_alerting": values,
            "is_muted": values,
            "is_private": values,
            "snoozed_until": st.one_of(
                values,
                st.sampled_from(
                    [
                        "9999-12-31T23:59:59-23:59",
                        "0001-01-01T00:00:00+23:59",
                        "2026-11-25T10:00:00Z",
                    ]
                ),
            ),
        },
    ).map(lambda x: json.dumps({"schema_version": 1, **x}).encode()),
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(states)
def test_the_daemon_starts_with_any_state_file(
    tmp_path_factory: pytest.TempPathFactory, state: bytes
) -> None:
    folder = tmp_path_factory.mktemp("core")
    directories = Directories(folder / "config", folder / "state", folder / "run")
    directories.state.mkdir()
    directories.state_file.write_bytes(state)
    run_core(folder, still_answers)


@pytest.mark.parametrize("voice", ["\0", "~nosuchuser/x"])
def test_a_state_file_with_an_impossible_voice_does_not_stop_the_start(
    tmp_path: Path, voice: str
) -> None:
    directories = Directories(tmp_path / "config", tmp_path / "state", tmp_path / "run")
    directories.state.mkdir()
    directories.state_file.write_text(
        json.dumps({"schema_version": 1, "volume": 0.5, "voice": voice})
    )
    run_core(tmp_path, still_answers)
    assert StateFile(directories.state_file).read() == RunState(volume=0.5)


@settings(max_examples=300, deadline=None)
@given(states)
def test_any_state_file_can_be_read(tmp_path_factory: pytest.TempPathFactory, state: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "state.json"
    path.write_bytes(state)
    first = StateFile(path).read()
    assert StateFile(path).read() == first
