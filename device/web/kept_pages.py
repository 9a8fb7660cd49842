"""The pages of what is kept: the history, and reports of what was wrong."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import redirect, render_template, request
from werkzeug.wrappers import Response

from seealoud.device.errors import RequestError
from seealoud.device.history.entries import Kind
from seealoud.device.requests import MAX_SNOOZE_MIN
from seealoud.device.web import sentences
from seealoud.device.web.page_parts import REFUSED, PageParts, done

_PAGE_ENTRIES = 50
_MOST_SEARCH_CHARS = 200
_DEFAULT_MIN = 60
_MOST_MIN = 7 * MAX_SNOOZE_MIN


class KeptPages:
    """The pages and their forms.

    Args:
        parts: what the daemon offers.
    """

    def __init__(self, parts: PageParts) -> None:
        self._parts = parts

    def history(self) -> str | tuple[str, int]:
        """Return the history, searched, and what was missed."""
        minutes = request.args.get("minutes")
        if minutes is None:
            return self._history()
        try:
            return self._history(minutes=minutes, summary=self._parts.summary(_number(minutes)))
        except RequestError as exc:
            wrong = {"problem": str(exc), "problem_field": "minutes"}
            return self._history(**wrong), REFUSED

    def speak_summary(self) -> str | tuple[str, int]:
        """Have the device speak what was missed."""
        minutes = request.form.get("minutes", "")
        outcome = self._parts.send({"action": "summary", "minutes": minutes})
        if not outcome.is_accepted:
            return self._history(minutes=minutes, problem=outcome.reason), REFUSED
        return self._history(minutes=minutes, summary=outcome.answer, done="The device speaks it.")

    def feedback(self) -> str:
        """Return how much is kept."""
        kept = self._parts.feedback.size()
        return render_template(
            "feedback.html",
            title="Feedback",
            n_reports=kept.reports,
            words=sentences.kept_reports(*kept),
            done={"erased": "All reports are erased."}.get(done()),
        )

    def confirm_erase(self) -> str:
        """Ask once more before all reports are erased."""
        return render_template(
            "confirm.html",
            title="Erase all reports?",
            page="/feedback",
            words="All reports and their pictures are erased from this device. "
            "This cannot be undone.",
            address="/feedback/erase",
            fields={},
            label="Erase all reports",
            back="/feedback",
        )

    def erase_feedback(self) -> Response:
        """Erase all reports."""
        self._parts.feedback.erase()
        return redirect("/feedback?done=erased", 303)

    def _history(self, **more: Any) -> str:
        """Return the page with the entries that the address asks for."""
        search = request.args.get("search", "").strip()[:_MOST_SEARCH_CHARS]
        kind = request.args.get("kind", "")
        known = Kind(kind) if kind in list(Kind) else None
        found = self._parts.entries(_PAGE_ENTRIES + 1, search, known, _moment())
        shown: dict[str, Any] = {
            "title": "History",
            "page": "/history",
            "search": search,
            "kind": kind,
            "kinds": list(Kind),
            "minutes": _DEFAULT_MIN,
            "most_minutes": _MOST_MIN,
            "has_history": self._parts.has_history,
            "entries": found[:_PAGE_ENTRIES],
        }
        if len(found) > _PAGE_ENTRIES:
            before = found[_PAGE_ENTRIES - 1].at.isoformat()
            older = urlencode({"search": search, "kind": kind, "before": before})
            shown["older"] = f"/history?{older}#entries-heading"
        return render_template("history.html", **{**shown, **more})


def _moment() -> datetime | None:
    """Return the time in the address of a page of older entries; None without a usable one."""
    try:
        found = datetime.fromisoformat(request.args.get("before", ""))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _number(text: str) -> float:
    try:
        minutes = float(text.replace(",", "."))
    except ValueError:
        raise RequestError(f"{text!r} is not a number of minutes") from None
    if not 0 < minutes <= _MOST_MIN:
        raise RequestError(f"{minutes:g} minutes: from 1 to {_MOST_MIN} can be asked for")
    return minutes
