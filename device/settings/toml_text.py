"""Values as TOML writes them; the reading is ``tomllib``'s. Pure.

Invariant: ``tomllib`` reads back exactly what was given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

# As JSON has them: text, numbers, bool, lists and tables; never null, which TOML lacks.
TomlValue = bool | int | float | str | Sequence["TomlValue"] | Mapping[str, "TomlValue"]
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DELETE = "\x7f"


def toml_value(value: TomlValue) -> str:
    """Return a value as TOML, on one line.

    Raises:
        TypeError: TOML has no such value.
    """
    match value:
        case str():
            # JSON escapes what TOML must, but for this one character.
            return json.dumps(value, ensure_ascii=False).replace(_DELETE, "\\u007f")
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)  # inf and nan are the same in both
        case Mapping():
            pairs = [f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items()]
            return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
        case list() | tuple():
            return f"[{', '.join(toml_value(item) for item in value)}]"
        case _:
            raise TypeError(f"TOML has no {type(value).__name__}: {value!r}")


def toml_key(name: str) -> str:
    """Return one part of a key, quoted where it must be."""
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)
