"""Measures the running daemon: how soon a press is heard, what rest costs, whether it grows.

    .venv/bin/python scripts/bench_daemon.py press     # 50 presses while it narrates
    .venv/bin/python scripts/bench_daemon.py start     # to READY=1, and from SIGTERM to the end
    .venv/bin/python scripts/bench_daemon.py static    # ten minutes of a scene that rests
    .venv/bin/python scripts/bench_daemon.py soak      # 20,000 frames of changing scenes

Everything is real but the hardware: `seealoud run` in a process of its own, the shipped bundle,
Piper, `aplay` into an ALSA device that is a pipe read at a loudspeaker's pace, a camera by HTTP.
The sound of a press is found by its shape, also where it cuts a sentence.
"""

from __future__ import annotations

import argparse
import array
import fcntl
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from bench_report import machine_facts
from picture_stream import PictureStream
from samples import sample_pictures

from device import requests as r
from device.errors import SeeAloudError
from device.records import Earcon
from device.speech.earcons import render_earcon
from device.speech.settings import SpeechSettings
from device.triggers.control_client import ask

SIZE_PX = (640, 480)
PRESSES = 50
PRESS_EVERY_S = 3.0
STATIC_S, STATIC_RATE_HZ = 600, 10
SOAK_FRAMES, SOAK_SCENE_FRAMES = 20_000, 100
_READY_S, _END_S = 60.0, 1800.0
_RATE_HZ = 22_050
_BYTES_PER_S = 2 * _RATE_HZ
_SLICE_BYTES = 442  # 10 ms
_PIPE_BYTES = 4096
_ALIKE = 0.9  # correlation with the sound as it was rendered
_LOOKED_S = 1.0
_ALSA = """
pcm.!default {{ type plug; slave.pcm "pipe" }}
pcm.pipe {{ type file; slave.pcm "sink"; file "{fifo}"; format "raw"; truncate true }}
pcm.sink {{ type null }}
"""
_LIVE = """
[camera]
source = "{source}"
[narration]
is_on = false
"""
Image = npt.NDArray[np.uint8]


