"""``seealoud history`` as users call it: in this process, and once beside a real writer."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from support.captions import THINGS, THINGS_JSON
from support.history_events import (
    DEADLINE_S,
    ROOT,
    alerted,
    answered,
    decided,
    kept,
    message,
    problem,
)

from seealoud.device.commands.history import history
from seealoud.device.errors import ConfigError, HistoryError
from seealoud.device.events import DecisionReason
from seealoud.device.history.entries import FIELDS
from seealoud.device.history.history import History
from seealoud.device.history.reading import Selection, read_entries
from seealoud.device.history.schema import HISTORY_FILE, OUTBOX_FILE
from seealoud.device.history.settings import HistorySettings
from seealoud.device.mqtt.outbox import Outbox
from seealoud.device.testing import ManualClock

# The command's "now" is the machine's.
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    kept(
        tmp_path / HISTORY_FILE,
        answered("a dog in the grass", at=NOW - 3 * HOUR),
        decided("two men", is_spoken=True, reason=DecisionReason.CHANGED, at=NOW - 2 * HOUR),
        alerted('post, "urgent"\nü', at=NOW - HOUR / 2),
        problem(at=NOW - HOUR / 4),
        keep_days=3650,
    )
    return tmp_path


def run(*arguments: object, state: Path, answer: str = "") -> Result:
    words = [str(x) for x in arguments]
    return CliRunner().invoke(
        history, [*words, "--state", str(state)], input=answer, catch_exceptions=True
    )


def test_prints_oldest_first_in_local_time(state: Path) -> None:
    result = run(state=state)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 4
    first = (NOW - 3 * HOUR).astimezone()
    assert lines[0] == f"{first:%Y-%m-%d %H:%M:%S}  described  I think a dog in the grass."
    assert lines[1].endswith("narrated   two men. (changed)")
    assert lines[3].endswith("problem    The camera is away")


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        (["--since", "150m"], ["narrated", "alert", "problem"]),
        (["--since", "150m", "--until", "1h"], ["narrated"]),
        (["--limit", "1"], ["problem"]),
        (["--search", "MEN"], ["narrated"]),
        (["--search", "unicorn"], []),
        (["--until", "2020-01-01"], []),
    ],
)
def test_chooses(state: Path, options: list[str], kinds: list[str]) -> None:
    result = run(*options, "--json", state=state)
    assert result.exit_code == 0
    assert [json.loads(x)["kind"] for x in result.stdout.splitlines()] == kinds


def test_json_and_csv_carry_the_same_and_all_of_it(state: Path, tmp_path: Path) -> None:
    lines = run("--json", state=state).stdout.splitlines()
    objects = [json.loads(x) for x in lines]
    entries = list(read_entries(state / HISTORY_FILE, Selection()))
    assert objects == [x.to_json() for x in entries]
    assert [datetime.fromisoformat(x["at"]) for x in objects] == [x.at for x in entries]
    file = tmp_path / "history.csv"
    assert run("--csv", file, state=state).exit_code == 0
    assert run("--csv", "-", state=state).stdout.splitlines() == file.read_text().splitlines()
    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert [json.loads(x.pop("things")) for x in rows] == [x.pop("things") for x in objects]
    as_text = [{k: "" if v is None else str(v) for k, v in x.items()} for x in objects]
    assert rows == as_text
    assert rows[2]["reason"] == 'post, "urgent"\nü'


def test_things_are_found_and_printed(tmp_path: Path) -> None:
    quiet = replace(alerted("cats", at=NOW - HOUR), text="", caption=None, things=THINGS[:2])
    kept(tmp_path / HISTORY_FILE, answered("a sofa", at=NOW - 2 * HOUR, things=THINGS), quiet,
         answered("a road", at=NOW), keep_days=3650)  # fmt: skip
    lines = run("--search", "cat", "--json", state=tmp_path).stdout.splitlines()
    first, second = map(json.loads, lines)
    assert first["things"] == THINGS_JSON
    assert (second["kind"], len(second["things"])) == ("alert", 2)
    printed = run("--search", "cat", state=tmp_path).stdout.splitlines()
    assert printed[1].endswith("alert      A cat, on the left. Several bowls. (cats)")
    table = run("--csv", "-", "--search", "toaster", state=tmp_path).stdout
    (row,) = csv.DictReader(io.StringIO(table))
    assert json.loads(row["things"]) == first["things"]
    summary = json.loads(run("summary", "--since", "3h", "--json", state=tmp_path).stdout)
    assert [(x["what"], x["times"]) for x in summary["things"]] == [
        ("bowl", 1),
        ("cat", 1),
        ("oven", 1),
    ]


def test_csv_of_nothing_has_its_heading(state: Path) -> None:
    text = run("--csv", "-", "--search", "unicorn", state=state).stdout
    assert list(csv.reader(io.StringIO(text))) == [list(FIELDS)]


def test_what_could_steer_a_terminal_is_not_printed(tmp_path: Path) -> None:
    kept(tmp_path / HISTORY_FILE, alerted("\x1b[2J\nrule", at=NOW), keep_days=3650)
    output = run(state=tmp_path).stdout
    assert "\x1b" not in output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["--since", "soon"], ConfigError, "yesterday"),
        (["--since", "1h", "--until", "2h"], ConfigError, "is not before"),
        (["--json", "--csv", "-"], ConfigError, "one of them"),
        (["--csv", "/nowhere/x.csv"], ConfigError, "/nowhere/x.csv"),
    ],
)
def test_wrong_options_are_refused(
    state: Path, arguments: list[str], error: type[Exception], words: str
) -> None:
    result = run(*arguments, state=state)
    assert isinstance(result.exception, error)
    assert words in str(result.exception)


def test_without_a_history_says_so_and_leaves_no_table(tmp_path: Path) -> None:
    result = run("--csv", tmp_path / "x.csv", state=tmp_path)
    assert isinstance(result.exception, HistoryError)
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize("typed", [[], ["summary"], ["erase", "--yes"]])
def test_a_state_folder_that_does_not_exist_is_refused(tmp_path: Path, typed: list[str]) -> None:
    result = run(*typed, state=tmp_path / "typo")
    assert isinstance(result.exception, HistoryError)
    assert "typo: there is no such folder; " in str(result.exception)


def test_options_before_erase_do_not_erase_everything(state: Path) -> None:
    result = CliRunner().invoke(history, ["--since", "2h", "erase", "--yes", "--state", str(state)])
    assert result.exit_code == click.UsageError.exit_code
    assert "after 'erase'" in result.output
    assert len(run(state=state).stdout.splitlines()) == 4


def test_erases_a_span_after_asking(state: Path) -> None:
    refused = run("erase", "--since", "1h", state=state, answer="n\n")
    assert refused.exit_code == 1
    assert len(run(state=state).stdout.splitlines()) == 4
    result = run("erase", "--since", "1h", state=state, answer="y\n")
    assert result.exit_code == 0
    assert "2 entries" in result.stdout
    assert len(run(state=state).stdout.splitlines()) == 2


def test_erases_everything_with_yes(state: Path) -> None:
    outbox = Outbox(state / OUTBOX_FILE, 10)
    outbox.put(message(1))
    outbox.close()
    result = run("erase", "--yes", state=state)
    assert result.stdout == "Erased: 4 entries, 1 message for the broker, 0 damaged files.\n"
    assert run(state=state).stdout == ""


def test_sums_up_the_last_hour_or_another_span(state: Path) -> None:
    assert run("summary", state=state).stdout.startswith(
        "In the last hour: No captions. 1 alert: post,"
    )
    printed = json.loads(run("summary", "--since", "4h", "--json", state=state).stdout)
    assert {x["what"] for x in printed["seen"]} == {"a dog in the grass", "two men"}
    assert run("summary", "--since", "1s", state=state).stdout == "In the last minute: nothing.\n"


def test_the_program_works_beside_a_running_writer(tmp_path: Path) -> None:
    running = History(tmp_path / HISTORY_FILE, HistorySettings(), ManualClock(NOW))
    running.wake()
    running.accept(answered("a dog", at=NOW))
    running.step()
    code = "import sys; from seealoud.device.commands.history import history; history()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--json"],
        cwd=ROOT,
        env={"STATE_DIRECTORY": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    running.close()
    assert json.loads(done.stdout)["caption"] == "a dog"
