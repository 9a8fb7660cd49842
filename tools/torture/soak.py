"""Many frames through the daemon at full speed; nothing may grow."""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.broker import HOST, free_port
from tools.processes import resident_mb
from tools.torture.attacks import DAEMON_MB, QUIET_LOG, SILENT
from tools.torture.daemon import DEVICE_ID
from tools.torture.home import kept_broker
from tools.torture.hostile_pictures import noisy_jpegs, sample_images
from tools.torture.ledger import Subscriber
from tools.torture.processes import DEADLINE_S, DaemonProcess, wait_for
from tools.torture.report import Section

# As a device looks: mostly at a scene that rests; a new one each 25 seconds of its 10 frames a
# second is far more than a room has.
_SCENE_FRAMES, _RATE_HZ = 250, 10
_LOOK_S = 0.2
_PER_FRAME_S = 0.25
_GROWTH_MB = 2.0
# SQLite's own limit, 1000 pages of 4 kB, and the frames of the transactions meanwhile.
_WAL_MB = 8.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a daemon uses at one moment.

    Attributes:
        frames: how many it has looked at.
        memory_mb: resident.
        files: open ones, sockets too.
        threads: of the process.
        wal_mb: the write-ahead logs of its databases.
        state_files: in its state folder.
    """

    frames: int
    memory_mb: float
    files: int
    threads: int
    wal_mb: float
    state_files: int


def soak(folder: Path, count: int, seed: int) -> Section:
    """Replay frames as fast as they are looked at, with voice, history, MQTT and metrics."""
    section = Section("soak")
    broker, port = kept_broker(folder), free_port()
    subscriber = Subscriber(broker.port)
    daemon = DaemonProcess(folder, _settings(folder, count, seed, broker.port, port))
    readings: list[Reading] = []
    try:
        daemon.start()
        wait_for(
            "the end of the replay",
            lambda: _look(daemon, port, readings),
            DEADLINE_S + _PER_FRAME_S * count,
        )
        assert daemon.process is not None
        code = daemon.process.wait(60.0)
        wait_for("the last messages", lambda: daemon.notes(), 10.0)
    finally:
        daemon.close()
        subscriber.close()
        broker.kill()
    # The daemon ends with the last frame, so the last reading is up to two intervals old.
    interval = max(b.frames - a.frames for a, b in itertools.pairwise(readings))
    seen = readings[-1].frames
    section.expect("frames looked at", f"{seen} of {count}", seen >= count - 2 * interval)
    early, late = _part(readings, 0.2, 0.3), _part(readings, 0.9, 1.0)
    before, after = (statistics.median(x.memory_mb for x in part) for part in (early, late))
    figure = f"{before:.1f} -> {after:.1f} MB"
    is_enough = count >= 20_000  # below, the allocator has not settled
    holds = after - before <= _GROWTH_MB if is_enough else None
    section.expect(f"memory from a fifth to the end, flat within {_GROWTH_MB:g} MB", figure, holds)
    for name in ("files", "threads", "state_files"):
        # The smallest: a picture that is read, and each of our own questions to the metrics, adds
        # one for a moment. What is never given back raises the smallest as well.
        first, last = (min(getattr(x, name) for x in part) for part in (early, late))
        section.expect(
            f"{name.replace('_', ' ')}: not more at the end", f"{first}, {last}", last <= first
        )
    section.at_most("write-ahead logs", max(x.wal_mb for x in readings), _WAL_MB, "MB")
    section.at_most(
        "peak memory of the daemon", max(x.memory_mb for x in readings), DAEMON_MB, "MB"
    )
    section.expect("captions published meanwhile", subscriber.ids("caption").total(), None)
    section.equal("exit code at the end of the replay", code, 0)
    section.none("tracebacks and internal errors", daemon.tracebacks())
    section.details["readings"] = [_values(x) for x in readings[:: max(1, len(readings) // 100)]]
    return section.end()


def _values(reading: Reading) -> list[float]:
    """Return a reading's values in the order of its attributes."""
    return [getattr(reading, name) for name in Reading.__slots__]


def _settings(folder: Path, count: int, seed: int, broker_port: int, metrics_port: int) -> str:
    pictures = folder / "pictures"
    pictures.mkdir()
    versions = [noisy_jpegs(image, 8, seed) for image in sample_images()]
    for scene, jpegs in enumerate(versions):
        for number, jpeg in enumerate(jpegs):
            (folder / f"scene-{scene}-{number}.jpg").write_bytes(jpeg)
    for frame in range(count):
        scene = frame // _SCENE_FRAMES % len(versions)
        target = folder / f"scene-{scene}-{frame % 8}.jpg"
        (pictures / f"{frame:07d}.jpg").symlink_to(target)
    return f"""
[device]
id = "{DEVICE_ID}"
[camera]
source = "{pictures}"
[camera.replay]
pace = "fast"
rate_hz = {_RATE_HZ}
[narration]
smallest_probability = 0
minimum_gap_s = 2
[mqtt]
is_on = true
host = "{HOST}"
port = {broker_port}
[metrics]
is_on = true
address = "127.0.0.1:{metrics_port}"
{SILENT}{QUIET_LOG}"""


def _look(daemon: DaemonProcess, port: int, readings: list[Reading]) -> bool:
    """Add a reading; return whether the daemon has ended, or is about to."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        frames = _frames(port)
        state = [x for x in daemon.state.iterdir() if x.is_file()]
        wal_bytes = sum(x.stat().st_size for x in state if x.name.endswith("-wal"))
        own = Path(f"/proc/{daemon.pid}")
        readings.append(
            Reading(
                frames,
                resident_mb(daemon.pid),
                len(os.listdir(own / "fd")),
                len(os.listdir(own / "task")),
                wal_bytes / 1e6,
                len(state),
            )
        )
    time.sleep(_LOOK_S)
    return not daemon.is_running


def _frames(port: int) -> int:
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    line = next(x for x in text.splitlines() if x.startswith("seealoud_frames_total "))
    return int(float(line.split()[1]))


def _part(readings: Sequence[Reading], begin: float, end: float) -> Sequence[Reading]:
    """Return the readings between two shares of all frames; at least one."""
    last = readings[-1].frames
    return [x for x in readings if begin * last <= x.frames <= end * last] or readings[-1:]
