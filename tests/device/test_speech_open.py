"""What the settings of the speech name is opened: real voices, counted when they die."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import pytest

from seealoud.device.errors import VoiceError
from seealoud.device.speech.piper import PiperVoices
from seealoud.device.speech.playback import AlsaPlayback, NullPlayback, open_playback
from seealoud.device.speech.settings import SpeechSettings
from seealoud.device.speech.voice import with_kept_voice


def _voice_files(folder: Path) -> Path:
    (folder / "amy.onnx.json").write_text("{}")
    (folder / "amy.onnx").write_bytes(b"a model")
    return folder / "amy.onnx"


def test_a_voice_that_dies_is_counted_when_its_successor_starts_and_another_voice_continues() -> (
    None
):
    voices = PiperVoices()
    first = voices.open(None)
    try:
        first.start()
        assert voices.restarts == 0  # the first start is not a restart
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        # Not reaped yet: wait for the zombie, not for a time.
        os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
        assert voices.restarts == 0
        first.start()
        assert voices.restarts == 1
        second = voices.open(None)
        second.warm()
        second.close()
        assert voices.restarts == 1
    finally:
        first.close()


def test_a_voice_without_its_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match=r"nobody\.onnx"):
        PiperVoices().open(str(tmp_path / "nobody.onnx"))


def test_the_sound_goes_where_the_settings_want_it() -> None:
    assert isinstance(open_playback(SpeechSettings(output="none")), NullPlayback)
    playback = open_playback(SpeechSettings())
    assert isinstance(playback, AlsaPlayback)
    playback.close()


def test_the_voice_that_was_chosen_last_comes_before_the_settings(tmp_path: Path) -> None:
    amy = _voice_files(tmp_path)
    settings = SpeechSettings(voice=Path("/voices/bob.onnx"), rate=1.5)
    assert with_kept_voice(settings, None) is settings
    assert with_kept_voice(settings, str(amy)).voice == amy
    assert with_kept_voice(settings, "").voice is None  # the built-in one
    assert with_kept_voice(settings, str(amy)).rate == 1.5


def test_a_chosen_voice_that_is_gone_is_logged_and_the_settings_apply(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = SpeechSettings(voice=_voice_files(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert with_kept_voice(settings, "/voices/bob.onnx") is settings
    assert "/voices/bob.onnx" in caplog.text
