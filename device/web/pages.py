"""The pages for people: rendered on the device, and readable without any script."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from seealoud.device.web.access import COOKIE, LOGIN, Call, Guard, Refusal
from seealoud.device.web.sources import PageSources
from seealoud.device.web.token import SESSION_S

_MOST_FORM_BYTES = 4096


def page_routes(sources: PageSources, guard: Guard) -> Blueprint:
    """Return the routes of the pages.

    Args:
        sources: parts of the daemon.
        guard: signs browsers in.
    """
    routes = Blueprint("pages", __name__)

    @routes.app_context_processor
    def common() -> dict[str, object]:
        """Return what every template may use."""
        return {"device_name": sources.device_name, "needs_token": guard.needs_token}

    @routes.get("/")
    def index() -> str:
        return render_template("index.html")

    @routes.get(LOGIN)
    def login() -> AnyResponse | str:
        if guard.is_signed_in(present_call()):
            return redirect("/", HTTPStatus.SEE_OTHER)
        return render_template("login.html", reason="")

    @routes.post(LOGIN)
    def sign_in() -> AnyResponse:
        request.max_content_length = _MOST_FORM_BYTES
        session = guard.sign_in(present_call(), request.form.get("token", ""))
        if isinstance(session, Refusal):
            return Response(
                render_template("login.html", reason=session.reason), status=session.status
            )
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


def present_call() -> Call:
    """Return what the guard checks of the request that is being answered."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Call(request.method, request.path, request.remote_addr or "", headers)
