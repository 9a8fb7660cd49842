"""``seealoud benchmark``: how fast this device is, as a short block to paste into an issue."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seealoud.device import __version__
from seealoud.device.commands.command_line import Count
from seealoud.device.commands.report import echo_line, verbose_option
from seealoud.device.english import counted
from seealoud.device.errors import SeeAloudError

if TYPE_CHECKING:
    from seealoud.device.records import Description, Frame
    from seealoud.device.vision.bundle import Bundle

# As a camera delivers it by default.
_FRAME_PX = (640, 480)
_WARM_UPS = 3
_P95 = 0.95
_MS = 1000.0
_KB_PER_MB = 1024
_SENTENCE = "I think a brown dog runs through the grass."
_VOICE_RUNS = 3
_OS_RELEASE, _STATUS, _MEMORY = (
    Path("/etc/os-release"),
    Path("/proc/self/status"),
    Path("/proc/meminfo"),
)


@click.command("benchmark", short_help="Measure the speed of this device.")
@click.argument(
    "pictures", nargs=-1, type=click.Path(path_type=Path, dir_okay=False), metavar="[PICTURE...]"
)
@click.option("--bundle", metavar="NAME|PATH", help="The captioner. Default: as `describe`.")
@click.option("--rounds", type=Count(), default=20, show_default=True, help="Descriptions.")
@verbose_option
def benchmark(pictures: tuple[Path, ...], bundle: str | None, rounds: int) -> None:
    """Measure every stage on this device, and print a block that can be pasted into an issue.

    Without PICTURE: generated pictures, the same on every device. Stop the daemon before, or its
    work is measured as well. The block names no file, no user and no network.
    """
    from seealoud.device.doctor.machine import temperature_c, throttling_flags, throttling_words
    from seealoud.device.vision.bundle import find_bundle, load_bundle
    from seealoud.device.vision.runtime import runtime_name

    loaded = load_bundle(find_bundle(bundle))
    frames = _frames(pictures)
    celsius, load = temperature_c(), os.getloadavg()[0]
    stages = list(_stage_lines(loaded, frames, rounds))
    voice = _voice_line()
    for line in (
        f"SeeAloud {__version__}, bundle {loaded.name}",
        _board_line(),
        f"System: {_system()}, {platform.machine()}, Python {platform.python_version()}, "
        f"{runtime_name()}",
        f"Temperature: {_degrees(celsius)} before, {_degrees(temperature_c())} after",
        f"Throttling: {throttling_words(throttling_flags())}",
        f"Load before: {load:.1f}",
        f"Pictures: {'own' if pictures else 'generated'}, {counted(rounds, 'round')}",
        *stages,
        voice,
        f"Peak memory without the voice: {_peak_mb()} MB",
    ):
        echo_line(line)


def _frames(pictures: Sequence[Path]) -> list[Frame]:
    """Return the frames to describe.

    Raises:
        PictureError: a picture cannot be read.
    """
    import cv2

    from seealoud.device.pictures.decode import read_picture_file
    from seealoud.device.records import Frame
    from seealoud.device.vision.bundle import N_PATTERNS, pattern

    if pictures:
        return [read_picture_file(path, str(path)) for path in pictures]
    return [Frame.now(cv2.resize(pattern(n), _FRAME_PX), f"pattern {n}") for n in range(N_PATTERNS)]


def _stage_lines(bundle: Bundle, frames: Sequence[Frame], rounds: int) -> Iterator[str]:
    """Yield the times of the stages, as the daemon runs them."""
    from seealoud.device.vision.describe import open_describer

    began_s = time.perf_counter()
    with closing(open_describer(bundle)) as describer:
        yield f"Loading the models: {(time.perf_counter() - began_s) * _MS:.0f} ms"
        found: list[tuple[Description, float]] = []
        for number in range(_WARM_UPS + rounds):
            frame = frames[number % len(frames)]
            began_s = time.perf_counter()
            description = describer.look(frame, captions_refused=True)
            found.append((description, (time.perf_counter() - began_s) * _MS))
    timings = [(x.caption.timings, whole_ms) for x, whole_ms in found[_WARM_UPS:] if x.caption]
    yield _times("Preparing the picture", [x.preprocess_ms for x, _ in timings])
    yield _times("Encoder", [x.encoder_ms for x, _ in timings])
    yield _times("Decoder", [x.decoder_ms for x, _ in timings])
    yield _times("Whole description, with the detector", [whole_ms for _, whole_ms in timings])


def _voice_line() -> str:
    """Return how long the built-in voice takes to the first sound of a sentence."""
    from seealoud.device.speech.piper import PiperVoiceProcess
    from seealoud.device.speech.voice import find_voice

    try:
        with PiperVoiceProcess(find_voice(None)) as voice:
            voice.start()
            next(voice.synthesize(_SENTENCE))  # the first one warms it up
            taken_ms = [_first_sound_ms(voice.synthesize) for _ in range(_VOICE_RUNS)]
    except SeeAloudError as exc:
        return f"Voice: not measured, because {exc}"
    return f"Voice, first sound of a sentence: {sorted(taken_ms)[_VOICE_RUNS // 2]:.0f} ms"


def _first_sound_ms(synthesize: Callable[[str], Iterator[object]]) -> float:
    began_s = time.perf_counter()
    chunks = synthesize(_SENTENCE)
    next(chunks)
    taken_ms = (time.perf_counter() - began_s) * _MS
    for _ in chunks:  # to its end, so that the next sentence does not wait for it
        pass
    return taken_ms


def _times(stage: str, values_ms: Sequence[float]) -> str:
    in_order = sorted(values_ms)
    p95 = in_order[min(len(in_order) - 1, int(_P95 * len(in_order)))]
    return f"{stage}: {in_order[len(in_order) // 2]:.1f} ms, 95 % within {p95:.1f} ms"


def _board_line() -> str:
    from seealoud.device.doctor.machine import board_name

    total = next(x for x in _MEMORY.read_text().splitlines() if x.startswith("MemTotal"))
    total_mb = int(total.split()[1]) // _KB_PER_MB
    return f"Board: {board_name()}, {os.cpu_count()} cores, {total_mb} MB memory"


def _system() -> str:
    """Return the name of the Linux distribution."""
    try:
        lines = _OS_RELEASE.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.system()
    names = (x.partition("=")[2].strip('"') for x in lines if x.startswith("PRETTY_NAME="))
    return next(names, platform.system())


def _degrees(celsius: float | None) -> str:
    return "not available" if celsius is None else f"{celsius:.0f} degrees Celsius"


def _peak_mb() -> int:
    """Return the most memory that this process had, without those it inherited the figure from."""
    peak = next(x for x in _STATUS.read_text().splitlines() if x.startswith("VmHWM"))
    return int(peak.split()[1]) // _KB_PER_MB
