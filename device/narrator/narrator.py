"""Decides what narration says, when, and why not; no I/O, one decision a frame.

The caller passes a frame in stages and continues only while the result is None, so a static scene
costs one thumbnail per frame, and no model runs:

    after_frame(thumbnail) -> None -> encoder -> after_encoder(features) -> None -> decoder
        -> after_decoder(found) -> Decision;   after_fault(fault) where a stage finds it unusable

Rules, in this order; every decision names the first rule that keeps narration silent:
    1. Off, snoozed or in quiet hours: without keyword rules no frame is analysed. With rules,
       captions are still made for them. Alerts are spoken while narration is off, and published
       without text or sound while it is snoozed or in quiet hours.
    2. The first scene after switching on is described at once. After ``heartbeat_s`` of silence
       the scene is described again, changed or not. Neither waits until the scene is stable; both
       keep the minimum gap.
    3. The picture is as in the encoder's last run, or the features as in the last utterance:
       nothing is new.
    4. A new scene has to be stable, or to keep changing for too long.
    5. It waits for the minimum gap after the last utterance, including answers and alerts. With
       rules it is captioned once in the meantime.
    6. A rule that matches a caption or its things raises its alert at once, even within the gap; a
       spoken alert replaces the narration of that caption.
    7. An empty or too improbable caption is not spoken; the scene is captioned again after a while.
    8. A caption with the same content words as the last spoken one is not spoken again, unless the
       heartbeat is due; its things, which come and go, do not count.
Time is monotonic seconds; the wall clock matters only for quiet hours. If a time goes back or is
not a number, no time has passed.
"""

from __future__ import annotations

import math
from dataclasses import replace

from device.clock import ClockReading
from device.english import content_words
from device.events import DecisionReason
from device.narrator.change import FEATURE_CHANGE, PICTURE_CHANGE, Pooled, Thumbnail
from device.narrator.rules import Alerts, RuleMatch, raised_by
from device.narrator.scene_memory import FaultMemory, SceneMemory
from device.narrator.settings import NarrationSettings
from device.narrator.silence import Decision, SilencePolicy, SpeakingInterval, doubt
from device.records import Description, Earcon, Thing

# A caption that was too improbable may be better at another moment of the same scene; a complete
# caption takes 18 ms here (docs/results.md), so this is 0.2 % of a core.
_LOOK_AGAIN_S = 10.0


