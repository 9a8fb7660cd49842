"""Removes a device from a broker, and so from Home Assistant: empties all that is kept of it."""

from __future__ import annotations

import time

from device.errors import BrokerError
from device.mqtt import topics as t
from device.mqtt.connection import Confirmed, Connection, Received, open_connection
from device.mqtt.paho_client import Outgoing
from device.mqtt.session import outgoing
from device.mqtt.settings import BrokerSettings

# How long the broker may take to tell what it keeps.
_LOOK_S = 0.5


def forget(settings: BrokerSettings, prefix: str) -> tuple[str, ...]:
    """Empty every retained topic of a device and return their names.

    Args:
        settings: the broker, and which device.
        prefix: Home Assistant's discovery prefix.

    Raises:
        BrokerError: the broker is away or refuses, or the device is online and would come back.
    """
    topics = t.retained_topics(prefix, settings.device_id)
    # Should this process die, it must not leave what it came to remove.
    will = outgoing(t.AVAILABILITY, settings.device_id, b"")
    connection = open_connection(settings, will)
    try:
        _require_offline(connection, settings.device_id)
        for topic in topics:
            _empty(connection, topic, settings.timeout_s)
    finally:
        connection.close()
    return topics


def _require_offline(connection: Connection, device_id: str) -> None:
    topic = t.AVAILABILITY.of(device_id)
    connection.subscribe([topic])
    end_s = time.monotonic() + _LOOK_S
    while (left_s := end_s - time.monotonic()) > 0:
        happening = connection.receive(left_s)
        if isinstance(happening, Received) and happening.payload == t.ONLINE.encode():
            raise BrokerError(
                f"device {device_id} is online and would announce itself again: "
                "stop it first (systemctl stop seealoud)"
            )


def _empty(connection: Connection, topic: str, timeout_s: float) -> None:
    mid = connection.send(Outgoing(topic, b"", qos=1, is_retained=True))
    end_s = time.monotonic() + timeout_s
    while (left_s := end_s - time.monotonic()) > 0:
        happening = connection.receive(left_s)
        if isinstance(happening, Confirmed) and happening.mid == mid:
            if happening.failure is None:
                return
            raise BrokerError(f"the MQTT broker refused to empty {topic}: {happening.failure}")
    raise BrokerError(f"the MQTT broker did not confirm that {topic} is empty")
