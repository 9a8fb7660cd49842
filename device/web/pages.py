"""The pages for people: their addresses, what is common to them, and the login.

Invariant: each works with forms alone, without JavaScript. A form is sent by POST. What it changed
is answered by a redirect to the page, where the result has the focus; what was refused by the same
page with status 422, where the wrong field has it.
"""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from seealoud.device import __version__
from seealoud.device.web import sentences
from seealoud.device.web.access import COOKIE, LOGIN, Call, Guard, Refusal
from seealoud.device.web.kept_pages import KeptPages
from seealoud.device.web.live_page import LivePage
from seealoud.device.web.page_parts import PageParts, local_now
from seealoud.device.web.settings_pages import SettingsPages
from seealoud.device.web.token import SESSION_S

_MOST_FORM_BYTES = 4096
_LOG_IN = "Log in"


def page_routes(parts: PageParts, guard: Guard) -> Blueprint:
    """Return the routes of the pages.

    Args:
        parts: what the pages ask of the daemon.
        guard: signs browsers in.
    """
    routes = Blueprint("pages", __name__)

    routes.add_app_template_filter(sentences.as_sentence, "sentence")
    routes.add_app_template_filter(sentences.kind_in_words, "kind")
    routes.add_app_template_filter(_moment, "moment")

    @routes.app_context_processor
    def common() -> dict[str, object]:
        """Return what every template may use."""
        return {
            "device_name": parts.device_name,
            "version": __version__,
            "needs_token": guard.needs_token,
            "is_signed_in": guard.is_signed_in(present_call()),
            "page": request.path,
        }

    @routes.get(LOGIN)
    def login() -> AnyResponse | str:
        if guard.is_signed_in(present_call()):
            return redirect("/", HTTPStatus.SEE_OTHER)
        return render_template("login.html", title=_LOG_IN)

    @routes.post(LOGIN)
    def sign_in() -> AnyResponse:
        request.max_content_length = _MOST_FORM_BYTES
        session = guard.sign_in(present_call(), request.form.get("token", ""))
        if isinstance(session, Refusal):
            wrong = {"problem": session.reason, "problem_field": "token"}
            page = render_template("login.html", title=_LOG_IN, **wrong)
            return Response(page, status=session.status)
        response = redirect("/", HTTPStatus.SEE_OTHER)
        response.set_cookie(
            COOKIE,
            session,
            max_age=SESSION_S,
            secure=request.is_secure,
            httponly=True,
            samesite="Strict",
        )
        return response

    @routes.post("/logout")
    def sign_out() -> AnyResponse:
        response = redirect(LOGIN, HTTPStatus.SEE_OTHER)
        response.delete_cookie(COOKIE, httponly=True, samesite="Strict")
        return response

    _add_views(routes, parts)
    return routes


def _add_views(routes: Blueprint, parts: PageParts) -> None:
    live, ours, kept = LivePage(parts), SettingsPages(parts), KeptPages(parts)
    for rule, view, method in (
        ("/", live.live, "GET"),
        ("/describe", live.describe, "POST"),
        ("/feedback", live.report, "POST"),
        ("/settings", ours.settings, "GET"),
        ("/settings", ours.change_setting, "POST"),
        ("/places", ours.places, "GET"),
        ("/places", ours.change_places, "POST"),
        ("/places/forget", ours.confirm_forget, "GET"),
        ("/health", ours.health, "GET"),
        ("/health", ours.self_check, "POST"),
        ("/history", kept.history, "GET"),
        ("/history", kept.speak_summary, "POST"),
        ("/feedback", kept.feedback, "GET"),
        ("/feedback/erase", kept.confirm_erase, "GET"),
        ("/feedback/erase", kept.erase_feedback, "POST"),
    ):
        routes.add_url_rule(rule, view.__name__, view, methods=[method])


def _moment(at: datetime) -> str:
    return sentences.moment_in_words(at, local_now())


def present_call() -> Call:
    """Return what the guard checks of the request that is being answered."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Call(request.method, request.path, request.remote_addr or "", headers)
