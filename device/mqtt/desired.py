"""Applies the settings that are desired of the device: of it alone, or of its whole site.

The documents are retained at the broker. Invariants: a setting is only changed when what is desired
of it changes, so a change made at the device stays until then, over restarts too; documents are
applied whole or not at all, except that privacy is switched on in any case; where both documents
name a setting, the device's own counts, and while that one is refused, nothing is changed.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic_core import from_json, to_json

from seealoud.device import requests as r
from seealoud.device.files import read_regular, write_atomically
from seealoud.device.mqtt import topics as t
from seealoud.device.mqtt.commands import CommandHandler
from seealoud.device.mqtt.desired_document import (
    DesiredDocument,
    DesiredReport,
    DesiredSettings,
    read_document,
)
from seealoud.device.mqtt.identity import Identity
from seealoud.device.mqtt.inbox import ReceivedMessage
from seealoud.device.requests import Value

_LOGGER = logging.getLogger(__name__)
# In the state directory.
DESIRED_FILE = "desired.json"
# Several changes within this time are applied as one.
SETTLE_S = 0.5
# What the broker keeps comes at once over a new connection; this is for a broker that does not
# let the device read its own availability, by which the end of it is recognised.
_LONGEST_ARRIVAL_S = 10.0
_OWN_REFUSED = "not applied while the device's own document is refused"
# Privacy first. A voice is the only one that may fail, so it comes before the others.
_ORDER = (
    *("is_private", "voice", "is_muted", "volume", "rate", "minimum_gap_s"),
    *("is_alerting", "is_narrating"),
)


class DesiredState:
    """Used by one thread.

    Args:
        identity: of the device, with the voices that can be chosen.
        commands: has changes carried out.
        state_of: returns the daemon's state.
        file: keeps what was applied last, over a restart; None for nowhere.
        spread_s: what is desired of a whole site is applied at random within so many seconds.
        chance: draws these waits.
    """

    def __init__(
        self,
        identity: Identity,
        commands: CommandHandler,
        state_of: Callable[[], Mapping[str, Value]],
        file: Path | None,
        spread_s: float,
        chance: random.Random,
    ) -> None:
        self._identity = identity
        self._commands = commands
        self._state_of = state_of
        self._file = file
        self._spread_s = spread_s
        self._chance = chance
        self._own_topic = t.DESIRED.of(identity.id)
        # The device's own comes last, since it counts.
        topics = (t.SITE_DESIRED.template, self._own_topic)
        self._documents = {topic: DesiredDocument() for topic in topics}
        self._applied = {} if file is None else _read(file)
        self._had_documents = False
        self._failure = ""
        self._due_s = float("inf")
        # Of a new connection, until the broker has sent all that it keeps.
        self._missing: set[str] = set()
        self._is_arriving = False

    def is_for(self, topic: str) -> bool:
        """Return whether what comes on a topic is a document."""
        return topic in self._documents

    def connection_began(self, now_s: float) -> None:
        """Expect the documents again, in monotonic seconds."""
        self._missing = set(self._documents)
        self._is_arriving = True
        self._due_s = now_s + _LONGEST_ARRIVAL_S

    def take(self, received: ReceivedMessage, now_s: float) -> None:
        """Take a document, to be applied when it is due; an empty one removes the last.

        Args:
            received: on one of the topics of ``is_for``.
            now_s: monotonic seconds.
        """
        document = read_document(received, self._identity)
        topic, settings = received.topic, document.settings
        self._missing.discard(topic)
        if document.payload == self._documents[topic].payload:
            return
        self._documents[topic] = document
        if self._is_arriving:
            return
        is_urgent = settings.is_private or settings.is_muted
        may_spread = topic != self._own_topic and not is_urgent
        wait_s = self._chance.uniform(0.0, self._spread_s) if may_spread else 0.0
        self._due_s = min(self._due_s, now_s + SETTLE_S + wait_s)

    def arrived(self, now_s: float) -> None:
        """Note that all retained messages of a new connection have come."""
        if self._is_arriving:
            self._is_arriving = False
            self._due_s = now_s

    def due(self, now_s: float) -> list[DesiredReport] | None:
        """Apply the documents if that is due; return the reports of new ones, None if it is not."""
        if now_s < self._due_s:
            return None
        self._due_s = float("inf")
        self._is_arriving = False
        self._documents.update(dict.fromkeys(self._missing, DesiredDocument()))
        self._missing = set()
        had, self._had_documents = self._had_documents, self._has_documents
        if not (had or self._had_documents or self._applied):
            return None
        if self._documents[self._own_topic].reason:
            self._failure = _OWN_REFUSED
        else:
            self._apply()
        new = {topic for topic, x in self._documents.items() if not x.is_handled}
        self._documents = {k: replace(x, is_handled=True) for k, x in self._documents.items()}
        return [report for report in self.reports() if report.topic in new]

    def reports(self) -> tuple[DesiredReport, ...]:
        """Return a report of each document, as things are now."""
        state = self._state_of()
        return tuple(
            DesiredReport(
                topic=topic,
                id=document.settings.id,
                is_accepted=not (document.reason or self._failure),
                reason=document.reason or self._failure,
                differing=tuple(
                    name
                    for name, value in self._values(document.settings).items()
                    if _present(state, name) != value
                ),
            )
            for topic, document in self._documents.items()
            if document.payload and document.is_handled
        )

    @property
    def _has_documents(self) -> bool:
        return any(document.payload for document in self._documents.values())

    def _values(self, settings: DesiredSettings) -> dict[str, Value]:
        """Return the settings that a document names, with the voice's path."""
        values = dict(settings.values)
        if settings.voice is not None:
            values["voice"] = self._identity.voice_path(settings.voice)
        return values

    def _apply(self) -> None:
        """Carry out what is desired now and was not before."""
        wanted: dict[str, Value] = {}
        ids: dict[str, str] = {}
        for document in self._documents.values():
            values = self._values(document.settings)
            wanted |= values
            ids |= dict.fromkeys(values, document.settings.id)
        state, done = self._state_of(), dict[str, Value]()
        self._failure = ""
        for name in _ORDER:
            if name not in wanted or self._applied.get(name) == wanted[name]:
                continue
            if _present(state, name) != wanted[name]:
                request = _request(name, wanted[name], ids[name])
                reason = self._commands.carry_out(request, self._own_topic).reason
                if reason:
                    self._failure = f"{name}: {reason}"
                    break
            done[name] = wanted[name]
        self._keep({**self._applied, **done} if self._failure else wanted)

    def _keep(self, applied: dict[str, Value]) -> None:
        if applied == self._applied:
            return
        self._applied = applied
        if self._file is None:
            return
        try:
            write_atomically(self._file, to_json(applied) + b"\n")
        except OSError as exc:
            _LOGGER.warning(
                "%s cannot be written: %s; after a restart, settings desired over MQTT are "
                "applied again although they have not changed",
                *(self._file, exc.strerror),
            )


def _present(state: Mapping[str, Value], name: str) -> Value:
    value = state.get(name)
    return str(value or "") if name == "voice" else value


def _request(name: str, value: Value, own_id: str) -> r.Request:
    """Return the request that gives a setting a value."""
    match name:
        case "is_private":
            return r.Privacy(is_on=bool(value), id=own_id)
        case "is_muted":
            return r.Mute(is_on=bool(value), id=own_id)
        case "is_alerting":
            return r.AlertSwitch(is_on=bool(value), id=own_id)
        case "is_narrating":
            return r.Narrate(is_on=bool(value), id=own_id)
        case "voice":
            return r.Set(name="voice", value=str(value), id=own_id)
        case _:
            return r.Set.model_validate({"name": name, "value": value, "id": own_id})


def _read(file: Path) -> dict[str, Value]:
    """Return what was applied last; nothing where there is no such file, or it is damaged."""
    try:
        values = from_json(read_regular(file))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        _LOGGER.warning("%s cannot be read and is written again: %s", file, exc)
        return {}
    return values if isinstance(values, dict) else {}
