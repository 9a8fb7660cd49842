"""The pages for people: live view, settings, places, health, history and feedback.

Invariant: each works with forms alone, without JavaScript. A form is sent by POST. What it changed
is answered by a redirect to the page, where the result has the focus; what was refused by the same
page with status 422, where the wrong field has it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import redirect, render_template, request
from werkzeug.wrappers import Response

from seealoud.device.errors import RequestError, SeeAloudError
from seealoud.device.history.entries import Kind
from seealoud.device.history.reading import Selection
from seealoud.device.requests import MAX_PLACE_CHARS, MAX_SNOOZE_MIN
from seealoud.device.web import sentences
from seealoud.device.web.asking import Asker
from seealoud.device.web.forms import field_of, number_fields, switches
from seealoud.device.web.sources import NO_HISTORY, PageSources

# What a page answers to a form that was refused.
_REFUSED = 422
_LAST_ENTRIES = 10
_PAGE_ENTRIES = 50
_MOST_SEARCH_CHARS = 200
_DEFAULT_MIN = 60
_MOST_MIN = 7 * MAX_SNOOZE_MIN
_ACTIONS = {"aloud": "describe", "repeat": "repeat", "stop": "stop"}

_Answer = str | Response | tuple[str, int]


class _Pages:
    """What all pages use of the daemon.

    Args:
        sources: parts of the daemon.
        asker: carries out requests.
    """

    def __init__(self, sources: PageSources, asker: Asker) -> None:
        self._sources = sources
        self._asker = asker


class LivePage(_Pages):
    """The live view and its forms."""

    def live(self, **more: Any) -> str:
        """Return the page."""
        state = self._sources.state_of()
        entries = self._sources.entries(Selection(limit=_LAST_ENTRIES))
        said = (x.text for x in entries if x.kind in (Kind.DESCRIBED, Kind.NARRATED))
        shown = {
            "title": "Live",
            "page": "/",
            "no_picture": sentences.no_picture(state),
            "has_history": self._sources.history is not None,
            "entries": entries,
            "last_said": next(said, ""),
            "state_sentences": sentences.state_in_words(state, local_now()),
            "done": {"report": "The report is saved. Thank you."}.get(_done()),
        }
        return render_template("live.html", **{**shown, **more})

    def describe(self) -> tuple[str, int] | str:
        """Describe the scene, aloud or only on the page; or repeat, or stop speaking."""
        how = request.form.get("how", "")
        if how == "here":
            try:
                return self.live(answer=self._asker.describe_newest())
            except SeeAloudError as exc:
                return self.live(problem=str(exc)), _REFUSED
        action = _ACTIONS.get(how, how)
        outcome = self._asker.answer_form({"action": action}, wants_answer=how == "aloud")
        if not outcome.is_accepted:
            return self.live(problem=outcome.reason), _REFUSED
        return self.live(answer=outcome.answer or "It is done.")

    def report(self) -> Response | tuple[str, int]:
        """Keep a report of what was wrong, and the picture only if the box was ticked."""
        form = request.form
        right, is_picture_kept = form.get("right", ""), form.get("is_picture_kept") == "true"
        try:
            self._sources.feedback.add(form.get("text", ""), right, is_picture_kept=is_picture_kept)
        except SeeAloudError as exc:
            wrong = {"wrong_problem": str(exc), "right": right, "problem_field": "right"}
            return self.live(problem=str(exc), **wrong), _REFUSED
        return redirect("/?done=report", 303)


class SettingsPages(_Pages):
    """The pages and their forms."""

    def settings(self, **more: Any) -> str:
        """Return what can be changed at run time."""
        state, voices, now = self._sources.state_of(), self._sources.voices_of(), local_now()
        narration, *others = switches(state, now)
        names = {path: name for name, path in voices.items()}
        shown = {
            "title": "Settings",
            "page": "/settings",
            "narration": narration,
            "switches": others,
            "numbers": number_fields(state),
            "is_snoozed": sentences.snoozed_until(state) is not None,
            "voices": list(voices),
            "voice": names.get(str(state["voice"] or "")),
            "done": sentences.setting_changed(_done(), state, now),
            "done_at": _done(),
        }
        return render_template("settings.html", **{**shown, **more})

    def change_setting(self) -> _Answer:
        """Carry out the request of a form of the settings page."""
        form = request.form.to_dict()
        field = field_of(form)
        outcome = self._asker.answer_form(form)
        if outcome.is_accepted:
            return redirect(f"/settings?{urlencode({'done': field})}", 303)
        typed = form.get("value", form.get("minutes", ""))
        return self.settings(problem=outcome.reason, problem_field=field, typed=typed), _REFUSED

    def places(self, **more: Any) -> str:
        """Return the places that are known."""
        shown = {
            "title": "Places",
            "page": "/places",
            "places": self._sources.places_of(),
            "longest_name": MAX_PLACE_CHARS,
            "done": {"forgotten": "It is forgotten."}.get(_done()),
        }
        return render_template("places.html", **{**shown, **more})

    def change_places(self) -> _Answer:
        """Teach, recognise or forget a place."""
        form = request.form.to_dict()
        action = form.get("action", "")
        outcome = self._asker.answer_form(form, wants_answer=action in ("where", "place_teach"))
        if not outcome.is_accepted:
            is_name = action == "place_teach"
            wrong = {"problem_field": "name", "name": form.get("name")} if is_name else {}
            return self.places(problem=outcome.reason, **wrong), _REFUSED
        if action == "place_forget":
            return redirect("/places?done=forgotten", 303)
        return self.places(answer=outcome.answer)

    def confirm_forget(self) -> str:
        """Ask once more before a place is forgotten, or all of them."""
        name = request.args.get("name", "")
        what, it, they = (f"“{name}”", "it", "It") if name else ("all places", "them", "They")
        return render_template(
            "confirm.html",
            title=f"Forget {what}?",
            page="/places",
            words=f"The device will no longer recognise {it}. {they} can be taught again.",
            address="/places",
            fields={"action": "place_forget", **({"name": name} if name else {})},
            label=f"Forget {what}",
            back="/places",
        )

    def health(self, **more: Any) -> str:
        """Return the health in sentences, and figures."""
        state = self._sources.state_of()
        shown = {
            "title": "Health",
            "problems": self._sources.problems_of(),
            "state_sentences": sentences.state_in_words(state, local_now()),
            "figures": sentences.figures(state),
            "done": {"spoken": "The device speaks the self-check now."}.get(_done()),
        }
        return render_template("health.html", **{**shown, **more})

    def self_check(self) -> _Answer:
        """Have the device speak the self-check."""
        outcome = self._asker.answer_form({"action": "self_check"})
        if outcome.is_accepted:
            return redirect("/health?done=spoken", 303)
        return self.health(problem=outcome.reason), _REFUSED


class HistoryPages(_Pages):
    """The pages and their forms."""

    def history(self) -> str | tuple[str, int]:
        """Return the history, searched, and what was missed."""
        minutes = request.args.get("minutes")
        if minutes is None:
            return self._history()
        try:
            return self._history(minutes=minutes, summary=self._summary(_number(minutes)))
        except RequestError as exc:
            wrong = {"problem": str(exc), "problem_field": "minutes"}
            return self._history(**wrong), _REFUSED

    def speak_summary(self) -> str | tuple[str, int]:
        """Have the device speak what was missed."""
        minutes = request.form.get("minutes", "")
        outcome = self._asker.answer_form({"action": "summary", "minutes": minutes})
        if not outcome.is_accepted:
            return self._history(minutes=minutes, problem=outcome.reason), _REFUSED
        return self._history(minutes=minutes, summary=outcome.answer, done="The device speaks it.")

    def feedback(self) -> str:
        """Return how much is kept."""
        kept = self._sources.feedback.size()
        return render_template(
            "feedback.html",
            title="Feedback",
            n_reports=kept.reports,
            words=sentences.kept_reports(*kept),
            done={"erased": "All reports are erased."}.get(_done()),
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
        self._sources.feedback.erase()
        return redirect("/feedback?done=erased", 303)

    def _summary(self, minutes: float) -> str:
        if self._sources.summary_of is None:
            raise RequestError(NO_HISTORY)
        return self._sources.summary_of(minutes).text

    def _history(self, **more: Any) -> str:
        """Return the page with the entries that the address asks for."""
        search = request.args.get("search", "").strip()[:_MOST_SEARCH_CHARS]
        kind = request.args.get("kind", "")
        known = Kind(kind) if kind in list(Kind) else None
        found = self._sources.entries(
            Selection(until=_moment(), search=search, limit=_PAGE_ENTRIES + 1, kind=known)
        )
        shown: dict[str, Any] = {
            "title": "History",
            "page": "/history",
            "search": search,
            "kind": kind,
            "kinds": list(Kind),
            "minutes": _DEFAULT_MIN,
            "most_minutes": _MOST_MIN,
            "has_history": self._sources.history is not None,
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


def _done() -> str:
    """Return what was done before the redirect to this page: a name, never a text to show."""
    return request.args.get("done", "")


def local_now() -> datetime:
    """Return the time with the zone of the device."""
    return datetime.now().astimezone()
