"""Values as TOML text, and which of them are hidden because they are secret. Pure.

Invariants: ``tomllib`` reads back exactly the value that was given; when in doubt, a value is
hidden.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

# As in JSON: text, numbers, bool, lists and tables; never null, which TOML lacks.
TomlValue = bool | int | float | str | Sequence["TomlValue"] | Mapping[str, "TomlValue"]
MASK = "***"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DELETE = "\x7f"
_SECRET_NAME = re.compile(r"password|passphrase|secret|token|api_?key", re.IGNORECASE)
# "//user:password@" up to the last @, even in a malformed address, and the values of a query.
_SIGN_IN = re.compile(r"//.*@", re.DOTALL)
_QUERY_VALUE = re.compile(r"([?&;][^=&;\s]*=)[^&;\s]*")


def toml_value(value: TomlValue) -> str:
    """Return a value as TOML, on one line.

    Raises:
        TypeError: TOML has no such value.
    """
    match value:
        case str():
            # JSON escapes everything that TOML escapes, except this one character.
            return json.dumps(value, ensure_ascii=False).replace(_DELETE, "\\u007f")
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)  # inf and nan are written alike in Python and TOML
        case Mapping():
            pairs = [f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items()]
            return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
        case list() | tuple():
            return f"[{', '.join(toml_value(item) for item in value)}]"
        case _:
            raise TypeError(f"TOML has no {type(value).__name__}: {value!r}")


def toml_key(name: str) -> str:
    """Return one part of a key, quoted if necessary."""
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)


def is_secret_name(name: str) -> bool:
    """Return whether the value of a key is a secret; the path of a secret's file is not."""
    return bool(_SECRET_NAME.search(name)) and not name.endswith("_file")


def masked(name: str, value: TomlValue) -> TomlValue:
    """Return the value of a key with everything secret replaced by ``MASK``."""
    if is_secret_name(name):
        return MASK
    match value:
        case str():
            return masked_text(value)
        case Mapping():
            return {key: masked(key, item) for key, item in value.items()}
        case list() | tuple():
            return [masked(name, item) for item in value]
        case _:
            return value


def masked_text(text: str) -> str:
    """Return a text without the user names, passwords and query values of addresses."""
    if "//" not in text:
        return text
    return _QUERY_VALUE.sub(rf"\1{MASK}", _SIGN_IN.sub(f"//{MASK}@", text))


def holds_sign_in(text: str) -> bool:
    """Return whether a text is an address that contains something secret."""
    return masked_text(text) != text
