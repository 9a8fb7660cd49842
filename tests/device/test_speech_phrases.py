"""Phrases that are kept in memory: what is kept, when it is used, and how the joint sounds."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from support.speech_cards import DEADLINE_S, RATE_HZ
from support.speech_rig import Rig, announcing

from seealoud.device.daemon.sentences import often_spoken
from seealoud.device.events import SpeechOutcome
from seealoud.device.records import Earcon
from seealoud.device.speech.pcm import PcmChunk
from seealoud.device.speech.phrases import LARGEST_BYTES, OPENINGS, PhraseCache
from seealoud.device.speech.piper import PiperOptions, PiperVoiceProcess
from seealoud.device.speech.playback import NullPlayback
from seealoud.device.speech.settings import SpeechSettings
from seealoud.device.speech.voice import find_voice

QUIET = SpeechSettings(are_earcons_on=False)
SURE = "I cannot tell."
ALL = [SURE, *OPENINGS.values()]


def _padded(*, lead_s: float = 0.05, tone_s: float = 0.2, tail_s: float = 0.3) -> PcmChunk:
    tone = np.full(round(tone_s * RATE_HZ), 9_000, np.int16)
    silences = [np.zeros(round(s * RATE_HZ), np.int16) for s in (lead_s, tail_s)]
    return PcmChunk(np.concatenate([silences[0], tone, silences[1]]), RATE_HZ)


def _filled(*sentences: str) -> PhraseCache:
    cache = PhraseCache(sentences)
    cache.use("voice", 1.0)
    while (missing := cache.next_missing()) is not None:
        cache.add(missing[0], [_padded()])
    return cache


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (SURE, ""),
        ("I cannot tell. I see a cat.", "I see a cat."),
        ("I cannot tell. Really.", ""),
        ("I think a dog runs.", "a dog runs."),
        ("Maybe I see a dog.", "I see a dog."),
        ("Alert: A dog.", "A dog."),
        ("I thinks a dog.", None),
        ("I cannot tell.I", None),
        ("A dog runs.", None),
        ("", None),
    ],
)
def test_phrase_cache_splits_a_text_after_the_longest_phrase(text: str, rest: str | None) -> None:
    sound, remaining = _filled(SURE, "I cannot tell. Really.").split(text)
    assert (sound is not None, remaining) == (rest is not None, text if rest is None else rest)


def test_phrase_cache_keeps_a_short_pause_after_an_opening_only() -> None:
    cache = _filled(SURE)
    lead = round(0.01 * RATE_HZ)
    for text, tail_s in (("I think so.", 0.07), (SURE, 0.3)):
        sound, _ = cache.split(text)
        assert sound is not None
        loud = np.flatnonzero(sound.samples)
        frame = RATE_HZ * 0.006
        assert loud[0] == pytest.approx(lead, abs=frame)
        assert len(sound.samples) - loud[-1] == pytest.approx(tail_s * RATE_HZ, abs=frame)


def test_phrase_cache_is_of_one_voice_at_one_rate() -> None:
    cache = _filled(SURE)
    for voice, rate in (("voice", 1.5), ("other", 1.5)):
        cache.use(voice, rate)
        assert cache.split(SURE) == (None, SURE)
        assert cache.next_missing() == (SURE, SURE)
        cache.add(SURE, [_padded()])
        cache.use(voice, rate)
        assert cache.split(f"{SURE} So.")[1] == "So."


def test_phrase_cache_never_exceeds_its_limit() -> None:
    cache = PhraseCache([f"Sentence {number}." for number in range(40)])
    cache.use("voice", 1.0)
    added = 0
    while (missing := cache.next_missing()) is not None:
        cache.add(missing[0], [_padded(tone_s=30.0)])
        added += 1
    assert LARGEST_BYTES / 2 < cache.size_bytes <= LARGEST_BYTES
    assert added < 10
    cache.use("voice", 2.0)
    assert cache.size_bytes == 0


@pytest.mark.parametrize("is_slow", [False, True])
def test_a_voice_that_is_too_slow_for_the_rest_speaks_the_sentence_whole(is_slow: bool) -> None:
    cache = PhraseCache([SURE])
    cache.use("voice", 1.0)
    while (missing := cache.next_missing()) is not None:
        cache.add(missing[0], [_padded()], took_s=len(missing[0]) * (0.04 if is_slow else 0.008))
    long = "a group of people are standing in front of a crowd."
    assert (cache.split(f"I think {long}")[0] is None) == is_slow
    assert cache.split("I think so.")[1] == "so."  # a short rest is ready in time
    assert cache.split(f"{SURE} {long}")[1] == long  # between sentences a pause is natural


def test_phrase_cache_survives_a_phrase_without_sound() -> None:
    cache = PhraseCache(["..."])
    cache.use("voice", 1.0)
    while (missing := cache.next_missing()) is not None:
        cache.add(missing[0], [])
    assert cache.split("... and so on") == (None, "... and so on")


# ------------------------------------------------------------ the announcer


def _wait(until: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not until():
        assert time.monotonic() < deadline_s
        time.sleep(0.002)


def _wait_filled(rig: Rig, voice: int = 0) -> None:
    _wait(lambda: len(rig.voices) > voice and rig.voices[voice].said[-1:] == ALL[-1:])
    _wait(lambda: rig.announcer.is_idle)


def test_phrases_are_kept_in_idle_moments_and_not_synthesised_again() -> None:
    speaker = NullPlayback()
    with announcing(speaker, QUIET, often_spoken=[SURE]) as rig:
        voice = rig.voices[0]
        _wait_filled(rig)
        assert voice.said == ALL
        voice.said.clear()
        rig.say("I think a dog runs.")
        assert rig.ear.wait_spoke(1)[0].outcome is SpeechOutcome.HEARD
        assert voice.said == ["a dog runs."]
        assert rig.announcer.last_text == "I think a dog runs."
        played = sum(len(chunk.samples) for chunk in speaker.last_chunks)
        opening = len(OPENINGS["I think"]) * RATE_HZ // 50
        assert played == pytest.approx(
            opening + len("a dog runs.") * RATE_HZ // 50, abs=RATE_HZ / 9
        )
        rig.say(SURE)
        assert rig.ear.wait_spoke(2)[1].outcome is SpeechOutcome.HEARD
        assert voice.said == ["a dog runs.", ""]


@pytest.mark.parametrize("what", ["rate", "voice"])
def test_phrases_are_synthesised_again_for_another_voice_or_rate(what: str) -> None:
    with announcing(NullPlayback(), QUIET, often_spoken=[SURE]) as rig:
        _wait_filled(rig)
        rig.voices[0].said.clear()
        if what == "rate":
            rig.announcer.set_rate(1.5)
        else:
            rig.announcer.set_voice("other.onnx")
        _wait_filled(rig, 0 if what == "rate" else 1)
        assert rig.voices[-1].said == ALL
        assert rig.voices[-1].rates[-1] == (1.5 if what == "rate" else 1.0)


@pytest.mark.parametrize("by", ["press", "words"])
def test_phrases_that_are_synthesised_in_advance_delay_no_utterance(by: str) -> None:
    with announcing(NullPlayback(), SpeechSettings(), often_spoken=[SURE]) as rig:
        voice = rig.voices[0]
        voice.gate.clear()
        _wait(lambda: voice.said == [SURE])  # it is being made, and takes for ever
        if by == "press":
            rig.announcer.earcon(Earcon.HEARD, 0.0)
            _wait(lambda: rig.announcer.is_idle)
        voice.gate.set()
        rig.say("A dog.")
        assert rig.ear.wait_spoke(1)[0].outcome is SpeechOutcome.HEARD
        _wait_filled(rig)
        assert voice.said.count(SURE) == 2  # interrupted, and made later


def test_a_voice_that_fails_in_idle_moments_is_a_problem_and_not_a_loop() -> None:
    with announcing(NullPlayback(), QUIET, often_spoken=["deadly"]) as rig:
        _wait(lambda: bool(rig.ear.problems))
        assert rig.voices[0].said.count("deadly") == 2
        rig.say("A dog.")
        rig.ear.wait_spoke(1)
        assert not rig.ear.problems[-1][1]


# ------------------------------------------------------------ the real voice


def test_the_kept_phrases_of_the_real_voice_join_without_a_seam() -> None:
    """Pause, level and clicks; ``tools.speech_joints`` prints more."""
    cache = PhraseCache(often_spoken())
    with PiperVoiceProcess(find_voice(), PiperOptions(is_deterministic=True)) as voice:
        cache.use(voice, 1.0)
        while (missing := cache.next_missing()) is not None:
            cache.add(missing[0], list(voice.synthesize(missing[1])))
        rest = next(iter(voice.synthesize("a dog runs through the grass."))).samples
    assert 1_000_000 < cache.size_bytes < 6_000_000
    for opening in OPENINGS:
        kept, _ = cache.split(f"{opening} a dog runs through the grass.")
        assert kept is not None
        samples = np.concatenate([kept.samples, rest]).astype(np.int32)
        joint = len(kept.samples)
        loud = np.flatnonzero(np.abs(samples) > 0.005 * 32_768)
        before, after = loud[loud < joint].max(), loud[loud >= joint].min()
        assert 0.05 < (after - before) / RATE_HZ < 0.25
        assert np.abs(np.diff(samples[joint - 200 : joint + 200])).max() < 0.01 * 32_768
        levels = [np.sqrt(np.mean(part**2.0)) for part in (samples[before - 6000 : before], rest)]
        assert 1 / 3 < levels[0] / levels[1] < 3
