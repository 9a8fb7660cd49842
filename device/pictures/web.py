"""Pictures from http and https addresses; only this module opens them.

Invariant: bounded in bytes and in time, and a password in an address never leaves this module.
"""

from __future__ import annotations

import base64
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

from device import __version__
from device.errors import PictureError
from device.pictures.decode import decode_picture
from device.pictures.files import MAX_PICTURE_BYTES, too_large
from device.pictures.names import public_address, sign_in
from device.records import Frame

_CHUNK_BYTES = 64 * 1024
_STREAM_TYPES = ("multipart/x-mixed-replace", "video/", "application/vnd.apple.mpegurl")


class StreamFound(Exception):
    """The address leads to a video stream, not to a single picture."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How long and how much a picture may take."""

    timeout_s: float = 10.0
    """Seconds for each answer of the server and for the whole picture."""
    max_bytes: int = MAX_PICTURE_BYTES


def fetch_picture(url: str, limits: FetchLimits = FetchLimits()) -> Frame:
    """Return the picture at an address; what it is, its contents decide, not its headers.

    Raises:
        StreamFound: the server announces a video stream, which has no end to wait for.
        PictureError: the server is away, refuses, is too slow, or sends no readable picture.
    """
    name = public_address(url)
    if urllib.parse.urlsplit(url).scheme.lower() not in ("http", "https"):
        raise PictureError(f"{name} is no picture's address: only http and https are read")
    try:
        data = _fetch(url, name, limits)
    except (PictureError, StreamFound):
        raise
    except urllib.error.HTTPError as exc:
        exc.close()
        reason = str(exc.reason).partition("\n")[0]
        raise PictureError(f"{name}: the server answered {exc.code} {reason}") from exc
    except TimeoutError as exc:
        raise _too_slow(name, limits) from exc
    except urllib.error.URLError as exc:
        if isinstance(exc.reason, TimeoutError):
            raise _too_slow(name, limits) from exc
        raise PictureError(f"{name} cannot be fetched: {exc.reason}") from exc
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise PictureError(f"{name} cannot be fetched: {exc or type(exc).__name__}") from exc
    return Frame.now(decode_picture(data, name), name)


def _fetch(url: str, name: str, limits: FetchLimits) -> bytes:
    """Return the body behind an address."""
    deadline_s = time.monotonic() + limits.timeout_s
    with _opener().open(_request(url), timeout=limits.timeout_s) as response:
        if response.headers.get_content_type().startswith(_STREAM_TYPES):
            raise StreamFound
        if int(response.headers.get("Content-Length") or 0) > limits.max_bytes:
            raise too_large(name, limits.max_bytes)
        body = bytearray()
        while chunk := response.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > limits.max_bytes:
                raise too_large(name, limits.max_bytes)
            if time.monotonic() > deadline_s:
                raise _too_slow(name, limits)
        if (missing := response.length) and missing > 0:
            raise PictureError(f"{name}: the server stopped {missing} bytes early: try again")
    return bytes(body)


def _request(url: str) -> urllib.request.Request:
    """Return the request, which signs in where the address says how."""
    headers = {"User-Agent": f"seealoud/{__version__}", "Accept": "image/*"}
    request = urllib.request.Request(public_address(url), headers=headers)
    if (account := sign_in(url)) is not None:
        token = base64.b64encode(":".join(account).encode()).decode()
        # Not sent again to where the server may redirect us.
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener for http and https alone.

    The default one also follows file: and ftp: addresses, to which no picture should lead.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _too_slow(name: str, limits: FetchLimits) -> PictureError:
    return PictureError(f"{name} did not arrive within {limits.timeout_s:g} s: try again later")
