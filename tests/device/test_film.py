"""``seealoud describe FILM``: real films with sound, the shipped bundle, the real voice."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import wave
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.fakes import FakeParts
from support.films import (
    RATE_HZ,
    SIZE,
    make_film,
    needs_ffmpeg,
    photographs,
    read_cues,
    speech_like,
    still,
)
from support.shipped import needs_shipped_bundle

from seealoud.device.__main__ import main
from seealoud.device.commands.film import joined
from seealoud.device.commands.run_describe import DescribeParts
from seealoud.device.commands.subtitles import Cue, srt_text, vtt_text
from seealoud.device.errors import VoiceError
from seealoud.device.pictures.video import SAMPLE_PERIOD_S, Film
from seealoud.device.speech.pcm import PcmChunk
from seealoud.device.speech.protocol import Ready

BLACK = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
LENGTH_S = 28.0
LOUD = [(0.0, 4.0), (10.0, 19.0)]
WAIT_S = 300
Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the program: exit code, lines of stdout, lines of stderr."""

    def run(*arguments: object, fake: bool = False) -> tuple[int, list[str], list[str]]:
        code = main(["describe", *map(str, arguments)], FakeParts().parts if fake else None)
        said = capfd.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return run


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film of a cup, the dark, a cat, a flash, the same cat, and the cup again."""
    cup, cat, woman = (still(photographs()[name]) for name in ("coffee", "chelsea", "astronaut"))
    shots = [(cup, 9.0), (BLACK, 3.0), (cat, 4.0), (woman, 0.4), (cat, 3.6), (cup, 8.0)]
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return make_film(path, shots, speech_like(LENGTH_S, LOUD))


def samples(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()


def is_loud(path: Path, start_s: float, end_s: float) -> bool:
    whole, rate_hz = samples(path)
    part = whole[round(start_s * rate_hz) : round(end_s * rate_hz)]
    return bool(np.abs(part.astype(int)).max(initial=0) > 2000)


@needs_ffmpeg
@needs_shipped_bundle
def test_film_has_a_caption_for_each_scene_spoken_into_its_pauses(
    film: Path, tmp_path: Path, run: Run
) -> None:
    srt, vtt, wav, alone = (tmp_path / x for x in ("a.srt", "a.vtt", "a.wav", "alone.wav"))
    code, out, err = run(film, "--srt", srt, "--vtt", vtt, "--audio-description", wav)
    assert (code, err) == (0, [])
    cues = read_cues(srt)
    assert cues == read_cues(vtt)
    assert [cue[:2] for cue in cues] == [
        pytest.approx(times, abs=SAMPLE_PERIOD_S + 0.001)
        for times in [(0.0, 9.0), (12.0, 20.0), (20.0, LENGTH_S)]
    ]
    assert all(a[1] <= b[0] for a, b in pairwise(cues))
    cup, cat, again = (cue[2] for cue in cues)
    assert "cup" in cup
    assert "cat" in cat
    assert "cup" in again
    assert out[0] == (f"{film}: 4 scenes in 0:00:28; 1 of them could not be described. 3 captions.")
    # The cat is on while somebody speaks.
    assert out[1:] == [f"{wav}: 2 captions spoken; 1 did not fit."]
    assert len(samples(wav)[0]) / samples(wav)[1] == pytest.approx(LENGTH_S, abs=0.1)
    assert is_loud(wav, 0.0, 3.9)
    assert not is_loud(wav, 9.5, 9.9)
    assert is_loud(wav, 4.2, 6.0)
    assert is_loud(wav, 20.0, 22.5)

    code, out, err = run(film, "--audio-description", alone, "--beside")
    assert (code, err, out[1:]) == (0, [], [f"{alone}: 3 captions spoken."])
    assert len(samples(alone)[0]) == len(samples(wav)[0])
    assert is_loud(alone, 0.0, 2.0)
    assert not is_loud(alone, 8.0, 11.5)
    assert is_loud(alone, 12.0, 14.5)


@needs_ffmpeg
def test_film_refuses_what_it_cannot_do_before_it_begins(
    film: Path, tmp_path: Path, run: Run
) -> None:
    srt, wav = tmp_path / "a.srt", tmp_path / "a.wav"
    silent = make_film(tmp_path / "silent.mp4", [(BLACK, 1.0)])
    picture = tmp_path / "a.jpg"
    cv2.imwrite(str(picture), BLACK)
    bad = tmp_path / "bad.mp4"
    bad.write_text("no film")
    there = tmp_path / "there.srt"
    there.write_text("corrected by hand")
    refused = [
        ((film, "--srt", tmp_path / "a.txt"), 2, "the suffix must be .srt"),
        ((film, "--vtt", film), 2, "the suffix must be .vtt"),
        ((film, "--srt", there), 2, "exists, and is left as it is: name another file"),
        ((film, "--srt", tmp_path / "none" / "a.srt"), 13, "cannot be written: No such file"),
        ((film, silent, "--srt", srt), 2, "--srt is for one film, and 2 are named"),
        ((film, "--srt", srt, "--json"), 2, "--json has no effect on a film with --srt"),
        ((film, "--srt", srt, "--wav", wav), 2, "--wav has no effect on a film"),
        ((film, "--srt", srt, "--voice", wav), 2, "--voice has no effect on subtitles"),
        ((film, "--srt", srt, "--beside"), 2, "--beside has no effect by itself"),
        ((picture, "--srt", srt), 2, "is a picture, which has no scenes"),
        ((tmp_path, "--srt", srt), 2, "is not a film on this machine"),
        (("camera:0", "--srt", srt), 4, "camera:0 does not exist: name a film"),
        (("rtsp://127.0.0.1/x", "--srt", srt), 2, "is not a film on this machine"),
        ((bad, "--srt", srt), 4, "is not a video that can be read: name a film"),
        ((tmp_path / "no.mp4", "--srt", srt), 4, "no.mp4 does not exist: name a film"),
        ((silent, "--audio-description", wav), 7, "has no sound track to speak into: give"),
    ]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for arguments, code, reason in refused:
        found, out, err = run(*arguments)
        assert (found, out, len(err)) == (code, [], 1), (arguments, out, err)
        assert reason in err[0], err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@needs_ffmpeg
@needs_shipped_bundle
def test_film_in_the_dark_or_cut_off_is_described_as_far_as_it_goes(
    tmp_path: Path, run: Run
) -> None:
    dark = make_film(tmp_path / "dark.mkv", [(BLACK, 2.0)])
    files = [tmp_path / "dark.srt", tmp_path / "dark.vtt"]
    code, out, err = run(dark, "--srt", files[0], "--vtt", files[1])
    assert (code, err) == (0, [])
    assert out == [f"{dark}: 1 scene in 0:00:02; 1 of them could not be described. 0 captions."]
    assert [file.read_bytes() for file in files] == [b"", b"WEBVTT\n"]

    noise = np.random.default_rng(0).integers(0, 255, BLACK.shape, np.uint8)
    whole = make_film(tmp_path / "whole.avi", [(noise, 4.0)])
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    code, out, err = run(whole, "--srt", tmp_path / "cut.srt")
    assert code == 0
    assert len(err) == 1
    assert "could only be read until 0:00:0" in err[0]
    assert "of 0:00:04: is it whole?" in err[0]


class _LostVoice:
    """A voice that loads and then fails."""

    def start(self) -> Ready:
        return Ready(22_050, 0.1)

    def synthesize(self, text: str) -> list[PcmChunk]:
        raise VoiceError("the voice's process ended while it spoke: killed")

    def close(self) -> None:
        pass


@needs_ffmpeg
@needs_shipped_bundle
def test_film_keeps_its_subtitles_if_the_voice_fails_and_leaves_no_draft_behind(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cat = make_film(tmp_path / "cat.mp4", [(still(photographs()["chelsea"]), 2.0)])
    srt, wav = tmp_path / "a.srt", tmp_path / "a.wav"
    arguments = ["describe", str(cat), "--srt", str(srt), "--audio-description", str(wav)]
    code = main([*arguments, "--beside"], DescribeParts(open_voice=lambda path: _LostVoice()))
    assert code == 7
    assert "the voice's process ended" in capfd.readouterr().err
    ((start_s, end_s, text),) = read_cues(srt)
    assert (start_s, end_s) == (0.0, 2.0)
    assert "cat" in text
    assert sorted(tmp_path.iterdir()) == [srt, cat]


@needs_ffmpeg
@needs_shipped_bundle
def test_film_shows_its_progress_on_a_terminal_only(film: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seealoud", "describe", str(film), "--srt"]
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [*command, str(tmp_path / "a.srt")], stdout=theirs, stderr=theirs, stdin=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 1 << 16):
            shown += data
    except OSError:  # the terminal's other end is closed
        pass
    os.close(ours)
    assert done.wait(WAIT_S) == 0
    assert b"Describing" in shown
    assert f"/{LENGTH_S:.0f}".encode() in shown
    assert b" 3 captions." in shown


def test_film_cues_are_valid_and_a_caption_is_not_repeated(tmp_path: Path) -> None:
    scenes = [
        Cue(0.0, 2.0, ""),
        Cue(2.0, 3.3333, "I see ä <b> & c --> d."),
        Cue(3.3333, 3599.9999, "I see ä <b> & c --> d."),
        Cue(3599.9999, 3700.0, ""),
        Cue(3700.0, 3800.0, "I see ä <b> & c --> d."),
        Cue(3800.0, 350_000.5, "A dog runs."),
    ]
    cues = joined(scenes)
    assert cues == [replace(scenes[1], end_s=3599.9999), scenes[5]]
    srt, vtt = tmp_path / "a.srt", tmp_path / "a.vtt"
    srt.write_text(srt_text(cues), encoding="utf-8")
    vtt.write_text(vtt_text(cues), encoding="utf-8")
    assert read_cues(srt) == [
        (2.0, 3600.0, "I see ä <b> & c --> d."),
        (3800.0, 350_000.5, "A dog runs."),
    ]
    assert [cue[2] for cue in read_cues(vtt)] == [
        "I see ä &lt;b&gt; &amp; c --&gt; d.",
        cues[1].text,
    ]


def test_film_times_are_those_of_the_frames(tmp_path: Path) -> None:
    """Also of Motion JPEG, whose packets are read undecoded."""
    path = tmp_path / "a.avi"
    fourcc = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, fourcc, RATE_HZ, SIZE)
    for number in range(50):
        writer.write(np.full_like(BLACK, number * 5))
    writer.release()
    film = Film(path)
    found = [(at_s, int(image_hwc.mean())) for at_s, image_hwc in film.pictures()]
    film.close()
    assert film.length_s == pytest.approx(2.0)
    assert [at_s for at_s, _ in found] == pytest.approx([0.0, 0.32, 0.64, 0.96, 1.28, 1.6, 1.92])
    assert [level for _, level in found] == pytest.approx(
        [round(at_s * RATE_HZ) * 5 for at_s, _ in found], abs=3
    )
