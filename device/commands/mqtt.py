"""The commands ``seealoud mqtt ...``: what concerns the broker and not a picture."""

from __future__ import annotations

from pathlib import Path

import click

from device.commands.report import echo_line, verbose_option


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
    from device.mqtt.broker import check_device_id
    from device.mqtt.retained import forget
    from device.settings.load import load_settings

    settings = load_settings(config)
    own_id = device_id and check_device_id(device_id)
    broker = settings.mqtt.broker_settings(own_id or settings.device.id)
    for topic in forget(broker, settings.mqtt.discovery_prefix):
        echo_line(topic)
