"""Which sound card is written into the settings of a new installation."""

from __future__ import annotations

import pytest

from seealoud.device.speech.aplay import SoundDevice, find_loudspeaker, sound_devices


def card(name: str, text: str) -> str:
    """Return what ``aplay -L`` of alsa-utils 1.2.8 lists of a card."""
    lines = [
        line
        for kind in ("hw", "plughw", "sysdefault", "dmix")
        for line in (
            f"{kind}:CARD={name},DEV=0",
            f"    {text}",
            "    Direct hardware device without any conversions",
        )
    ]
    return "\n".join(["null", "    Discard all samples (playback)", *lines, ""])


HDMI = card("vc4hdmi0", "vc4-hdmi-0, MAI PCM i2s-hifi-0")
JACK = card("Headphones", "bcm2835 Headphones, bcm2835 Headphones")
USB = card("UACDemo", "UACDemoV1.0, USB Audio")
BOARD = card("sndrpihifiberry", "snd_rpi_hifiberry_dac, HifiBerry DAC HiFi pcm5102a-hifi-0")


@pytest.mark.parametrize(
    ("listing", "name"),
    [
        (HDMI + JACK + USB, "plughw:CARD=UACDemo,DEV=0"),
        (HDMI + JACK + BOARD, "plughw:CARD=sndrpihifiberry,DEV=0"),
        (BOARD + USB, "plughw:CARD=UACDemo,DEV=0"),
        (HDMI + JACK, "plughw:CARD=Headphones,DEV=0"),
        (HDMI, "plughw:CARD=vc4hdmi0,DEV=0"),
    ],
)
def test_the_card_that_was_plugged_in_is_chosen(listing, name):
    loudspeaker = find_loudspeaker(listing)
    assert loudspeaker is not None
    assert loudspeaker.name == name


@pytest.mark.parametrize("listing", ["", "null\n    Discard all samples (playback)\n", "garbage"])
def test_no_card_is_found_without_a_card(listing):
    assert find_loudspeaker(listing) is None


def test_each_card_is_listed_once_in_alsa_s_words():
    assert list(sound_devices(JACK + USB)) == [
        SoundDevice("plughw:CARD=Headphones,DEV=0", "bcm2835 Headphones, bcm2835 Headphones"),
        SoundDevice("plughw:CARD=UACDemo,DEV=0", "UACDemoV1.0, USB Audio"),
    ]


def test_without_aplay_no_card_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_loudspeaker() is None
