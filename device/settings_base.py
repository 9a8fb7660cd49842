"""What the settings of every part are built from; every part may import this module."""

from __future__ import annotations

import ipaddress
import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, StrictFloat, StrictInt

# A number that may be written with or without a point.
Number = StrictFloat | StrictInt

MQTT_PASSWORD = "mqtt-password"
_CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
# The longest that Linux opens, and the longest name in a folder.
_MAX_PATH_BYTES = 4095
_MAX_NAME_BYTES = 255
# Letters, digits and "_" or "-" inside a label, as in DNS and in the names of containers; or an
# IPv6 address, perhaps with a zone such as %eth0.
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9_.-]{1,15})?")
_MAX_HOST_CHARS = 253
_PORT = re.compile(r"[0-9]{1,5}")
_HIGHEST_PORT = 65535
_MAX_SHOWN_CHARS = 80
# Types of pydantic's errors, and what they demand of a value.
_LIMIT_WORDS = {
    "literal_error": "be {expected}",
    "greater_than_equal": "be at least {ge:g}",
    "greater_than": "be above {gt:g}",
    "less_than_equal": "be at most {le:g}",
    "less_than": "be below {lt:g}",
    "string_too_short": "have at least {min_length} characters",
    "string_too_long": "have at most {max_length} characters",
}
_KIND_WORDS = (
    ("bool", "be true or false"),
    ("float", "be a number"),
    ("int", "be a number"),
    ("finite", "be a finite number"),
    ("model", "be a JSON object"),
    ("dict", "be a JSON object"),
)


def check_line(text: str) -> str:
    """Return a text that can be an argument of a program or a field of a protocol.

    Raises:
        ValueError: it contains a control character or half of a surrogate pair.
    """
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
            raise ValueError(f"{text[:80]!r} contains the character {char!r}")
    return text


def check_path(path: Path | str) -> Path:
    """Return a path that the system can look up, with ``~`` expanded; it need not exist.

    Raises:
        ValueError: it contains a control character, is too long, or ``~`` names no user.
    """
    text = os.path.expanduser(check_line(str(path)))
    if text.startswith("~"):
        raise ValueError(f"{text[:80]!r}: there is no user {text[1:80].partition('/')[0]!r}")
    encoded = os.fsencode(text)
    longest_name = max(map(len, encoded.split(b"/")))
    if len(encoded) > _MAX_PATH_BYTES or longest_name > _MAX_NAME_BYTES:
        raise ValueError(
            f"the path {text[:40]!r}… is too long: at most {_MAX_PATH_BYTES} bytes, and "
            f"{_MAX_NAME_BYTES} for each name in it"
        )
    return Path(text)


def check_host(text: str) -> str:
    """Return a host name or address that can be looked up; nothing is looked up here.

    Raises:
        ValueError: it is neither.
    """
    labels = text.removesuffix(".").split(".")
    is_name = len(text) <= _MAX_HOST_CHARS and all(map(_HOST_NAME.fullmatch, labels))
    if not is_name and (":" not in text or not _IPV6.fullmatch(text)):
        raise ValueError(f"{text[:80]!r} is not a host name or an address")
    return text


def check_web_address(text: str) -> str:
    """Return an http or https address with a host; nothing is fetched here.

    Raises:
        ValueError: it is not such an address.
    """
    parts = urlsplit(check_line(text))
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in text:
        raise ValueError("it is not an address that begins with http:// or https://")
    return text


def split_address(text: str) -> tuple[str, int]:
    """Return the host and the port of an address such as "127.0.0.1:8080" or "[::1]:8080".

    Raises:
        ValueError: it is no such address.
    """
    host, colon, port = text.rpartition(":")
    is_ipv6 = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host) != is_ipv6:
        raise ValueError(f'{text[:80]!r} does not have the form "127.0.0.1:8080" or "[::1]:8080"')
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= _HIGHEST_PORT:
        raise ValueError(f"{text[:80]!r}: a port is a whole number from 1 to {_HIGHEST_PORT}")
    return check_host(host[1:-1] if is_ipv6 else host), int(port)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host name or address; nothing is looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_address_text(text: str) -> str:
    split_address(text)
    return text


def _check_path_text(text: str) -> str:
    check_path(text)
    return text


LineText = Annotated[str, AfterValidator(check_line)]
"""One line without control characters."""
PathText = Annotated[str, AfterValidator(_check_path_text)]
"""The path of a file as text, or the name of something that may be one."""
FilePath = Annotated[Path, AfterValidator(check_path)]
"""The path of a file or folder; ``~`` is expanded."""
WebAddress = Annotated[str, AfterValidator(check_web_address)]
"""An http or https address."""
HostText = Annotated[str, AfterValidator(check_host)]
"""A host name or an IP address."""
AddressText = Annotated[str, AfterValidator(_check_address_text)]
"""A host name or an IP address with a port, as ``split_address`` takes them apart."""


def problem_in_words(details: Mapping[str, Any]) -> str:
    """Return what is wrong with a value, as in "must be at most 2, not 99".

    Args:
        details: an entry of pydantic's ``ValidationError.errors``, whose own words name types of
            Python and not what a user may write.
    """
    kind, limits = str(details["type"]), details.get("ctx", {})
    shown = _shown(details["input"])
    match kind:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return f"is not known (its value is {shown})"
        case "json_invalid":
            return f"is not JSON: {limits['error']} in {shown}"
        case "union_tag_not_found":
            return f"names no action: {shown}"
        case "union_tag_invalid":
            return f"names no action that there is: {limits['tag']!r}; {limits['expected_tags']}"
        case "value_error":
            return f"cannot be used: {limits['error']}"
        case "string_too_short" if limits["min_length"] == 1:
            return "must not be empty"
        case _:
            return f"must {_demand(kind, limits)}, not {shown}"


def _shown(value: Any) -> str:
    """Return a value as in a message: numbers as they are typed, everything else in quotes."""
    if isinstance(value, float):
        return f"{value:.12g}"
    text = str(value)[:_MAX_SHOWN_CHARS]
    return text if isinstance(value, int) and not isinstance(value, bool) else repr(text)


def _demand(kind: str, limits: Mapping[str, Any]) -> str:
    """Return what a value must be or have, by the type of pydantic's error."""
    if kind in _LIMIT_WORDS:
        return _LIMIT_WORDS[kind].format(**limits)
    return next((words for start, words in _KIND_WORDS if kind.startswith(start)), "be text")


class SettingsGroup(BaseModel):
    """One table of the TOML file: frozen, and unknown keys are refused.

    The docstring under a field is its documentation: ``docs/settings.md`` is generated from it.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def find_credential(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of a secret that systemd provides (``LoadCredential=``), or None."""
    directory = environ.get(_CREDENTIALS_VARIABLE)
    if not directory:
        return None
    file = Path(directory) / name
    return file if file.is_file() else None
