"""The daemon's state as sentences, for ``seealoud press status``. Pure.

A screen reader reads each line as it stands: no columns, no bare dashes, no names of fields.
Invariant: no value is left out, not even one that only a newer daemon has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from seealoud.device.english import counted, duration
from seealoud.device.requests import Value


def status_sentences(data: Mapping[str, Value]) -> Iterator[str]:
    """Yield the state, one sentence or two a line.

    Args:
        data: as the daemon answers to ``status``; empty for any other request.
    """
    left = dict(data)
    if "version" in left:
        seconds = left.pop("uptime_s", None)
        running = "an unknown time" if seconds is None else duration(int(seconds))
        yield f"SeeAloud {left.pop('version')} has been running for {running}."
    yield from _narration(left)
    yield from _sound(left)
    yield from _camera(left)
    if "last_caption" in left:
        yield _last_caption(left.pop("last_caption"), left.pop("caption_latency_ms", None))
    if "bundle" in left:
        yield f"The model is {left.pop('bundle')}."
    if "temperature_c" in left:
        yield _temperature(left.pop("temperature_c"))
    problems = left.pop("problems", None)
    for name, value in left.items():
        yield f"{name.replace('_', ' ').capitalize()}: {_plain(value)}."
    if problems is not None:
        yield f"Needs attention: {problems}" if problems else "No problem is known."


def _narration(left: dict[str, Value]) -> Iterator[str]:
    until = left.pop("snoozed_until", None)
    if "is_narrating" in left:
        is_on = left.pop("is_narrating")
        if is_on and until:
            yield f"Narration is paused until {_local_time(str(until))}."
        else:
            yield f"Narration is {'on' if is_on else 'off'}."
    if "is_alerting" in left:
        yield f"Alerts of rules are {'on' if left.pop('is_alerting') else 'off'}."
    if "minimum_gap_s" in left:
        gap = _plain(left.pop("minimum_gap_s"))
        yield f"Narrated sentences are at least {gap} seconds apart."


def _sound(left: dict[str, Value]) -> Iterator[str]:
    if "is_muted" in left:
        yield "Sound is muted, except for alerts." if left.pop("is_muted") else "Sound is on."
    if "volume" in left:
        yield f"The volume is {_plain(left.pop('volume'))}."
    if "rate" in left:
        yield f"The rate of speech is {_plain(left.pop('rate'))}."
    if "voice" in left:
        yield f"The voice is {left.pop('voice') or 'the built-in one'}."


def _camera(left: dict[str, Value]) -> Iterator[str]:
    is_private, is_broken = left.pop("is_private", None), left.pop("is_camera_problem", None)
    age_s, drops = left.pop("frame_age_s", None), left.pop("drops", None)
    if is_private is False:
        yield "Privacy is off."
    if "is_camera_available" in left:
        is_available = left.pop("is_camera_available")
        if is_private:
            yield "Privacy is on, so the camera is closed."
        elif is_broken or not is_available:
            yield "The camera does not work." if is_broken else "The camera is not open yet."
        elif age_s is None:
            yield "The camera is open, and has given no picture yet."
        else:
            yield f"The camera works; its newest picture is {float(age_s):.1f} seconds old."
    elif is_private:
        yield "Privacy is on."
    if drops:
        pictures = counted(int(drops), "picture was", "pictures were")
        yield f"{pictures} replaced by newer ones before being looked at."


def _last_caption(caption: Value, latency_ms: Value) -> str:
    if caption is None:
        return "Nothing has been captioned yet."
    took = "" if latency_ms is None else f" It took {float(latency_ms):.0f} milliseconds."
    return f"The last caption was: {caption}{took}"


def _temperature(celsius: Value) -> str:
    if celsius is None:
        return "The processor's temperature is not available on this machine."
    return f"The processor's temperature is {float(celsius):.0f} degrees Celsius."


def _local_time(moment: str) -> str:
    """Return a time as on the clock on the wall, with the date if it is not today."""
    at = datetime.fromisoformat(moment).astimezone()
    is_today = at.date() == datetime.now(at.tzinfo).date()
    return f"{at:%H:%M}" if is_today else f"{at:%H:%M on %Y-%m-%d}"


def _plain(value: Value) -> str:
    match value:
        case None:
            return "not known"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case _:
            return str(value)
