"""The table ``[speech]`` of the settings, and the limits of rate and volume."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from device.settings_base import FilePath, LineText, SettingsGroup

DEFAULT_DEVICE = "default"
SLOWEST_RATE = 0.25
FASTEST_RATE = 4.0
LOUDEST = 2.0
_LONGEST_LEAD_IN_MS = 3000


class SpeechSettings(SettingsGroup):
    """Speech, short sounds, and the loudspeaker that plays them."""

    output: Literal["alsa", "none"] = "alsa"
    """Where the sound goes. "none" makes all of it, plays nothing and is done at once: for a
    machine without a loudspeaker and for replays."""

    device: Annotated[LineText, Field(min_length=1, examples=["plughw:CARD=UACDemo"])] = (
        DEFAULT_DEVICE
    )
    """ALSA's name of the loudspeaker; ``aplay -L`` lists them."""

    is_device_kept_open: StrictBool = True
    """Keep a player ready at the loudspeaker between the words, so that sound starts at once.
    Switch it off when other programs must use a loudspeaker that only one can have, or when a
    Bluetooth one should sleep."""

    voice: Annotated[FilePath, Field(examples=["/var/lib/seealoud/en_GB-alan-low.onnx"])] | None = (
        None
    )
    """The ``.onnx`` file of a Piper voice, with its ``.onnx.json`` beside it. Not set: the
    built-in one."""

    rate: Annotated[float, Field(ge=SLOWEST_RATE, le=FASTEST_RATE)] = 1.0
    """Pace of the words: 2.0 is twice as fast as the voice's own."""

    volume: Annotated[float, Field(ge=0, le=LOUDEST)] = 1.0
    """How loud the words are: 1.0 is as loud as the format goes, more is distorted."""

    are_earcons_on: StrictBool = True
    """Whether there are short sounds: press noticed, picture taken, failed, alert."""

    earcon_volume: Annotated[float, Field(ge=0, le=1)] = 0.5
    """How loud the short sounds are."""

    lead_in_ms: Annotated[int, Field(ge=0, le=_LONGEST_LEAD_IN_MS)] = 0
    """Silence before the first sound after a pause, in milliseconds. Some Bluetooth loudspeakers
    swallow the first words without 300 or so."""
