"""``scripts/benchmark --peers`` with tiny contestants: real processes, no PyTorch, no Keras.

What is left to go wrong with the real ones is that they fail, fall silent, talk on stdout, or
cannot be installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from seealoud.device.errors import InferenceError, SeeAloudError
from tools import bench_peers as bench
from tools import benchmark
from tools import peer_venv as venv
from tools.bench_report import print_peers

ROOT = Path(__file__).parent.parent
FACTS = {"runtime": "none", "words": 12, "parameters": 2_500_000, "model_bytes": 10_000_000}
# Prints to stdout as libraries do, records each turn in a file, and reports the given times.
CONTESTANT = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tools.peer_worker import serve, take_stdout
name, order, *clock_ms = sys.argv[1:]
times = [(float(ms), float(ms) / 2) for ms in clock_ms]
out = take_stdout()
print("a library's progress bar")
def turn():
    print("another one")
    with open(order, "a") as file:
        file.write(name)
    return times
serve(turn, {FACTS!r}, out)
"""


def python(name: str, program: str, *arguments: str) -> bench.Contestant:
    return bench.Contestant(name, (sys.executable, "-c", program, *arguments))


# ---------------------------------------------------------------- turns and ratios


def test_within_each_round_each_has_its_turn_in_order() -> None:
    order: list[str] = []

    def turn_of(name: str, ms: float) -> list[tuple[float, float]]:
        order.append(name)
        return [(ms, ms)]

    taken = bench.take_turns([lambda: turn_of("a", 1.0), lambda: turn_of("b", 2.0)], 3)
    assert "".join(order) == "ababab"
    assert taken == [[[(1.0, 1.0)]] * 3, [[(2.0, 2.0)]] * 3]


def test_ratios_are_of_one_round_so_that_a_slow_moment_cancels_out() -> None:
    # In the second round the machine was four times slower for everybody.
    ours_rounds = [[(10.0, 2.0), (11.0, 2.0), (12.0, 2.0)], [(44.0, 2.0)], [(11.0, 2.0)]]
    ours = bench.Measured("ours", FACTS, ours_rounds, 100.0)
    theirs_rounds = [[(110.0, 60.0)], [(440.0, 60.0)], [(110.0, 60.0)]]
    theirs = bench.Measured("theirs", FACTS, theirs_rounds, 800.0)
    first, second = bench.compare([ours, theirs])
    assert second["time_to_ours"] == {"median": 10.0, "p95": 10.0}
    assert second["cpu_to_ours"] == {"median": 30.0, "p95": 30.0}
    assert second["memory_to_ours"] == 8.0
    assert second["caption_ms"]["median"] == 110.0
    assert first["caption_ms"]["median"] == 11.0
    assert (first["time_to_ours"]["median"], first["memory_to_ours"]) == (1.0, 1.0)


def test_the_real_contestants_are_there_ours_first() -> None:
    entered = bench.contestants(Path("bundle"), [Path("a.png"), Path("b.png")], Path("/torch"))
    ours, blip, seed = (contestant.command for contestant in entered)
    assert ours[0] == seed[0] == sys.executable
    assert blip[0] == "/torch"
    assert ours[3:] == ("tools.peer_seealoud", "bundle", "a.png", "b.png")
    modules = [command[3].replace(".", "/") for command in (ours, blip, seed)]
    assert all((ROOT / f"{module}.py").is_file() for module in modules)


def test_without_tensorflow_the_next_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SeeAloudError, match="scripts/setup training"):
        benchmark._peers(Path("bundle"), [])


# ---------------------------------------------------------------- processes


def test_contestants_of_real_processes_are_measured_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = tmp_path / "order"
    entered = [
        python("ours", CONTESTANT, "a", str(order), "2", "4"),
        python("theirs", CONTESTANT, "b", str(order), "300"),
    ]
    peers = bench.measure_peers(entered, 2)
    assert order.read_text() == "abab"
    ours, theirs = peers["contestants"]
    assert ours["caption_ms"]["median"] == 3.0
    assert theirs["time_to_ours"]["median"] == 100.0
    assert ours["peak_memory_mb"] > 5  # a Python's
    assert theirs["parameters"] == FACTS["parameters"]

    print_peers(peers)
    rows = {line[:24].strip(): line[24:].split() for line in capsys.readouterr().out.splitlines()}
    assert rows[""] == ["ours", "theirs"]
    assert rows["whole caption"] == ["3.00", "(4.00)", "300.00", "(300.00)"]
    assert rows["parameters"] == ["2.5", "million", "2.5", "million"]


@pytest.mark.parametrize(
    "program",
    [
        "raise ImportError('no torch here')",
        "print('{}'); input(); raise ImportError('no torch here')",
    ],
    ids=["at its start", "in a turn"],
)
def test_a_contestant_that_fails_is_named_with_its_error(program: str) -> None:
    contestant = python("BLIP", program.replace("print('{}')", "print('{}', flush=True)"))
    with pytest.raises(InferenceError, match=r"(?s)BLIP ended with exit code 1: .*no torch here"):
        bench.measure_peers([contestant], 1)


def test_a_contestant_that_falls_silent_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_SILENCE_TIMEOUT_S", 0.1)
    monkeypatch.setattr(bench, "_STOP_TIMEOUT_S", 0.1)
    contestant = python("BLIP", "import time; time.sleep(600)")
    with pytest.raises(InferenceError, match="BLIP did not answer"):
        bench.measure_peers([contestant], 1)


# ---------------------------------------------------------------- PyTorch's environment


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record what would be run, and make the environment's Python."""
    run: list[list[str]] = []

    def record(command: list[str], folder: Path) -> None:
        run.append(command)
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "bin" / "python").touch()

    monkeypatch.setattr(venv, "_run", record)
    monkeypatch.setattr(venv, "_answers", lambda url: False)
    return run


def test_the_environment_is_made_once(
    commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert venv.peers_python(tmp_path) == tmp_path / "bin" / "python"
    assert [command[2] for command in commands] == ["venv", "pip"]
    assert set(venv.REQUIREMENTS) < set(commands[1])
    venv.peers_python(tmp_path)
    assert len(commands) == 2
    monkeypatch.setattr(venv, "REQUIREMENTS", ("torch==3.0",))
    venv.peers_python(tmp_path)
    assert len(commands) == 4


@pytest.mark.parametrize("does_answer", [True, False])
def test_the_index_of_cpu_wheels_is_used_only_where_it_answers(
    commands: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    does_answer: bool,
) -> None:
    monkeypatch.setattr(venv, "_answers", lambda url: does_answer)
    venv.peers_python(tmp_path)
    assert ("--extra-index-url" in commands[1]) == does_answer


def test_an_index_that_refuses_does_not_answer() -> None:
    # Port 9, discard: nothing listens there.
    assert not venv._answers("http://127.0.0.1:9")


def test_a_failed_installation_says_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venv, "REQUIREMENTS", ())
    fails = [sys.executable, "-c", "import sys; sys.exit('no space left')"]
    with pytest.raises(SeeAloudError, match=r"(?s)no space left.*run scripts/benchmark --peers"):
        venv._run(fails, tmp_path)
    with pytest.raises(SeeAloudError, match="No such file"):
        venv._run([str(tmp_path / "python")], tmp_path)


def test_no_extra_of_the_project_brings_them() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    declared = [project["dependencies"], *project["optional-dependencies"].values()]
    kept_out = {requirement.partition("==")[0] for requirement in venv.REQUIREMENTS}
    names = {re.split(r"[<>=!~\[; ]", line)[0] for group in declared for line in group}
    assert names & kept_out == set()
