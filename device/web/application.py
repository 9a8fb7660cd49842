"""The page and the HTTP API as one Flask application.

Invariants: every request passes the guard first; every answer forbids the browser to load or run
anything from elsewhere; every refusal is a sentence, as JSON under ``/api`` and else as a page.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from flask import Flask, Request, Response, render_template, request
from werkzeug.exceptions import HTTPException

from seealoud.device.errors import SeeAloudError
from seealoud.device.web.access import LOGIN, Guard, Refusal
from seealoud.device.web.api import Api
from seealoud.device.web.asking import Asker
from seealoud.device.web.event_stream import EventStream
from seealoud.device.web.messages import ErrorAnswer
from seealoud.device.web.page_parts import PageParts
from seealoud.device.web.pages import page_routes, present_call
from seealoud.device.web.sources import PageSources

_LOGGER = logging.getLogger(__name__)
_STATIC_AGE_S = 600
# In place of the framework's own words.
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
    application.register_blueprint(page_routes(PageParts(sources, asker), guard))

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


def _is_api(flask_request: Request) -> bool:
    return flask_request.path == "/api" or flask_request.path.startswith("/api/")


def _refused(refusal: Refusal) -> Response:
    if _is_api(request):
        body = ErrorAnswer(error=refusal.reason).model_dump_json()
        response = Response(body, mimetype="application/json")
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
