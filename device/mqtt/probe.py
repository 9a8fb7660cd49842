"""Tries whether a broker takes us, and leaves no trace: nothing is published, there is no will.

A daemon of the same device may be connected meanwhile, and stays so.
"""

from __future__ import annotations

from device.mqtt.connection import open_connection
from device.mqtt.daemon_settings import DAEMON_SESSION
from device.mqtt.settings import BrokerSettings


def probe(settings: BrokerSettings) -> None:
    """Return once the broker has accepted a connection, which is ended then.

    Args:
        settings: the broker; with a session of its own, since a broker ends the older of two
            connections with one client id.

    Raises:
        BrokerError: the broker is away, refuses, cannot be trusted or does not answer in time.
        ConfigError: a TLS file cannot be used.
        ValueError: the session is the daemon's.
    """
    if settings.session == DAEMON_SESSION:
        raise ValueError(f"a probe as {settings.client_id} would end the daemon's connection")
    open_connection(settings, will=None).close()
