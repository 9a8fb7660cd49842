"""Settings of the metrics and of the log."""

from __future__ import annotations

from typing import Literal

from seealoud.device.settings_base import AddressText, SettingsGroup


class MetricsSettings(SettingsGroup):
    """Numbers for Prometheus, by HTTP on this machine."""

    is_on: bool = False
    """Whether the numbers are served."""

    address: AddressText = "127.0.0.1:9757"
    """Address and port to listen on. There is no password: with an address other than 127.0.0.1 or
    [::1], anyone on the network can read the numbers. They contain no captions."""


class LogSettings(SettingsGroup):
    """What is logged on standard error, and how."""

    level: Literal["error", "warning", "info", "debug"] = "info"
    """The least important lines that are written. "info" has changes of state, without captions and
    spoken texts; "debug" has every decision, with them."""

    format: Literal["auto", "text", "json", "journal"] = "auto"
    """"text" for people; "json" for programs, one object per line; "journal" for systemd, with a
    priority before each line; "auto" is "journal" under systemd and otherwise "text"."""
