"""Measures the joint between an opening that is kept in memory and the rest of the sentence.

    .venv/bin/python -m tools.speech_joints [--wav FOLDER] [--rate RATE]

Twenty sentences are spoken twice by the built-in voice: joined as the daemon does it, and whole,
with a comma after the opening, where the voice itself pauses. For both, the table has the pause in
milliseconds, the change of level (dB) and of pitch (semitones) across it, and for the joined one
the largest step between two samples at the joint, in percent of full scale (a click is 10 or more).
With ``--wav`` all of them are written, to be listened to.
"""

from __future__ import annotations

import argparse
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from seealoud.device.speech.pcm import PcmChunk, write_wav
from seealoud.device.speech.phrases import OPENINGS, PhraseCache
from seealoud.device.speech.piper import PiperVoiceProcess
from seealoud.device.speech.voice import find_voice

SENTENCES = (
    "I think a group of people are standing in front of a crowd.",
    "I think two children are playing on a toy.",
    "I think I see a baseball player in a game. I also see a baseball bat on the right.",
    "I think a snowboarder is jumping in the air.",
    "I think I see a bed in a room. I also see a chair on the left.",
    "I think a skier is skiing down a snowy hill.",
    "I think a man and a woman are posing for a picture.",
    "I think a car is in the snow. I also see a truck.",
    "I think a boy is doing a trick on a skateboard.",
    "I think two little girls are sitting on a bench.",
    "Maybe a red car is parked in front of a red truck.",
    "Maybe a man is surfing in the ocean. I do see a person.",
    "Maybe I see a woman in a shirt. I do see a person and a tie.",
    "Maybe a surfer is riding a wave. I do see a surfboard on the right.",
    "Maybe a group of people are standing in front of a bar.",
    "Maybe I see a sink in a bathroom. I also see a toilet.",
    "Maybe a young boy is running on the beach.",
    "Maybe two dogs play in the grass.",
    "Alert: A brown dog runs through the grass.",
    "Alert: A cat, on the left.",
)
_FRAME_S = 0.005
_SILENT_DB = -50.0
_LEVEL_S = 0.3
_PITCH_WINDOW_S = 0.045
_PITCH_LOOK_S = 0.25
_LOWEST_HZ, _HIGHEST_HZ = 60, 200
_VOICED = 0.6

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Pause:
    """What is heard around a pause.

    Attributes:
        gap_ms: its length.
        level_db: level after it minus level before it.
        pitch_semitones: pitch after it relative to that before it; NaN if either is unvoiced.
    """

    gap_ms: float
    level_db: float
    pitch_semitones: float


def _level_db(samples: Samples) -> float:
    part = samples.astype(np.float64) / 32_768
    return float(10 * np.log10(np.mean(part**2) + 1e-12)) if len(part) else -120.0


def _silent_runs(samples: Samples, rate_hz: int) -> list[tuple[int, int]]:
    """Return the beginning and the end of each silence between two sounds, in samples."""
    frame = round(_FRAME_S * rate_hz)
    levels = [_level_db(samples[i : i + frame]) for i in range(0, len(samples) - frame, frame)]
    loud = [index for index, level in enumerate(levels) if level > _SILENT_DB]
    return [((a + 1) * frame, b * frame) for a, b in pairwise(loud) if b > a + 1]


def _pitch_hz(samples: Samples, rate_hz: int) -> float:
    """Return the median pitch of the voiced parts by autocorrelation; NaN if there are none."""
    window, found = round(_PITCH_WINDOW_S * rate_hz), []
    shortest, longest = rate_hz // _HIGHEST_HZ, rate_hz // _LOWEST_HZ
    for start in range(0, len(samples) - window, round(0.01 * rate_hz)):
        part = samples[start : start + window].astype(np.float64)
        part -= part.mean()
        same = np.correlate(part, part, "full")[window - 1 :]
        if same[0] <= 0 or _level_db(samples[start : start + window]) < -35:
            continue
        lag = shortest + int(np.argmax(same[shortest:longest]))
        if same[lag] / same[0] > _VOICED:
            found.append(rate_hz / lag)
    return float(np.median(found)) if found else float("nan")