class Narrator:
    """The policy with its memory; one call at a time.

    Args:
        settings: when to speak; ``is_on`` is the initial state of the switch.
    """

    def __init__(self, settings: NarrationSettings) -> None:
        self._settings = settings
        self._interval = SpeakingInterval(settings)
        self._silence = SilencePolicy(settings.quiet_hours, is_on=settings.is_on)
        self._alerts = Alerts(settings.rules)
        self._are_alerts_silent = False
        self._scene = SceneMemory()
        self._fault = FaultMemory()
        self._now_s = 0.0
        self._spoken_words: tuple[str, ...] | None = None
        self._look_again_s: float | None = None

    # ------------------------------------------------------------ the stages of a frame

    def after_frame(self, now: ClockReading, thumbnail_hw: Thumbnail) -> Decision | None:
        """Return the decision by the picture alone, or None to continue with the encoder.

        Args:
            now: the present moment.
            thumbnail_hw: uint8 [height, width], from ``change.thumbnail``.
        """
        silence = self._silent_at(now)
        if silence is not None and not self._alerts:
            return silence
        difference = self._scene.add_picture(thumbnail_hw)
        if self._fault.text:
            is_known = self._fault.is_known(thumbnail_hw, self._now_s)
            return self._unusable("a moment ago") if is_known else None
        if difference >= PICTURE_CHANGE or self._is_look_due(silence):
            return None
        if self._scene.is_changed:
            self._scene.note_same_picture()
            return self._wait(silence)
        detail = f"picture change {difference:.3f} < {PICTURE_CHANGE:.3f}"
        return self._unchanged(silence, DecisionReason.PICTURE_SAME, detail)

    def after_encoder(self, now: ClockReading, pooled_d: Pooled) -> Decision | None:
        """Return the decision by the encoder's features, or None to continue with the decoder.

        Args:
            now: the present moment.
            pooled_d: float32 [channels], the mean of the features over all cells.
        """
        silence = self._silent_at(now)
        if silence is not None and not self._alerts:
            return silence
        self._fault.clear()
        difference = self._scene.add_features(pooled_d, self._now_s)
        if self._is_look_due(silence):
            return None
        if self._scene.is_changed:
            return self._wait(silence)
        detail = f"feature change {difference:.3f} < {FEATURE_CHANGE:.3f}"
        return self._unchanged(silence, DecisionReason.FEATURES_SAME, detail)

    def after_decoder(self, now: ClockReading, found: Description) -> Decision:
        """Return the decision on a caption; record if it or an alert is spoken."""
        silence = self._silent_at(now)
        if silence is not None and not self._alerts:
            return replace(silence, text=found.text)
        decision = self._decide(found, silence)
        if decision.is_spoken or decision.reason is DecisionReason.ALERT:
            self._note(found.topic)
        if silence is not None or decision.reason is DecisionReason.TOO_SOON:
            self._scene.note_captioned(self._now_s)
        else:
            is_unsure = decision.reason is DecisionReason.UNSURE
            self._look_again_s = self._now_s + _LOOK_AGAIN_S if is_unsure else None
            self._scene.settle()
            self._alerts.settle_view()
        return decision

    def after_fault(self, now: ClockReading, fault: Description) -> Decision:
        """Return the decision on an unusable picture; a lasting fault is spoken once.

        Args:
            now: the present moment.
            fault: it lasts as long as its reason stays the same, whatever its text.
        """
        silence = self._silent_at(now)
        text = fault.text
        is_blind = silence is not None and not self._alerts
        alerts = () if is_blind else self._found("", text, fault.things)
        if silence is None:
            self._fault.note(fault, self._scene.now_hw, self._now_s)
        if raised := raised_by(alerts):
            self._interval.note_spoken(self._now_s)
            return Decision(False, DecisionReason.ALERT, raised, text, alerts)
        if silence is not None:
            return replace(silence, text=text, alerts=alerts)
        if not self._fault.is_due(self._now_s) or self._interval.gap_left_s(self._now_s) > 0:
            return self._unusable("just now", alerts)
        self._fault.note_spoken()
        self._note(text)
        self._scene.forget()  # so that the next usable picture is described: the fault is over
        return Decision(True, DecisionReason.UNUSABLE_PICTURE, "it lasts", text, alerts)

    # ------------------------------------------------------------ other events

    def note_spoken(self, now: ClockReading, text: str) -> None:
        """Record that something else was said about the scene; it is the last utterance then."""
        self._advance(now)
        self._note(text)

    def set_on(self, is_on: bool) -> None:
        """Switch narration on or off; on, it begins with the present scene."""
        if is_on and not self._silence.is_on:
            self._forget()
        self._silence.is_on = is_on

    def set_alerting(self, is_on: bool) -> None:
        """Switch the alerts of all rules on or off."""
        self._alerts.is_on = is_on

    def snooze(self, until_s: float | None) -> None:
        """Be silent until a time in monotonic seconds; None ends a snooze.

        Raises:
            ConfigError: the time is not a number.
        """
        self._silence.snooze(until_s)

    def set_minimum_gap(self, gap_s: float) -> None:
        """Change the minimum gap in seconds, until the next ``reload``.

        Raises:
            ConfigError: it is out of range.
        """
        self._interval.set_minimum_gap(gap_s)

    def reload(self, settings: NarrationSettings) -> None:
        """Replace the settings; the switch, the snooze and the last utterance stay."""
        self._settings = settings
        self._interval.reload(settings)
        self._silence.reload(settings.quiet_hours)
        self._alerts.reload(settings.rules)

    @property
    def is_on(self) -> bool:
        """Whether narration is switched on; it may be snoozed or in quiet hours nevertheless."""
        return self._silence.is_on

    @property
    def snoozed_until_s(self) -> float | None:
        """Monotonic seconds at which the snooze ends; None without one."""
        return self._silence.snoozed_until_s

    @property
    def in_view(self) -> dict[str, bool | None]:
        """Whether each rule finds what it waits for, by its name; None while it does not look."""
        found = self._alerts.in_view(self._now_s)
        return found if self._alerts else dict.fromkeys(found)

    # ------------------------------------------------------------ rules

    def _advance(self, now: ClockReading) -> None:
        if math.isfinite(now.monotonic_s):
            self._now_s = max(self._now_s, now.monotonic_s)

    def _silent_at(self, now: ClockReading) -> Decision | None:
        self._advance(now)
        self._are_alerts_silent = self._silence.pause(self._now_s, now.local) is not None
        return self._silence.silence(self._now_s, now.local)

    def _forget(self) -> None:
        """Forget everything except the time of the last utterance."""
        self._scene.forget()
        self._fault.clear()
        self._alerts.forget_view()
        self._spoken_words = None
        self._look_again_s = None

    def _note(self, text: str) -> None:
        self._interval.note_spoken(self._now_s)
        self._spoken_words = content_words(text)

    def _is_look_due(self, silence: Decision | None) -> bool:
        """Return whether the scene is captioned, changed or not."""
        if silence is not None or self._interval.gap_left_s(self._now_s) > 0:
            return False
        if self._look_again_s is not None:
            return self._now_s >= self._look_again_s
        return self._spoken_words is None or self._interval.is_heartbeat_due(self._now_s)

    def _wait(self, silence: Decision | None) -> Decision | None:
        """Return why the change is not narrated yet, or None to caption it."""
        blocked = silence or self._interval.too_soon(self._now_s)
        if unstable := self._scene.unstable(self._now_s):
            return silence or Decision(False, DecisionReason.NOT_STABLE, unstable)
        if blocked is not None and self._alerts and self._scene.needs_caption(self._now_s):
            return None
        return blocked

    def _found(
        self, caption: str, sentence: str, things: tuple[Thing, ...]
    ) -> tuple[RuleMatch, ...]:
        return self._alerts.found_in(
            caption, sentence, self._now_s, is_silent=self._are_alerts_silent, things=things
        )

    def _decide(self, found: Description, silence: Decision | None) -> Decision:
        """Return the decision on a caption, with the alerts that it raises."""
        alerts = self._found(found.words, found.text, found.things)
        if raised := raised_by(alerts):
            decision = Decision(False, DecisionReason.ALERT, raised)
        elif (blocked := silence or self._interval.too_soon(self._now_s)) is not None:
            decision = blocked
        elif why := doubt(found, self._settings.smallest_probability):
            decision = Decision(False, DecisionReason.UNSURE, why)
        else:
            decision = self._compare(content_words(found.topic))
        return replace(decision, text=found.text, alerts=alerts)

    def _compare(self, words: tuple[str, ...]) -> Decision:
        """Return the decision by comparison with the words last spoken."""
        spoken = self._spoken_words
        if spoken is None:
            return Decision(True, DecisionReason.FIRST, "nothing was spoken before")
        if words != spoken:
            detail = f'"{" ".join(words)}" after "{" ".join(spoken)}"'
            return Decision(True, DecisionReason.CHANGED, detail)
        if self._interval.is_heartbeat_due(self._now_s):
            detail = f"silent for {self._interval.silent_s(self._now_s):.0f} s"
            return Decision(True, DecisionReason.HEARTBEAT, detail)
        detail = f'"{" ".join(words)}" was spoken already'
        return self._unchanged(None, DecisionReason.TEXT_SAME, detail)

    def _unchanged(self, silence: Decision | None, reason: DecisionReason, detail: str) -> Decision:
        self._alerts.return_view(self._now_s)
        if silence is not None:
            return silence
        earcon = Earcon.UNCHANGED if self._interval.takes_sound(self._now_s) else None
        return Decision(False, reason, detail, earcon=earcon)

    def _unusable(self, when: str, alerts: tuple[RuleMatch, ...] = ()) -> Decision:
        reason = DecisionReason.UNUSABLE_PICTURE
        return Decision(False, reason, f"found unusable {when}", self._fault.text, alerts)
