"""Who may use the page: token or cookie, requests of other web sites, and too many requests.

Invariants: without the token, nothing is served on an address that others can reach, except the
login page and its style. A web site that a user visits can neither read from the page nor make it
do anything, whether by its own forms and scripts or by a name that it points to this machine.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from seealoud.device.client_limits import TokenBucket
from seealoud.device.clock import Clock
from seealoud.device.settings_base import is_loopback
from seealoud.device.web.token import WebToken

_LOGGER = logging.getLogger(__name__)
COOKIE = "seealoud"
LOGIN = "/login"
_STYLE = "/static/"
_READING = ("GET", "HEAD")
_BEARER = "Bearer "
_FROM_OTHERS = ("cross-site", "same-site")
# A page that shows live pictures asks several times a second; each tab is the same client.
_REQUESTS_PER_MIN, _MOST_REQUESTS = 1800.0, 120.0
# The token has 256 bits; the limit is for the load that guessing would cause.
_LOGINS_PER_MIN, _MOST_LOGINS = 10.0, 10.0
_ALL_LOGINS_PER_MIN, _MOST_ALL_LOGINS = 60.0, 60.0
_MOST_CLIENTS = 256
_LOG_GAP_S = 60.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served.

    Attributes:
        status: the HTTP status.
        reason: a sentence with what to do.
    """

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Call:
    """The parts of a request that are checked.

    Attributes:
        method: as in "GET".
        path: without the query.
        client: the address from which it came.
        headers: by their names in lower case.
    """

    method: str
    path: str
    client: str
    headers: Mapping[str, str]

    def header(self, name: str) -> str:
        """Return a header; empty where there is none."""
        return self.headers.get(name, "")


class RateLimit:
    """Limits each client separately; remembers the most recent clients.

    Args:
        per_min: requests a minute in the long run.
        burst: requests at once.
    """

    def __init__(self, per_min: float, burst: float) -> None:
        self._per_min = per_min
        self._burst = burst
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, client: str, now_s: float) -> bool:
        """Return whether one more of this client is allowed now, in monotonic seconds."""
        with self._lock:
            bucket = self._buckets.pop(client, None) or TokenBucket(self._per_min, self._burst)
            self._buckets[client] = bucket
            if len(self._buckets) > _MOST_CLIENTS:
                self._buckets.popitem(last=False)
            return bucket.take(now_s)


class Guard:
    """Decides on every request; all methods from any thread.

    Args:
        token: None where only this machine can reach the page, which then needs none.
        clock: the time.
    """

    def __init__(self, token: WebToken | None, clock: Clock) -> None:
        self._token = token
        self._clock = clock
        self._requests = RateLimit(_REQUESTS_PER_MIN, _MOST_REQUESTS)
        self._logins = RateLimit(_LOGINS_PER_MIN, _MOST_LOGINS)
        self._all_logins = RateLimit(_ALL_LOGINS_PER_MIN, _MOST_ALL_LOGINS)
        self._logged_s = float("-inf")

    @property
    def needs_token(self) -> bool:
        """Whether a token is required."""
        return self._token is not None

    def refusal(self, call: Call) -> Refusal | None:
        """Return why a request is not served; None if it is."""
        # Those of other web sites first, so that they do not use up the limit of the user's page.
        checks = (self._wrong_host, self._foreign, self._too_many_requests, self._not_signed_in)
        return next((found for check in checks if (found := check(call)) is not None), None)

    def is_signed_in(self, call: Call) -> bool:
        """Return whether a request carries the token, or the cookie of a session."""
        if self._token is None:
            return True
        given = call.header("authorization")
        if given:
            return given.startswith(_BEARER) and self._token.is_right(given[len(_BEARER) :].strip())
        return self._token.is_session(_cookie(call.header("cookie")), self._clock.utc())

    def sign_in(self, call: Call, given: str) -> str | Refusal:
        """Return the value of the cookie for a browser that gave the token, or why there is none.

        Args:
            call: the request.
            given: the token as it was typed.
        """
        if self._token is None:
            return Refusal(404, "this page needs no token: open / instead")
        # Only wrong ones are counted, so that somebody who guesses keeps nobody else out.
        if self._token.is_right(given.strip()):
            return self._token.new_session(self._clock.utc())
        self._log_wrong(call)
        return self._too_many_logins(call) or Refusal(
            401, "that is not the token: `seealoud web token` prints it on the device"
        )

    def _wrong_host(self, call: Call) -> Refusal | None:
        """Where there is no token, refuse names that a web site points to this machine."""
        host = call.header("host")
        if self._token is not None or _is_own_name(host):
            return None
        return Refusal(
            403,
            f"the host {host[:80]!r} is not served: open the page as http://localhost, or set "
            "web.address to an address of this machine, where a token is required",
        )

    def _foreign(self, call: Call) -> Refusal | None:
        """Refuse requests that another web site causes in the browser of a user."""
        is_reading = call.method in _READING
        site, origin = call.header("sec-fetch-site"), call.header("origin")
        is_whole_page = call.header("sec-fetch-dest") in ("", "document")
        is_link = is_reading and call.header("sec-fetch-mode") == "navigate" and is_whole_page
        if site in _FROM_OTHERS and not (is_link and not call.path.startswith("/api")):
            return Refusal(403, f"a request from another web site ({site}) is not carried out")
        if origin and _authority(origin) != call.header("host").lower():
            return Refusal(403, f"a request from the web site {origin[:80]!r} is not carried out")
        is_unknown = not site and not origin
        if is_reading or self._token is None or not is_unknown or call.header("authorization"):
            return None
        return Refusal(
            403,
            'the request names no origin, as browsers do: programs send "Authorization: Bearer '
            'TOKEN" instead of a cookie',
        )

    def _too_many_requests(self, call: Call) -> Refusal | None:
        if self._requests.take(call.client, self._clock.now_s()):
            return None
        return Refusal(429, "too many requests: at most 30 a second, try again later")

    def _not_signed_in(self, call: Call) -> Refusal | None:
        is_public = call.path == LOGIN or call.path.startswith(_STYLE)
        if is_public or self.is_signed_in(call):
            return None
        if call.header("authorization"):
            if (refusal := self._too_many_logins(call)) is not None:
                return refusal
            self._log_wrong(call)
        return Refusal(
            401,
            'the token is missing or wrong: send "Authorization: Bearer TOKEN"; `seealoud web '
            "token` prints it on the device",
        )

    def _too_many_logins(self, call: Call) -> Refusal | None:
        now_s = self._clock.now_s()
        if self._logins.take(call.client, now_s) and self._all_logins.take("", now_s):
            return None
        return Refusal(429, "too many attempts to log in: wait a minute and try again")

    def _log_wrong(self, call: Call) -> None:
        now_s = self._clock.now_s()
        if now_s - self._logged_s >= _LOG_GAP_S:
            self._logged_s = now_s
            _LOGGER.warning("page: %s gave a wrong token", call.client)


def _is_own_name(host: str) -> bool:
    """Return whether a Host header names this machine's loopback."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name)


def _authority(origin: str) -> str:
    """Return host and port of an Origin header; empty where it has none, as in "null"."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _cookie(header: str) -> str:
    """Return the value of our cookie; empty without one.

    Other programs on the same host may have set cookies of any form.
    """
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), "")
