"""Settings of the metrics and of the log."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from seealoud.device.settings_base import HostText, SettingsGroup


class MetricsSettings(SettingsGroup):
    """Numbers for Prometheus, by HTTP on this machine."""

    is_on: bool = False
    """Whether the numbers are served."""

    host: Annotated[HostText, Field(min_length=1, max_length=253)] = "127.0.0.1"
    """Address to listen on. There is no password: with an address other than 127.0.0.1 or ::1,
    anyone on the network can read the numbers. They contain no captions."""

    port: Annotated[int, Field(ge=1, le=65535)] = 9757
    """TCP port to listen on."""


class LogSettings(SettingsGroup):
    """What is logged on standard error, and how."""

    level: Literal["error", "warning", "info", "debug"] = "info"
    """The least important lines that are written. "info" has changes of state, without captions and
    spoken texts; "debug" has every decision, with them."""

    format: Literal["auto", "text", "json", "journal"] = "auto"
    """"text" for people; "json" for programs, one object per line; "journal" for systemd, with a
    priority before each line; "auto" is "journal" under systemd and otherwise "text"."""
