"""The real parts behind the commands, and the one seam where tests put others.

Everything heavy is imported when a part is opened, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from device.commands.options import DescribeOptions
    from device.records import Description, Frame
    from device.speech.pcm import PcmChunk
    from device.speech.playback import Playback


class Describer(Protocol):
    """Says what a frame shows."""

    def describe(self, frame: Frame) -> Description:
        """Return what is said of a frame.

        Raises:
            InferenceError: the model failed.
        """

    def close(self) -> None:
        """Free the model."""


class Synthesizer(Protocol):
    """Turns text into sound."""

    def warm(self) -> None:
        """Start loading and return at once."""

    def synthesize(self, text: str) -> Iterable[PcmChunk]:
        """Return the sound of a text.

        Raises:
            VoiceError: the voice failed.
        """

    def close(self) -> None:
        """End the voice."""


def _open_describer(options: DescribeOptions) -> Describer:
    from device.commands.describer import PictureDescriber
    from device.vision.bundle import find_bundle, load_bundle
    from device.vision.captioner import CaptionOptions
    from device.vision.open import open_describer
    from device.vision.picture_settings import PictureSettings

    caption_options = CaptionOptions(
        beam_width=options.beam, n_best=options.n_best, threads=options.threads
    )
    bundle = load_bundle(find_bundle(options.bundle))
    return PictureDescriber(open_describer(bundle, caption_options, PictureSettings()))


def _open_voice(path: Path | None) -> Synthesizer:
    from device.speech.piper import PiperVoiceProcess
    from device.speech.voice import find_voice

    return PiperVoiceProcess(find_voice(path))


def _open_playback(audio_device: str | None) -> Playback:
    from device.speech.playback import DEFAULT_DEVICE, AlsaPlayback

    return AlsaPlayback(audio_device or DEFAULT_DEVICE)


@dataclass(frozen=True, slots=True)
class Parts:
    """How the parts are opened.

    Attributes:
        open_describer: loads the bundle; raises BundleError or ConfigError.
        open_voice: finds the voice of a path, or the built-in one; raises VoiceError.
        open_playback: opens the sound device of an ALSA name, or the default one.
    """

    open_describer: Callable[[DescribeOptions], Describer] = _open_describer
    open_voice: Callable[[Path | None], Synthesizer] = _open_voice
    open_playback: Callable[[str | None], Playback] = _open_playback