def pause_at(samples: Samples, rate_hz: int, near: int | None = None) -> Pause:
    """Return the pause after the opening.

    Args:
        samples: int16 [n].
        rate_hz: samples per second.
        near: a sample within the pause; None for the longest one in the first 1.3 s.
    """
    runs = _silent_runs(samples, rate_hz)
    if near is None:
        early = [run for run in runs if run[0] < 1.3 * rate_hz] or [(0, 0)]
        begin, end = max(early, key=lambda run: run[1] - run[0])
    else:
        begin, end = min(runs, key=lambda run: max(run[0] - near, near - run[1]))
    level, look = round(_LEVEL_S * rate_hz), round(_PITCH_LOOK_S * rate_hz)
    before_hz = _pitch_hz(samples[max(0, begin - look) : begin], rate_hz)
    after_hz = _pitch_hz(samples[end : end + look], rate_hz)
    return Pause(
        (end - begin) / rate_hz * 1000,
        _level_db(samples[end : end + level]) - _level_db(samples[max(0, begin - level) : begin]),
        12 * float(np.log2(after_hz / before_hz)),
    )


def _spoken(voice: PiperVoiceProcess, text: str, rate: float) -> PcmChunk:
    chunks = list(voice.synthesize(text, rate=rate))
    return PcmChunk(np.concatenate([c.samples for c in chunks]), chunks[0].sample_rate_hz)


def main() -> None:
    """Print the table, and write the WAV files."""
    parser = argparse.ArgumentParser(description="Measure the joint after a kept opening.")
    parser.add_argument("--wav", type=Path, help="folder for the sound of all sentences")
    parser.add_argument("--rate", type=float, default=1.0, help="pace of the words")
    given = parser.parse_args()
    joined: list[Pause] = []
    own: list[Pause] = []
    print(f"{'':44}       joined by the device           the voice's own comma")
    print(f"{'':44} pause ms  level  pitch  step %   pause ms  level  pitch")
    with PiperVoiceProcess(find_voice()) as voice:
        cache = PhraseCache(())
        cache.use(voice, given.rate)
        while (missing := cache.next_missing()) is not None:
            cache.add(missing[0], [_spoken(voice, missing[1], given.rate)])
        for number, text in enumerate(SENTENCES, start=1):
            kept, rest = cache.split(text)
            assert kept is not None
            later = _spoken(voice, rest, given.rate)
            samples = np.concatenate([kept.samples, later.samples])
            opening = next(o for o in OPENINGS if text.startswith(f"{o} "))
            pause = "" if opening.endswith(":") else ","
            whole = _spoken(voice, f"{opening}{pause} {rest}", given.rate)
            at, rate_hz = len(kept.samples), kept.sample_rate_hz
            joined.append(pause_at(samples, rate_hz, at))
            own.append(pause_at(whole.samples, rate_hz))
            around = samples[at - 3 : at + 3].astype(np.float64)
            step = float(np.abs(np.diff(around)).max()) / 327.68
            print(_row(text, joined[-1], own[-1], step))
            if given.wav is not None:
                given.wav.mkdir(parents=True, exist_ok=True)
                write_wav(given.wav / f"{number:02}-joined.wav", [PcmChunk(samples, rate_hz)])
                write_wav(given.wav / f"{number:02}-whole.wav", [whole])
    for name, of in (("median", median), ("smallest", min), ("largest", max)):
        values = [
            [of(v for v in column if v == v) for column in zip(*map(astuple, p), strict=True)]
            for p in (joined, own)
        ]
        print(_row(name, Pause(*values[0]), Pause(*values[1]), float("nan")))


def _row(name: str, joined: Pause, own: Pause, step: float) -> str:
    return (
        f"{name[:44]:44} {joined.gap_ms:8.0f} {joined.level_db:6.1f} {joined.pitch_semitones:6.1f}"
        f" {step:7.2f}   {own.gap_ms:8.0f} {own.level_db:6.1f} {own.pitch_semitones:6.1f}"
    )


if __name__ == "__main__":
    main()
