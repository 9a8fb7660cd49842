"""What the camera saw last, what was told of it, and whether something new has come to rest.

Rules:
    - A picture is compared with the one the encoder saw last, features with those that were last
      told. Both stand still until the next stage has looked, so a slow drift adds up and is seen.
    - What differs from what was told is a candidate. It rests while frame after frame resembles it,
      by the picture or by the features; another difference makes another candidate.
    - A candidate is never forgotten: it is told, or the scene goes back to what was told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from device.narrator import change
from device.narrator.change import Pooled, Thumbnail
from device.narrator.settings import NarrationSettings


@dataclass(slots=True)
class Candidate:
    """A scene that differs from what was told.

    Attributes:
        features_d: by which later frames are found to resemble it.
        changed_s: when the scene first differed from what was told.
        rests_s: since when it is this one.
        frames: how many in a row resembled it.
        is_captioned: whether it was put into words, though not told.
        captioned_s: when a caption was last made of an untold scene.
    """

    features_d: Pooled
    changed_s: float
    rests_s: float
    frames: int = 1
    is_captioned: bool = False
    captioned_s: float = -math.inf


class Scene:
    """Compares what is seen now with what was seen and told."""

    def __init__(self, settings: NarrationSettings) -> None:
        self._settings = settings
        self.forget()

    def reload(self, settings: NarrationSettings) -> None:
        """Take other thresholds."""
        self._settings = settings

    def forget(self) -> None:
        """Know nothing: whatever is seen next is new."""
        self._seen_hw: Thumbnail | None = None
        self._now_hw: Thumbnail | None = None
        self._now_d: Pooled | None = None
        self._told_d: Pooled | None = None
        self._candidate: Candidate | None = None

    @property
    def now_hw(self) -> Thumbnail | None:
        """The picture that was looked at last; None before the first."""
        return self._now_hw

    @property
    def is_changed(self) -> bool:
        """Whether there is something that was not told."""
        return self._candidate is not None

    def look(self, thumbnail_hw: Thumbnail) -> float:
        """Take a picture; return how much it differs from the one the encoder saw last, 0..1."""
        self._now_hw = thumbnail_hw
        if self._seen_hw is None:
            return change.LARGEST
        return change.picture_change(self._seen_hw, thumbnail_hw)

    def rest(self) -> None:
        """Note that the picture is the one the encoder saw last."""
        if self._candidate is not None:
            self._candidate.frames += 1

    def recognise(self, features_d: Pooled, now_s: float) -> float:
        """Take the features of the picture; return how much they differ from those told, 0..1."""
        self._seen_hw, self._now_d = self._now_hw, features_d
        if self._told_d is None:
            distance = change.LARGEST
        else:
            distance = change.feature_change(self._told_d, features_d)
        if distance < self._settings.feature_change:
            self._candidate = None
        else:
            self._propose(features_d, now_s)
        return distance

    def _propose(self, features_d: Pooled, now_s: float) -> None:
        candidate = self._candidate
        if candidate is None:
            self._candidate = Candidate(features_d, now_s, now_s)
            return
        distance = change.feature_change(candidate.features_d, features_d)
        if distance < self._settings.feature_change:
            candidate.frames += 1
        else:
            self._candidate = Candidate(
                features_d, candidate.changed_s, now_s, captioned_s=candidate.captioned_s
            )

    def unrest(self, now_s: float) -> str:
        """Return why the candidate is not ready to be told; empty when it is."""
        candidate, settings = self._candidate, self._settings
        if candidate is None:
            return ""
        rested_s = now_s - candidate.rests_s
        if self._has_rested(candidate, now_s) or self._is_restless(candidate, now_s):
            return ""
        return (
            f"stable for {candidate.frames} of {settings.stable_frames} frames, "
            f"{rested_s:.1f} of {settings.stable_s:.1f} s"
        )

    def needs_caption(self, now_s: float) -> bool:
        """Return whether the candidate that may not be told yet was not put into words either."""
        candidate = self._candidate
        if candidate is None:
            return False
        if self._has_rested(candidate, now_s):
            return not candidate.is_captioned
        return now_s - candidate.captioned_s >= self._settings.restless_s

    def note_captioned(self, now_s: float) -> None:
        """Note that a caption was made and not told."""
        if self._candidate is not None:
            self._candidate.is_captioned = True
            self._candidate.captioned_s = now_s

    def settle(self) -> None:
        """Note that what is seen now is told, or not worth telling."""
        self._told_d, self._candidate = self._now_d, None

    def _has_rested(self, candidate: Candidate, now_s: float) -> bool:
        settings = self._settings
        is_long = now_s - candidate.rests_s >= settings.stable_s
        return is_long and candidate.frames >= settings.stable_frames

    def _is_restless(self, candidate: Candidate, now_s: float) -> bool:
        return now_s - candidate.changed_s >= self._settings.restless_s
