"""Pictures from http and https addresses; only this module opens such addresses.

Invariant: bounded in bytes and in time, and a password in an address never leaves this module.
"""

from __future__ import annotations

import base64
import errno
import http.client
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from seealoud.device import __version__
from seealoud.device.errors import PictureError
from seealoud.device.pictures.decode import MAX_PICTURE_BYTES, decode_picture, too_large
from seealoud.device.pictures.names import public_address, sign_in
from seealoud.device.records import Frame

_CHUNK_BYTES = 64 * 1024
_CHECK = "check the address"
_STREAM_TYPES = ("multipart/x-mixed-replace", "video/", "application/vnd.apple.mpegurl")


class StreamFound(Exception):
    """The address leads to a video stream, not to a single picture."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How long and how much a picture may take."""

    timeout_s: float = 10.0
    """Seconds for everything from the connection to the last byte, redirects included."""
    max_bytes: int = MAX_PICTURE_BYTES


def fetch_picture(url: str, limits: FetchLimits = FetchLimits()) -> Frame:
    """Return the picture at an address; what it is, its contents decide, not its headers.

    Raises:
        StreamFound: the server announces a video stream, which has no end to wait for.
        PictureError: the server is away, refuses, is too slow, or sends no readable picture.
    """
    name = public_address(url)
    data = fetch_file(url, limits)
    return Frame.now(decode_picture(data, name), name)


def fetch_file(
    url: str, limits: FetchLimits, on_progress: Callable[[float], None] | None = None
) -> bytes:
    """Return the file at an address, whatever it is.

    Args:
        url: http or https.
        limits: of time and size.
        on_progress: is called with the share that has arrived, 0..1, where the server states the
            size.

    Raises:
        StreamFound: as ``fetch_picture``.
        PictureError: the server is away, refuses, is too slow, or sends too much.
    """
    name = public_address(url)
    if urllib.parse.urlsplit(url).scheme.lower() not in ("http", "https"):
        raise PictureError(f"{name} cannot be fetched: give an http or https address")
    try:
        return _fetch(url, name, limits, on_progress)
    except (PictureError, StreamFound):
        raise
    except (OSError, http.client.HTTPException, ValueError) as exc:
        if isinstance(exc, urllib.error.HTTPError):
            exc.close()
        if isinstance(getattr(exc, "reason", exc), TimeoutError):
            raise PictureError(
                f"{name} did not arrive within {limits.timeout_s:g} s: try again later"
            ) from exc
        cause, next_step = failure_in_words(exc)
        raise PictureError(f"{name} cannot be fetched: {cause}: {next_step}") from exc


def failure_in_words(exc: Exception) -> tuple[str, str]:
    """Return why a server did not answer as it should, and what to do."""
    match exc.reason if type(exc) is urllib.error.URLError else exc:
        case urllib.error.HTTPError(code=code, reason=reason):
            step = "try again later" if code >= HTTPStatus.INTERNAL_SERVER_ERROR else _CHECK
            if code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                step = "give user and password, as in http://USER:PASSWORD@HOST/"
            return f"the server answered {code} {str(reason).partition(chr(10))[0]}", step
        case ConnectionRefusedError():
            return "connection refused", f"{_CHECK} and port, and whether the server is running"
        case socket.gaierror():
            return "unknown host", "check its name, and the network"
        case ssl.SSLCertVerificationError():
            return "its certificate is not trusted", "check the host name, and this machine's clock"
        case ssl.SSLError():
            return "it does not speak TLS", "check that the address begins with http or https"
        case http.client.BadStatusLine():
            return "the answer is not HTTP", f"{_CHECK} and port"
        case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH, strerror=words):
            return str(words).lower(), "check the network"
        case OSError(strerror=str(words)):
            return words.lower(), "try again later"
        case other:
            return str(other) or type(other).__name__, _CHECK


def _fetch(
    url: str, name: str, limits: FetchLimits, on_progress: Callable[[float], None] | None
) -> bytes:
    """Return the body behind an address."""
    with closing(Deadline(limits.timeout_s)) as deadline:
        request = _request(url)
        with deadline.checked(), open_address(request, url, deadline) as response:
            if response.headers.get_content_type().startswith(_STREAM_TYPES):
                raise StreamFound
            size = int(response.headers.get("Content-Length") or 0)
            if size > limits.max_bytes:
                raise too_large(name, limits.max_bytes)
            body = bytearray()
            while chunk := response.read1(_CHUNK_BYTES):
                body += chunk
                if len(body) > limits.max_bytes:
                    raise too_large(name, limits.max_bytes)
                if on_progress is not None and size:
                    on_progress(min(1.0, len(body) / size))
            deadline.check()
            if (missing := response.length) and missing > 0:
                raise PictureError(f"{name}: the server stopped {missing} bytes early: try again")
    return bytes(body)


