"""Finds the loudspeaker that is plugged in, for the settings file of a new installation.

Invariant: nothing is played; the list is that of ``aplay -L``.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

_LIST = ("aplay", "-L")
_TIMEOUT_S = 10.0
# Converts rate and number of channels, which the voice's sound needs on most cards.
_CONVERTING = "plughw:"
# Usually a screen without loudspeakers; and a jack to which often nothing is connected.
_HDMI = re.compile(r"hdmi", re.IGNORECASE)
_JACK = re.compile(r"headphones|bcm2835", re.IGNORECASE)
_USB = re.compile(r"usb", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """An ALSA device that plays.

    Attributes:
        name: for ``speech.device`` in the settings, e.g. "plughw:CARD=UACDemo,DEV=0".
        description: the card in ALSA's words, e.g. "UACDemoV1.0, USB Audio".
    """

    name: str
    description: str


def find_loudspeaker(listing: str | None = None) -> SoundDevice | None:
    """Return the device that most likely has a loudspeaker, or None if no card is there.

    A USB card or a sound board is plugged in to be used, so it comes first, then the headphone
    jack, then HDMI.

    Args:
        listing: output of ``aplay -L``; by default the command is run.
    """
    devices = list(sound_devices(_listed() if listing is None else listing))
    return min(devices, key=_rank, default=None)


def sound_devices(listing: str) -> Iterator[SoundDevice]:
    """Yield the devices of cards in the output of ``aplay -L`` that convert what they are given."""
    name = ""
    for line in listing.splitlines():
        if not line.startswith((" ", "\t")):
            name = line.strip()
        elif name.startswith(_CONVERTING):
            yield SoundDevice(name, line.strip())
            name = ""  # the further lines describe the same device


def _rank(device: SoundDevice) -> int:
    text = f"{device.name} {device.description}"
    if _HDMI.search(text):
        return 3
    if _JACK.search(text):
        return 2
    return 0 if _USB.search(text) else 1


def _listed() -> str:
    """Return the output of ``aplay -L``; nothing where it is not installed or fails."""
    try:
        done = subprocess.run(_LIST, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")
