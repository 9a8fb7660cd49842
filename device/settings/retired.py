"""Settings of earlier versions that are constants now: ignored with one line each, for one release.

A value that a key once took is dropped whatever it is, so that a file that worked keeps working.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MEASURED = "the value that was measured is always used"
_METRICS = 'metrics.address has host and port, as in "127.0.0.1:9757"'
_PRESS_TIME = "triggers.press_time_factor gives all presses more or less time"

# Dotted name of the key, without positions in lists -> why nobody has to set it. Each reason
# completes the sentence "x.y is no longer a setting: …". Version 0.3 may drop the rows of 0.2.
RETIRED: Mapping[str, str] = {
    "camera.warm_up_frames": "the first 12 frames after opening are discarded",
    "camera.read_timeout_s": "a camera without a frame for 5 s is opened again",
    "camera.stale_after_s": "no frame older than 2 s is described",
    "camera.frozen_after_s": "the same picture for 30 s is reported as a frozen camera",
    "camera.first_retry_s": "the first new attempt is made after 0.5 s",
    "camera.longest_retry_s": "a new attempt is made at least every 30 s",
    "narration.stable_frames": _MEASURED,
    "narration.stable_s": _MEASURED,
    "narration.restless_s": _MEASURED,
    "narration.picture_change": _MEASURED,
    "narration.feature_change": _MEASURED,
    "picture.too_dark_level": _MEASURED,
    "picture.too_bright_share": _MEASURED,
    "picture.covered_contrast": _MEASURED,
    "picture.blurred_sharpness": _MEASURED,
    "mqtt.protocols": "MQTT 5 is tried first, then 3.1.1",
    "mqtt.timeout_s": "the device waits 5 s for the broker at each step",
    "mqtt.retry_min_s": "the first new attempt is made after 1 s",
    "mqtt.retry_max_s": "a new attempt is made at least every 60 s",
    "mqtt.report_after_s": "the broker is a problem once it has been away for 10 s",
    "mqtt.in_flight": "20 messages are on the way at a time",
    "mqtt.queue_rows": "1000 events may wait for the sender",
    "mqtt.late_after_s": 'a message is marked "late" 30 s after its event',
    "mqtt.commands_per_min": "120 commands a minute are taken",
    "mqtt.diagnostics_period_s": "diagnostics are published every 60 s",
    "history.outbox_rows": "5000 messages may wait for the broker",
    "triggers.button.bounce_s": _PRESS_TIME,
    "triggers.button.double_press_s": _PRESS_TIME,
    "triggers.button.long_press_s": _PRESS_TIME,
    "triggers.button.very_long_press_s": _PRESS_TIME,
    "triggers.keys.bounce_s": _PRESS_TIME,
    "triggers.keys.double_press_s": _PRESS_TIME,
    "triggers.keys.long_press_s": _PRESS_TIME,
    "triggers.keys.very_long_press_s": _PRESS_TIME,
    "speech.stall_timeout_s": "a loudspeaker counts as lost after 10 seconds",
    "speech.phrase_timeout_s": "a voice is started again after 60 seconds without sound",
    "metrics.host": _METRICS,
    "metrics.port": _METRICS,
    "history.writes_per_hour": "the disk is forced at most every 30 seconds",
}


def without_retired(
    values: Mapping[str, Any], retired: Mapping[str, str] = RETIRED
) -> tuple[dict[str, Any], list[str]]:
    """Return the values of a file without retired keys, and one line for each key that was dropped.

    Args:
        values: the tables of the file.
        retired: as ``RETIRED``.
    """
    lines: list[str] = []
    return _kept(values, "", "", retired, lines), lines


def _kept(
    table: Mapping[str, Any], place: str, dotted: str, retired: Mapping[str, str], lines: list[str]
) -> dict[str, Any]:
    """Return a table without its retired keys, which are added to ``lines``.

    ``place`` is its name for people, with positions in lists; ``dotted`` is without them.
    """
    kept: dict[str, Any] = {}
    for name, value in table.items():
        inner_place, inner_dotted = f"{place}{name}", f"{dotted}{name}"
        if reason := retired.get(inner_dotted):
            lines.append(f"{inner_place} is no longer a setting: {reason}; delete the line")
        elif isinstance(value, Mapping):
            kept[name] = _kept(value, f"{inner_place}.", f"{inner_dotted}.", retired, lines)
        elif isinstance(value, list):
            kept[name] = [
                _kept(item, f"{inner_place}[{number}].", f"{inner_dotted}.", retired, lines)
                if isinstance(item, Mapping)
                else item
                for number, item in enumerate(value)
            ]
        else:
            kept[name] = value
    return kept
