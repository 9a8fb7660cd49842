"""The announcer on fake playback: who is heard, who is cut off, and how problems are reported."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from support.speech_cards import DEADLINE_S
from support.speech_rig import BROKEN, DEADLY, Rig, ToneVoice, announcing

from seealoud.device.clock import ReplayClock
from seealoud.device.errors import PlaybackError, VoiceError
from seealoud.device.events import Part, SpeechOutcome
from seealoud.device.records import Cause, Earcon, Priority
from seealoud.device.speech.pcm import PcmChunk
from seealoud.device.speech.playback import NullPlayback, Played
from seealoud.device.speech.settings import SpeechSettings

HEARD, CUT, REPLACED = SpeechOutcome.HEARD, SpeechOutcome.CUT, SpeechOutcome.REPLACED
SILENT, FAILED = SpeechOutcome.SILENT, SpeechOutcome.FAILED
NARRATION, ALERT, ANSWER = Priority


class Loudspeaker(NullPlayback):
    """Takes sound at once; can be unplugged, and can hold an utterance until it is cut.

    Attributes:
        played: the samples of each sound, in order.
        is_plugged: whether it takes sound.
        failures: how many sounds it refuses though it is plugged in.
        is_holding: whether a sound lasts until it is cut.
    """

    def __init__(self) -> None:
        super().__init__()
        self.played: list[np.ndarray] = []
        self.is_plugged, self.failures, self.tries = True, 0, 0
        self.is_holding = False
        self.holds = threading.Event()

    def play(self, chunks: Iterable[PcmChunk]) -> Played:
        self.tries += 1
        if not self.is_plugged or self.failures:
            next(iter(chunks), None)  # as a player does, it takes some before it refuses
        if not self.is_plugged:
            raise PlaybackError("the sound device 'default' refused the sound: no such device")
        if self.failures:
            self.failures -= 1
            raise PlaybackError("the sound device 'default' refused the sound: broken pipe")
        played = super().play(self._held(chunks))
        if self.last_chunks:
            self.played.append(np.concatenate([chunk.samples for chunk in self.last_chunks]))
        return played

    def _held(self, chunks: Iterable[PcmChunk]) -> Iterator[PcmChunk]:
        for chunk in chunks:
            yield chunk
            if self.is_holding:
                self.holds.set()
                deadline_s = time.monotonic() + DEADLINE_S
                while not self._is_cut.is_set():
                    assert time.monotonic() < deadline_s
                    time.sleep(0.002)
                self.holds.clear()


def _quiet(**changes: object) -> SpeechSettings:
    return SpeechSettings.model_validate({"are_earcons_on": False, **changes})


def _hold(rig: Rig, speaker: Loudspeaker, text: str, priority: Priority) -> None:
    """Have something said that lasts until it is cut."""
    speaker.is_holding = True
    speaker.holds.clear()
    rig.say(text, priority)
    assert speaker.holds.wait(DEADLINE_S)
    speaker.is_holding = False


def test_an_utterance_is_played_and_published_with_its_delay() -> None:
    with announcing(NullPlayback(), clock=ReplayClock(datetime.now(UTC))) as rig:
        rig.say("A dog.", asked_s=0.0)
        (spoke,) = rig.ear.wait_spoke(1)
        assert (spoke.outcome, spoke.first_sample_s, spoke.detail) == (HEARD, 0.0, "")
        assert rig.announcer.last_text == "A dog."


def test_an_answer_cuts_narration_and_an_alert_waits_for_it() -> None:
    speaker = Loudspeaker()
    with announcing(speaker) as rig:
        _hold(rig, speaker, "narration", NARRATION)
        _hold(rig, speaker, "answer", ANSWER)
        rig.say("alert", ALERT)
        rig.say("newer answer")
        rig.ear.wait_spoke(4)
        assert rig.ear.outcomes == [
            ("narration", CUT),
            ("answer", CUT),
            ("newer answer", HEARD),
            ("alert", HEARD),
        ]


def test_twenty_announcements_never_pile_up() -> None:
    speaker = Loudspeaker()
    with announcing(speaker) as rig:
        _hold(rig, speaker, "answer 0", ANSWER)
        for number in range(20):
            rig.say(f"narration {number}", NARRATION)
        assert rig.ear.counts == {REPLACED: 19}
        for number in range(1, 20):
            rig.say(f"answer {number}")
        rig.ear.wait_spoke(40)
        assert rig.ear.outcomes[-1] == ("answer 19", HEARD)
        assert rig.announcer.is_idle


def test_stop_silences_all() -> None:
    speaker = Loudspeaker()
    with announcing(speaker) as rig:
        _hold(rig, speaker, "answer", ANSWER)
        rig.say("alert", ALERT)
        rig.say("narration", NARRATION)
        rig.announcer.stop()
        rig.ear.wait_spoke(3)
        assert rig.ear.counts == {CUT: 3}
        rig.say("next")
        assert rig.ear.wait_spoke(4)[-1].outcome is HEARD


def test_a_cut_while_the_voice_still_thinks_makes_no_sound() -> None:
    speaker = Loudspeaker()
    with announcing(speaker) as rig:
        rig.voices[0].gate.clear()
        rig.say("slow")
        while not rig.voices[0].said:
            time.sleep(0.002)
        rig.announcer.stop()
        (spoke,) = rig.ear.wait_spoke(1)
        assert (spoke.outcome, spoke.first_sample_s) == (CUT, None)
        assert not speaker.played
        assert rig.announcer.last_text is None


def test_a_press_is_noticed_in_the_middle_of_words() -> None:
    speaker = Loudspeaker()
    with announcing(speaker) as rig:
        _hold(rig, speaker, "narration", NARRATION)
        rig.announcer.earcon(Earcon.HEARD, 0.0)
        rig.say("answer")
        rig.ear.wait_spoke(2)
        assert rig.ear.outcomes == [("narration", CUT), ("answer", HEARD)]
        words, tick, answer = speaker.played
        assert len(tick) < min(len(words), len(answer))


def test_the_last_utterance_is_repeated() -> None:
    speaker = Loudspeaker()
    with announcing(speaker) as rig:
        assert not rig.announcer.repeat(Cause.BUTTON, 0.0)
        _hold(rig, speaker, "a long story", NARRATION)
        assert rig.announcer.repeat(Cause.BUTTON, 0.0) == "a long story"  # begun is heard
        rig.ear.wait_spoke(2)
        assert rig.ear.outcomes == [("a long story", CUT), ("a long story", HEARD)]
        assert rig.ear.spoke[1].utterance.cause is Cause.BUTTON


def test_muted_nothing_is_played_and_everything_is_published() -> None:
    speaker = Loudspeaker()
    with announcing(speaker) as rig:
        _hold(rig, speaker, "answer", ANSWER)
        rig.announcer.set_muted(True)
        rig.ear.wait_spoke(1)
        rig.announcer.earcon(Earcon.HEARD, 0.0)
        rig.say("another")
        rig.ear.wait_spoke(2)
        rig.announcer.set_muted(False)
        rig.say("third")
        rig.ear.wait_spoke(3)
        assert [outcome for _, outcome in rig.ear.outcomes] == [CUT, SILENT, HEARD]
        assert len(speaker.played) == 2


def test_muted_alerts_of_rules_are_heard_and_not_cut() -> None:
    speaker = Loudspeaker()
    with announcing(speaker) as rig:
        _hold(rig, speaker, "answer", ANSWER)
        rig.say("a cat", ALERT, cause=Cause.NARRATION)
        rig.say("camera gone", ALERT, cause=Cause.STARTUP)
        rig.announcer.set_muted(True)
        rig.announcer.earcon(Earcon.ALERT, 0.0)
        rig.say("a dog", ALERT, cause=Cause.NARRATION)
        rig.say("dinner", ALERT)  # as by Home Assistant
        rig.say("narration", NARRATION, cause=Cause.NARRATION)
        rig.ear.wait_spoke(6)
        assert set(rig.ear.outcomes) == {
            ("answer", CUT),
            ("camera gone", CUT),
            ("a cat", HEARD),
            ("a dog", HEARD),
            ("dinner", SILENT),
            ("narration", SILENT),
        }
        speaker.is_holding = True
        rig.say("a bird", ALERT, cause=Cause.NARRATION)
        assert speaker.holds.wait(DEADLINE_S)
        rig.announcer.set_muted(True)
        assert len(rig.ear.outcomes) == 6  # it is still being spoken
        rig.announcer.stop()
        assert rig.ear.wait_spoke(7)[-1].outcome is CUT


def test_an_utterance_without_words_is_published() -> None:
    with announcing(NullPlayback(), _quiet()) as rig:
        rig.say("  ")
        (spoke,) = rig.ear.wait_spoke(1)
        assert (spoke.outcome, spoke.detail) == (FAILED, "the text has no words")
        assert not rig.ear.problems


def test_the_worker_shows_progress_and_its_end_cuts() -> None:
    speaker = Loudspeaker()
    with announcing(speaker) as rig:
        notes = threading.Semaphore(0)
        rig.announcer.report_progress_to(notes.release)
        rig.voices[0].gate.clear()
        rig.say("slow")
        for _ in range(5):
            assert notes.acquire(timeout=DEADLINE_S)
        rig.worker.request_stop()
        assert rig.worker.join(DEADLINE_S)
        assert rig.ear.outcomes == [("slow", CUT)]


def test_after_its_end_it_is_silent() -> None:
    with announcing(NullPlayback()) as rig:
        rig.worker.request_stop()
        assert rig.worker.join(DEADLINE_S)
        rig.say("waits")
        rig.announcer.close()
        rig.say("late")
        rig.announcer.earcon(Earcon.HEARD, 0.0)
        assert rig.ear.outcomes == [("waits", CUT), ("late", SILENT)]


# -- live settings


def test_volume_and_rate_are_live() -> None:
    speaker = Loudspeaker()
    with announcing(speaker, _quiet(rate=2.0)) as rig:
        for volume in (1.0, 0.5, 2.0, 0.0):
            rig.announcer.set_volume(volume)
            rig.say("A dog.")
            rig.ear.wait_spoke(len(rig.ear.spoke) + 1)
        assert [int(sound.max()) for sound in speaker.played] == [10_000, 5000, 20_000, 0]
        rig.announcer.set_rate(0.5)
        rig.say("A dog.")
        rig.ear.wait_spoke(5)
        assert rig.voices[0].rates == [2.0] * 4 + [0.5]
        for rate in (0.2, 4.1, float("nan")):
            with pytest.raises(ValueError, match="rate"):
                rig.announcer.set_rate(rate)
        for loudness in (-0.1, 2.1, float("nan")):
            with pytest.raises(ValueError, match="volume"):
                rig.announcer.set_volume(loudness)


def test_another_voice_takes_over_between_two_utterances() -> None:
    speaker = Loudspeaker()
    with announcing(speaker) as rig:
        _hold(rig, speaker, "old voice", NARRATION)
        rig.announcer.set_voice("new.onnx")
        rig.announcer.set_voice("new.onnx")  # there already
        old, new = rig.voices
        assert not old.is_closed  # it is in the middle of a word
        rig.say("new voice")
        rig.ear.wait_spoke(2)
        assert (old.said, new.said) == (["old voice"], ["new voice"])
        assert old.is_closed
        assert not new.is_closed
    assert new.is_closed


@pytest.mark.parametrize("path", [BROKEN, DEADLY])
def test_a_broken_voice_is_refused_and_the_old_one_continues(path: str) -> None:
    with announcing(NullPlayback()) as rig:
        with pytest.raises(VoiceError, match=path):
            rig.announcer.set_voice(path)
        rig.say("A dog.")
        rig.ear.wait_spoke(1)
        assert rig.voices[0].said == ["A dog."]
        assert not rig.ear.problems
        assert all(voice.is_closed for voice in rig.voices[1:])


def test_silence_leads_in_after_a_pause_only() -> None:
    speaker, clock = Loudspeaker(), ReplayClock(datetime.now(UTC))
    with announcing(speaker, _quiet(lead_in_ms=300), clock=clock) as rig:
        for at_s in (0.0, 1.0, 30.0):
            clock.advance_to(at_s)
            rig.say("A dog.")
            rig.ear.wait_spoke(len(rig.ear.spoke) + 1)
        lead_ins = [int(sound.argmax()) for sound in speaker.played]
        assert lead_ins == [6615, 0, 6615]


def test_earcons_can_be_off_and_quiet() -> None:
    speaker = Loudspeaker()
    with announcing(speaker, SpeechSettings(earcon_volume=0.1)) as rig:
        rig.announcer.earcon(Earcon.HEARD, 0.0)
        rig.say("A dog.")
        rig.ear.wait_spoke(1)
        assert 0 < speaker.played[0].max() < 3300
    silent = Loudspeaker()
    with announcing(silent, _quiet()) as rig:
        rig.announcer.earcon(Earcon.HEARD, 0.0)
        rig.say("A dog.")
        rig.ear.wait_spoke(1)
        assert len(silent.played) == 1


# -- trouble


def test_a_lost_loudspeaker_is_reported_once_and_so_is_its_return() -> None:
    speaker, clock = Loudspeaker(), ReplayClock(datetime.now(UTC))
    with announcing(speaker, _quiet(), clock=clock, is_started=False) as rig:
        speaker.is_plugged = False
        for _ in range(3):
            rig.say("answer")
            rig.announcer.step()
        tries = speaker.tries
        rig.say("narration", NARRATION)  # not an answer: the voice is not tried yet
        rig.announcer.step()
        assert speaker.tries == tries == 4
        assert rig.ear.counts == {SILENT: 4}
        assert "no such device" in rig.ear.spoke[0].detail
        assert rig.ear.problems == [(Part.SOUND, True)]
        assert rig.announcer.last_text is None
        speaker.is_plugged = True
        rig.announcer.step()
        assert speaker.tries == 4
        clock.advance_to(60.0)
        rig.announcer.step()  # idle, and tries again by itself
        assert rig.ear.problems == [(Part.SOUND, True), (Part.SOUND, False)]
        rig.say("answer")
        rig.announcer.step()
        assert rig.ear.spoke[-1].outcome is HEARD
        rig.worker.start()


def test_a_hiccup_of_the_loudspeaker_goes_unnoticed() -> None:
    speaker = Loudspeaker()
    with announcing(speaker, _quiet()) as rig:
        speaker.failures = 1
        rig.say("answer")
        assert rig.ear.wait_spoke(1)[0].outcome is HEARD
        assert rig.voices[0].said == ["answer", "answer"]
        assert not rig.ear.problems


def test_words_that_kill_the_voice_twice_fail_and_sound_so() -> None:
    speaker = Loudspeaker()
    with announcing(speaker) as rig:
        for _ in range(2):
            rig.say(DEADLY)
            rig.ear.wait_spoke(len(rig.ear.spoke) + 1)
        assert rig.voices[0].said == [DEADLY] * 3  # in trouble already it gets one try
        assert rig.ear.problems == [(Part.VOICE, True)]
        rig.say("A dog.")
        rig.ear.wait_spoke(3)
        assert [outcome for _, outcome in rig.ear.outcomes] == [FAILED, FAILED, HEARD]
        assert rig.ear.problems == [(Part.VOICE, True), (Part.VOICE, False)]
        assert speaker.played  # the short sound of failure
        assert rig.announcer.last_text == "A dog."


@pytest.mark.parametrize("path", [BROKEN, DEADLY])
def test_the_built_in_voice_speaks_in_place_of_one_that_cannot(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    speaker = Loudspeaker()
    with announcing(speaker, SpeechSettings.model_validate({"voice": path})) as rig:
        rig.say("A dog.", NARRATION)
        assert rig.ear.wait_spoke(1)[0].outcome is HEARD
        assert rig.voices[-1].path is None
        assert rig.ear.problems == [(Part.VOICE, True), (Part.VOICE, False)]
        assert f"the voice {path} cannot speak: the built-in one is used" in caplog.text
        rig.announcer.set_voice("new.onnx")
        rig.say("A cat.")
        rig.ear.wait_spoke(2)
        assert rig.voices[-1].said == ["A cat."]


def test_without_any_voice_the_speech_continues_and_reports_it() -> None:
    gone: list[str] = [BROKEN]

    def open_voice(path: str | None) -> ToneVoice:
        return ToneVoice(gone[0] if gone else path)

    speaker = Loudspeaker()
    with announcing(speaker, SpeechSettings.model_validate({"voice": BROKEN}), open_voice) as rig:
        assert rig.ear.problems == [(Part.VOICE, True)]
        rig.say("A dog.")
        (spoke,) = rig.ear.wait_spoke(1)
        assert spoke.outcome is FAILED
        assert "broken.onnx is missing" in spoke.detail
        gone.clear()
        rig.announcer.set_voice(None)
        rig.say("A dog.")
        assert rig.ear.wait_spoke(2)[-1].outcome is HEARD
        assert rig.ear.problems == [(Part.VOICE, True), (Part.VOICE, False)]
