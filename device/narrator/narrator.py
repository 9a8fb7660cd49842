"""Decides what is said of its own accord, when, and why not; sans-IO, one verdict a frame.

The caller hands in a frame in stages and goes on only while the answer is None, so a static scene
costs a thumbnail a frame, and no model runs:

    after_frame(thumbnail) -> None -> encoder -> after_encoder(features) -> None -> decoder
        -> after_decoder(found) -> Verdict;     after_fault(text) where a stage finds it useless

Rules, in this order; every verdict names the first that keeps narration silent:
    1. Off: nothing is looked at. Snoozed or in quiet hours: the same without keyword rules; with
       rules captions go on being made and alerts come as events without text or sound.
    2. The first scene after switching on is told at once. After ``heartbeat_s`` of silence the
       scene is told again, changed or not. Neither waits for rest; both keep the minimum gap.
    3. A picture as the encoder saw it last, features as they were last told: nothing new.
    4. A new scene has to rest (``stable_frames`` and ``stable_s``), or to be restless too long.
    5. It waits for the minimum gap after whatever was spoken last, also an answer or an alert; it
       is kept until then. With rules it is captioned meanwhile, once.
    6. A rule found in a caption or among its things raises its alert at once, within the gap too;
       a spoken alert stands for the narration of that caption and counts as spoken.
    7. An empty or too improbable caption is not told, and looked at again after a while.
    8. A caption whose words that carry meaning are those last spoken is not told again, unless it
       is time for the heartbeat; its things, which come and go, do not count.
Time is monotonic seconds; the wall clock decides on quiet hours and on nothing else. Time that
goes back or is no number stands still.
"""

from __future__ import annotations

import math

from device.events import DecisionReason
from device.narrator.change import Pooled, Thumbnail
from device.narrator.rules import Alerts, RuleMatch, raised_by
from device.narrator.scene import Scene
from device.narrator.settings import NarrationSettings
from device.narrator.silence import Silence, SilencePolicy
from device.narrator.speaking_interval import SpeakingInterval
from device.narrator.trouble import Trouble
from device.narrator.values import Moment, Verdict, doubt
from device.narrator.words import content_words
from device.records import Description, Earcon, Thing

__all__ = ["Moment", "Narrator", "RuleMatch", "Verdict"]

# A caption that was too improbable may be better in another moment of the same scene; a whole
# caption takes 18 ms here (docs/results.md), so this is 0.2 % of a core.
_LOOK_AGAIN_S = 10.0


