"""Settings of the metrics and of the log."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from device.settings_base import SettingsGroup


class MetricsSettings(SettingsGroup):
    """Numbers for Prometheus, by HTTP on this machine."""

    is_on: bool = False
    """Whether they are served."""

    host: Annotated[str, Field(min_length=1, max_length=253)] = "127.0.0.1"
    """Address to listen on. There is no password: with another one than 127.0.0.1 or ::1, whoever
    reaches it can read them. They hold no captions."""

    port: Annotated[int, Field(ge=1, le=65535)] = 9757
    """TCP port to listen on."""


class LogSettings(SettingsGroup):
    """What is logged on standard error, and how."""

    level: Literal["error", "warning", "info", "debug"] = "info"
    """The least important lines that are written. "info" has changes of state, without a word of
    what was seen or said; "debug" every decision, with the words."""

    format: Literal["auto", "text", "json", "journal"] = "auto"
    """"text" for people; "json" one object a line for programs; "journal" for systemd, with a
    priority before each line; "auto" is "journal" under systemd and else "text"."""
