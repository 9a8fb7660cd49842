"""The live view: the picture, describe, the last captions, and "That was wrong"."""

from __future__ import annotations

from typing import Any

from flask import redirect, render_template, request
from werkzeug.wrappers import Response

from seealoud.device.errors import SeeAloudError
from seealoud.device.history.entries import Kind
from seealoud.device.web import sentences
from seealoud.device.web.page_parts import REFUSED, PageParts, done, local_now

_LAST_ENTRIES = 10
_ACTIONS = {"aloud": "describe", "repeat": "repeat", "stop": "stop"}


class LivePage:
    """The live view and its forms.

    Args:
        parts: what the daemon offers.
    """

    def __init__(self, parts: PageParts) -> None:
        self._parts = parts

    def live(self, **more: Any) -> str:
        """Return the page."""
        parts, state = self._parts, self._parts.state()
        entries = parts.entries(_LAST_ENTRIES)
        said = (x.text for x in entries if x.kind in (Kind.DESCRIBED, Kind.NARRATED))
        shown = {
            "title": "Live",
            "page": "/",
            "no_picture": sentences.no_picture(state),
            "has_history": parts.has_history,
            "entries": entries,
            "last_said": next(said, ""),
            "state_sentences": sentences.state_in_words(state, local_now()),
            "done": {"report": "The report is saved. Thank you."}.get(done()),
        }
        return render_template("live.html", **{**shown, **more})

    def describe(self) -> tuple[str, int] | str:
        """Describe the scene, aloud or only on the page; or repeat, or stop speaking."""
        how = request.form.get("how", "")
        if how == "here":
            try:
                return self.live(answer=self._parts.describe_newest())
            except SeeAloudError as exc:
                return self.live(problem=str(exc)), REFUSED
        action = _ACTIONS.get(how, how)
        outcome = self._parts.send({"action": action}, wants_answer=how == "aloud")
        if not outcome.is_accepted:
            return self.live(problem=outcome.reason), REFUSED
        return self.live(answer=outcome.answer or "It is done.")

    def report(self) -> Response | tuple[str, int]:
        """Keep a report of what was wrong, and the picture only if the tick was set."""
        form = request.form
        right, is_picture_kept = form.get("right", ""), form.get("is_picture_kept") == "true"
        try:
            self._parts.feedback.add(form.get("text", ""), right, is_picture_kept=is_picture_kept)
        except SeeAloudError as exc:
            wrong = {"wrong_problem": str(exc), "right": right, "problem_field": "right"}
            return self.live(problem=str(exc), **wrong), REFUSED
        return redirect("/?done=report", 303)
