"""The last scene of the camera, or its last pictures that cannot be captioned.

Rules for scenes:
    - A picture is compared with the one of the encoder's last run, features with those of the
      last utterance. Both stay until the next stage has run, so that a slow drift is detected.
    - A scene that differs from the last described one is a candidate. It is stable while the next
      frames resemble it, by picture or features; a different scene is a new candidate.
    - A candidate is kept until it is described, or until the previous scene returns.
Rules for faults:
    - A fault is spoken when it has lasted for a few frames and seconds, and only once until the
      next usable picture.
    - While it lasts and the picture does not change, it is checked about once a second, not at
      every frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from seealoud.device.narrator.change import (
    FEATURE_CHANGE,
    LARGEST,
    PICTURE_CHANGE,
    Pooled,
    Thumbnail,
    feature_change,
    picture_change,
)
from seealoud.device.records import Description

# A new scene is stable after so many frames in a row and so many seconds, so that passing objects
# are not described.
STABLE_FRAMES = 3
STABLE_S = 0.8
# A scene that never becomes stable, such as a busy street, is described after so many seconds.
RESTLESS_S = 15.0
# A hand in front of the lens or a light being switched passes; a message would be late and wrong.
_FAULT_LASTS_S = 3.0
_CHECK_FAULT_AGAIN_S = 1.0


@dataclass(slots=True)
class _NewScene:
    """A scene that differs from the last described one.

    Attributes:
        features_d: the features with which later frames are compared.
        changed_s: when the scene first differed from the last described one.
        since_s: when this candidate began.
        frames: number of frames in a row that resembled it.
        is_captioned: whether it was captioned, though not spoken.
        captioned_s: when a scene that was not spoken was last captioned.
    """

    features_d: Pooled
    changed_s: float
    since_s: float
    frames: int = 1
    is_captioned: bool = False
    captioned_s: float = -math.inf

    def is_stable(self, now_s: float) -> bool:
        return now_s - self.since_s >= STABLE_S and self.frames >= STABLE_FRAMES

    def is_restless(self, now_s: float) -> bool:
        return now_s - self.changed_s >= RESTLESS_S


class SceneMemory:
    """Compares what is seen now with what was seen and spoken of."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget everything: whatever is seen next is new."""
        self.now_hw: Thumbnail | None = None
        self._encoded_hw: Thumbnail | None = None
        self._now_d: Pooled | None = None
        self._spoken_d: Pooled | None = None
        self._new: _NewScene | None = None

    @property
    def is_changed(self) -> bool:
        """Whether there is something that was not spoken of."""
        return self._new is not None

    def add_picture(self, thumbnail_hw: Thumbnail) -> float:
        """Take a picture; return how much it differs from the one encoded last, 0..1."""
        self.now_hw = thumbnail_hw
        return (
            LARGEST if self._encoded_hw is None else picture_change(self._encoded_hw, self.now_hw)
        )

    def note_same_picture(self) -> None:
        """Note that the picture is the one that was encoded last."""
        if self._new is not None:
            self._new.frames += 1

    def add_features(self, features_d: Pooled, now_s: float) -> float:
        """Take the picture's features; return how much they differ from those spoken of, 0..1."""
        self._encoded_hw = self.now_hw
        self._now_d = features_d
        change = LARGEST if self._spoken_d is None else feature_change(self._spoken_d, features_d)
        if change < FEATURE_CHANGE:
            self._new = None
        elif self._new is None:
            self._new = _NewScene(features_d, now_s, now_s)
        elif feature_change(self._new.features_d, features_d) < FEATURE_CHANGE:
            self._new.frames += 1
        else:
            before = self._new
            self._new = _NewScene(
                features_d, before.changed_s, now_s, captioned_s=before.captioned_s
            )
        return change

    def unstable(self, now_s: float) -> str:
        """Return why the new scene is not ready to be spoken of; empty when it is."""
        new = self._new
        if new is None or new.is_stable(now_s) or new.is_restless(now_s):
            return ""
        return (
            f"stable for {new.frames} of {STABLE_FRAMES} frames, "
            f"{now_s - new.since_s:.1f} of {STABLE_S:.1f} s"
        )

    def needs_caption(self, now_s: float) -> bool:
        """Return whether the new scene, not to be spoken of yet, has not been captioned either."""
        new = self._new
        if new is None:
            return False
        if new.is_stable(now_s):
            return not new.is_captioned
        return now_s - new.captioned_s >= RESTLESS_S

    def note_captioned(self, now_s: float) -> None:
        """Note that a caption was made and not spoken."""
        if self._new is not None:
            self._new.is_captioned = True
            self._new.captioned_s = now_s

    def settle(self) -> None:
        """Note that what is seen now was spoken of, or will not be."""
        self._spoken_d = self._now_d
        self._new = None


@dataclass(slots=True)
class _LastFault:
    text: str
    reason: str
    since_s: float
    seen_hw: Thumbnail | None
    looked_s: float
    frames: int = 0


class FaultMemory:
    """The fault of the present pictures, if they have one."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Note that a usable picture came."""
        self._last: _LastFault | None = None
        self._is_spoken = False

    @property
    def text(self) -> str:
        """What is said of the present fault; empty without one."""
        return "" if self._last is None else self._last.text

    def note(self, fault: Description, seen_hw: Thumbnail | None, now_s: float) -> None:
        """Note a fault that was found just now.

        Its text may name things and so change from frame to frame while its reason stays.
        """
        if self._last is None or self._last.reason != fault.reason:
            self._last = _LastFault(fault.text, fault.reason, now_s, seen_hw, now_s)
        self._last.text = fault.text
        self._last.frames += 1
        self._last.seen_hw = seen_hw
        self._last.looked_s = now_s

    def is_due(self, now_s: float) -> bool:
        """Return whether the fault has lasted and was not spoken of."""
        last = self._last
        if last is None or self._is_spoken or last.frames < STABLE_FRAMES:
            return False
        return now_s - last.since_s >= _FAULT_LASTS_S

    def note_spoken(self) -> None:
        """Note that it was spoken of."""
        self._is_spoken = True

    def is_known(self, thumbnail_hw: Thumbnail, now_s: float) -> bool:
        """Return whether the picture was found unusable a moment ago and has not changed since."""
        last = self._last
        if last is None or last.seen_hw is None or now_s - last.looked_s >= _CHECK_FAULT_AGAIN_S:
            return False
        return picture_change(last.seen_hw, thumbnail_hw) < PICTURE_CHANGE