class Narrator:
    """The policy with its memory; one call at a time.

    Args:
        settings: when to speak; ``is_on`` is the switch's first position.
    """

    def __init__(self, settings: NarrationSettings) -> None:
        self._settings = settings
        self._pace = SpeakingInterval(settings)
        self._hush = SilencePolicy(settings.quiet_hours, is_on=settings.is_on)
        self._alerts = Alerts(settings.rules)
        self._scene = Scene(settings)
        self._trouble = Trouble()
        self._now_s = 0.0
        self._told_words: tuple[str, ...] | None = None
        self._look_again_s: float | None = None

    # ------------------------------------------------------------ the stages of a frame

    def after_frame(self, moment: Moment, thumbnail_hw: Thumbnail) -> Verdict | None:
        """Return the verdict by the picture alone, or None to go on to the encoder.

        Args:
            moment: now.
            thumbnail_hw: uint8 [height, width], as of ``change.thumbnail``.
        """
        silence = self._silence(moment)
        if silence is not None and not self._is_watching():
            return Verdict.silent(silence)
        threshold = self._settings.picture_change
        difference = self._scene.look(thumbnail_hw)
        if self._trouble.text:
            is_known = self._trouble.is_known(thumbnail_hw, threshold, self._now_s)
            return self._useless("a moment ago") if is_known else None
        if difference >= threshold or self._is_look_due(silence):
            return None
        if self._scene.is_changed:
            self._scene.rest()
            return self._wait(silence)
        detail = f"picture change {difference:.3f} < {threshold:.3f}"
        return self._unchanged(DecisionReason.PICTURE_SAME, detail, silence)

    def after_encoder(self, moment: Moment, pooled_d: Pooled) -> Verdict | None:
        """Return the verdict by what the encoder sees, or None to go on to the decoder.

        Args:
            moment: now.
            pooled_d: float32 [channels], the mean of the features over all cells.
        """
        silence = self._silence(moment)
        if silence is not None and not self._is_watching():
            return Verdict.silent(silence)
        self._trouble.end()
        distance = self._scene.recognise(pooled_d, self._now_s)
        if self._is_look_due(silence):
            return None
        if self._scene.is_changed:
            return self._wait(silence)
        detail = f"feature change {distance:.3f} < {self._settings.feature_change:.3f}"
        return self._unchanged(DecisionReason.FEATURES_SAME, detail, silence)

    def after_decoder(self, moment: Moment, found: Description) -> Verdict:
        """Return the verdict on a description, and note it where it or an alert is spoken."""
        silence = self._silence(moment)
        if silence is not None and not self._is_watching():
            return Verdict.silent(silence, found.text)
        alerts = self._found(found, silence)
        verdict = self._verdict(found, silence, alerts)
        if verdict.is_spoken or verdict.reason is DecisionReason.ALERT:
            self._note(found.topic)
        if silence is not None or verdict.reason is DecisionReason.TOO_SOON:
            self._scene.note_captioned(self._now_s)
        else:
            is_unsure = verdict.reason is DecisionReason.UNSURE
            self._look_again_s = self._now_s + _LOOK_AGAIN_S if is_unsure else None
            self._scene.settle()
        return verdict

    def after_fault(
        self, moment: Moment, text: str, reason: str = "", things: tuple[Thing, ...] = ()
    ) -> Verdict:
        """Return the verdict on a picture that cannot be captioned; once told when that lasts.

        Args:
            moment: now.
            text: what is said of it, as in "It is too dark to see."
            reason: in one word; with the same one a fault lasts, whatever its text names.
            things: what is named all the same, for the rules.
        """
        silence = self._silence(moment)
        is_blind = silence is not None and not self._is_watching()
        alerts = (
            ()
            if is_blind
            else self._found(Description(text, reason=reason, things=things), silence)
        )
        if silence is not None:
            return Verdict.silent(silence, text, alerts)
        self._trouble.note(text, self._scene.now_hw, self._now_s, reason)
        if loud := raised_by(alerts):
            self._pace.note_spoken(self._now_s)
            return Verdict(False, DecisionReason.ALERT, loud, text, alerts)
        is_due = self._trouble.is_to_be_told(self._settings, self._now_s)
        if not is_due or self._pace.gap_left_s(self._now_s) > 0:
            return self._useless("just now", alerts)
        self._trouble.note_told()
        self._note(text)
        self._scene.forget()  # so that what is seen afterwards is told, and the end of it heard
        return Verdict(True, DecisionReason.UNUSABLE_PICTURE, "it lasts", text, alerts)

    # ------------------------------------------------------------ what others do

    def note_spoken(self, moment: Moment, text: str) -> None:
        """Note that something else was said of the scene; it counts as the last spoken line."""
        self._advance(moment)
        self._note(text)

    def set_on(self, is_on: bool) -> None:
        """Switch narration; switched on, it begins with the scene that it finds."""
        if is_on and not self._hush.is_on:
            self._forget()
        self._hush.is_on = is_on

    def snooze(self, until_s: float | None) -> None:
        """Be silent until a time in monotonic seconds; None ends a snooze.

        Raises:
            ConfigError: the time is not a number.
        """
        self._hush.snooze(until_s)

    def set_minimum_gap(self, gap_s: float) -> None:
        """Take another minimum gap in seconds, until the next ``reload``.

        Raises:
            ConfigError: it is out of range.
        """
        self._pace.set_minimum_gap(gap_s)

    def reload(self, settings: NarrationSettings) -> None:
        """Take other settings; the switch, the snooze and what was told stay as they are."""
        self._settings = settings
        self._pace.reload(settings)
        self._hush.reload(settings.quiet_hours)
        self._alerts.reload(settings.rules)
        self._scene.reload(settings)

    @property
    def is_on(self) -> bool:
        """Whether narration is switched on; it may be snoozed or quiet all the same."""
        return self._hush.is_on

    @property
    def snoozed_until_s(self) -> float | None:
        """Monotonic seconds at which the snooze ends; None without one."""
        return self._hush.snoozed_until_s

    @property
    def minimum_gap_s(self) -> float:
        """Seconds from one spoken line to the next narrated one at least."""
        return self._pace.minimum_gap_s

    # ------------------------------------------------------------ rules

    def _advance(self, moment: Moment) -> None:
        if math.isfinite(moment.now_s):
            self._now_s = max(self._now_s, moment.now_s)

    def _silence(self, moment: Moment) -> Silence | None:
        self._advance(moment)
        return self._hush.silence(self._now_s, moment.local)

    def _is_watching(self) -> bool:
        """Whether captions are made although nothing may be narrated."""
        return self._hush.is_on and bool(self._alerts)

    def _forget(self) -> None:
        """Begin anew; only the gap after what was spoken last still holds."""
        self._scene.forget()
        self._trouble.end()
        self._told_words, self._look_again_s = None, None

    def _note(self, text: str) -> None:
        self._pace.note_spoken(self._now_s)
        self._told_words = content_words(text)

    def _is_look_due(self, silence: Silence | None) -> bool:
        """Whether the scene is put into words, changed or not."""
        if silence is not None or self._pace.gap_left_s(self._now_s) > 0:
            return False
        if self._look_again_s is not None:
            return self._now_s >= self._look_again_s
        return self._told_words is None or self._pace.is_heartbeat_due(self._now_s)

    def _wait(self, silence: Silence | None) -> Verdict | None:
        """Return why the change is not told yet, or None to have it put into words."""
        blocked = self._too_soon() if silence is None else Verdict.silent(silence)
        if unrest := self._scene.unrest(self._now_s):
            not_stable = Verdict(False, DecisionReason.NOT_STABLE, unrest)
            return not_stable if silence is None else blocked
        if blocked is not None and self._alerts and self._scene.needs_caption(self._now_s):
            return None
        return blocked

    def _too_soon(self, text: str = "", alerts: tuple[RuleMatch, ...] = ()) -> Verdict | None:
        left_s = self._pace.gap_left_s(self._now_s)
        if left_s <= 0:
            return None
        detail = f"{left_s:.1f} s left of the minimum gap of {self._pace.minimum_gap_s:g} s"
        return Verdict(False, DecisionReason.TOO_SOON, detail, text, alerts)

    def _found(self, found: Description, silence: Silence | None) -> tuple[RuleMatch, ...]:
        is_silent = silence is not None
        return self._alerts.found_in(
            found.words, found.text, self._now_s, is_silent=is_silent, things=found.things
        )

    def _verdict(
        self, found: Description, silence: Silence | None, alerts: tuple[RuleMatch, ...]
    ) -> Verdict:
        text = found.text
        if silence is not None:
            return Verdict.silent(silence, text, alerts)
        if loud := raised_by(alerts):
            return Verdict(False, DecisionReason.ALERT, loud, text, alerts)
        if (too_soon := self._too_soon(text, alerts)) is not None:
            return too_soon
        if why := doubt(found, self._settings.smallest_probability):
            return Verdict(False, DecisionReason.UNSURE, why, text, alerts)
        return self._wording(found, alerts)

    def _wording(self, found: Description, alerts: tuple[RuleMatch, ...]) -> Verdict:
        """Return the verdict by the words last spoken."""
        text, words, told = found.text, content_words(found.topic), self._told_words
        if told is None:
            return Verdict(True, DecisionReason.FIRST, "nothing was told before", text, alerts)
        if words != told:
            detail = f'"{" ".join(words)}" after "{" ".join(told)}"'
            return Verdict(True, DecisionReason.CHANGED, detail, text, alerts)
        if self._pace.is_heartbeat_due(self._now_s):
            detail = f"silent for {self._pace.silent_s(self._now_s):.0f} s"
            return Verdict(True, DecisionReason.HEARTBEAT, detail, text, alerts)
        detail = f'"{" ".join(words)}" was told already'
        return Verdict(False, DecisionReason.TEXT_SAME, detail, text, alerts, self._all_is_well())

    def _unchanged(self, reason: DecisionReason, detail: str, silence: Silence | None) -> Verdict:
        if silence is not None:
            return Verdict.silent(silence)
        return Verdict(False, reason, detail, earcon=self._all_is_well())

    def _all_is_well(self) -> Earcon | None:
        return Earcon.UNCHANGED if self._pace.takes_sound(self._now_s) else None

    def _useless(self, when: str, alerts: tuple[RuleMatch, ...] = ()) -> Verdict:
        text, why = self._trouble.text, DecisionReason.UNUSABLE_PICTURE
        return Verdict(False, why, f"found useless {when}", text, alerts)
