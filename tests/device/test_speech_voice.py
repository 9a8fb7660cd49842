"""The voice of a device without a loudspeaker: no process, no sound, about the right length."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from seealoud.device.errors import VoiceError
from seealoud.device.speech.voice import SilentVoice, find_voice

SENTENCE = "A brown dog runs through the grass."


def test_a_sentence_takes_about_as_long_as_the_built_in_voice() -> None:
    (chunk,) = SilentVoice.open(None).synthesize(SENTENCE)
    assert 1.5 < chunk.duration_s < 3.5
    assert not np.any(chunk.samples)
    (faster,) = SilentVoice.open(None).synthesize(SENTENCE, rate=2.0)
    assert faster.duration_s == pytest.approx(chunk.duration_s / 2, rel=0.01)


def test_nothing_is_said_without_words_or_when_cancelled() -> None:
    voice = SilentVoice.open(None)
    assert list(voice.synthesize(" \n")) == []
    cancelled = threading.Event()
    cancelled.set()
    assert list(voice.synthesize(SENTENCE, cancelled=cancelled)) == []


def test_a_voice_whose_files_are_missing_is_refused_as_with_a_loudspeaker(tmp_path) -> None:
    assert SilentVoice.open(str(find_voice().model_path)).start().sample_rate_hz > 0
    with pytest.raises(VoiceError, match="missing"):
        SilentVoice.open(str(tmp_path / "no.onnx"))
