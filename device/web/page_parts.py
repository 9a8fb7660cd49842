"""What the pages ask of the daemon; they have no other way to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from flask import request

from seealoud.device.errors import RequestError
from seealoud.device.history.entries import Entry, Kind
from seealoud.device.history.reading import Selection
from seealoud.device.pictures.decode import encode_jpeg
from seealoud.device.requests import Outcome
from seealoud.device.triggers.control_socket import ANSWER_WAIT_S
from seealoud.device.web.asking import Asker
from seealoud.device.web.forms import request_of
from seealoud.device.web.sentences import State
from seealoud.device.web.sources import PageSources

# What a page answers to a form that was refused.
REFUSED = 422
_NO_HISTORY = "there is no history: set is_on = true in [history]"


class PageParts:
    """The daemon, as the pages see it.

    Args:
        sources: parts of the daemon.
        asker: carries out requests.

    Attributes:
        feedback: keeps reports of what was wrong.
        has_history: whether a history is kept.
    """

    def __init__(self, sources: PageSources, asker: Asker) -> None:
        self._sources = sources
        self._asker = asker
        self.device_name = sources.device_name
        self.feedback = sources.feedback
        self.has_history = sources.history is not None

    def state(self) -> State:
        """Return the values of ``status``."""
        return self._sources.state_of()

    def voices(self) -> Mapping[str, str]:
        """Return the paths of the voices that can be chosen, by their names."""
        return self._sources.voices_of()

    def problems(self) -> list[str]:
        """Return what does not work now and what to do, a line for each part."""
        return list(self._sources.problems_of())

    def places(self) -> Mapping[str, int]:
        """Return the number of pictures of each place that was taught, by its name."""
        return self._sources.places_of()

    def send(self, form: Mapping[str, str], *, wants_answer: bool = False) -> Outcome:
        """Return the outcome of the request of a form; a wrong form is refused with the reason."""
        try:
            wanted = request_of(form, self.voices(), wants_answer=wants_answer)
        except RequestError as exc:
            return Outcome(is_accepted=False, reason=str(exc))
        return self._asker.outcome_of(wanted)

    def entries(
        self, limit: int, search: str = "", kind: Kind | None = None, before: datetime | None = None
    ) -> list[Entry]:
        """Return entries of the history, the newest first; none where there is no history.

        Raises:
            HistoryError: it cannot be read.
        """
        return self._sources.entries(Selection(until=before, search=search, limit=limit, kind=kind))

    def summary(self, minutes: float) -> str:
        """Return what happened in so many last minutes, in words.

        Raises:
            RequestError: there is no history.
        """
        if self._sources.summary_of is None:
            raise RequestError(_NO_HISTORY)
        return self._sources.summary_of(minutes).text

    def describe_newest(self) -> str:
        """Return what is seen now, without a sound.

        Raises:
            RequestError: there is no picture, too many wait, or the answer takes too long.
        """
        frame = self._sources.frame_of()
        if frame is None:
            raise RequestError("there is no picture now: the camera gives none, or privacy is on")
        data = encode_jpeg(frame.image_hwc)
        try:
            return self._asker.described(data, ANSWER_WAIT_S).description.text
        except TimeoutError:
            raise RequestError(
                f"the device has not answered within {ANSWER_WAIT_S:g} s: try again"
            ) from None


def done() -> str:
    """Return what was done before the redirect to this page: a name, never a text to show."""
    return request.args.get("done", "")


def local_now() -> datetime:
    """Return the time with the zone of the device."""
    return datetime.now().astimezone()
