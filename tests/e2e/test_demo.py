"""``scripts/demo`` as a user runs it: the shipped bundle, a real voice and a real broker."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import wave
from pathlib import Path

import pytest
from support import pictures

ROOT = Path(__file__).parent.parent.parent
# As scripts/demo sets it, so that the tree of this test is used from any directory.
# The whole demo is promised to end in two minutes.
DEADLINE_S = 120
TERMINATED = 128 + signal.SIGTERM
needs_aplay = pytest.mark.skipif(
    shutil.which("aplay") is None, reason="aplay is not installed (apt: alsa-utils)"
)
ALSA_FILE_CARD = """\
pcm.!default {{ type plug; slave.pcm "capture" }}
pcm.capture {{ type file; slave.pcm "sink"; file "{file}"; format "wav"; truncate true }}
pcm.sink {{ type null }}
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def demo_command(output: Path, *arguments: str) -> list[str]:
    # Without the set-up of scripts/demo: these tests run in the environment that is there.
    return [sys.executable, "-m", "tools.demo", "--output", str(output), *arguments]


def run_demo(output: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        demo_command(output, *arguments),
        cwd=output,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )


def is_broker_gone(output: str) -> bool:
    found = re.search(r"on 127\.0\.0\.1:(\d+), until", output)
    assert found is not None
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(found[1]))) != 0


def wav_seconds(path: Path) -> float:
    with wave.open(str(path)) as sound:
        return sound.getnframes() / sound.getframerate()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return pictures.write(
        tmp_path / "my picture.png", pictures.encoded(pictures.four_colours(), ".png")
    )


def test_the_sample_photographs_are_captioned_spoken_and_published(tmp_path: Path) -> None:
    done = run_demo(tmp_path, "--no-speak")
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert len(names) == 6
    for name in names:
        assert re.search(rf"^{name}: [A-Z].*\.$", done.stdout, re.MULTILINE), name
        assert re.search(rf"^    {name} +(\d+\.\d ms +){{4}}\d+\.\d ms$", done.stdout, re.MULTILINE)
    made_for, _, others = done.stdout.partition("Made for pictures like these:")[2].partition(
        "and not for these:"
    )
    assert re.search(r"^    chelsea\.png +a cat's face$", made_for, re.MULTILINE)
    assert re.search(r"^    rocket\.jpg +a rocket", others, re.MULTILINE)
    assert "reads no text, knows no faces and judges no distances" in done.stdout
    assert "captions that came back over MQTT: 6" in done.stdout
    assert done.stdout.index("availability: online") < done.stdout.index("availability: offline")
    assert wav_seconds(tmp_path / "captions.wav") > len(names)
    assert is_broker_gone(done.stdout)


def test_a_machine_without_mosquitto_uses_amqtt(tmp_path: Path, picture: Path) -> None:
    done = run_demo(tmp_path, "--no-speak", "--broker", "amqtt", picture.name)
    assert done.returncode == 0, done.stderr
    assert "amqtt on 127.0.0.1" in done.stdout
    assert "Made for pictures" not in done.stdout, "nobody knows what the user's own ones show"
    assert "captions that came back over MQTT: 1" in done.stdout
    assert is_broker_gone(done.stdout)


def test_a_bad_picture_is_reported_and_the_others_are_captioned(
    tmp_path: Path, picture: Path
) -> None:
    done = run_demo(tmp_path, "--no-speak", "absent.jpg", picture.name)
    assert done.returncode == 4
    assert "absent.jpg" in done.stderr
    assert "captions that came back over MQTT: 1" in done.stdout


@needs_aplay
def test_it_speaks_aloud_with_the_option(
    tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "asound.conf"
    config.write_text(ALSA_FILE_CARD.format(file=tmp_path / "played.wav"))
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    done = run_demo(tmp_path, "--speak", picture.name)
    assert done.returncode == 0, done.stderr
    # By size: the header of ALSA's file plugin overstates the length.
    played, written = tmp_path / "played.wav", tmp_path / "captions.wav"
    assert played.stat().st_size >= written.stat().st_size


def test_it_cleans_up_when_it_is_stopped(tmp_path: Path) -> None:
    command = demo_command(tmp_path, "--no-speak")
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout as lines:
        printed = ""
        while "availability: online" not in printed:
            line = lines.readline()
            assert line, printed
            printed += line
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 2, "the broker and the command"
        process.terminate()
        lines.read()
    assert process.wait(DEADLINE_S) == TERMINATED
    assert is_broker_gone(printed)
    assert not any(Path("/proc", child).exists() for child in children)
