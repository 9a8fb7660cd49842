"""What must not be shown of a setting: passwords, and addresses that hold one. Pure.

Invariant: rather too little is shown than too much.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from device.settings.toml_text import TomlValue

MASK = "***"
_SECRET_NAME = re.compile(r"password|passphrase|secret|token|api_?key", re.IGNORECASE)
# "//user:password@" up to the last @, whatever is wrong with the address, and a query's values.
_SIGN_IN = re.compile(r"//.*@", re.DOTALL)
_QUERY_VALUE = re.compile(r"([?&;][^=&;\s]*=)[^&;\s]*")


def is_secret_name(name: str) -> bool:
    """Return whether a key's value is a secret; the path of a file that holds one is none."""
    return bool(_SECRET_NAME.search(name)) and not name.endswith("_file")


def masked(name: str, value: TomlValue) -> TomlValue:
    """Return the value of a key as it may be shown."""
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
    """Return a text without what stands in addresses for signing in."""
    if "//" not in text:
        return text
    return _QUERY_VALUE.sub(rf"\1{MASK}", _SIGN_IN.sub(f"//{MASK}@", text))


def holds_sign_in(text: str) -> bool:
    """Return whether a text is an address with something in it that should not be seen."""
    return masked_text(text) != text
