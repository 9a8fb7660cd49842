"""From words to a sound card: the real voice, the real aplay, and ALSA devices made of files.

Two devices stand in for a sound card. `WavCard` is ALSA's file plugin: it takes sound as
fast as it comes and keeps a WAV file. `PacedCard` takes it at the pace of a loudspeaker,
through a pipe that holds 4096 bytes (93 ms), and notes when each byte was heard.
"""

from __future__ import annotations

import fcntl
import os
import select
import threading
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from device.errors import PlaybackError, VoiceError
from device.speech.aplay import AplayStream
from device.speech.pcm import PcmChunk
from device.speech.piper import PiperOptions, PiperVoiceProcess
from device.speech.playback import AlsaPlayback, NullPlayback, Playback, Played
from device.speech.speaker import PiperSpeaker, Speaker, Spoken
from device.speech.voice import find_voice

RATE_HZ = 22_050
BYTES_PER_S = 2 * RATE_HZ
PIPE_BYTES = 4096
SLICE_BYTES = 882  # 20 ms
CUT_LIMIT_S = 0.1
DEADLINE_S = 30.0
DOG = "A brown dog runs through the grass."
LONG = "A brown dog runs through the tall grass. " * 20
ALSA_CONFIG = """
pcm.!default {{ type plug; slave.pcm "capture" }}
pcm.capture {{ type file; slave.pcm "sink"; file "{file}"; format "{format}"; truncate true }}
pcm.sink {{ type null }}
pcm.absent {{ type hw; card 31 }}
"""


def _tone(duration_s: float) -> PcmChunk:
    phase = np.arange(round(duration_s * RATE_HZ)) * (2 * np.pi * 440 / RATE_HZ)
    return PcmChunk((np.sin(phase) * 12_000).astype(np.int16), RATE_HZ)


