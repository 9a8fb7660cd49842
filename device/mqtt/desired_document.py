"""The document with the settings that are desired of a device or of its site, and its report.

Invariant: a setting has the same name and the same values here as in the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, field_validator
from pydantic_core import from_json

from seealoud.device import requests as r
from seealoud.device.errors import RequestError
from seealoud.device.mqtt.commands import MAX_ID_CHARS
from seealoud.device.mqtt.identity import Identity
from seealoud.device.mqtt.inbox import ReceivedMessage
from seealoud.device.mqtt.payloads import Message
from seealoud.device.narrator.settings import LONGEST_GAP_S
from seealoud.device.requests import Value
from seealoud.device.speech.settings import FASTEST_RATE, LOUDEST, SLOWEST_RATE


class DesiredSettings(BaseModel):
    """The settings that a device should have; what is missing or null stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: Annotated[str, Field(max_length=MAX_ID_CHARS)] = Field(
        default="", description="Chosen by the sender, such as a revision; the report repeats it."
    )
    is_private: StrictBool | None = Field(
        default=None, description="Only true: privacy is switched off on the device itself."
    )
    is_muted: StrictBool | None = None
    is_narrating: StrictBool | None = None
    is_alerting: StrictBool | None = None
    voice: str | None = Field(default=None, description="Name of the voice.")
    volume: Annotated[float, Field(strict=True, ge=0, le=LOUDEST)] | None = None
    rate: Annotated[float, Field(strict=True, ge=SLOWEST_RATE, le=FASTEST_RATE)] | None = None
    minimum_gap_s: Annotated[float, Field(strict=True, ge=0, le=LONGEST_GAP_S)] | None = None

    @field_validator("is_private")
    @classmethod
    def _is_only_switched_on(cls, is_private: bool | None) -> bool | None:
        if is_private is False:
            raise ValueError(
                "privacy is only switched on from here: leave the key out, and switch it off at "
                "the device or with its own command"
            )
        return is_private

    @property
    def values(self) -> Mapping[str, Value]:
        """The settings that are named, by their names."""
        return self.model_dump(exclude={"id"}, exclude_none=True)


@dataclass(frozen=True, slots=True)
class DesiredDocument:
    """A document as it came last.

    Attributes:
        payload: as it came; empty where there is none.
        settings: what it asks for; only its id where it is refused.
        reason: why it is refused; empty where it is not.
        is_handled: whether it has been applied, or refused.
    """

    payload: bytes = b""
    settings: DesiredSettings = field(default_factory=DesiredSettings)
    reason: str = ""
    is_handled: bool = True


class DesiredReport(Message):
    """What became of a document of desired settings."""

    topic: str = Field(description="The topic of the document.")
    id: str = Field(default="", description="The document's own id, or empty.")
    is_accepted: bool = Field(description="Whether it has been applied.")
    reason: str = Field(default="", description="Why not, and what to do; empty if it is.")
    differing: tuple[str, ...] = Field(
        default=(),
        description="Its settings that have other values now: changed at the device since, or "
        "named by the device's own document too.",
    )


def read_document(received: ReceivedMessage, identity: Identity) -> DesiredDocument:
    """Return the document in a message, with the reason where it has to be refused."""
    payload = received.payload
    if not payload:
        return DesiredDocument()
    reason = ""
    settings = DesiredSettings()
    try:
        settings = _parsed(received, identity)
    except RequestError as exc:
        reason = str(exc)
    except ValidationError as exc:
        reason = r.refusal_of(exc.errors(include_url=False)[0])
    if reason:
        settings = DesiredSettings(id=_claimed_id(payload))
    return DesiredDocument(payload, settings, reason, is_handled=False)


def _parsed(received: ReceivedMessage, identity: Identity) -> DesiredSettings:
    """Return the settings in a document.

    Raises:
        RequestError: it is too long, or names a voice that is unknown.
        ValidationError: it does not fit the schema.
    """
    if received.size_bytes > r.MAX_REQUEST_BYTES:
        raise RequestError(
            f"a document of {received.size_bytes} bytes: at most {r.MAX_REQUEST_BYTES} are taken"
        )
    settings = DesiredSettings.model_validate_json(received.payload)
    if settings.voice is not None:
        identity.voice_path(settings.voice)
    return settings


def _claimed_id(payload: bytes) -> str:
    """Return the id that a refused document names, as far as it does."""
    try:
        values = from_json(payload)
    except ValueError:
        return ""
    own_id = values.get("id") if isinstance(values, dict) else None
    return own_id if isinstance(own_id, str) and len(own_id) <= MAX_ID_CHARS else ""
