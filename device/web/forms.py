"""The forms of the settings page, and the requests that forms send.

Invariant: a form becomes a ``seealoud.device.requests`` model and nothing else, so that a page can
do what every other trigger can do, under the same checks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seealoud.device.errors import RequestError
from seealoud.device.narrator.settings import LONGEST_GAP_S
from seealoud.device.requests import MAX_SNOOZE_MIN, Request, parse_request
from seealoud.device.speech.settings import FASTEST_RATE, LOUDEST, SLOWEST_RATE
from seealoud.device.web.sentences import State, narration, snoozed_until

_DEFAULT_SNOOZE_MIN = 30
_SWITCHED = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class NumberField:
    """A form with one number.

    Attributes:
        id: of the field in the page, and the name of the setting.
        label: of the field.
        hint: what the number means and its range.
        button: the words of its button.
        value: what is in force now.
        least: smallest value.
        most: largest value.
        step: of the arrow keys; "any" other number can be typed.
        action: of the request.
        field: of the request, that takes the number.
    """

    id: str
    label: str
    hint: str
    button: str
    value: str
    least: float
    most: float
    step: str = "any"
    action: str = "set"
    field: str = "value"


@dataclass(frozen=True, slots=True)
class SwitchForm:
    """A form with one button, that switches something on or off.

    Attributes:
        id: of its heading in the page, and where the answer to it is shown.
        heading: what is switched.
        words: how it is now.
        label: the words of the button.
        fields: of the request.
    """

    id: str
    heading: str
    words: str
    label: str
    fields: Mapping[str, str]


def switches(state: State, now: datetime) -> list[SwitchForm]:
    """Return the forms that switch something on or off, narration first."""
    alerts, muted, private = (
        bool(state[x]) for x in ("is_alerting", "is_muted", "is_private")
    )  # fmt: skip
    return [
        _narration(state, now),
        SwitchForm(
            "alerts",
            "Alerts",
            "Alerts are on: the device says at once when a rule of the settings file fires."
            if alerts
            else "Alerts are off: the rules of the settings file do not fire.",
            f"Switch alerts {_other(alerts)}",
            _switch("alerts", alerts),
        ),
        SwitchForm(
            "mute",
            "Sound",
            "Sound is muted: only alerts are heard. Captions are still published and kept."
            if muted
            else "Sound is on.",
            "Switch sound on" if muted else "Mute all sound except alerts",
            _switch("mute", muted),
        ),
        SwitchForm(
            "privacy",
            "Privacy",
            "The camera is switched off for privacy. Nothing is seen, also after a restart."
            if private
            else "The camera is on.",
            f"Switch the camera {'on' if private else 'off'}",
            _switch("privacy", private),
        ),
    ]


def number_fields(state: State) -> dict[str, NumberField]:
    """Return the forms with numbers, by the name of the setting."""
    most_min = MAX_SNOOZE_MIN
    found = (
        NumberField(
            "snooze",
            "Pause narration for some minutes",
            f"From 1 to {most_min} minutes. Narration resumes by itself.",
            "Pause narration",
            str(_DEFAULT_SNOOZE_MIN),
            least=1,
            most=most_min,
            step="1",
            action="snooze",
            field="minutes",
        ),
        NumberField(
            "minimum_gap_s",
            "Shortest time between two sentences of narration, in seconds",
            f"From 0 to {LONGEST_GAP_S} seconds.",
            "Change the shortest time",
            _number(state["minimum_gap_s"]),
            least=0,
            most=LONGEST_GAP_S,
        ),
        NumberField(
            "volume",
            "Volume",
            f"From 0 to {LOUDEST:g}. 1 is normal; above 1 the sound is distorted.",
            "Change the volume",
            _number(state["volume"]),
            least=0,
            most=LOUDEST,
        ),
        NumberField(
            "rate",
            "Pace of the words",
            f"From {SLOWEST_RATE:g} to {FASTEST_RATE:g}. 1 is normal, 2 is twice as fast.",
            "Change the pace",
            _number(state["rate"]),
            least=SLOWEST_RATE,
            most=FASTEST_RATE,
        ),
    )
    return {one.id: one for one in found}


def field_of(form: Mapping[str, str]) -> str:
    """Return the id of the part of the settings page from which a form was sent."""
    return form.get("name", "") if form.get("action") == "set" else form.get("action", "")


def request_of(
    form: Mapping[str, str], voices: Mapping[str, str], *, wants_answer: bool = False
) -> Request:
    """Return the request of a form.

    Args:
        form: its fields; numbers and "true" are texts.
        voices: paths by the names of the voices.
        wants_answer: whether the outcome is to have the answer; only for requests that know it.

    Raises:
        RequestError: a field is missing, unknown, or has a value that is not allowed.
    """
    values: dict[str, Any] = dict(form)
    if wants_answer:
        values["wants_answer"] = True
    if "is_on" in values:
        values["is_on"] = _SWITCHED.get(values["is_on"], values["is_on"])
    if values.get("name") == "voice" and values.get("action") == "set":
        if values.get("value") not in voices:
            known = ", ".join(voices)
            raise RequestError(f"voice {values.get('value')!r} is not known; there are: {known}")
        values["value"] = voices[values["value"]]
    for name in ("minutes", "value"):
        if name in values and values.get("name") != "voice":
            values[name] = _typed_number(values[name])
    return parse_request(json.dumps(values).encode())


def _narration(state: State, now: datetime) -> SwitchForm:
    is_on = bool(state["is_narrating"])
    if is_on and snoozed_until(state) is not None:
        meaning = ". Until then the device speaks only when it is asked, and for alerts."
    elif is_on:
        meaning = ": the device says what is new in front of the camera."
    else:
        meaning = ": the device speaks only when it is asked, and for alerts."
    words = f"{narration(state, now)}{meaning}"
    label = f"Switch narration {_other(is_on)}"
    return SwitchForm("narrate", "Narration", words, label, _switch("narrate", is_on))


def _switch(action: str, is_on: bool) -> dict[str, str]:
    return {"action": action, "is_on": "false" if is_on else "true"}


def _other(is_on: bool) -> str:
    return "off" if is_on else "on"


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else ""


def _typed_number(text: str) -> float:
    # Many people write a comma, and browsers without a number field pass it on.
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        raise RequestError(f"{text!r} is not a number; write it with digits, as in 1.5") from None
