"""The pages that show and change how the device works: settings, places, health."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import redirect, render_template, request
from werkzeug.wrappers import Response

from seealoud.device.requests import MAX_PLACE_CHARS
from seealoud.device.web import sentences
from seealoud.device.web.forms import field_of, number_fields, switches
from seealoud.device.web.page_parts import REFUSED, PageParts, done, local_now

_Answer = str | Response | tuple[str, int]


class SettingsPages:
    """The pages and their forms.

    Args:
        parts: what the daemon offers.
    """

    def __init__(self, parts: PageParts) -> None:
        self._parts = parts

    def settings(self, **more: Any) -> str:
        """Return what can be changed at run time."""
        state, voices, now = self._parts.state(), self._parts.voices(), local_now()
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
            "done": sentences.setting_changed(done(), state, now),
            "done_at": done(),
        }
        return render_template("settings.html", **{**shown, **more})

    def change_setting(self) -> _Answer:
        """Carry out the request of a form of the settings page."""
        form = request.form.to_dict()
        field = field_of(form)
        outcome = self._parts.send(form)
        if outcome.is_accepted:
            return redirect(f"/settings?{urlencode({'done': field})}", 303)
        typed = form.get("value", form.get("minutes", ""))
        return self.settings(problem=outcome.reason, problem_field=field, typed=typed), REFUSED

    def places(self, **more: Any) -> str:
        """Return the places that are known."""
        shown = {
            "title": "Places",
            "page": "/places",
            "places": self._parts.places(),
            "longest_name": MAX_PLACE_CHARS,
            "done": {"forgotten": "It is forgotten."}.get(done()),
        }
        return render_template("places.html", **{**shown, **more})

    def change_places(self) -> _Answer:
        """Teach, recognise or forget a place."""
        form = request.form.to_dict()
        action = form.get("action", "")
        outcome = self._parts.send(form, wants_answer=action in ("where", "place_teach"))
        if not outcome.is_accepted:
            is_name = action == "place_teach"
            wrong = {"problem_field": "name", "name": form.get("name")} if is_name else {}
            return self.places(problem=outcome.reason, **wrong), REFUSED
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
            words=f"The device will not recognise {it} any more. {they} can be taught again.",
            address="/places",
            fields={"action": "place_forget", **({"name": name} if name else {})},
            label=f"Forget {what}",
            back="/places",
        )

    def health(self, **more: Any) -> str:
        """Return the health in sentences, and figures."""
        state = self._parts.state()
        shown = {
            "title": "Health",
            "problems": self._parts.problems(),
            "state_sentences": sentences.state_in_words(state, local_now()),
            "figures": sentences.figures(state),
            "done": {"spoken": "The device speaks the self-check now."}.get(done()),
        }
        return render_template("health.html", **{**shown, **more})

    def self_check(self) -> _Answer:
        """Have the device speak the self-check."""
        outcome = self._parts.send({"action": "self_check"})
        if outcome.is_accepted:
            return redirect("/health?done=spoken", 303)
        return self.health(problem=outcome.reason), REFUSED