class WavCard:
    """An ALSA default device that writes what it plays into a WAV file."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._file = folder / "played.wav"
        config = folder / "asound.conf"
        config.write_text(ALSA_CONFIG.format(file=self._file, format="wav"))
        monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))

    def samples(self) -> np.ndarray:
        with wave.open(str(self._file)) as wav:
            assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (RATE_HZ, 1, 2)
            return np.frombuffer(wav.readframes(wav.getnframes()), "<i2")


class PacedCard:
    """An ALSA default device that plays one utterance in real time and notes what was heard."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fifo = folder / "loudspeaker"
        os.mkfifo(fifo)
        config = folder / "asound.conf"
        config.write_text(ALSA_CONFIG.format(file=fifo, format="raw"))
        monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
        # Open before aplay: it would wait for a reader, and the small pipe must be in place.
        self._fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._heard: list[tuple[float, int]] = []
        self._changed = threading.Condition()
        # Set before sound comes: then none is ever taken out of the pipe.
        self.is_stuck = False
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    def wait_heard(self, duration_s: float) -> None:
        """Return when so much sound has been heard."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: self.heard_s() >= duration_s, timeout=DEADLINE_S
            ), f"heard only {self.heard_s():.2f} s"

    def heard_s(self, after_s: float = 0.0) -> float:
        """Return how much sound came out after a moment of the monotonic clock."""
        return sum(size for at_s, size in self._heard if at_s > after_s) / BYTES_PER_S

    def last_heard_s(self) -> float:
        """Return the moment of the last sound."""
        return self._heard[-1][0]

    def wait_end(self) -> None:
        """Return when the pipe is empty and its writer gone."""
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()

    def close(self) -> None:
        self.wait_end()
        os.close(self._fd)

    def _play(self) -> None:
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        poller.poll(DEADLINE_S * 1000)
        os.set_blocking(self._fd, True)
        due_s = time.monotonic()
        while not self.is_stuck and (data := os.read(self._fd, SLICE_BYTES)):
            with self._changed:
                self._heard.append((time.monotonic(), len(data)))
                self._changed.notify_all()
            due_s += len(data) / BYTES_PER_S
            time.sleep(max(0.0, due_s - time.monotonic()))


@pytest.fixture
def wav_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WavCard:
    return WavCard(tmp_path, monkeypatch)


@pytest.fixture
def paced_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PacedCard]:
    card = PacedCard(tmp_path, monkeypatch)
    yield card
    card.close()


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1) as executor:
        yield executor


@pytest.fixture(scope="module")
def voice() -> Iterator[PiperVoiceProcess]:
    with PiperVoiceProcess(find_voice(), PiperOptions(is_deterministic=True)) as process:
        process.warm()
        yield process


# -- every playback keeps the same contract


@pytest.fixture(params=[NullPlayback, AlsaPlayback])
def playback(request: pytest.FixtureRequest, wav_card: WavCard) -> Iterator[Playback]:
    made: Playback = request.param()
    yield made
    made.close()


def test_all_chunks_are_played(playback: Playback) -> None:
    played = playback.play(iter([_tone(0.5), _tone(0.25)]))
    assert played.audio_s == pytest.approx(0.75, abs=1e-3)
    assert not played.was_cut
    assert played.first_sample_s is not None
    assert played.first_sample_s < 1


def test_no_chunks_are_no_sound_and_no_error(playback: Playback) -> None:
    assert playback.play([]) == Played(None, 0.0, False)


def test_a_cut_stops_the_rest_but_not_the_next(playback: Playback) -> None:
    def cut_after_one() -> Iterator[PcmChunk]:
        yield _tone(0.1)
        playback.cut()
        yield _tone(5.0)
        pytest.fail("asked for more after the cut")

    assert playback.play(cut_after_one()).was_cut
    assert not playback.play([_tone(0.1)]).was_cut


def test_a_cut_before_the_first_sound_starts_none(playback: Playback) -> None:
    def cut_first() -> Iterator[PcmChunk]:
        playback.cut()
        yield _tone(5.0)

    played = playback.play(cut_first())
    assert played.was_cut
    assert played.audio_s == 0


def test_a_cut_in_silence_does_nothing(playback: Playback) -> None:
    playback.cut()
    assert not playback.play([_tone(0.1)]).was_cut


def test_an_error_of_the_voice_passes_and_the_next_is_played(playback: Playback) -> None:
    def dies() -> Iterator[PcmChunk]:
        yield _tone(0.1)
        raise VoiceError("died")

    with pytest.raises(VoiceError, match="died"):
        playback.play(dies())
    assert playback.play([_tone(0.1)]).audio_s > 0


def test_a_closed_playback_refuses(playback: Playback) -> None:
    playback.close()
    playback.close()
    with pytest.raises(PlaybackError, match="closed"):
        playback.play([_tone(0.1)])


def test_null_playback_keeps_the_last_utterance_only() -> None:
    playback = NullPlayback()
    first, second = _tone(0.1), _tone(0.2)
    playback.play([first])
    playback.play([second])
    assert playback.utterances == 2
    assert playback.last_chunks == [second]


# -- ALSA


def test_alsa_gets_every_sample(wav_card: WavCard) -> None:
    chunks = [_tone(0.5), _tone(0.25)]
    AlsaPlayback().play(chunks)
    expected = np.concatenate([chunk.samples for chunk in chunks])
    played = wav_card.samples()
    # The file plugin pads the last period with zeros.
    assert np.array_equal(played[: len(expected)], expected)
    assert not played[len(expected) :].any()


def test_play_returns_when_all_is_heard(paced_card: PacedCard) -> None:
    started_s = time.monotonic()
    AlsaPlayback().play([_tone(0.5), _tone(0.5)])
    took_s = time.monotonic() - started_s
    # 93 ms may still be in the test's own pipe.
    assert 0.85 < took_s < 3
    paced_card.wait_end()
    assert paced_card.heard_s() >= 0.99


def test_an_unknown_device_quotes_alsa_and_the_next_step() -> None:
    with pytest.raises(PlaybackError, match=r"'nonsense'.*Unknown PCM nonsense.*aplay -L"):
        AlsaPlayback("nonsense").play([_tone(0.1)])


def test_an_absent_card_is_an_error_also_for_long_sound(wav_card: WavCard) -> None:
    with pytest.raises(PlaybackError, match=r"'absent'.*No such (file|device).*aplay -L"):
        AlsaPlayback("absent").play(_tone(2.0) for _ in range(3))


def test_without_aplay_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlaybackError, match="sudo apt install alsa-utils"):
        AlsaPlayback().play([_tone(0.1)])


def test_a_stream_cut_before_its_first_chunk_starts_no_aplay() -> None:
    stream = AplayStream("nonsense", stall_timeout_s=1.0)
    stream.cut()
    stream.write(_tone(0.1))
    stream.finish()  # would raise, had aplay met the device
    stream.close()
    stream.close()


@pytest.mark.parametrize("duration_s", [0.5, 5.0])
def test_a_stuck_card_is_an_error_in_time(paced_card: PacedCard, duration_s: float) -> None:
    paced_card.is_stuck = True
    started_s = time.monotonic()
    with pytest.raises(PlaybackError, match=r"took no sound for 0\.3 s"):
        AlsaPlayback(stall_timeout_s=0.3).play([_tone(duration_s)])
    assert time.monotonic() - started_s < 4


def test_a_cut_is_heard_within_100_ms(
    paced_card: PacedCard, background: ThreadPoolExecutor
) -> None:
    playback = AlsaPlayback()
    playing = background.submit(playback.play, [_tone(8.0)])
    paced_card.wait_heard(0.3)
    cut_s = time.monotonic()
    playback.cut()
    played = playing.result(DEADLINE_S)
    returned_s = time.monotonic()
    paced_card.wait_end()
    assert played.was_cut
    # aplay is dead and reaped, and what the card's pipe still held was little.
    assert returned_s - cut_s < CUT_LIMIT_S
    assert paced_card.heard_s(after_s=cut_s) <= PIPE_BYTES / BYTES_PER_S
    assert paced_card.last_heard_s() - cut_s < CUT_LIMIT_S


# -- the speaker


def test_it_says_the_sentence(voice: PiperVoiceProcess, wav_card: WavCard) -> None:
    spoken = PiperSpeaker(voice, AlsaPlayback()).say(DOG)
    assert (spoken.text, spoken.was_cut) == (DOG, False)
    played = wav_card.samples()
    expected = np.concatenate([chunk.samples for chunk in voice.synthesize(DOG)])
    assert np.array_equal(played[: len(expected)], expected)
    assert np.abs(played.astype(np.int32)).max() > 10_000
    assert spoken.audio_s == pytest.approx(len(expected) / RATE_HZ)
    assert 1.0 < spoken.audio_s < 4.0


def test_sound_starts_before_the_last_sentence_is_made(
    voice: PiperVoiceProcess, paced_card: PacedCard, background: ThreadPoolExecutor
) -> None:
    speaker: Speaker = PiperSpeaker(voice, AlsaPlayback())
    saying = background.submit(speaker.say, LONG)
    paced_card.wait_heard(0.1)
    heard_at_s = time.monotonic()
    speaker.cut()
    spoken = saying.result(DEADLINE_S)
    returned_s = time.monotonic()
    paced_card.wait_end()
    assert spoken.was_cut
    # Twenty sentences last some 40 s: only the first few had been handed over.
    assert 0 < spoken.audio_s < 20
    assert returned_s - heard_at_s < CUT_LIMIT_S
    assert paced_card.last_heard_s() - heard_at_s < CUT_LIMIT_S


def test_words_after_a_cut_are_said_whole(voice: PiperVoiceProcess) -> None:
    playback = NullPlayback()
    speaker = PiperSpeaker(voice, playback)
    speaker.cut()
    spoken = speaker.say("Yes.")
    assert not spoken.was_cut
    assert spoken.audio_s > 0.1
    assert sum(chunk.duration_s for chunk in playback.last_chunks) == spoken.audio_s


def test_a_cut_while_the_voice_loads_returns_at_once(background: ThreadPoolExecutor) -> None:
    with PiperVoiceProcess(find_voice()) as loading:
        speaker = PiperSpeaker(loading, NullPlayback())
        saying = background.submit(speaker.say, DOG)
        while loading.pid is None:  # it has begun to say
            time.sleep(0.005)
        started_s = time.monotonic()
        speaker.cut()
        assert saying.result(DEADLINE_S) == Spoken(DOG, None, 0.0, was_cut=True)
        assert time.monotonic() - started_s < CUT_LIMIT_S


def test_rate_and_volume_reach_the_voice(voice: PiperVoiceProcess) -> None:
    natural = PiperSpeaker(voice, NullPlayback()).say(DOG)
    playback = NullPlayback()
    fast = PiperSpeaker(voice, playback, rate=2.0, volume=0.25).say(DOG)
    assert fast.audio_s < 0.7 * natural.audio_s
    assert 0 < np.abs(playback.last_chunks[0].samples).max() < 9_000


def test_no_words_are_no_sound(voice: PiperVoiceProcess) -> None:
    assert PiperSpeaker(voice, NullPlayback()).say(" \n") == Spoken(" \n", None, 0.0, False)


def test_a_broken_card_is_an_error_and_the_next_card_works(voice: PiperVoiceProcess) -> None:
    with pytest.raises(PlaybackError, match="nonsense"):
        PiperSpeaker(voice, AlsaPlayback("nonsense")).say(LONG)
    assert PiperSpeaker(voice, NullPlayback()).say("Yes.").audio_s > 0


def test_closing_cuts_and_is_final() -> None:
    loading = PiperVoiceProcess(find_voice())
    speaker = PiperSpeaker(loading, NullPlayback())
    loading.warm()
    speaker.close()
    speaker.close()
    with pytest.raises(PlaybackError, match="closed"):
        speaker.say(DOG)
