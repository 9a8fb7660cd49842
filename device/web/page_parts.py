"""What the daemon offers to the pages.

Invariant: the pages have no other way to the daemon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import request

from seealoud.device.errors import RequestError
from seealoud.device.history.entries import Entry
from seealoud.device.requests import Outcome, Request
from seealoud.device.web.forms import request_of
from seealoud.device.web.sentences import State

# What a page answers to a form that was refused.
REFUSED = 422


@dataclass(frozen=True, slots=True)
class PageParts:
    """What the daemon offers to the pages.

    Attributes:
        name: of the device.
        voices: paths of the voices by their names.
        has_login: whether the page asks for a token.
        ask: carries a request out, and waits for its answer if the request wants one.
        state: returns the values of ``status``.
        health: returns the health in sentences, and whether all is well.
        entries: returns entries of the history, the newest first; None where there is no history.
        summary: returns what happened in so many last minutes.
        places: returns the places that are known, with the number of their pictures.
        describe_newest: returns what is seen now, without a sound.
        feedback: keeps corrections.
    """

    name: str
    voices: Mapping[str, str]
    has_login: bool
    ask: Callable[[Request], Outcome]
    state: Callable[[], State]
    health: Callable[[], tuple[list[str], bool]]
    entries: Callable[..., list[Entry]] | None
    summary: Callable[[float], str]
    places: Callable[[], list[Any]]
    describe_newest: Callable[[], str]
    feedback: Any

    def send(self, form: Mapping[str, str], *, wants_answer: bool = False) -> Outcome:
        """Return the outcome of the request of a form; a wrong form is refused with the reason."""
        try:
            wanted = request_of(form, self.voices, wants_answer=wants_answer)
        except RequestError as exc:
            return Outcome(is_accepted=False, reason=str(exc))
        return self.ask(wanted)


def done() -> str:
    """Return what was done before the redirect to this page: a name, never a text to show."""
    return request.args.get("done", "")


def local_now() -> datetime:
    """Return the time with the zone of the device."""
    return datetime.now().astimezone()
