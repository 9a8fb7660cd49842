"""The short sounds, each known by its rhythm and its contour as well as by its pitch; pure.

    HEARD      one short tick that falls a little, like a tap on wood          60 ms
    CAPTURED   two quick even notes, the second a fifth higher: "ta-ti"       120 ms
    UNCHANGED  one long soft note that swells and fades, low: "mm"            150 ms
    FAILED     one rough tone that slides down an octave: "wow"               150 ms
    ALERT      three quick notes that climb: "ti-ti-ti"                       150 ms

They keep within 390..1600 Hz: small loudspeakers reproduce little below that, and ageing ears hear
little above it. Every note has a soft attack and decay to avoid clicks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seealoud.device.records import Earcon
from seealoud.device.speech.pcm import PcmChunk

_FULL_SCALE = 32_767
_ATTACK_S = 0.004
# A note's second harmonic, relative to the first: a bare sine is hard to locate.
_WARM = 0.2
_ROUGH = 0.8


@dataclass(frozen=True, slots=True)
class _Note:
    """A tone with a linear frequency sweep; pauses are notes of loudness 0."""

    duration_s: float
    start_hz: float
    end_hz: float
    loudness: float = 1.0
    decay: float = 3.0
    harmonic: float = _WARM


_PAUSE = _Note(0.015, 440.0, 440.0, loudness=0.0)
_NOTES = {
    Earcon.HEARD: (_Note(0.06, 1000.0, 880.0, decay=5.0),),
    Earcon.CAPTURED: (_Note(0.045, 660.0, 660.0), _PAUSE, _Note(0.06, 990.0, 990.0)),
    Earcon.UNCHANGED: (_Note(0.15, 520.0, 520.0, loudness=0.5, decay=0.0),),
    Earcon.FAILED: (_Note(0.15, 780.0, 390.0, decay=1.0, harmonic=_ROUGH),),
    Earcon.ALERT: (
        _Note(0.04, 880.0, 880.0),
        _PAUSE,
        _Note(0.04, 1175.0, 1175.0),
        _PAUSE,
        _Note(0.04, 1568.0, 1568.0),
    ),
}


def render_earcon(earcon: Earcon, sample_rate_hz: int, volume: float = 1.0) -> PcmChunk:
    """Return the sound; ``volume`` 1.0 (0..1) is as loud as the format goes."""
    wave_n = np.concatenate([_render_note(note, sample_rate_hz) for note in _NOTES[earcon]])
    samples = np.round(wave_n * (volume * _FULL_SCALE)).astype(np.int16)
    return PcmChunk(samples, sample_rate_hz)


def _render_note(note: _Note, sample_rate_hz: int) -> npt.NDArray[np.float64]:
    """Return float64 [n], -1..1."""
    count = round(note.duration_s * sample_rate_hz)
    at_s = np.arange(count) / sample_rate_hz
    part = np.linspace(0.0, 1.0, count)
    # The integral of a frequency that changes linearly from start to end.
    slope_hz = (note.end_hz - note.start_hz) / note.duration_s
    phase = 2 * np.pi * (note.start_hz * at_s + slope_hz * at_s**2 / 2)
    tone = np.sin(phase) + note.harmonic * np.sin(2 * phase)
    loudness = note.loudness / (1 + note.harmonic)
    return np.asarray(loudness * tone * _envelope(note, part), np.float64)


def _envelope(note: _Note, part: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the envelope of a note, 0..1, and 0 at both ends."""
    if not note.decay:
        return np.asarray(np.sin(np.pi * part) ** 2, np.float64)
    attack = min(_ATTACK_S / note.duration_s, 0.5)
    rise = np.sin(np.pi / 2 * np.clip(part / attack, 0, 1)) ** 2
    fall = np.cos(np.pi / 2 * np.clip((part - attack) / (1 - attack), 0, 1)) ** 2
    return np.asarray(rise * fall * np.exp(-note.decay * part), np.float64)
