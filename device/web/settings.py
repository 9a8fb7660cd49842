"""The table ``[web]`` of the settings."""

from __future__ import annotations

import ipaddress
import socket

from pydantic import StrictBool

from seealoud.device.settings_base import AddressText, SettingsGroup, is_loopback, split_address


class WebSettings(SettingsGroup):
    """The page and the HTTP API of this device, for a browser and for other programs."""

    is_on: StrictBool = False
    """Whether they are served."""

    address: AddressText = "127.0.0.1:8080"
    """Address and port to listen on. With 127.0.0.1, localhost or [::1], every user of this machine
    can use the page, and nobody else. With another address, such as 0.0.0.0:8080, everyone who can
    reach it and knows the token (`seealoud web token`) can; the token and what the camera sees
    cross the network unencrypted."""

    @property
    def place(self) -> tuple[str, int]:
        """The host and the port."""
        return split_address(self.address)

    @property
    def needs_token(self) -> bool:
        """Whether others than this machine can reach it, so that a token is required."""
        return not is_loopback(self.place[0])

    @property
    def outside_url(self) -> str:
        """The page's address for other machines; empty where they cannot reach it."""
        if not self.is_on or not self.needs_token:
            return ""
        host, port = self.place
        if _is_every_address(host):
            # The name that Raspberry Pi OS announces on the network.
            name = socket.gethostname()
            host = name if "." in name else f"{name}.local"
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_every_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
