"""The requests to the daemon, from button, key, signal, socket or MQTT: one strict model each.

Invariant: a request is carried out completely, or refused with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from seealoud.device.errors import RequestError
from seealoud.device.records import Cause
from seealoud.device.settings_base import PathText, check_line, problem_in_words

Value = bool | int | float | str | None
"""A value of the daemon's state."""
MAX_REQUEST_BYTES = 4096
MAX_SAY_CHARS = 500
MAX_SNOOZE_MIN = 24 * 60
MAX_PLACE_CHARS = 40
# Types of a value of several types, as pydantic names them.
_TYPE_NAME = re.compile(r"float|function-.*")

PlaceName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_PLACE_CHARS),
    AfterValidator(check_line),
]
"""The name of a place, as it is spoken."""


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: Annotated[str, Field(max_length=64)] = ""
    """Chosen by the sender; the answer carries it."""


class Describe(_Request):
    """Describe what the camera sees now."""

    action: Literal["describe"] = "describe"
    wants_answer: StrictBool = False
    """Whether the outcome waits for the answer and contains it; only on the control socket."""


class Repeat(_Request):
    """Repeat the last utterance."""

    action: Literal["repeat"] = "repeat"


class Stop(_Request):
    """Stop speaking now."""

    action: Literal["stop"] = "stop"


class Say(_Request):
    """Speak a text."""

    action: Literal["say"] = "say"
    text: Annotated[str, Field(min_length=1, max_length=MAX_SAY_CHARS)]


class Narrate(_Request):
    """Switch narration on or off; without ``is_on``, toggle it."""

    action: Literal["narrate"] = "narrate"
    is_on: StrictBool | None = None


class Snooze(_Request):
    """Pause narration for some minutes; 0 ends the pause."""

    action: Literal["snooze"] = "snooze"
    minutes: Annotated[float, Field(ge=0, le=MAX_SNOOZE_MIN)]


class AlertSwitch(_Request):
    """Switch the alerts of all rules on or off; they do not depend on narration."""

    action: Literal["alerts"] = "alerts"
    is_on: StrictBool


class Mute(_Request):
    """Mute all sound except the alerts of rules, or unmute it; publishing continues."""

    action: Literal["mute"] = "mute"
    is_on: StrictBool


class Privacy(_Request):
    """Close the camera, or open it again."""

    action: Literal["privacy"] = "privacy"
    is_on: StrictBool


class Set(_Request):
    """Change a setting at run time."""

    action: Literal["set"] = "set"
    name: Literal["volume", "rate", "minimum_gap_s", "snooze_min", "voice"]
    value: float | PathText


class SelfCheck(_Request):
    """Speak the result of a self-check."""

    action: Literal["self_check"] = "self_check"


class Status(_Request):
    """Return the state without speaking."""

    action: Literal["status"] = "status"


class Where(_Request):
    """Say which of the taught places the camera sees."""

    action: Literal["where"] = "where"
    wants_answer: StrictBool = False
    """As in ``Describe``."""


class PlaceTeach(_Request):
    """Look for a few seconds, and keep the features of what is seen under the name of a place."""

    action: Literal["place_teach"] = "place_teach"
    name: PlaceName
    wants_answer: StrictBool = False
    """As in ``Describe``."""


class PlaceForget(_Request):
    """Forget a place that was taught; without a name, all of them."""

    action: Literal["place_forget"] = "place_forget"
    name: PlaceName | None = None


class Update(_Request):
    """Look for a newer bundle now, and install it; only with the setting ``captioner.updates``."""

    action: Literal["update"] = "update"


class Summary(_Request):
    """Speak a summary of the last minutes."""

    action: Literal["summary"] = "summary"
    minutes: Annotated[float, Field(gt=0, le=7 * MAX_SNOOZE_MIN)] = 60


Request = Annotated[
    Describe
    | Repeat
    | Stop
    | Say
    | Narrate
    | Snooze
    | AlertSwitch
    | Mute
    | Privacy
    | Set
    | SelfCheck
    | Status
    | Summary
    | Where
    | PlaceTeach
    | PlaceForget
    | Update,
    Field(discriminator="action"),
]
_ADAPTER: TypeAdapter[Request] = TypeAdapter(Request)


class Outcome(BaseModel):
    """The immediate result of a request; an answer in words may follow as an event."""

    model_config = ConfigDict(frozen=True)

    is_accepted: bool
    reason: str = ""
    """Why it was refused and what to do; empty if accepted."""
    data: dict[str, Value] = {}
    """The state, for ``status``."""
    answer: str = ""
    """What is spoken in answer, if it is known already; see ``Describe.wants_answer``."""
    id: str = ""


# Accepts or refuses a request from a cause and returns at once; from any thread. The third argument
# is when the request was made, in monotonic seconds of the daemon's clock.
HandleRequest = Callable[[Request, Cause, float], Outcome]


def parse_request(data: bytes) -> Request:
    """Return the request in JSON bytes.

    Raises:
        RequestError: it is too long, not JSON, has an unknown action or key, or a value out of
            range; the message contains the value and what is allowed.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise RequestError(
            f"the request has {len(data)} bytes: at most {MAX_REQUEST_BYTES} are allowed"
        )
    try:
        return _ADAPTER.validate_json(data)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        # Of a value of several types, the check of its content says more than that of its type.
        clearest = next((error for error in errors if error["type"] == "value_error"), errors[0])
        raise RequestError(refusal_of(clearest)) from exc


def refusal_of(details: Mapping[str, Any]) -> str:
    """Return why a request is wrong, from an entry of pydantic's ``ValidationError.errors``."""
    # A value of several types is reported once for each, under the type's name.
    names = [name for name in map(str, details["loc"]) if not _TYPE_NAME.fullmatch(name)]
    *before, key = names or ["the request"]
    place = f"{'.'.join(before)}: " if before else ""
    return f"{place}{key} {problem_in_words(details)}"
