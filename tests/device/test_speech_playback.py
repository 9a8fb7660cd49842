"""Playback: the real aplay, and ALSA devices made of files."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.speech_cards import (
    BYTES_PER_S,
    DEADLINE_S,
    PIPE_BYTES,
    RATE_HZ,
    LastingCard,
    PacedCard,
    WavCard,
)

from seealoud.device.errors import PlaybackError, VoiceError
from seealoud.device.speech.aplay import AplayStream
from seealoud.device.speech.pcm import PcmChunk
from seealoud.device.speech.playback import AlsaPlayback, NullPlayback, Playback, Played

CUT_LIMIT_S = 0.1


def _tone(duration_s: float) -> PcmChunk:
    phase = np.arange(round(duration_s * RATE_HZ)) * (2 * np.pi * 440 / RATE_HZ)
    return PcmChunk((np.sin(phase) * 12_000).astype(np.int16), RATE_HZ)


@pytest.fixture
def wav_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WavCard:
    return WavCard(tmp_path, monkeypatch)


@pytest.fixture
def paced_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PacedCard]:
    card = PacedCard(tmp_path, monkeypatch)
    yield card
    card.close()


@pytest.fixture
def lasting_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LastingCard]:
    card = LastingCard(tmp_path, monkeypatch)
    yield card
    card.close()


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1) as executor:
        yield executor


# -- every playback keeps the same contract


@pytest.fixture(params=[NullPlayback, AlsaPlayback, partial(AlsaPlayback, is_kept_open=True)])
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


def test_a_cut_before_the_first_sound_starts_no_player(playback: Playback) -> None:
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


def test_an_unknown_device_is_named_with_the_next_step_and_without_alsas_own_lines() -> None:
    with pytest.raises(PlaybackError, match=r"^there is no sound device 'nonsense'; aplay -L"):
        AlsaPlayback("nonsense").play([_tone(0.1)])


def test_an_absent_card_is_an_error_also_for_long_sound(wav_card: WavCard) -> None:
    with pytest.raises(PlaybackError, match=r"^there is no sound device 'absent'; aplay -L"):
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
    with pytest.raises(PlaybackError, match=r"accepted no sound for 0\.3 s"):
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


# -- a player that is held ready


def test_a_player_held_ready_is_used_and_followed_by_another(lasting_card: LastingCard) -> None:
    playback = AlsaPlayback(is_kept_open=True)
    playback.prepare(RATE_HZ)
    first = playback.spare_pid
    assert first is not None
    playback.play([_tone(0.2)])
    lasting_card.wait_heard(0.2)
    assert np.array_equal(lasting_card.samples()[:4000], _tone(0.2).samples[:4000])
    assert playback.spare_pid not in (None, first)
    playback.close()
    assert playback.spare_pid is None


@pytest.mark.parametrize("prepared_hz", [8000, 48_000])
def test_a_player_of_another_rate_is_not_used(lasting_card: LastingCard, prepared_hz: int) -> None:
    playback = AlsaPlayback(is_kept_open=True)
    playback.prepare(prepared_hz)
    playback.play([_tone(0.2)])
    lasting_card.wait_heard(0.2)
    assert np.array_equal(lasting_card.samples()[:4000], _tone(0.2).samples[:4000])
    playback.close()


def test_a_player_that_ended_meanwhile_is_replaced(lasting_card: LastingCard) -> None:
    playback = AlsaPlayback(is_kept_open=True)
    playback.prepare(RATE_HZ)
    pid = playback.spare_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    playback.play([_tone(0.2)])
    lasting_card.wait_heard(0.2)
    assert np.array_equal(lasting_card.samples()[:4000], _tone(0.2).samples[:4000])
    playback.close()


def test_without_the_wish_no_player_is_held(lasting_card: LastingCard) -> None:
    playback = AlsaPlayback()
    playback.prepare(RATE_HZ)
    playback.play([_tone(0.1)])
    assert playback.spare_pid is None
