"""Small films with sound, made by the program ffmpeg; and subtitle files, read back."""

from __future__ import annotations

import re
import shutil
import subprocess
import wave
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import shipped

SIZE = (640, 360)
RATE_HZ = 25
SOUND_HZ = 16_000
needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="ffmpeg is not installed (apt: ffmpeg)"
)


def still(image_hwc: np.ndarray) -> np.ndarray:
    """Return the middle of an RGB picture in the shape of a film."""
    height, width = image_hwc.shape[:2]
    scale = max(SIZE[0] / width, SIZE[1] / height)
    large = cv2.resize(image_hwc, None, fx=scale * 1.001, fy=scale * 1.001)
    top, left = (large.shape[0] - SIZE[1]) // 2, (large.shape[1] - SIZE[0]) // 2
    return np.ascontiguousarray(large[top : top + SIZE[1], left : left + SIZE[0]])


def speech_like(length_s: float, loud: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return int16 samples: noise that comes and goes as syllables do, and a faint room between."""
    n = round(length_s * SOUND_HZ)
    generator = np.random.default_rng(7)
    time_s = np.arange(n) / SOUND_HZ
    level = np.full(n, 0.002)
    for start_s, end_s in loud:
        is_loud = (time_s >= start_s) & (time_s < end_s)
        level[is_loud] = 0.15 * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s[is_loud]))
    return (generator.standard_normal(n) * level * 32767).clip(-32768, 32767).astype(np.int16)


def make_film(
    path: Path,
    shots: Sequence[tuple[np.ndarray, float]],
    sound: np.ndarray | None = None,
) -> Path:
    """Write a film of still pictures, each shown for its seconds; H.264, with AAC."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{SIZE[0]}x{SIZE[1]}", "-r", str(RATE_HZ), "-i", "pipe:0"]
    wav = path.with_name(f"{path.name}.sound.wav")
    if sound is not None:
        with wave.open(str(wav), "wb") as file:
            file.setparams((1, 2, SOUND_HZ, 0, "NONE", ""))
            file.writeframes(sound.astype("<i2").tobytes())
        command += ["-i", str(wav), "-c:a", "aac"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path)]
    frames = b"".join(image.tobytes() * round(shown_s * RATE_HZ) for image, shown_s in shots)
    subprocess.run(command, input=frames, check=True)
    wav.unlink(missing_ok=True)
    return path


_TIME = r"(\d\d):(\d\d):(\d\d)[,.](\d\d\d)"
_CUE = re.compile(rf"(?:(\d+)\n)?{_TIME} --> {_TIME}\n(.+)\n?")


def read_cues(path: Path) -> list[tuple[float, float, str]]:
    """Return start, end and text of each cue; any other content fails."""
    text = path.read_bytes().decode("utf-8")
    if path.suffix == ".vtt":
        head, _, text = text.partition("\n")
        assert head == "WEBVTT"
        text = text.removeprefix("\n")
    cues = []
    for number, block in enumerate(filter(None, text.split("\n\n")), start=1):
        match = _CUE.fullmatch(block)
        assert match, block
        assert match[1] == (str(number) if path.suffix == ".srt" else None)
        assert ("," in block.strip().split("\n")[-2]) == (path.suffix == ".srt")
        values = [int(x) for x in match.groups()[1:9]]
        start_s, end_s = (
            h * 3600 + m * 60 + s + ms / 1000 for h, m, s, ms in (values[:4], values[4:])
        )
        cues.append((start_s, end_s, match[10]))
    return cues


def photographs() -> dict[str, np.ndarray]:
    """Return the photographs of a woman, a cat, a cup and a rocket by their names, RGB."""
    return {
        path.stem: np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])
        for path in shipped.photographs()
    }
