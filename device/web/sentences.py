"""The words of the pages: state, settings and figures as sentences for people.

Invariant: pure functions of values; no Flask, no daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from seealoud.device.english import counted, duration
from seealoud.device.history.entries import Kind
from seealoud.device.requests import Value

State = Mapping[str, Value]

KINDS: Mapping[str, str] = {
    Kind.DESCRIBED: "Answer",
    Kind.NARRATED: "Narration",
    Kind.UNSPOKEN: "Seen, not spoken",
    Kind.ALERT: "Alert",
    Kind.PROBLEM: "Problem",
    Kind.RECOVERY: "Works again",
}
NO_PICTURE = "There is no picture: the camera does not work, or is being opened."
PRIVATE = "There is no picture: the camera is switched off for privacy."


def kind_in_words(kind: str) -> str:
    """Return what an entry of the history records, for people."""
    return KINDS.get(kind, kind)


def as_sentence(text: str) -> str:
    """Return a message of the program with a capital letter and a full stop."""
    text = text.strip()
    end = "" if text.endswith((".", "!", "?")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}"


def moment_in_words(at: datetime, now: datetime) -> str:
    """Return a local time as people say it: without the day where it is today."""
    at = at.astimezone(now.tzinfo)
    clock = f"{at:%H:%M:%S}"
    if at.date() == now.date():
        return clock
    year = "" if at.year == now.year else f" {at.year}"
    return f"{at.day} {at:%B}{year}, {clock}"


def state_in_words(state: State, now: datetime) -> list[str]:
    """Return the state as sentences: camera, narration, alerts, sound and place."""
    return [
        _camera(state),
        f"{narration(state, now)}.",
        f"Alerts are {_on(state['is_alerting'])}.",
        "Sound is muted, except for alerts." if state["is_muted"] else "Sound is on.",
    ]


def narration(state: State, now: datetime) -> str:
    """Return whether narration is on, without the full stop."""
    until = snoozed_until(state)
    if state["is_narrating"] and until is not None:
        return f"Narration is paused until {moment_in_words(until, now)}"
    return f"Narration is {_on(state['is_narrating'])}"


def snoozed_until(state: State) -> datetime | None:
    """Return until when narration is paused; None where it is not."""
    until = state.get("snoozed_until")
    return datetime.fromisoformat(until) if isinstance(until, str) else None


def setting_changed(name: str, state: State, now: datetime) -> str:
    """Return how a setting is now, after it was changed; empty for an unknown name."""
    match name:
        case "narrate" | "snooze":
            return f"{narration(state, now)} now."
        case "alerts":
            return f"Alerts are {_on(state['is_alerting'])} now."
        case "mute":
            return "Sound is muted now." if state["is_muted"] else "Sound is on now."
        case "privacy":
            return f"The camera is {_on(not state['is_private'])} now."
        case "minimum_gap_s":
            return f"The shortest time is {state[name]:g} seconds now."
        case "volume":
            return f"The volume is {state[name]:g} now."
        case "rate":
            return f"The pace is {state[name]:g} now."
        case "voice":
            return "The new voice is in use."
        case "say":
            return "The device speaks a sentence now."
        case _:
            return ""


def kept_reports(n_reports: int, n_bytes: int) -> str:
    """Return how many reports are kept, and how large they are."""
    if not n_reports:
        return "No reports are kept."
    n_mb = n_bytes / 1_000_000
    size = "less than 0.1 MB" if n_mb < 0.1 else f"{n_mb:.1f} MB"
    return f"{counted(n_reports, 'report')} {'is' if n_reports == 1 else 'are'} kept, {size}."


def no_picture(state: State) -> str:
    """Return why there is no picture; empty if there is one."""
    if state["is_private"]:
        return PRIVATE
    return "" if state["is_camera_available"] else NO_PICTURE


def figures(state: State) -> list[tuple[str, str]]:
    """Return the values of the state that people ask for in support, each with its name."""
    age, latency, heat = (
        state.get(x) for x in ("frame_age_s", "caption_latency_ms", "temperature_c")
    )
    took = None if latency is None else f"{float(latency) / 1000:.2f} seconds"
    shown = {
        "Version": state.get("version"),
        "Model": state.get("bundle"),
        "Running for": duration(int(state.get("uptime_s") or 0)),
        "Age of the newest picture": None if age is None else f"{float(age):.1f} seconds",
        "Last caption": state.get("last_caption"),
        "Time for the last caption": took,
        "Temperature": None if heat is None else f"{float(heat):.0f} °C",
        "Pictures that were skipped": state.get("drops"),
    }
    return [(name, "not known" if value is None else str(value)) for name, value in shown.items()]


def _camera(state: State) -> str:
    if state["is_private"]:
        return "The camera is switched off for privacy."
    if state["is_camera_available"]:
        return "The camera works."
    if state["is_camera_problem"]:
        return "The camera does not work."
    return "The camera is being opened."


def _on(is_on: object) -> str:
    return "on" if is_on else "off"
