"""``seealoud benchmark``: the block that it prints, and what it says where something is missing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.pictures import encoded, write
from support.tiny_bundle import TINY_BUNDLE

from device.__main__ import main
from device.doctor.machine import throttling_flags, throttling_words
from device.errors import VoiceError

BLOCK = [
    r"SeeAloud \d+\.\d+\.\d+, bundle tiny.*",
    r"Board: .+, \d+ cores, \d+ MB memory",
    r"System: .+, \S+, Python 3\.\d+\.\d+, (ai-edge-litert|tflite-runtime) [\d.]+",
    r"Temperature: (not available|\d+ degrees Celsius) before, (not available|\d+ .+) after",
    r"Throttling: .+",
    r"Load before: \d+\.\d",
    r"Pictures: generated, 2 rounds",
    r"Loading the models: \d+ ms",
    r"Preparing the picture: \d+\.\d ms, 95 % within \d+\.\d ms",
    r"Encoder: \d+\.\d ms, 95 % within \d+\.\d ms",
    r"Decoder: \d+\.\d ms, 95 % within \d+\.\d ms",
    r"Whole description, with the detector: \d+\.\d ms, 95 % within \d+\.\d ms",
    r"Voice, first sound of a sentence: \d+ ms",
    r"Peak memory without the voice: \d+ MB",
]


def test_benchmark_prints_a_short_block_without_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--bundle", str(TINY_BUNDLE), "--rounds", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(BLOCK)
    for line, pattern in zip(lines, BLOCK, strict=True):
        assert re.fullmatch(pattern, line), line
    assert str(Path.home()) not in "".join(lines)


def test_benchmark_with_own_pictures_and_without_a_voice_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = write(tmp_path / "a.png", encoded(np.full((24, 32, 3), 90, np.uint8), ".png"))

    def no_voice(path: object) -> None:
        raise VoiceError("the voice's file is missing")

    monkeypatch.setattr("device.speech.voice.find_voice", no_voice)
    arguments = ["benchmark", "--bundle", str(TINY_BUNDLE), "--rounds", "1", str(picture)]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "Pictures: own, 1 round\n" in out
    assert "Voice: not measured, because the voice's file is missing\n" in out
    assert main(["benchmark", str(tmp_path / "none.png")]) == 4


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (None, "not available on this machine"),
        (0, "none"),
        (0x1, "now: too little voltage"),
        (0x50000, "since the start: too little voltage, slowed down"),
        (
            0xE0008,
            "now: slowed down by heat; since the start: frequency limited, slowed down, slow",
        ),
    ],
)
def test_benchmark_says_what_slows_a_raspberry_pi_down(flags: int | None, words: str) -> None:
    assert throttling_words(flags).startswith(words)


def test_benchmark_reads_the_flags_of_the_firmware(tmp_path: Path) -> None:
    command = tmp_path / "vcgencmd"
    command.write_text("#!/bin/sh\necho throttled=0x50005\n")
    command.chmod(0o755)
    assert throttling_flags([str(command)]) == 0x50005
    assert throttling_flags([str(tmp_path / "none")]) is None


def test_benchmark_has_a_row_for_each_raspberry_pi_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "measured.md").read_text(encoding="utf-8")
    table = page.partition("## On a Raspberry Pi\n")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row[0].strip("| ") for row in rows] == ["Zero 2 W", "3B+", "4", "5"]
    # A figure, or plainly that there is none.
    assert all(re.search(r"\d|not measured yet", cell) for row in rows for cell in row[1:])
