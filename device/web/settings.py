"""The table ``[web]`` of the settings."""

from __future__ import annotations

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
