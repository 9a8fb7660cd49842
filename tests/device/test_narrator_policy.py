"""The narrator, driven stage by stage as the observer does, with time passed in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.captions import caption, thing

from seealoud.device.clock import ClockReading
from seealoud.device.errors import ConfigError
from seealoud.device.events import DecisionReason as Why
from seealoud.device.narrator.narrator import Narrator
from seealoud.device.narrator.rules import OFF_DELAY_S
from seealoud.device.narrator.scene_memory import RESTLESS_S, STABLE_S
from seealoud.device.narrator.settings import NarrationSettings, parse_quiet_hours
from seealoud.device.narrator.silence import Decision, doubt
from seealoud.device.records import Description, Earcon, Thing

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
GAP_S, HEARTBEAT_S = 8.0, 60.0
FRAME_S = 0.5
N_SCENES = 6
_PATTERNS = np.random.default_rng(7).integers(30, 220, (N_SCENES, 24, 32)).astype(np.uint8)
_FEATURES = np.eye(N_SCENES, 16, dtype=np.float32)
_WORDS = ("a dog runs", "a man stands", "two cats sleep", "a red car", "an empty street", "a boat")
DOG_RULE = {"name": "dog", "words": ["dog"], "cooldown_s": 100}


@dataclass(slots=True)
class Seen:
    """A decision and what it cost."""

    at_s: float
    decision: Decision
    is_encoded: bool = False
    is_decoded: bool = False


def _line(
    words: str, sentence: str, probability: float | None = None, things: tuple[Thing, ...] = ()
) -> Description:
    reason = "" if words.strip() else "unsure"
    return Description(sentence, caption(words), probability, reason, things)


class Room:
    """Shows scenes by number to a narrator, one frame each ``FRAME_S``."""

    def __init__(self, **changes: object) -> None:
        values = {
            "minimum_gap_s": GAP_S,
            "heartbeat_s": HEARTBEAT_S,
            **changes,
        }
        self.narrator = Narrator(NarrationSettings.model_validate(values))
        self.now_s, self.local = 100.0, NOON
        self.seen: list[Seen] = []
        self.probability: float | None = None
        self.fault: str | None = None
        self.reason = ""
        self.things: tuple[Thing, ...] = ()
        self.words = list(_WORDS)

    @property
    def now(self) -> ClockReading:
        return ClockReading(self.now_s, self.local)

    def show(self, scene: int, for_s: float = FRAME_S) -> list[Seen]:
        return [self.frame(scene) for _ in range(max(1, round(for_s / FRAME_S)))]

    def frame(self, scene: int) -> Seen:
        seen = self._look(scene)
        self.seen.append(seen)
        self.pass_by(FRAME_S)
        return seen

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds
        self.local += timedelta(seconds=seconds)

    def _look(self, scene: int) -> Seen:
        decision = self.narrator.after_frame(self.now, _PATTERNS[scene])
        if decision is not None:
            return Seen(self.now_s, decision)
        if self.fault is not None:
            fault = Description(self.fault, reason=self.reason, things=self.things)
            return Seen(self.now_s, self.narrator.after_fault(self.now, fault))
        decision = self.narrator.after_encoder(self.now, _FEATURES[scene])
        if decision is not None:
            return Seen(self.now_s, decision, is_encoded=True)
        words = self.words[scene]
        line = _line(words, words.capitalize() + ".", self.probability, self.things)
        decision = self.narrator.after_decoder(self.now, line)
        return Seen(self.now_s, decision, is_encoded=True, is_decoded=True)


def spoken(seen: Iterable[Seen]) -> list[tuple[str, Why]]:
    return [(s.decision.text, s.decision.reason) for s in seen if s.decision.is_spoken]


def reasons(seen: Iterable[Seen]) -> list[Why]:
    """Return the reasons without repetition."""
    found: list[Why] = []
    for one in seen:
        if not found or found[-1] is not one.decision.reason:
            found.append(one.decision.reason)
    return found


# ------------------------------------------------------------ the usual day


def test_the_first_frame_is_spoken_at_once():
    room = Room()
    assert spoken([room.frame(0)]) == [("A dog runs.", Why.FIRST)]


def test_a_resting_scene_costs_no_model_and_is_described_again_at_each_heartbeat():
    room = Room()
    room.frame(0)
    shown = room.show(0, for_s=2 * HEARTBEAT_S + 5)
    assert spoken(shown) == [("A dog runs.", Why.HEARTBEAT)] * 2
    assert sum(s.is_encoded for s in shown) == 2
    assert sum(s.is_decoded for s in shown) == 2
    assert reasons(shown)[0] is Why.PICTURE_SAME


def test_a_change_is_spoken_when_it_is_stable_and_with_one_caption():
    room = Room()
    room.show(0, for_s=20)
    shown = room.show(1, for_s=10)
    assert reasons(shown) == [Why.NOT_STABLE, Why.CHANGED, Why.PICTURE_SAME]
    assert spoken(shown) == [("A man stands.", Why.CHANGED)]
    (at_s,) = [s.at_s for s in shown if s.decision.is_spoken]
    assert at_s - shown[0].at_s == 2 * FRAME_S  # three frames, and longer than STABLE_S
    assert sum(s.is_decoded for s in shown) == 1
    assert sum(s.is_encoded for s in shown) == 2


@pytest.mark.parametrize(("frame_s", "frames"), [(0.125, 8), (0.25, 5), (0.5, 3), (2.0, 3)])
def test_a_stable_scene_needs_both_frames_and_seconds(frame_s, frames):
    room = Room()
    room.show(0, for_s=20)
    seen = []
    while not (seen and seen[-1].decision.is_spoken):
        seen.append(room.frame(1))
        room.pass_by(frame_s - FRAME_S)
    assert len(seen) == frames


def test_a_passing_change_is_not_spoken():
    room = Room()
    room.show(0, for_s=20)
    shown = [room.frame(1), *room.show(0, for_s=20)]
    assert spoken(shown) == []
    assert reasons(shown) == [Why.NOT_STABLE, Why.FEATURES_SAME, Why.PICTURE_SAME]


def test_what_differs_by_picture_alone_costs_the_encoder_once():
    room = Room()
    room.show(0, for_s=20)
    other = _PATTERNS[1]
    for _ in range(5):
        if room.narrator.after_frame(room.now, other) is None:
            decision = room.narrator.after_encoder(room.now, _FEATURES[0])
            assert decision is not None
            assert decision.reason is Why.FEATURES_SAME
            assert decision.detail == "feature change 0.000 < 0.060"
            break
    else:
        pytest.fail("the encoder was not asked for")
    decision = room.narrator.after_frame(room.now, other)
    assert decision is not None
    assert decision.reason is Why.PICTURE_SAME
    assert decision.detail == "picture change 0.000 < 0.008"


def test_other_words_of_the_same_meaning_are_not_spoken():
    room = Room()
    room.show(0, for_s=20)
    room.words[1] = "the dog runs"
    shown = room.show(1, for_s=10)
    assert spoken(shown) == []
    assert Why.TEXT_SAME in reasons(shown)
    assert sum(s.is_decoded for s in shown) == 1


def test_a_change_within_the_gap_is_spoken_when_the_gap_is_over():
    room = Room()
    room.frame(0)
    shown = room.show(1, for_s=20)
    assert reasons(shown) == [Why.NOT_STABLE, Why.TOO_SOON, Why.CHANGED, Why.PICTURE_SAME]
    (at_s,) = [s.at_s for s in shown if s.decision.is_spoken]
    assert at_s - room.seen[0].at_s == GAP_S
    assert sum(s.is_decoded for s in shown) == 1
    assert sum(s.is_encoded for s in shown) == 2


def test_a_change_within_the_gap_that_goes_back_is_not_spoken():
    room = Room()
    room.frame(0)
    shown = [*room.show(1, for_s=3), *room.show(0, for_s=20)]
    assert spoken(shown) == []


def test_a_restless_scene_is_spoken_in_the_end():
    room = Room()
    room.show(0, for_s=20)
    shown = [room.frame(1 + i % 3) for i in range(round(20 / FRAME_S))]
    (first, *_) = [s for s in shown if s.decision.is_spoken]
    assert first.at_s - shown[0].at_s == RESTLESS_S
    assert sum(s.is_decoded for s in shown) == 1


def test_what_moves_within_a_new_scene_does_not_keep_it_from_resting():
    room = Room()
    room.show(0, for_s=20)
    for scene in (1, 2, 3):
        assert room.narrator.after_frame(room.now, _PATTERNS[scene]) is None
        decision = room.narrator.after_encoder(room.now, _FEATURES[1])
        room.pass_by(FRAME_S)
        assert (decision is None) is (scene == 3)


def test_a_gap_beyond_the_heartbeat_costs_no_captions():
    room = Room(minimum_gap_s=2 * HEARTBEAT_S)
    room.frame(0)
    shown = room.show(0, for_s=2 * HEARTBEAT_S)
    assert spoken([*shown, *room.show(0, for_s=5)]) == [("A dog runs.", Why.HEARTBEAT)]
    assert sum(s.is_decoded for s in room.seen) == 2


def test_a_slow_drift_is_noticed():
    room = Room()
    room.show(0, for_s=20)
    start, end = _FEATURES[0], _FEATURES[1]
    brightest = _PATTERNS.astype(np.float32)
    is_changed = False
    for share in np.linspace(0, 1, 60, dtype=np.float32):
        picture = (brightest[0] * (1 - share) + brightest[1] * share).astype(np.uint8)
        room.pass_by(0.5)
        if room.narrator.after_frame(room.now, picture) is not None:
            continue
        if room.narrator.after_encoder(room.now, start * (1 - share) + end * share) is None:
            decision = room.narrator.after_decoder(room.now, _line("a man", "A man."))
            is_changed = is_changed or decision.reason is Why.CHANGED
    assert is_changed


# ------------------------------------------------------------ what others say


def test_an_answer_counts_as_the_last_line_and_starts_the_gap():
    room = Room()
    room.show(0, for_s=20)
    room.show(1, for_s=FRAME_S)
    room.narrator.note_spoken(room.now, "I think a man stands.")
    answered_s = room.now_s
    shown = room.show(1, for_s=30)
    assert spoken(shown) == []
    assert Why.TEXT_SAME in reasons(shown)
    later = room.show(2, for_s=5)
    assert spoken(later) == [("Two cats sleep.", Why.CHANGED)]
    assert min(s.at_s for s in later if s.decision.is_spoken) - answered_s >= GAP_S


def test_an_answer_before_the_first_frame_is_not_repeated():
    room = Room()
    room.narrator.note_spoken(room.now, "A dog runs.")
    shown = room.show(0, for_s=20)
    assert spoken(shown) == []
    assert spoken(room.show(0, for_s=HEARTBEAT_S)) == [("A dog runs.", Why.HEARTBEAT)]


# ------------------------------------------------------------ silence


def test_off_costs_nothing_and_on_begins_again():
    room = Room()
    room.show(0, for_s=20)
    room.narrator.set_on(False)
    shown = room.show(1, for_s=20)
    assert reasons(shown) == [Why.NARRATION_OFF]
    assert not any(s.is_encoded for s in shown)
    room.narrator.set_on(True)
    room.narrator.set_on(True)
    shown = room.show(0, for_s=20)
    assert spoken(shown) == [("A dog runs.", Why.FIRST)]
    room.narrator.set_on(True)  # was on: nothing is forgotten
    assert spoken(room.show(0, for_s=20)) == []


def test_switching_off_and_on_does_not_break_the_gap():
    room = Room()
    room.frame(0)
    room.narrator.set_on(False)
    room.narrator.set_on(True)
    (first,) = [s for s in room.show(0, for_s=20) if s.decision.is_spoken]
    assert first.at_s - room.seen[0].at_s >= GAP_S


def test_a_snooze_ends_by_itself_and_then_changes_are_spoken():
    room = Room()
    room.frame(0)
    room.narrator.snooze(room.now_s + 30)
    until_s = room.now_s + 30
    shown = room.show(1, for_s=40)
    assert reasons(shown)[:2] == [Why.SNOOZED, Why.NOT_STABLE]
    (first,) = [s for s in shown if s.decision.is_spoken]
    assert until_s <= first.at_s <= until_s + 2
    assert room.narrator.snoozed_until_s is None
    room.narrator.snooze(room.now_s + 30)
    room.narrator.snooze(None)
    assert room.frame(1).decision.reason is Why.PICTURE_SAME
    with pytest.raises(ConfigError, match="nan"):
        room.narrator.snooze(math.nan)


@pytest.mark.parametrize(
    ("hours", "time", "is_quiet"),
    [
        ("22:00-07:00", "21:59", False), ("22:00-07:00", "22:00", True),
        ("22:00-07:00", "00:00", True), ("22:00-07:00", "06:59", True),
        ("22:00-07:00", "07:00", False), ("13:00-14:30", "14:29", True),
        ("13:00-14:30", "14:30", False), ("13:00-00:00", "23:59", True),
    ],
)  # fmt: skip
def test_quiet_hours(hours, time, is_quiet):
    room = Room(quiet_hours=["03:00-03:01", hours])
    room.local = datetime.combine(NOON, datetime.strptime(time, "%H:%M").time(), UTC)
    decision = room.frame(0).decision
    assert decision.is_spoken is not is_quiet
    assert (decision.reason is Why.QUIET_HOURS) is is_quiet
    if is_quiet:
        assert hours in decision.detail


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(hours=-5), timedelta(days=9)])
def test_the_wall_clock_may_jump(jump):
    steady, jumping = Room(), Room()
    for scene, for_s in ((0, 5.0), (1, 20.0), (1, HEARTBEAT_S), (2, 3.0), (0, 20.0)):
        jumping.local += jump
        assert [s.decision for s in steady.show(scene, for_s)] == [
            s.decision for s in jumping.show(scene, for_s)
        ]


def test_monotonic_time_that_is_wrong_stands_still():
    room = Room()
    room.show(0, for_s=5)
    now_s = room.now_s
    for wrong_s in (now_s - 50, math.nan, math.inf, -math.inf):
        decision = room.narrator.after_frame(ClockReading(wrong_s, NOON), _PATTERNS[0])
        assert decision is not None
        assert decision.reason is Why.PICTURE_SAME
    room.narrator.note_spoken(ClockReading(now_s - 50, NOON), "A boat.")
    (first,) = [s for s in room.show(1, for_s=20) if s.decision.is_spoken]
    assert now_s + GAP_S - FRAME_S <= first.at_s <= now_s + GAP_S


# ------------------------------------------------------------ doubt, faults, sounds


@pytest.mark.parametrize("probability", [0.1, math.nan, -1.0])
def test_an_improbable_caption_is_not_spoken_but_looked_at_again_now_and_then(probability):
    room = Room(smallest_probability=0.3)
    room.probability = probability
    shown = room.show(0, for_s=60)
    assert spoken(shown) == []
    assert shown[0].decision.reason is Why.UNSURE
    assert 3 <= sum(s.is_decoded for s in shown) <= 7
    room.probability = 0.3
    assert spoken(room.show(0, for_s=15)) == [("A dog runs.", Why.FIRST)]


def test_an_empty_caption_is_not_spoken():
    room = Room()
    room.words[0] = " "
    assert room.frame(0).decision.reason is Why.UNSURE


def test_a_lasting_fault_is_spoken_once_and_so_is_its_end():
    room = Room()
    room.show(0, for_s=20)
    room.fault = "It is too dark to see."
    shown = room.show(1, for_s=HEARTBEAT_S / 2)
    assert spoken(shown) == [("It is too dark to see.", Why.UNUSABLE_PICTURE)]
    assert reasons(shown) == [Why.UNUSABLE_PICTURE]
    assert not any(s.is_encoded for s in shown)
    room.fault = None
    shown = room.show(0, for_s=HEARTBEAT_S / 2)
    assert spoken(shown) == [("A dog runs.", Why.CHANGED)]
    assert shown[-1].decision.reason is Why.PICTURE_SAME


def test_a_fault_is_spoken_once_however_long_it_lasts():
    room = Room()
    room.fault = "It is too dark to see."
    assert len(spoken(room.show(1, for_s=3 * HEARTBEAT_S))) == 1


def test_a_passing_fault_is_not_spoken_and_changes_nothing():
    room = Room()
    room.show(0, for_s=20)
    room.fault = "It is too dark to see."
    assert spoken(room.frame(1 + i % 2) for i in range(5)) == []
    room.fault = None
    shown = room.show(0, for_s=10)
    assert spoken(shown) == []
    assert reasons(shown) == [Why.FEATURES_SAME, Why.PICTURE_SAME]


def test_a_fault_is_silent_when_narration_is():
    room = Room()
    room.fault = "It is too dark to see."
    room.narrator.snooze(room.now_s + 20)
    assert reasons(room.show(0, for_s=20)) == [Why.SNOOZED]


def test_the_sound_that_all_is_well_is_rare_and_optional():
    room = Room(is_unchanged_earcon_on=True)
    room.frame(0)
    shown = room.show(0, for_s=HEARTBEAT_S - 1)
    at_s = [s.at_s - room.seen[0].at_s for s in shown if s.decision.earcon is Earcon.UNCHANGED]
    assert at_s == [15.0, 30.0, 45.0]
    silent = Room()
    assert all(s.decision.earcon is None for s in silent.show(0, for_s=HEARTBEAT_S))


# ------------------------------------------------------------ rules


def test_an_alert_is_raised_within_the_gap_and_stands_for_the_narration():
    room = Room(rules=[DOG_RULE])
    room.frame(1)
    shown = room.show(0, for_s=30)
    (raised,) = [s for s in shown if s.decision.alerts]
    assert raised.at_s - room.seen[0].at_s < GAP_S
    assert raised.decision.reason is Why.ALERT
    assert not raised.decision.is_spoken
    assert [m.text for m in raised.decision.alerts] == ["Alert: A dog runs."]
    assert spoken(shown) == []
    (first,) = [s for s in room.show(2, for_s=10) if s.decision.is_spoken]
    assert first.at_s - raised.at_s >= GAP_S


def test_with_rules_a_change_within_the_gap_is_captioned_once_and_spoken_afterwards():
    room = Room(rules=[{**DOG_RULE, "words": ["zebra"]}])
    room.frame(0)
    shown = room.show(1, for_s=20)
    assert sum(s.is_decoded for s in shown) == 2
    assert spoken(shown) == [("A man stands.", Why.CHANGED)]


def test_an_alert_that_is_not_spoken_leaves_the_narration_alone():
    room = Room(rules=[{**DOG_RULE, "is_spoken": False}])
    decision = room.frame(0).decision
    assert decision.is_spoken
    assert [(m.rule, m.text) for m in decision.alerts] == [("dog", "")]


@pytest.mark.parametrize("how", ["snooze", "quiet"])
def test_in_silence_alerts_are_events_without_words_and_cost_one_caption(how):
    room = Room(rules=[DOG_RULE], quiet_hours=["11:00-13:00"] if how == "quiet" else [])
    if how == "snooze":
        room.narrator.snooze(room.now_s + 600)
    shown = [*room.show(1, for_s=60), *room.show(0, for_s=60)]
    assert [(m.rule, m.text) for s in shown for m in s.decision.alerts] == [("dog", "")]
    assert spoken(shown) == []
    assert reasons(shown) == [Why.SNOOZED if how == "snooze" else Why.QUIET_HOURS]
    assert sum(s.is_decoded for s in shown) == 2


def test_alerts_are_spoken_though_narration_is_off():
    room = Room(rules=[DOG_RULE], is_on=False)
    shown = [*room.show(1, for_s=20), *room.show(0, for_s=20), *room.show(2, for_s=20)]
    assert reasons(shown) == [Why.NARRATION_OFF, Why.ALERT, Why.NARRATION_OFF]
    assert [m.text for s in shown for m in s.decision.alerts] == ["Alert: A dog runs."]
    assert spoken(shown) == []
    assert sum(s.is_decoded for s in shown) == 3
    room.narrator.set_on(True)
    assert spoken(room.show(2, for_s=20)) == [("Two cats sleep.", Why.FIRST)]


@pytest.mark.parametrize("how", ["snooze", "quiet"])
def test_with_narration_off_quiet_hours_and_snooze_still_silence_alerts(how):
    room = Room(
        rules=[DOG_RULE], is_on=False, quiet_hours=["11:00-13:00"] if how == "quiet" else []
    )
    if how == "snooze":
        room.narrator.snooze(room.now_s + 600)
    shown = room.show(0, for_s=20)
    assert [(m.rule, m.text) for s in shown for m in s.decision.alerts] == [("dog", "")]
    assert reasons(shown) == [Why.NARRATION_OFF]


def test_a_fault_with_things_raises_an_alert_though_narration_is_off():
    room = Room(rules=[CAT_RULE], is_on=False)
    room.fault, room.reason, room.things = "This looks like nothing.", "unfamiliar", (CAT,)
    shown = room.show(0, for_s=5)
    assert [m.text for s in shown for m in s.decision.alerts] == ["Alert: A cat, on the left."]
    assert spoken(shown) == []


@pytest.mark.parametrize("is_on", [True, False])
def test_alerts_that_are_off_are_not_raised(is_on):
    room = Room(rules=[DOG_RULE], is_on=is_on)
    room.narrator.set_alerting(False)
    shown = room.show(0, for_s=20)
    assert not any(s.decision.alerts for s in shown)
    assert spoken(shown) == ([("A dog runs.", Why.FIRST)] if is_on else [])
    assert is_on or not any(s.is_encoded for s in shown)
    room.narrator.set_alerting(True)
    room.show(1, for_s=20)
    assert any(s.decision.alerts for s in room.show(0, for_s=20))


def test_rules_do_not_make_a_restless_scene_costly_within_the_gap():
    room = Room(rules=[DOG_RULE], minimum_gap_s=120.0, heartbeat_s=240.0)
    room.frame(1)
    shown = [room.frame(2 + i % 3) for i in range(round(100 / FRAME_S))]
    assert sum(s.is_decoded for s in shown) <= 100 / RESTLESS_S


# ------------------------------------------------------------ things


CAT_RULE = {"name": "cat", "words": ["cat"], "cooldown_s": 100}
CAT, CUP = thing("cat"), thing("cup")
UNSURE = "I am not sure what is happening here."


def test_things_that_come_and_go_beside_the_same_caption_are_not_spoken():
    room = Room()
    room.things = (CUP,)
    room.show(0, for_s=20)
    room.things, room.words[1] = (CAT, CUP), "the dog runs"
    shown = room.show(1, for_s=10)
    assert spoken(shown) == []
    assert Why.TEXT_SAME in reasons(shown)


def test_a_line_is_about_its_caption_else_about_the_things_that_are_sure():
    perhaps = thing("bus", is_sure=False)
    assert _line("a dog runs", "A dog runs.", things=(CUP,)).topic == "a dog runs"
    assert _line(" ", UNSURE, things=(CUP, perhaps, CAT)).topic == "cat cup"
    assert _line("", UNSURE, things=(perhaps,)).topic == ""


@pytest.mark.parametrize(
    ("text", "things", "probability", "is_doubted"),
    [
        ("a dog runs", (), 0.1, True),
        ("a dog runs", (), math.nan, True),
        ("a dog runs", (), 0.2, False),
        ("a dog runs", (CUP,), 0.1, True),
        ("", (CUP,), 0.1, False),  # things that are sure stand for themselves
        ("", (thing("bus", is_sure=False),), 0.9, True),
        ("", (), 0.9, True),
    ],
)
def test_what_is_too_doubtful_to_be_narrated(text, things, probability, is_doubted):
    assert bool(doubt(_line(text, "A sentence.", probability, things), 0.2)) is is_doubted


def test_where_the_caption_is_withheld_its_things_are_narrated_and_again_when_they_change():
    room = Room()
    room.words = [""] * N_SCENES
    room.things = (CUP,)
    assert [reason for _, reason in spoken(room.show(0, for_s=20))] == [Why.FIRST]
    assert spoken(room.show(1, for_s=20)) == []
    room.things = (CAT, CUP)
    assert [reason for _, reason in spoken(room.show(2, for_s=20))] == [Why.CHANGED]


def test_a_rule_finds_a_thing_beside_the_caption_and_its_alert_stands_for_the_narration():
    room = Room(rules=[CAT_RULE])
    room.things = (CUP, CAT)
    first = room.frame(1)
    (match,) = first.decision.alerts
    assert (match.rule, match.text, match.things) == ("cat", "Alert: A cat, on the left.", (CAT,))
    assert (first.decision.reason, first.decision.detail) == (Why.ALERT, "raised by cat")
    shown = room.show(1, for_s=20)
    assert spoken(shown) == []
    assert not any(s.decision.alerts for s in shown)


def test_a_thing_where_the_caption_is_withheld_raises_its_alert_once_and_the_fault_is_spoken_too():
    room = Room(rules=[CAT_RULE])
    room.fault, room.reason, room.things = UNSURE, "unsure", (CAT,)
    shown = room.show(0, for_s=30)
    assert shown[0].decision.reason is Why.ALERT
    assert [m.text for s in shown for m in s.decision.alerts] == ["Alert: A cat, on the left."]
    ((text, reason),) = spoken(shown)
    assert (text, reason) == (UNSURE, Why.UNUSABLE_PICTURE)
    spoken_s = next(s.at_s for s in shown if s.decision.is_spoken)
    assert spoken_s - shown[0].at_s >= GAP_S  # the alert counts as spoken


def test_a_fault_lasts_whatever_things_its_words_name():
    room = Room()
    room.reason, shown = "unsure", []
    for number in range(60):
        room.fault = f"{UNSURE} {('A cat.', 'A cup.', '')[number % 3]}"
        shown.append(room.frame(number % 2))
    assert [reason for _, reason in spoken(shown)] == [Why.UNUSABLE_PICTURE]
    assert shown[-1].decision.text == room.fault


def test_faults_of_different_reasons_are_different():
    room = Room()
    shown = []
    for number in range(60):
        room.fault = room.reason = ("unsure", "too_dark")[number % 2]
        shown.append(room.frame(number % 2))
    assert spoken(shown) == []


@pytest.mark.parametrize("is_on", [True, False])
def test_while_snoozed_a_withheld_caption_s_thing_is_an_event_without_words(is_on):
    room = Room(rules=[CAT_RULE], is_on=is_on)
    room.narrator.snooze(room.now_s + 1000)
    room.fault, room.reason, room.things = UNSURE, "unsure", (CAT,)
    shown = room.show(0, for_s=10)
    assert [m.text for s in shown for m in s.decision.alerts] == [""]
    assert spoken(shown) == []


# ------------------------------------------------------------ live changes


def test_a_reload_keeps_what_was_spoken_and_the_switch():
    room = Room()
    room.show(0, for_s=20)
    room.narrator.reload(NarrationSettings(minimum_gap_s=3, is_on=False, heartbeat_s=HEARTBEAT_S))
    assert room.narrator.is_on
    assert room.frame(0).decision.reason is Why.PICTURE_SAME
    assert len(spoken([*room.show(1, for_s=2), *room.show(2, for_s=5)])) == 2  # the new gap


def test_the_gap_is_changed_live_and_refused_by_value():
    room = Room()
    room.frame(0)
    room.narrator.set_minimum_gap(2)
    (first,) = [s for s in room.show(1, for_s=20) if s.decision.is_spoken]
    assert first.at_s - room.seen[0].at_s == 2
    for wrong in (-1, math.nan, 4000):
        with pytest.raises(ConfigError, match=str(wrong)):
            room.narrator.set_minimum_gap(wrong)


# ------------------------------------------------------------ always

_STEPS = st.lists(
    st.tuples(
        st.integers(0, N_SCENES - 1),
        st.floats(0.05, 40.0),
        st.sampled_from(["", "", "", "", "off", "on", "snooze", "wake", "say", "dark", "gap"]),
    ),
    max_size=60,
)
_CONFIGS = st.fixed_dictionaries(
    {
        "minimum_gap_s": st.floats(0, 30),
        "heartbeat_s": st.floats(10, 90),
        "quiet_hours": st.sampled_from([[], ["12:01-12:03"], ["12:05-12:00"]]),
        "rules": st.sampled_from([[], [DOG_RULE]]),
        "is_unchanged_earcon_on": st.booleans(),
    }
)


@given(config=_CONFIGS, steps=_STEPS)
@settings(max_examples=150, deadline=None)
def test_the_gap_and_the_silences_hold_whatever_happens(config, steps):
    room = Room(**config)
    gap_s, is_on, snoozed_s = config["minimum_gap_s"], True, -math.inf
    last_s = -math.inf
    for scene, wait_s, act in steps:
        room.pass_by(wait_s)
        match act:
            case "off" | "on":
                is_on = act == "on"
                room.narrator.set_on(is_on)
            case "snooze":
                snoozed_s = room.now_s + 30
                room.narrator.snooze(snoozed_s)
            case "wake":
                snoozed_s = -math.inf
                room.narrator.snooze(None)
            case "say":
                room.narrator.note_spoken(room.now, "A dog runs.")
                last_s = room.now_s
            case "gap":
                gap_s = 12.0
                room.narrator.set_minimum_gap(gap_s)
        room.fault = "It is too dark to see." if act == "dark" else None
        is_quiet = any(room.local.time() in parse_quiet_hours(h) for h in config["quiet_hours"])
        room.frame(scene)
        seen = room.seen[-1]
        assert isinstance(seen.decision.reason, Why)
        assert seen.decision.detail
        has_words = any(m.text for m in seen.decision.alerts)
        assert is_on or not seen.decision.is_spoken
        if seen.decision.is_spoken or has_words:
            assert seen.at_s >= snoozed_s
            assert not is_quiet
        if seen.decision.is_spoken:
            assert seen.at_s - last_s >= gap_s
            assert seen.decision.text
        if seen.decision.is_spoken or has_words:
            last_s = seen.at_s


@given(
    config=_CONFIGS.map(lambda c: {**c, "quiet_hours": []}),
    before=st.lists(st.integers(0, N_SCENES - 1), max_size=40),
    last=st.integers(0, N_SCENES - 1),
)
@settings(max_examples=100, deadline=None)
def test_a_scene_that_becomes_stable_is_spoken(config, before, last):
    room = Room(**config)
    room.narrator.note_spoken(room.now, "something else altogether")
    for scene in before:
        room.frame(scene)
    longest_s = config["minimum_gap_s"] + STABLE_S + 5 * FRAME_S
    room.show(last, for_s=longest_s)
    texts = [s.decision.text for s in room.seen if s.decision.is_spoken]
    spoken_s = [s.at_s for s in room.seen if s.decision.is_spoken or s.decision.reason is Why.ALERT]
    assert spoken_s
    last_spoken = next(
        s.decision.text
        for s in reversed(room.seen)
        if s.decision.is_spoken or s.decision.reason is Why.ALERT
    )
    assert last_spoken == _WORDS[last].capitalize() + ".", texts


@given(
    config=_CONFIGS.map(lambda c: {**c, "quiet_hours": []}),
    scenes=st.lists(st.integers(0, N_SCENES - 1), min_size=1, max_size=400),
)
@settings(max_examples=60, deadline=None)
def test_it_is_never_silent_longer_than_heartbeat_and_gap(config, scenes):
    room = Room(**config)
    longest_s = max(config["heartbeat_s"], config["minimum_gap_s"]) + config["minimum_gap_s"]
    last_s = room.now_s
    for scene in scenes:
        seen = room.frame(scene)
        if seen.decision.is_spoken or seen.decision.reason is Why.ALERT:
            last_s = seen.at_s
        assert seen.at_s - last_s <= longest_s + FRAME_S


@given(
    now_s=st.floats(),
    values=st.lists(st.floats(width=32), max_size=16),
    thumb=st.sampled_from([_PATTERNS[0], np.zeros((24, 32), np.uint8), np.zeros((3, 2), np.uint8)]),
    probability=st.none() | st.floats(),
    text=st.text(max_size=30),
)
@settings(max_examples=150, deadline=None)
def test_no_value_makes_it_crash_or_speak_for_ever(now_s, values, thumb, probability, text):
    room = Room(rules=[DOG_RULE])
    room.show(0, for_s=2)
    pooled = np.array(values, np.float32)
    for _ in range(4):
        room.pass_by(5)
        for at in (ClockReading(now_s, room.local), room.now):
            room.narrator.after_frame(at, thumb)
            room.narrator.after_encoder(at, pooled)
            decision = room.narrator.after_decoder(at, _line(text, text, probability))
            assert decision.reason in Why


# ------------------------------------------------------------ what is in view


def test_rules_know_what_is_in_view_while_alerts_are_on():
    room = Room(rules=[DOG_RULE], minimum_gap_s=60.0)
    assert room.narrator.in_view == {"dog": None}
    room.show(0, for_s=5)
    assert room.narrator.in_view == {"dog": True}
    room.show(0, for_s=50)
    assert room.narrator.in_view == {"dog": True}
    room.show(4, for_s=10)  # within the gap it is captioned without being narrated
    assert room.narrator.in_view == {"dog": True}
    room.show(4, for_s=OFF_DELAY_S)
    assert room.narrator.in_view == {"dog": False}
    room.narrator.snooze(room.now_s + 1000)
    room.show(0, for_s=10)
    assert room.narrator.in_view == {"dog": True}
    room.narrator.set_on(False)
    room.show(4, for_s=OFF_DELAY_S + 10)
    assert room.narrator.in_view == {"dog": False}
    room.show(0, for_s=10)
    assert room.narrator.in_view == {"dog": True}
    room.narrator.set_alerting(False)
    room.show(4, for_s=5)
    assert room.narrator.in_view == {"dog": None}
    room.narrator.set_alerting(True)
    room.show(4, for_s=OFF_DELAY_S + 10)
    assert room.narrator.in_view == {"dog": False}
    assert Room().narrator.in_view == {}


def test_what_was_described_while_alerts_were_off_is_known_afterwards():
    room = Room(rules=[DOG_RULE])
    room.show(0, for_s=20)
    room.narrator.set_alerting(False)
    assert spoken(room.show(4, for_s=OFF_DELAY_S + 10))
    assert room.narrator.in_view == {"dog": None}
    room.narrator.set_alerting(True)
    assert room.narrator.in_view == {"dog": False}


@pytest.mark.parametrize("is_snoozed", [False, True])
def test_a_thing_that_comes_and_goes_within_the_gap_or_a_snooze_does_not_stay_in_view(is_snoozed):
    room = Room(rules=[DOG_RULE], minimum_gap_s=600.0)
    room.show(4, for_s=20)  # an empty street, of which it speaks
    assert room.narrator.in_view == {"dog": False}
    if is_snoozed:
        room.narrator.snooze(room.now_s + 1000)
    room.show(0, for_s=5)
    assert room.narrator.in_view == {"dog": True}
    room.show(4, for_s=OFF_DELAY_S - 5)
    assert room.narrator.in_view == {"dog": True}
    room.show(4, for_s=10)
    assert room.narrator.in_view == {"dog": False}


def test_who_is_hidden_for_a_moment_is_in_view_again():
    room = Room(rules=[DOG_RULE], minimum_gap_s=600.0)
    room.show(0, for_s=20)
    room.show(4, for_s=OFF_DELAY_S + 20)
    assert room.narrator.in_view == {"dog": False}
    room.show(0, for_s=5)  # the scene of which it spoke last: no model describes it again
    assert room.narrator.in_view == {"dog": True}
    room.fault = "It is too dark."
    room.show(1, for_s=OFF_DELAY_S + 10)
    assert room.narrator.in_view == {"dog": False}
    room.fault = None
    room.show(0, for_s=5)
    assert room.narrator.in_view == {"dog": True}


def test_a_picture_in_which_nothing_can_be_seen_ends_the_view():
    room = Room(rules=[DOG_RULE])
    room.show(0, for_s=5)
    room.fault = "It is too dark."
    room.show(1, for_s=OFF_DELAY_S - 5)
    assert room.narrator.in_view == {"dog": True}
    room.show(1, for_s=10)
    assert room.narrator.in_view == {"dog": False}
