"""The page and the HTTP API as one Flask application: the guard, the login, all addresses.

Invariants: every request passes the guard first; every answer forbids the browser to load or run
anything from elsewhere; every refusal is a sentence, as JSON under ``/api`` and else as a page.
"""

from __future__ import annotations

import logging
from datetime import datetime
from http import HTTPStatus

from flask import Blueprint, Flask, Request, Response, redirect, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from seealoud.device import __version__
from seealoud.device.errors import SeeAloudError
from seealoud.device.web import sentences
from seealoud.device.web.access import COOKIE, LOGIN, Guard, Refusal
from seealoud.device.web.api import Api
from seealoud.device.web.asking import Asker, present_call
from seealoud.device.web.event_stream import EventStream
from seealoud.device.web.messages import ErrorAnswer
from seealoud.device.web.openapi import JSON
from seealoud.device.web.pages import HistoryPages, LivePage, SettingsPages, local_now
from seealoud.device.web.sources import PageSources
from seealoud.device.web.token import SESSION_S

_LOGGER = logging.getLogger(__name__)
_STATIC_AGE_S = 600
_MOST_FORM_BYTES = 4096
_LOG_IN = "Log in"
# In place of the sentences of the framework.
_REASONS: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "there is nothing at this address: check it for a mistake",
    HTTPStatus.METHOD_NOT_ALLOWED: "this address cannot be used in this way: go back to the page",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Not "no-referrer": with it, the browser hides the origin of our own forms, too.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def make_application(sources: PageSources, guard: Guard, stream: EventStream) -> Flask:
    """Return the application.

    Args:
        sources: parts of the daemon.
        guard: decides on every request.
        stream: what happens, live.
    """
    application = Flask(__name__)
    # An address with "//" is unknown; else it would lead to whatever host the client names.
    application.url_map.merge_slashes = False
    application.config["SEND_FILE_MAX_AGE_DEFAULT"] = _STATIC_AGE_S
    asker = Asker(sources)
    application.register_blueprint(Api(sources, guard, stream, asker).routes())
    application.register_blueprint(_login_routes(guard))
    application.register_blueprint(_page_routes(sources, asker, guard))

    @application.before_request
    def check() -> Response | None:
        refusal = guard.refusal(present_call())
        if refusal is None:
            return None
        if refusal.status == HTTPStatus.UNAUTHORIZED and not _is_api(request):
            return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": LOGIN})
        return _refused(refusal)

    @application.after_request
    def protect(response: Response) -> Response:
        response.headers.update(_HEADERS)
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        return response

    @application.errorhandler(HTTPException)
    def explain(error: HTTPException) -> Response:
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        is_unexplained = error.description == type(error).description
        reason = _REASONS.get(status) if is_unexplained else error.description
        response = _refused(Refusal(status, reason or error.description or error.name))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = dict(error.get_headers()).get("Allow", "")
        return response

    @application.errorhandler(SeeAloudError)
    def lack(error: SeeAloudError) -> Response:
        return _refused(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error)))

    @application.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        _LOGGER.exception("page: %s %s failed", request.method, request.path)
        reason = f"internal error: {type(error).__name__}; the log of the device has more"
        return _refused(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, reason))

    return application


def _login_routes(guard: Guard) -> Blueprint:
    """Return the routes by which browsers log in and out."""
    routes = Blueprint("login", __name__)

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

    return routes


def _page_routes(sources: PageSources, asker: Asker, guard: Guard) -> Blueprint:
    """Return the routes of the pages, and what their templates use."""
    routes = Blueprint("pages", __name__)
    routes.add_app_template_filter(sentences.as_sentence, "sentence")
    routes.add_app_template_filter(sentences.kind_in_words, "kind")
    routes.add_app_template_filter(_moment, "moment")

    @routes.app_context_processor
    def common() -> dict[str, object]:
        """Return what every template may use."""
        return {
            "device_name": sources.device_name,
            "version": __version__,
            "needs_token": guard.needs_token,
            "is_signed_in": guard.is_signed_in(present_call()),
            "page": request.path,
        }

    live, kept = LivePage(sources, asker), HistoryPages(sources, asker)
    ours = SettingsPages(sources, asker)
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
    return routes


def _moment(at: datetime) -> str:
    return sentences.moment_in_words(at, local_now())


def _is_api(flask_request: Request) -> bool:
    return flask_request.path == "/api" or flask_request.path.startswith("/api/")


def _refused(refusal: Refusal) -> Response:
    if _is_api(request):
        body = ErrorAnswer(error=refusal.reason).model_dump_json()
        response = Response(body, mimetype=JSON)
    else:
        response = Response(
            render_template("error.html", title="That is not possible", reason=refusal.reason)
        )
    response.status_code = refusal.status
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
        response.headers["Retry-After"] = "10"
    return response
