"""Measures the time from a press to its sound, and its parts, while scenes change."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from device.records import Earcon
from device.speech.earcons import render_earcon
from device.speech.settings import SpeechSettings
from tests.support.loudspeaker import RATE_HZ, PipeSpeaker
from tests.support.picture_stream import PictureStream
from tools.daemon_bench.figures import sized, spread
from tools.daemon_bench.running import running
from tools.samples import sample_pictures

PRESSES = 50
_PRESS_EVERY_S = 3.0


def measure_press(folder: Path, presses: int) -> dict[str, Any]:
    """Return how soon presses are heard while scenes change and are narrated."""
    scenes = [sized(path) for path in sample_pictures()]
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
        daemon.wait_phrases_kept()
        for number in range(presses):
            stream.show(scenes[number % len(scenes)])
            time.sleep(_PRESS_EVERY_S * (0.7 + 0.1 * (number % 7)))
            buffered_ms.append(speaker.buffered_ms())
            now_s, wall_s = time.monotonic(), time.time()
            daemon.describe(f"press {number}")
            pressed[f"press {number}"] = (now_s, wall_s)
        time.sleep(_PRESS_EVERY_S)
        lines = list(daemon.lines())
    speaker.close()
    stream.close()
    sound = render_earcon(Earcon.HEARD, RATE_HZ, SpeechSettings().earcon_volume).samples
    delays = [speaker.delay_ms(sound, now_s) for now_s, _ in pressed.values()]
    heard = [(d, b) for d, b in zip(delays, buffered_ms, strict=True) if d is not None]
    return {
        "presses": presses,
        "presses_into_a_sentence": sum(b > 0 for b in buffered_ms),
        # A sound card drops what it holds of the cut sentence; this pipe plays it out first.
        "earcon_ms": spread([max(0.0, d - b) for d, b in heard]),
        "earcon_with_the_pipes_rest_ms": spread([d for d, _ in heard]),
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
        "first_word_ms": spread(total),
        "of_that_fresh_frame_ms": spread(wait),
        "of_that_caption_ms": spread(caption),
        "of_that_voice_ms": spread(voice),
        "answered": len(answered),
        "answers_heard": len(heard),
        "narrations": len(narrations),
        "narrations_cut": sum(x["outcome"] == "cut" for x in narrations),
    }
