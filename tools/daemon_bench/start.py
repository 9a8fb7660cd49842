"""Measures how long the daemon takes to start and to stop."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from seealoud.device import requests as r
from seealoud.device.triggers.control_client import ask
from tests.support.loudspeaker import PipeSpeaker
from tests.support.picture_stream import PictureStream
from tools.daemon_bench.figures import sized, spread
from tools.daemon_bench.running import READY_S, RunningDaemon
from tools.samples import sample_pictures

_LIVE = """
[camera]
source = "{source}"
[narration]
is_on = false
"""


def measure_start(folder: Path, rounds: int = 10) -> dict[str, Any]:
    """Return the times of start and stop; it is stopped in the middle of a sentence."""
    stream = PictureStream(sized(sample_pictures()[0]))
    ready_s, frame_s, end_s, codes = [], [], [], set()
    for number in range(rounds):
        own = folder / str(number)
        own.mkdir()
        speaker = PipeSpeaker(own)
        began_s = time.monotonic()
        daemon = RunningDaemon(own, _LIVE.format(source=stream.address), speaker.config)
        while not daemon.is_ready() and time.monotonic() - began_s < READY_S:
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
        "ready_s": spread(ready_s, 2),
        "first_frame_looked_at_s": spread(frame_s, 2),
        "sigterm_to_end_s": spread(end_s, 2),
        "exit_codes": sorted(codes),
    }