class PipeSpeaker:
    """An ALSA default device that is heard at a loudspeaker's pace, and remembered."""

    def __init__(self, folder: Path) -> None:
        self._fifo = folder / "loudspeaker"
        os.mkfifo(self._fifo)
        self.config = folder / "asound.conf"
        self.config.write_text(_ALSA.format(fifo=self._fifo))
        self._fd = os.open(self._fifo, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._writer = os.open(self._fifo, os.O_WRONLY)  # without one the pipe would end
        self._heard: list[tuple[float, bytes]] = []
        self._is_closed = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def delay_ms(self, sound: npt.NDArray[np.int16], asked_s: float) -> float | None:
        """Return how long after a moment a sound began to be heard; None where it was not."""
        slices = [(t, d) for t, d in self._heard if asked_s <= t <= asked_s + _LOOKED_S]
        if not slices:
            return None
        samples = np.frombuffer(b"".join(d for _, d in slices), "<i2").astype(np.float64)
        shape = sound.astype(np.float64)
        if len(samples) < len(shape):
            return None
        energy = np.convolve(samples**2, np.ones(len(shape)), "valid")
        match = np.correlate(samples, shape, "valid") / np.sqrt(energy * (shape**2).sum() + 1)
        if match.max() < _ALIKE:
            return None
        starts = np.cumsum([0, *(len(d) // 2 for _, d in slices)])
        index = int(np.searchsorted(starts, match.argmax(), side="right")) - 1
        return (slices[index][0] - asked_s) * 1000

    def buffered_ms(self) -> float:
        """Return how much sound waits in the pipe; a sound card drops it when speech is cut."""
        waiting = array.array("i", [0])
        fcntl.ioctl(self._fd, termios.FIONREAD, waiting)
        return waiting[0] / _BYTES_PER_S * 1000

    def close(self) -> None:
        """Listen no more."""
        self._is_closed = True
        self._thread.join()
        os.close(self._fd)
        os.close(self._writer)

    def _listen(self) -> None:
        due_s = 0.0
        while not self._is_closed:
            if not select.select([self._fd], [], [], 0.05)[0]:
                continue
            data = os.read(self._fd, _SLICE_BYTES)
            now_s = time.monotonic()
            self._heard.append((now_s, data))
            due_s = max(due_s, now_s) + len(data) / _BYTES_PER_S
            time.sleep(max(0.0, due_s - time.monotonic()))


class RunningDaemon:
    """`seealoud run` with settings of its own; its log is read as JSON."""

    def __init__(self, folder: Path, settings: str, alsa: Path | None = None) -> None:
        config = folder / "seealoud.toml"
        config.write_text(f'{settings}\n[log]\nlevel = "debug"\nformat = "json"\n')
        self._log = folder / "log.jsonl"
        self.socket = folder / "run" / "seealoud.sock"
        environ = {
            "STATE_DIRECTORY": str(folder / "state"),
            "RUNTIME_DIRECTORY": str(folder / "run"),
        }
        if alsa is not None:
            environ["ALSA_CONFIG_PATH"] = str(alsa)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "device", "run", "--config", str(config)],
                stderr=log,
                env={**os.environ, **environ},
            )

    def wait_ready(self) -> None:
        """Return when it listens and has looked at a frame."""
        deadline_s = time.monotonic() + _READY_S
        while not self.socket.exists() or b"frame_age_s" not in self._log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > deadline_s:
                raise SeeAloudError(f"the daemon does not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Return whether it has said in its log that it is ready."""
        return b'"message": "ready' in self._log.read_bytes()

    def describe(self, request_id: str) -> None:
        """Ask what it sees."""
        ask([self.socket], r.Describe(id=request_id))

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield its log, line by line."""
        with self._log.open(encoding="utf-8") as log:
            for line in log:
                if line.endswith("\n"):
                    yield json.loads(line)

    def rss_mb(self) -> float:
        """Return its memory in MB, without the voice's process."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(text.partition("VmRSS:")[2].split()[0]) / 1024

    def cpu_s(self) -> float:
        """Return the processor's time of the daemon itself, without the voice's process."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> int:
        """End it; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_READY_S)


@contextmanager
def running(folder: Path, settings: str, alsa: Path | None = None) -> Iterator[RunningDaemon]:
    """Yield a daemon, and end it."""
    daemon = RunningDaemon(folder, settings, alsa)
    try:
        yield daemon
    finally:
        daemon.end()


def measure_press(folder: Path, presses: int) -> dict[str, Any]:
    """Return how soon presses are heard while scenes change and are narrated."""
    scenes = [_sized(path) for path in sample_pictures()]
    stream, speaker = PictureStream(scenes[0]), PipeSpeaker(folder)
    settings = f"""
[camera]
source = "{stream.address}"
[narration]
is_on = true
minimum_gap_s = 1
smallest_probability = 0
"""
    pressed: dict[str, tuple[float, float]] = {}
    buffered_ms: list[float] = []
    with running(folder, settings, speaker.config) as daemon:
        daemon.wait_ready()
        time.sleep(PRESS_EVERY_S)
        for number in range(presses):
            stream.show(scenes[number % len(scenes)])
            time.sleep(PRESS_EVERY_S * (0.7 + 0.1 * (number % 7)))
            buffered_ms.append(speaker.buffered_ms())
            now_s, wall_s = time.monotonic(), time.time()
            daemon.describe(f"press {number}")
            pressed[f"press {number}"] = (now_s, wall_s)
        time.sleep(PRESS_EVERY_S)
        lines = list(daemon.lines())
    speaker.close()
    stream.close()
    sound = render_earcon(Earcon.HEARD, _RATE_HZ, SpeechSettings().earcon_volume).samples
    delays = [speaker.delay_ms(sound, now_s) for now_s, _ in pressed.values()]
    heard = [(d, b) for d, b in zip(delays, buffered_ms, strict=True) if d is not None]
    return {
        "presses": presses,
        "presses_into_a_sentence": sum(b > 0 for b in buffered_ms),
        # A sound card drops what it holds of the cut sentence; this pipe plays it out first.
        "earcon_ms": _spread([max(0.0, d - b) for d, b in heard]),
        "earcon_with_the_pipes_rest_ms": _spread([d for d, _ in heard]),
        **_breakdown(lines, pressed),
    }


def _breakdown(
    lines: Sequence[dict[str, Any]], pressed: dict[str, tuple[float, float]]
) -> dict[str, Any]:
    """Return the parts of the way from a press to the first word, from the daemon's own log."""
    answered = {x["id"]: x for x in lines if x.get("id") in pressed and "answered" in x["message"]}
    heard = {x["id"]: x for x in lines if x.get("id") in pressed and x.get("first_sample_s")}
    narrations = [x for x in lines if x.get("priority") == "narration"]
    wait, caption, total, voice = [], [], [], []
    for request_id in answered.keys() & heard.keys():
        line = answered[request_id]
        at_s = datetime.fromisoformat(line["at"]).timestamp()
        found_ms = (at_s - pressed[line["id"]][1]) * 1000
        caption_ms = sum(line.get(f"{part}_ms", 0) for part in ("preprocess", "encoder", "decoder"))
        caption.append(caption_ms)
        wait.append(found_ms - caption_ms)
        total.append(heard[request_id]["first_sample_s"] * 1000)
        voice.append(total[-1] - found_ms)
    return {
        "first_word_ms": _spread(total),
        "of_that_fresh_frame_ms": _spread(wait),
        "of_that_caption_ms": _spread(caption),
        "of_that_voice_ms": _spread(voice),
        "answered": len(answered),
        "answers_heard": len(heard),
        "narrations": len(narrations),
        "narrations_cut": sum(x["outcome"] == "cut" for x in narrations),
    }


def measure_start(folder: Path, rounds: int = 10) -> dict[str, Any]:
    """Return how long start and end take; the end in the middle of a sentence."""
    stream = PictureStream(_sized(sample_pictures()[0]))
    ready_s, frame_s, end_s, codes = [], [], [], set()
    for number in range(rounds):
        own = folder / str(number)
        own.mkdir()
        speaker = PipeSpeaker(own)
        began_s = time.monotonic()
        daemon = RunningDaemon(own, _LIVE.format(source=stream.address), speaker.config)
        while not daemon.is_ready() and time.monotonic() - began_s < _READY_S:
            time.sleep(0.01)
        ready_s.append(time.monotonic() - began_s)
        daemon.wait_ready()
        frame_s.append(time.monotonic() - began_s)
        ask([daemon.socket], r.Say(text=" ".join(["This is a long sentence."] * 10)))
        time.sleep(2.0)  # the voice has been loaded, and speaks
        began_s = time.monotonic()
        codes.add(daemon.end())
        end_s.append(time.monotonic() - began_s)
        speaker.close()
    stream.close()
    return {
        "rounds": rounds,
        "ready_s": _spread(ready_s, 2),
        "first_frame_looked_at_s": _spread(frame_s, 2),
        "sigterm_to_end_s": _spread(end_s, 2),
        "exit_codes": sorted(codes),
    }


def measure_static(folder: Path) -> dict[str, Any]:
    """Return what ten minutes of a resting scene cost, by the daemon's own time."""
    pictures = folder / "pictures"
    _link_frames(pictures, [_sized(sample_pictures()[0])], STATIC_S * STATIC_RATE_HZ, 1 << 30)
    return _measure_replay(folder, pictures, STATIC_RATE_HZ)


def measure_soak(folder: Path) -> dict[str, Any]:
    """Return whether memory stays flat over many frames with many captions."""
    pictures = folder / "pictures"
    _link_frames(pictures, [_sized(p) for p in sample_pictures()], SOAK_FRAMES, SOAK_SCENE_FRAMES)
    return _measure_replay(folder, pictures, STATIC_RATE_HZ)


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
    """Fill a folder with links to noisy versions of the scenes: thousands of frames on no disk."""
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


def _sized(path: Path) -> Image:
    image: Image = cv2.resize(cv2.imread(str(path)), SIZE_PX)[:, :, ::-1]
    return np.ascontiguousarray(image)


def _spread(values: Sequence[float], digits: int = 1) -> dict[str, float]:
    if not values:
        return {"n": 0}
    p50, p95 = np.percentile(values, (50, 95))
    return {"n": len(values), "p50": round(float(p50), digits), "p95": round(float(p95), digits)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print one JSON object, and return the exit code."""
    parser = argparse.ArgumentParser(description="Measures the running daemon.")
    parser.add_argument("what", choices=("press", "start", "static", "soak"))
    parser.add_argument("--presses", type=int, default=PRESSES, metavar="N")
    options = parser.parse_args(arguments)
    machine = machine_facts()
    with tempfile.TemporaryDirectory(prefix="seealoud-") as name:
        folder = Path(name)
        try:
            if options.what == "press":
                figures = measure_press(folder, options.presses)
            else:
                measures = {"start": measure_start, "static": measure_static, "soak": measure_soak}
                figures = measures[options.what](folder)
        except SeeAloudError as exc:
            print(f"bench_daemon: {exc}", file=sys.stderr)
            return exc.exit_code
    print(json.dumps({"measured": options.what, **figures, "machine": machine}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
