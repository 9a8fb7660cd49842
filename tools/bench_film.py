"""Makes a film from scikit-image's photographs, and measures ``seealoud describe`` on it.

The film has cuts, pans and zooms; its sound has noise in the rhythm of speech, and pauses. What is
found is compared with where the scenes begin. H.264 and AAC by the program ffmpeg.

    .venv/bin/python -m tools.bench_film [--minutes 10] [--height 720] [--film FILE.mp4]
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tools.samples import sample_pictures

_RATE_HZ = 25
_SOUND_HZ = 48_000
_SHOT_S = (2.0, 9.0)
_SPEECH_S = (1.5, 6.0)
_PAUSE_S = (0.3, 6.0)
_SAMPLE_S = 1 / 3
_S_PER_MINUTE = 60
_ASPECT = 16 / 9
# The view at the beginning of a shot and its end: width as a share of the largest, and place.
_MOVES = {
    "still": ((1.0, 0.5, 0.5), (1.0, 0.5, 0.5)),
    "pan": ((0.75, 0.0, 0.5), (0.75, 1.0, 0.5)),
    "zoom": ((1.0, 0.5, 0.5), (0.7, 0.5, 0.5)),
}
Image = npt.NDArray[np.uint8]


def main() -> int:
    """Make the film, describe it, and print what it took and what was found."""
    parser = argparse.ArgumentParser(description=__doc__, prog="tools.bench_film")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--height", type=int, default=720, help="of the film, in pixels [720]")
    parser.add_argument("--film", type=Path, help="where the film is kept, or was")
    parser.add_argument("--seed", type=int, default=17)
    options = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        parser.error("ffmpeg is missing: sudo apt install ffmpeg")
    with tempfile.TemporaryDirectory(prefix="seealoud-film-") as place:
        folder = Path(place)
        film = options.film or folder / "film.mp4"
        shots = plan(options.minutes * _S_PER_MINUTE, np.random.default_rng(options.seed))
        if not film.exists():
            make(film, shots, options.height, folder)
        measure(film, shots, folder)
    return 0


def plan(length_s: float, generator: np.random.Generator) -> list[tuple[int, str, int]]:
    """Return the shots: number of the photograph, move, and count of frames."""
    shots: list[tuple[int, str, int]] = []
    n_left, photograph, n_photographs = round(length_s * _RATE_HZ), 0, len(sample_pictures())
    while n_left > 0:
        photograph = (photograph + int(generator.integers(1, n_photographs))) % n_photographs
        n_frames = min(n_left, round(generator.uniform(*_SHOT_S) * _RATE_HZ))
        if n_left - n_frames < _SHOT_S[0] * _RATE_HZ:
            n_frames = n_left
        shots.append((photograph, str(generator.choice(list(_MOVES))), n_frames))
        n_left -= n_frames
    return shots


def make(film: Path, shots: list[tuple[int, str, int]], height: int, folder: Path) -> None:
    """Write the film."""
    width = round(height * _ASPECT / 2) * 2
    wav = folder / "sound.wav"
    write_sound(wav, sum(n for _, _, n in shots) / _RATE_HZ)
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24"]
    command += ["-s", f"{width}x{height}", "-r", str(_RATE_HZ), "-i", "pipe:0", "-i", str(wav)]
    command += ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    encoder = subprocess.Popen([*command, str(film)], stdin=subprocess.PIPE)
    assert encoder.stdin is not None
    # Through NumPy: for OpenCV's types, reading may return nothing.
    pictures = [np.asarray(cv2.imread(str(path)), np.uint8) for path in sample_pictures()]
    for number, move, n_frames in shots:
        for image in frames(pictures[number], move, n_frames, (width, height)):
            encoder.stdin.write(image.tobytes())
    encoder.stdin.close()
    if encoder.wait():
        raise SystemExit("ffmpeg failed")


def frames(picture: Image, move: str, n_frames: int, size: tuple[int, int]) -> Iterator[Image]:
    """Yield the frames of a shot."""
    height, width = picture.shape[:2]
    largest = min(width, height * _ASPECT)
    begin, end = (np.array(x) for x in _MOVES[move])
    for number in range(n_frames):
        share, x, y = begin + (end - begin) * number / max(1, n_frames - 1)
        w, h = largest * share, largest * share / _ASPECT
        left, top = (width - w) * x, (height - h) * y
        scale = w / size[0]
        view = np.array([[scale, 0, left], [0, scale, top]])
        yield cv2.warpAffine(
            picture,
            view,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


def write_sound(path: Path, length_s: float) -> None:
    """Write noise in the rhythm of speech, with pauses."""
    generator = np.random.default_rng(1)
    n = round(length_s * _SOUND_HZ)
    level = np.full(n, 0.003, np.float32)
    at_s = 0.0
    while at_s < length_s:
        end_s = at_s + generator.uniform(*_SPEECH_S)
        part = slice(round(at_s * _SOUND_HZ), min(n, round(end_s * _SOUND_HZ)))
        time_s = np.arange(part.stop - part.start) / _SOUND_HZ
        level[part] = 0.15 * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s))
        at_s = end_s + generator.uniform(*_PAUSE_S)
    noise = generator.standard_normal(n, dtype=np.float32) * level * 32767
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, _SOUND_HZ, 0, "NONE", ""))
        file.writeframes(noise.clip(-32768, 32767).astype("<i2").tobytes())


def measure(film: Path, shots: list[tuple[int, str, int]], folder: Path) -> None:
    """Describe the film as a user does, and print the figures."""
    srt, wav = folder / "film.srt", folder / "description.wav"
    command = [sys.executable, "-m", "seealoud", "-vv", "describe", str(film)]
    command += ["--srt", str(srt), "--audio-description", str(wav)]
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    took_s = time.perf_counter() - began_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(done.stdout.replace(f"{folder}/", ""), end="")
    length_s = sum(n for _, _, n in shots) / _RATE_HZ
    print(
        f"{length_s:.0f} s of film took {took_s:.1f} s, {cpu_s:.1f} s of processor time, at most "
        f"{after.ru_maxrss / 1024:.0f} MB in one process"
    )
    cuts_s = np.cumsum([0, *(n for _, _, n in shots)])[1:-1] / _RATE_HZ
    found_s = np.array([float(x) for x in re.findall(r"scene from ([\d.]+) s", done.stderr)][1:])
    is_found = [bool((np.abs(found_s - cut) <= _SAMPLE_S + 0.05).any()) for cut in cuts_s]
    is_cut = [bool((np.abs(cuts_s - x) <= _SAMPLE_S + 0.05).any()) for x in found_s]
    print(
        f"{len(cuts_s)} cuts: {sum(is_found)} found within one sample; {len(found_s)} beginnings "
        f"of scenes: {len(found_s) - sum(is_cut)} elsewhere, as in pans"
    )


if __name__ == "__main__":
    sys.exit(main())
