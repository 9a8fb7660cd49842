"""Addresses as text: which sources are some, and how they are shown."""

from __future__ import annotations

import urllib.parse


def is_address(text: str) -> bool:
    """Return whether a source is an address rather than a path."""
    return "://" in text


def public_address(url: str) -> str:
    """Return the address without user and password."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
