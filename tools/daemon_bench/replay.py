"""Measures the cost of a static scene and the growth of memory, with replays at full speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tools.daemon_bench.figures import Image, sized
from tools.daemon_bench.running import running
from tools.samples import sample_pictures

_STATIC_S, _RATE_HZ = 600, 10
_SOAK_FRAMES, _SOAK_SCENE_FRAMES = 20_000, 100
_END_S = 1800.0


def measure_static(folder: Path) -> dict[str, Any]:
    """Return the cost of ten minutes of a static scene, by the daemon's own clock."""
    pictures = folder / "pictures"
    _link_frames(pictures, [sized(sample_pictures()[0])], _STATIC_S * _RATE_HZ, 1 << 30)
    return _measure_replay(folder, pictures, _RATE_HZ)


def measure_soak(folder: Path) -> dict[str, Any]:
    """Return whether memory stays flat over many frames with many captions."""
    pictures = folder / "pictures"
    _link_frames(pictures, [sized(p) for p in sample_pictures()], _SOAK_FRAMES, _SOAK_SCENE_FRAMES)
    return _measure_replay(folder, pictures, _RATE_HZ)


def _measure_replay(folder: Path, pictures: Path, rate_hz: float) -> dict[str, Any]:
    settings = f"""
[camera]
source = "{pictures}"
replay.pace = "fast"
replay.rate_hz = {rate_hz}
[narration]
smallest_probability = 0
minimum_gap_s = 2
[speech]
output = "none"
"""
    memory_mb, cpu_s, began_s = [], 0.0, time.monotonic()
    with running(folder, settings) as daemon:
        daemon.wait_ready()
        while daemon.process.poll() is None and time.monotonic() - began_s < _END_S:
            try:
                memory_mb.append(daemon.rss_mb())
                cpu_s = daemon.cpu_s()
            except (OSError, IndexError):
                break  # it has just ended
            time.sleep(0.25)
        code = daemon.process.wait(_END_S)
        lines = list(daemon.lines())
    decisions = [x for x in lines if "is_spoken" in x]
    early = memory_mb[len(memory_mb) // 5 :]
    return {
        "exit_code": code,
        "frames": len(decisions),
        "replayed_s": len(decisions) / rate_hz,
        "took_s": round(time.monotonic() - began_s, 1),
        "cpu_s": round(cpu_s, 1),
        "cpu_share_of_one_core": round(cpu_s / (len(decisions) / rate_hz), 4),
        "encoder_runs": sum("encoder_ms" in x or x["reason"] == "features_same" for x in decisions),
        "captions": sum("decoder_ms" in x for x in decisions),
        "spoken": sum(x["is_spoken"] for x in decisions),
        "memory_mb_after_a_fifth": round(statistics.median(early[:20]), 1),
        "memory_mb_at_the_end": round(statistics.median(memory_mb[-20:]), 1),
        "memory_mb_largest": round(max(memory_mb), 1),
    }


def _link_frames(folder: Path, scenes: Sequence[Image], frames: int, scene_frames: int) -> None:
    """Fill a folder with links to noisy versions of the scenes, to save disk space."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    versions: list[list[Path]] = []
    for number, scene in enumerate(scenes):
        versions.append([])
        for version in range(8):
            path = folder.parent / f"scene-{number}-{version}.jpg"
            noise = rng.integers(-2, 3, (*scene.shape[:2], 1))
            noisy = np.clip(scene.astype(int) + noise, 0, 255).astype(np.uint8)
            cv2.imwrite(str(path), noisy[:, :, ::-1])
            versions[-1].append(path)
    for frame in range(frames):
        files = versions[frame // scene_frames % len(versions)]
        (folder / f"{frame:06d}.jpg").symlink_to(files[frame % len(files)])
