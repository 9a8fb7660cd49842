"""The commands ``seealoud mqtt ...``, and the broker that options of ``describe`` name."""

from __future__ import annotations

from pathlib import Path

import click

from device.commands.options import DescribeOptions
from device.commands.report import echo_line, verbose_option
from device.errors import ConfigError
from device.mqtt.broker import (
    PROTOCOLS,
    BrokerSettings,
    TlsSettings,
    check_device_id,
    default_device_id,
    parse_broker,
    read_password,
)


@click.group("mqtt", no_args_is_help=False, short_help="Manage what the MQTT broker keeps.")
def mqtt() -> None:
    """Manage what the MQTT broker keeps of this device."""


@mqtt.command("forget", short_help="Remove the device from the broker and Home Assistant.")
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Settings file. Default: the one of `seealoud run`.",
)
@click.option("--device-id", metavar="ID", help="Another device than the settings' own.")
@verbose_option
def forget_command(config: Path | None, device_id: str | None) -> None:
    """Remove the device from the broker and from Home Assistant.

    The device must be stopped: it announces itself again when it starts.
    """
    from device.mqtt.retained import forget
    from device.settings.load import load_settings

    settings = load_settings(config)
    own_id = device_id and check_device_id(device_id)
    broker = settings.mqtt.broker_settings(own_id or settings.device.id)
    for topic in forget(broker, settings.mqtt.discovery_prefix):
        echo_line(topic)


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
