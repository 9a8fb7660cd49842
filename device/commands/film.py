"""``seealoud describe FILM --srt ...``: one caption for each scene, as subtitles and as speech.

Invariant: an existing file is never overwritten, and everything that could be refused is refused
before the first frame is described.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seealoud.device.commands.options import DescribeOptions
from seealoud.device.commands.report import Progress, echo_line, open_progress, write_error
from seealoud.device.commands.subtitles import Cue, srt_text, vtt_text
from seealoud.device.english import counted
from seealoud.device.errors import ConfigError
from seealoud.device.narrator.change import PICTURE_CHANGE, picture_change, thumbnail
from seealoud.device.pictures.names import PICTURE_SUFFIXES, is_address
from seealoud.device.pictures.scenes import FilmSample, Scene, find_scenes
from seealoud.device.pictures.video import SAMPLE_PERIOD_S, Film
from seealoud.device.records import Frame
from seealoud.device.speech.film_sound import FilmSound, TimeSpan, mixed, place
from seealoud.device.speech.pcm import write_wav
from seealoud.device.vision.sentences import UNSURE

if TYPE_CHECKING:
    import numpy.typing as npt

    from seealoud.device.commands.run_describe import DescribeParts
    from seealoud.device.speech.piper import PiperVoiceProcess
    from seealoud.device.vision.describe import FrameDescriber

_LOGGER = logging.getLogger(__name__)
# A file that ends before this share of the frames that it claims to have is probably cut off.
_WHOLE_SHARE = 0.9
_S_PER_MINUTE = 60


def describe_film(options: DescribeOptions, parts: DescribeParts) -> int:
    """Describe the scenes of one film into files.

    Returns:
        The exit code, 0.

    Raises:
        ConfigError: an option is wrong, or a file exists already; nothing was described.
        BundleError: there is no usable bundle; nothing was described.
        PictureError: the film cannot be read.
        SpeechError: its sound cannot be read, or there is no voice.
        OutputError: a file cannot be written.
    """
    options.check()
    path = _film_path(options)
    for output in filter(None, (options.srt, options.vtt, options.audio_description)):
        _check_new(output)
    with ExitStack() as stack:
        film = stack.enter_context(closing(Film(path)))
        description = None
        if options.audio_description is not None:
            description = _open_description(path, options, parts, stack)
        describer = stack.enter_context(closing(parts.open_describer(options)))
        progress = stack.enter_context(open_progress(options, round(film.claimed_s)))
        scenes = list(_described(film, describer, progress))
        progress.clear()
        if film.length_s < film.claimed_s * _WHOLE_SHARE:
            _LOGGER.warning(
                "%s could only be read until %s of %s: is it whole?",
                film.name,
                _clock(film.length_s),
                _clock(film.claimed_s),
            )
        cues = joined(scenes)
        # First what is certain: speech may still fail.
        _write(options.srt, srt_text(cues))
        _write(options.vtt, vtt_text(cues))
        echo_line(_summary(film, scenes, cues))
        if description is not None:
            spoken = description.speech(cues, film.length_s)
            echo_line(description.write(spoken, len(cues), film.length_s))
    return 0


def _film_path(options: DescribeOptions) -> Path:
    (source,) = options.sources
    path = Path(source)
    if source == "-" or is_address(source) or path.is_dir():
        raise ConfigError(f"{source} is not a film on this machine: name a file, such as film.mp4")
    if path.suffix.lower() in PICTURE_SUFFIXES:
        raise ConfigError(f"{source} is a picture, which has no scenes: name a film")
    return path


def _check_new(path: Path) -> None:
    """Refuse a file that exists or cannot be made, before hours of work."""
    if path.exists() or path.is_symlink():
        raise ConfigError(
            f"{path} exists, and is left as it is: name another file, or delete it first"
        )
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as exc:
        raise write_error(f"{path} cannot be written", exc) from exc


# ------------------------------------------------------------ scenes and captions


def _described(film: Film, describer: FrameDescriber, progress: Progress) -> Iterator[Cue]:
    """Yield a cue for each scene; its text is empty where nothing is known of it."""
    for scene in find_scenes(_samples(film, describer, progress), SAMPLE_PERIOD_S):
        _LOGGER.debug("scene from %.2f s to %.2f s", scene.start_s, scene.end_s)
        yield Cue(scene.start_s, min(scene.end_s, film.length_s), _said(scene, film, describer))


def _samples(film: Film, describer: FrameDescriber, progress: Progress) -> Iterator[FilmSample]:
    seen_hw, pooled_d, shown_s = None, None, 0
    for at_s, image_hwc in film.pictures():
        now_hw = thumbnail(image_hwc)
        # The encoder runs only where the picture has changed since it last ran.
        if seen_hw is None or picture_change(seen_hw, now_hw) >= PICTURE_CHANGE:
            seen_hw, frame = now_hw, Frame.now(image_hwc, film.name)
            is_seen = describer.refusal(frame) is None
            pooled_d = describer.features(frame).pooled_d if is_seen else None
        yield FilmSample(at_s, image_hwc, pooled_d)
        for _ in range(shown_s, int(at_s)):
            progress.advance()
        shown_s = max(shown_s, int(at_s))


def _said(scene: Scene, film: Film, describer: FrameDescriber) -> str:
    if scene.image_hwc is None:
        return ""
    description = describer.look(Frame.now(scene.image_hwc, film.name))
    # Without a topic, it only says that the scene cannot be described.
    return description.text if description.topic else ""


def joined(scenes: Iterable[Cue]) -> list[Cue]:
    """Return the cues that have a text; one that repeats the last one is not shown again.

    If it follows without a gap, the last one is shown for longer.
    """
    cues: list[Cue] = []
    for scene in scenes:
        if not scene.text:
            continue
        if not cues or cues[-1].text != scene.text:
            cues.append(scene)
        elif cues[-1].end_s == scene.start_s:
            cues[-1] = replace(cues[-1], end_s=scene.end_s)
    return cues


def _write(path: Path | None, text: str) -> None:
    """Write a new file whole."""
    if path is None:
        return
    try:
        file = path.open("x", encoding="utf-8", newline="\n")
    except OSError as exc:
        raise write_error(f"{path} cannot be written", exc) from exc
    try:
        with file:
            file.write(text)
    except OSError as exc:
        path.unlink(missing_ok=True)
        raise write_error(f"{path} cannot be written", exc) from exc


def _summary(film: Film, scenes: Sequence[Cue], cues: Sequence[Cue]) -> str:
    n_silent = sum(not scene.text for scene in scenes)
    silent = f"; {n_silent} of them could not be described" if n_silent else ""
    return (
        f"{film.name}: {counted(len(scenes), 'scene')} in {_clock(film.length_s)}{silent}. "
        f"{counted(len(cues), 'caption')}."
    )


def _clock(length_s: float) -> str:
    """Return a length as in 1:02:03."""
    minutes, seconds = divmod(round(length_s), _S_PER_MINUTE)
    hours, minutes = divmod(minutes, _S_PER_MINUTE)
    return f"{hours}:{minutes:02}:{seconds:02}"


# ------------------------------------------------------------ the audio description


@dataclass(frozen=True, slots=True)
class _AudioDescription:
    """Speaks the captions of a film into a WAV file.

    Attributes:
        path: of that file.
        voice: what speaks.
        sample_rate_hz: of the voice and of the file.
        sound: of the film; None where the file has the description only.
    """

    path: Path
    voice: PiperVoiceProcess
    sample_rate_hz: int
    sound: FilmSound | None

    def speech(
        self, cues: Sequence[Cue], length_s: float
    ) -> list[tuple[float, npt.NDArray[np.int16]]]:
        """Return when each caption begins that has room, and its samples.

        Raises:
            VoiceError: the voice failed.
        """
        forms = [self._forms(cue.text) for cue in cues]
        pauses = [TimeSpan(0.0, length_s)] if self.sound is None else self.sound.pauses()
        places = place(
            [TimeSpan(cue.start_s, min(cue.end_s, length_s)) for cue in cues],
            [[len(clip) / self.sample_rate_hz for clip in clips] for clips in forms],
            pauses,
        )
        return [
            (found[0], clips[found[1]])
            for found, clips in zip(places, forms, strict=True)
            if found is not None
        ]

    def write(
        self, spoken: Sequence[tuple[float, npt.NDArray[np.int16]]], n_cues: int, length_s: float
    ) -> str:
        """Write the file; return a sentence about it.

        Raises:
            SpeechError: it cannot be written.
        """
        film_n = np.zeros(0, np.int16) if self.sound is None else self.sound.samples
        write_wav(self.path, mixed(film_n, spoken, self.sample_rate_hz, length_s))
        n_left = n_cues - len(spoken)
        left = f"; {n_left} did not fit" if n_left else ""
        return f"{self.path}: {counted(len(spoken), 'caption')} spoken{left}."

    def _forms(self, text: str) -> list[npt.NDArray[np.int16]]:
        """Return the speech of a text, then that of fewer and fewer of its sentences.

        The first sentence is the caption, or that the device is unsure; the latter is never said
        without what it does see.
        """
        sentences = [chunk.samples for chunk in self.voice.synthesize(text)]
        fewest = 2 if text.startswith(UNSURE) else 1
        return [np.concatenate(sentences[:n]) for n in range(len(sentences), fewest - 1, -1)]


def _open_description(
    path: Path, options: DescribeOptions, parts: DescribeParts, stack: ExitStack
) -> _AudioDescription:
    output = options.audio_description
    assert output is not None
    voice = parts.open_voice(options.voice)
    stack.callback(voice.close)
    rate_hz = voice.start().sample_rate_hz
    sound = None
    if not options.beside:
        sound = stack.enter_context(closing(FilmSound(path, output.parent, rate_hz)))
    return _AudioDescription(output, voice, rate_hz, sound)
