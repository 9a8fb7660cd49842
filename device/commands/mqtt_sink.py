"""Captions to the broker that the user named."""

from __future__ import annotations

from device.commands.options import DescribeOptions
from device.errors import ConfigError
from device.mqtt.device_id import default_device_id
from device.mqtt.publisher import MqttPublisher
from device.mqtt.settings import PROTOCOLS, BrokerSettings, TlsSettings, parse_broker, read_password
from device.records import Cause, Description


class MqttSink:
    """Publishes captions; connects at the first, so that a slow broker delays no output."""

    name = "the MQTT broker"

    def __init__(self, settings: BrokerSettings) -> None:
        """Check the settings.

        Raises:
            ConfigError: a TLS file cannot be used.
        """
        self._publisher = MqttPublisher(settings)

    def accept(self, described: Description) -> None:
        """Publish the caption, or why it is not said.

        Raises:
            BrokerError: the broker is away, refuses or does not confirm.
        """
        self._publisher.publish(described, Cause.DESCRIBE)

    def close(self) -> None:
        """Say offline and disconnect.

        Raises:
            BrokerError: the broker did not confirm it.
        """
        self._publisher.close()


def broker_settings(options: DescribeOptions) -> BrokerSettings:
    """Return which broker the options mean, and how to reach it.

    Raises:
        ConfigError: an option is wrong, needs another one, or names no broker.
    """
    if options.mqtt is None:
        raise ConfigError("no broker: give --mqtt HOST")
    host, port = parse_broker(options.mqtt)
    files = (options.mqtt_ca, options.mqtt_cert, options.mqtt_key)
    is_encrypted = options.mqtt_tls or any(file is not None for file in files)
    # A password in the environment is for whoever signs in; without a user nobody does.
    has_password = options.mqtt_user is not None or options.mqtt_password_file is not None
    return BrokerSettings(
        host=host,
        port=port,
        device_id=options.device_id or default_device_id(),
        username=options.mqtt_user,
        password=read_password(options.mqtt_password_file) if has_password else None,
        tls=TlsSettings(*files) if is_encrypted else None,
        protocols=tuple(x for x in PROTOCOLS if options.mqtt_protocol in (x, None)),
    )
