"""The torture of one minute, as anyone can run it; and that its checks can fail."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from seealoud.device.requests import MAX_REQUEST_BYTES
from tools.processes import children, is_alive
from tools.torture.__main__ import ATTACKS, main
from tools.torture.hostile_pictures import damaged
from tools.torture.hostile_requests import hostile_command, hostile_line
from tools.torture.processes import DEADLINE_S, wait_for
from tools.torture.report import Section, has_failed, table

ROOT = Path(__file__).parents[1]
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
@pytest.mark.skipif(shutil.which("aplay") is None, reason="aplay is not installed")
def test_everything_holds_in_one_minute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("skimage", reason="the demo's photographs are missing: scripts/setup demo")
    file = tmp_path / "figures.json"
    code = main(["--minutes", "1", "--json", str(file)])
    figures = json.loads(file.read_text())
    assert [section["name"] for section in figures["sections"]] == list(ATTACKS)
    assert code == 0, capsys.readouterr().out


def test_hostile_commands_are_the_same_for_a_seed_and_of_every_kind() -> None:
    first, again = random.Random(1), random.Random(1)
    commands = [hostile_command(first) for _ in range(3000)]
    assert commands == [hostile_command(again) for _ in range(3000)]
    lines = [hostile_line(first) for _ in range(3000)]
    assert any(len(line) > MAX_REQUEST_BYTES for line in lines)
    assert any(not line.endswith(b"\n") for line in lines)
    assert any(b'"action": "describe"' in line for line in lines)
    assert any(b"nosuchuser" in payload for _, payload, _ in commands)
    assert any(is_retained for *_, is_retained in commands)


def test_hostile_pictures_differ_from_the_whole_one() -> None:
    rng, whole = random.Random(1), bytes(range(256)) * 20
    assert len({damaged(rng, whole) for _ in range(100)} - {whole}) > 50


def test_a_promise_that_is_broken_is_seen() -> None:
    section = Section("voice")
    section.equal("sentences heard", 200, 200)
    section.at_most("memory", 299.9, 300.0, "MB")
    section.expect("only shown", 7, None)
    assert not has_failed([section])
    section.none("nothing is lost", ["b17"])
    assert has_failed([section])
    assert section.details == {"nothing is lost": ["b17"]}
    assert table([section]).count(" NO") == 1
    worse = Section("soak")
    worse.at_most("memory", 300.1, 300.0, "MB")
    assert has_failed([worse])


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a short name: the path of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="t-") as name:
        yield Path(name)


def test_an_interrupted_torture_leaves_no_process_behind(short_folder: Path) -> None:
    command = [sys.executable, "-m", "tools.torture", "--only", "lines"]
    program = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "TMPDIR": str(short_folder)}, stdout=subprocess.PIPE
    )
    try:
        wait_for("the daemon listens", lambda: list(short_folder.glob("*/lines/run/*.sock")))
        daemons = children(program.pid, "tools.torture.daemon")
        assert daemons
        program.terminate()
        output, _ = program.communicate(timeout=DEADLINE_S)
    finally:
        program.kill()
    assert program.returncode == 1
    assert b"interrupted" in output
    assert not any(map(is_alive, daemons))
    assert list(short_folder.iterdir()) == []
