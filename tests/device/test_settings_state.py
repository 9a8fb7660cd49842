"""The state file, which nothing may break the daemon with, and the lock on its directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from seealoud.device.errors import DaemonError
from seealoud.device.events import Event, ProblemChanged
from seealoud.device.settings.paths import StateLock
from seealoud.device.settings.schema import Settings
from seealoud.device.settings.state import OVERRIDES, RunState, StateFile, peek

FULL = RunState(
    volume=0.5,
    rate=1.25,
    voice="/voices/amy.onnx",
    minimum_gap_s=20.0,
    is_narrating=False,
    is_alerting=False,
    is_muted=True,
    is_private=True,
    snoozed_until=datetime(2026, 11, 25, 6, 30, tzinfo=UTC),
)
_TIMEOUT_S = 30


class Problems:
    def __init__(self) -> None:
        self.reported: list[tuple[bool, str]] = []

    def __call__(self, event: Event) -> None:
        assert isinstance(event, ProblemChanged)
        self.reported.append((event.is_problem, event.text))


# --- reading and writing ----------------------------------------------------------------------


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "made" / "state.json"
    StateFile(path).write(FULL)
    assert StateFile(path).read() == FULL
    assert path.stat().st_mode & 0o777 == 0o600
    assert [x.name for x in path.parent.iterdir()] == ["state.json"]


def test_nothing_changed_yet_is_the_defaults(tmp_path):
    problems = Problems()
    assert StateFile(tmp_path / "state.json", problems).read() == RunState()
    assert not problems.reported
    assert set(RunState().model_dump(exclude={"schema_version"}).values()) == {None}


def test_the_same_state_is_not_written_again(tmp_path):
    path = tmp_path / "state.json"
    file = StateFile(path)
    file.write(FULL)
    first = path.stat()
    file.write(RunState.model_validate(FULL.model_dump()))
    assert path.stat().st_ino == first.st_ino
    again = StateFile(path)
    again.write(again.read())  # nor after a restart
    assert path.stat().st_ino == first.st_ino
    file.write(FULL.model_copy(update={"volume": 0.25}))
    assert path.stat().st_ino != first.st_ino
    assert StateFile(path).read().volume == 0.25


BROKEN = [
    b"",
    b"\0" * 300,
    FULL.model_dump_json().encode()[:40],
    b"[1, 2]",
    b"null",
    b'{"other": "program"}',
    b'{"schema_version": 2, "volume": 0.5}',
    b"\xff\xfe",
    b"[" * 10_000,
]


@pytest.mark.parametrize("data", BROKEN)
def test_a_broken_file_is_put_aside_and_the_daemon_starts(tmp_path, data):
    path, problems = tmp_path / "state.json", Problems()
    path.write_bytes(data)
    file = StateFile(path, problems)
    assert file.read() == RunState()
    assert (tmp_path / "state.json.broken").read_bytes() == data
    assert peek(path) == RunState()
    assert [report[0] for report in problems.reported] == [True, False]
    assert "state.json.broken" in problems.reported[0][1]
    file.write(FULL)
    assert StateFile(path, problems).read() == FULL
    assert len(problems.reported) == 2


def test_a_problem_is_logged_where_no_listener_takes_it(tmp_path, caplog):
    (tmp_path / "state.json").write_bytes(b"")
    StateFile(tmp_path / "state.json").read()
    assert "state.json.broken" in caplog.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 400), st.binary(max_size=3))
def test_no_tear_and_no_bit_rot_stops_the_start(tmp_path, cut, junk):
    path = tmp_path / "state.json"
    data = FULL.model_dump_json().encode()
    path.write_bytes(data[:cut] + junk + data[cut + 3 :])
    StateFile(path).read()


@pytest.mark.parametrize(
    ("values", "kept", "named"),
    [
        ({"volume": 99.0, "is_private": True}, RunState(is_private=True), "volume"),
        ({"volume": "loud", "rate": 1.5}, RunState(rate=1.5), "volume"),
        (
            {"snoozed_until": "2026-11-25T06:30:00", "is_muted": True},
            RunState(is_muted=True),
            "snooz",
        ),
        ({"later": 1, "voice": ""}, RunState(voice=""), "later"),
        ({"minimum_gap_s": -1.0, "rate": 99.0}, RunState(), "minimum_gap_s, rate"),
    ],
)
def test_values_that_make_no_sense_do_not_cost_the_others(tmp_path, values, kept, named):
    path, problems = tmp_path / "state.json", Problems()
    path.write_text(json.dumps({"schema_version": 1, **values}))
    assert peek(path) == kept
    assert path.exists()
    file = StateFile(path, problems)
    assert file.read() == kept
    assert file.read() == kept  # as often as it is asked
    assert StateFile(path).read() == kept
    assert named in problems.reported[0][1]
    assert (tmp_path / "state.json.broken").exists()


def test_a_full_or_read_only_disk_is_reported_once_and_so_is_its_end(tmp_path):
    (tmp_path / "state").write_text("a file where the directory should be")
    problems = Problems()
    file = StateFile(tmp_path / "state" / "state.json", problems)
    assert file.read() == RunState()
    file.write(FULL)
    file.write(RunState(volume=0.1))
    assert [report[0] for report in problems.reported] == [True]
    (tmp_path / "state").unlink()
    file.write(FULL)
    assert [report[0] for report in problems.reported] == [True, False]
    assert StateFile(tmp_path / "state" / "state.json").read() == FULL


def test_what_could_not_be_saved_is_saved_when_there_is_room_again(tmp_path):
    (tmp_path / "state").write_text("a file where the directory should be")
    path, problems, now_s = tmp_path / "state" / "state.json", Problems(), 0.0
    file = StateFile(path, problems, now_s=lambda: now_s)
    file.write(FULL)
    file.retry_where_due()
    (tmp_path / "state").unlink()
    file.retry_where_due()  # too early: a disk that fails is not tried twice a second
    assert not path.exists()
    now_s = 60.0
    file.retry_where_due()
    assert StateFile(path).read() == FULL
    assert [report[0] for report in problems.reported] == [True, False]
    inode = path.stat().st_ino
    file.retry_where_due()
    file.close()
    assert path.stat().st_ino == inode


def test_what_could_not_be_saved_is_saved_at_the_end_too(tmp_path):
    (tmp_path / "state").write_text("a file where the directory should be")
    path = tmp_path / "state" / "state.json"
    file = StateFile(path)
    file.write(FULL)
    (tmp_path / "state").unlink()
    file.close()
    assert StateFile(path).read() == FULL


def test_a_change_that_was_taken_back_before_it_could_be_saved_leaves_no_problem(tmp_path):
    path, problems = tmp_path / "state.json", Problems()
    file = StateFile(path, problems)
    file.write(FULL)
    (tmp_path / ".state.json.new").mkdir()  # in the way
    file.write(RunState())
    (tmp_path / ".state.json.new").rmdir()
    file.write(FULL)
    assert [report[0] for report in problems.reported] == [True, False]
    assert StateFile(path).read() == FULL


def test_the_old_file_is_whole_when_the_new_one_cannot_be_made(tmp_path):
    path = tmp_path / "state.json"
    file = StateFile(path)
    file.write(FULL)
    (tmp_path / ".state.json.new").mkdir()  # in the way
    file.write(RunState())
    assert StateFile(path).read() == FULL


def test_peek_touches_nothing(tmp_path):
    path = tmp_path / "state.json"
    assert peek(path) == RunState()
    path.write_bytes(b"{")
    assert peek(path) == RunState()
    assert [x.name for x in tmp_path.iterdir()] == ["state.json"]


# --- what a state may hold --------------------------------------------------------------------


def test_every_override_names_a_key_of_the_settings_of_the_same_kind():
    defaults = Settings()
    for name, (table, key) in OVERRIDES.items():
        assert name in RunState.model_fields
        default = getattr(getattr(defaults, table), key)
        assert isinstance(default, bool) == (name == "is_narrating")


@pytest.mark.parametrize("name", ["volume", "rate", "minimum_gap_s"])
def test_the_range_is_that_of_the_settings(name):
    with pytest.raises(ValidationError, match=name):
        RunState.model_validate({name: 1e9})
    with pytest.raises(ValidationError, match=name):
        RunState.model_validate({name: float("nan")})


def test_a_snooze_has_a_time_zone():
    with pytest.raises(ValidationError, match="snoozed_until"):
        RunState(snoozed_until=datetime(2026, 11, 25, 6, 30))


# --- one daemon for each directory ------------------------------------------------------------

HOLDER = """
import sys
from pathlib import Path
from seealoud.device.settings.paths import StateLock
with StateLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "state")],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_daemon_is_refused_and_the_message_names_the_first(tmp_path, holder):
    with pytest.raises(DaemonError, match=rf"process {holder.pid}\).*STATE_DIRECTORY"):
        StateLock(tmp_path / "state").acquire()
    with StateLock(tmp_path / "other"):
        pass


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_lock_ends_with_its_process_however_it_ends(tmp_path, holder, end):
    holder.send_signal(end)
    holder.wait(_TIMEOUT_S)
    with StateLock(tmp_path / "state"):
        assert (tmp_path / "state" / "seealoud.lock").read_text() == f"{os.getpid()}\n"


def test_after_close_the_next_one_may_run(tmp_path):
    first, second = StateLock(tmp_path), StateLock(tmp_path)
    first.acquire()
    with pytest.raises(DaemonError):
        second.acquire()
    first.close()
    first.close()
    second.acquire()
    second.close()


def test_a_directory_that_cannot_be_written_to_is_named_and_ends_no_start(tmp_path, caplog):
    (tmp_path / "file").touch()
    with StateLock(tmp_path / "file" / "state"):
        pass
    (warning,) = caplog.messages
    assert str(tmp_path / "file" / "state") in warning
    assert "$STATE_DIRECTORY" in warning
