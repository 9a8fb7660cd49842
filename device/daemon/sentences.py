"""The sentences that the daemon speaks unchanged, and those of them that are spoken often.

What is said of a picture is in ``seealoud.device.vision``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seealoud.device.camera.source import SourceKind
from seealoud.device.english import counted
from seealoud.device.events import Part
from seealoud.device.vision.describe import UNFAMILIAR_TEXT
from seealoud.device.vision.picture_gate import FAULT_TEXTS
from seealoud.device.vision.sentences import CANNOT_TELL, UNSURE

NO_FRAME = "The camera gives no picture."
FROZEN = "The camera keeps giving the same picture. Unplug it and plug it in again."
PRIVATE = "Privacy is on. The camera is off."
FAILED = "Something went wrong while I looked. Please try again."

NOTHING_SAID = "Nothing has been said yet."
NARRATION = {True: "Narration on.", False: "Narration off."}
ALERTS_STAY = "Narration off. Alerts stay on."
ALERTS = {True: "Alerts on.", False: "Alerts off."}
ALERTS_WITHOUT_RULES = "Alerts on. There are no rules yet."
NARRATION_BACK = "Narration is back."
SOUND_ON = "Sound on."
PRIVACY = {
    True: "Privacy on. The camera is off.",
    False: "Privacy off. The camera is on again.",
}
NEW_VOICE = "This is my voice now."
UPDATING = "I look for a new model."
NO_UPDATE = "There is no newer model."
NO_FEED = "No new model could be fetched. The log says why."
UPDATED = "The new model works. It stays in use."
NOT_UPDATED = "The new model cannot be used. The old one stays in use."
ALL_WELL = "All is well."
NO_PLACES = "No place has been taught yet."
UNKNOWN_PLACE = "I do not recognise this place."
NO_PLACES_POSSIBLE = "This model cannot recognise places."
PLACES_OF_ANOTHER_MODEL = "The places were taught with another model. They must be taught again."
NOT_LEARNT = "The place was not learnt."
PLACE_REFUSED = "The place could not be kept. The log says why."
TEACHING = "Turn the camera slowly."
ALL_PLACES_FORGOTTEN = "All places are forgotten."
RECORDING_OVER = "The recording is over."
READY = "SeeAloud is ready."


def place_text(name: str) -> str:
    """Return the answer to "where am I" in a place that is recognised."""
    return f"This looks like {name}."


def learnt_text(name: str, pictures: int) -> str:
    """Return the answer when a place was taught."""
    return f"I have learnt {name}, from {counted(pictures, 'picture')}."


def forgotten_text(name: str) -> str:
    """Return the answer when a place was erased."""
    return f"The place {name} is forgotten."


@dataclass(frozen=True, slots=True)
class PartSentences:
    """What is spoken of a part.

    Attributes:
        failed: when it fails.
        works: when it works again.
    """

    failed: str
    works: str


# Of parts that have never worked since the start. A ribbon cable must not be plugged in while the
# power is on.
_NO_CAMERA = {
    SourceKind.DEVICE: "I find no camera. Plug one in.",
    SourceKind.PICAMERA: "I find no camera. Switch the power off and check its cable.",
    SourceKind.STREAM: "The camera does not answer. Check that it is on.",
    SourceKind.VIDEO: "The recording cannot be opened.",
    SourceKind.FOLDER: "The pictures cannot be opened.",
}
NO_BROKER = PartSentences(
    "There is no connection to your home.", "The connection to your home works now."
)


def no_camera(kind: SourceKind) -> PartSentences:
    """Return what is spoken of a camera that has given no picture since the start."""
    return PartSentences(_NO_CAMERA[kind], "The camera works now.")


# None for failures of the speech itself.
PARTS: Mapping[Part, PartSentences | None] = {
    Part.CAMERA: PartSentences("The camera is gone.", "The camera is back."),
    Part.BROKER: PartSentences(
        "The connection to your home is lost.", "The connection to your home is back."
    ),
    Part.BUNDLE: PartSentences(NOT_UPDATED, "The new model is in use."),
    Part.BUTTON: PartSentences("The button does not work.", "The button works again."),
    Part.KEYS: PartSentences("The keys do not work.", "The keys work again."),
    Part.SOCKET: PartSentences(
        "Commands from this device are not received.", "Commands are received again."
    ),
    Part.SIGNALS: PartSentences(
        "Signals from the system are not received.", "Signals are received again."
    ),
    Part.PAGE: PartSentences(
        "The page for the browser does not work.", "The page for the browser works again."
    ),
    Part.DISK: PartSentences(
        "The disk is full or write-protected. History is not being saved.",
        "History is being saved again.",
    ),
    Part.STATE: PartSentences(
        "Your last settings could not be saved.", "Your settings are saved again."
    ),
    Part.SOUND: None,
    Part.VOICE: None,
}


def often_spoken() -> tuple[str, ...]:
    """Return the sentences whose sound is worth keeping, the most frequent first.

    They answer a press, or report what has just happened. 67 of 119 photographs of homes are
    answered with the first one, and another sentence after it.
    """
    presses = (UNSURE, CANNOT_TELL, UNFAMILIAR_TEXT, *FAULT_TEXTS.values())
    answers = (
        NO_FRAME,
        FROZEN,
        PRIVATE,
        FAILED,
        NOTHING_SAID,
        UNKNOWN_PLACE,
        *NARRATION.values(),
        *PRIVACY.values(),
    )
    others = (ALERTS_STAY, *ALERTS.values(), NARRATION_BACK, SOUND_ON, ALL_WELL)
    parts = [text for one in PARTS.values() if one is not None for text in (one.failed, one.works)]
    return (*presses, *answers, *others, *parts)