class Deadline:
    """Ends the connections of a request when its time is over, whatever they are doing.

    A time-out of a socket counts from each byte, so that a server could drip bytes for ever.

    Args:
        timeout_s: the time, from now on.

    Attributes:
        timeout_s: as given.
        is_over: whether the connections were ended.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.is_over = False
        self._end_s = time.monotonic() + timeout_s
        self._sockets: list[socket.socket] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http deadline", daemon=True)
        self._thread.start()

    def add(self, connected: socket.socket) -> None:
        """Watch one more connection of the request."""
        self._sockets.append(connected)

    def renew(self) -> None:
        """Begin the time again."""
        self._end_s = time.monotonic() + self.timeout_s

    def check(self) -> None:
        """Raise TimeoutError if the time is over."""
        if self.is_over:
            raise TimeoutError(f"not complete within {self.timeout_s:g} s")

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Raise TimeoutError in place of what an ended connection leads to."""
        try:
            yield
        except (OSError, http.client.HTTPException, ValueError):
            self.check()
            raise

    def close(self) -> None:
        """End the watch; the connections stay open."""
        self._closed.set()

    def _run(self) -> None:
        while (rest_s := self._end_s - time.monotonic()) > 0:
            if self._closed.wait(rest_s):
                return
        self.is_over = True
        for connected in self._sockets:
            with suppress(OSError, ValueError):
                connected.shutdown(socket.SHUT_RDWR)


def open_address(request: urllib.request.Request, url: str, deadline: Deadline) -> Any:
    """Return the open answer to a request, of ``http.client.HTTPResponse``.

    Args:
        request: to the address without its password.
        url: the address with user and password, by which a server that asks is answered.
        deadline: its time-out also holds for each single read.

    Raises:
        OSError: the server is away or refuses, among them urllib.error.URLError and HTTPError.
        http.client.HTTPException: the answer is not HTTP.
        ValueError: the answer leads to an impossible address.
    """
    opener = _opener(deadline)
    if (account := sign_in(url)) is not None:
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, request.full_url, *account)
        opener.add_handler(_DigestSignIn(passwords))
        opener.add_handler(_BasicSignIn(passwords))
    return opener.open(request, timeout=deadline.timeout_s)


def _request(url: str) -> urllib.request.Request:
    """Return the request, which signs in where the address says how."""
    headers = {"User-Agent": f"seealoud/{__version__}", "Accept": "image/*, */*;q=0.8"}
    request = urllib.request.Request(public_address(url), headers=headers)
    if (account := sign_in(url)) is not None:
        token = base64.b64encode(":".join(account).encode()).decode()
        # Not sent again to where the server may redirect us.
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


class _ClosingRefusal:
    """Closes the server's first refusal when the request is repeated with user and password."""

    def http_error_401(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        try:
            answer = super().http_error_401(req, fp, code, msg, headers)  # type: ignore[misc]
        except OSError as exc:
            if getattr(exc, "fp", None) is not fp:
                fp.close()
            raise
        if answer is not None:
            fp.close()
        return answer


class _DigestSignIn(_ClosingRefusal, urllib.request.HTTPDigestAuthHandler):
    """Signs in by the scheme that does not send the password."""


class _BasicSignIn(_ClosingRefusal, urllib.request.HTTPBasicAuthHandler):
    """Signs in by the scheme that every server knows."""


class _WatchedHandler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens connections that a deadline ends."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_watched(http.client.HTTPConnection, self._deadline), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_watched(http.client.HTTPSConnection, self._deadline), req)


def _watched(kind: type[Any], deadline: Deadline) -> Any:
    """Return a kind of connection that a deadline ends."""

    class Watched(kind):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            deadline.add(self.sock)

    return Watched


def _opener(deadline: Deadline) -> urllib.request.OpenerDirector:
    """Return an opener for http and https alone.

    The default one also follows file: and ftp: addresses, to which no picture should lead.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _WatchedHandler(deadline),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
