"""The commands that start the daemon, and remove what it has published."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from seealoud.device.commands.command_line import SuggestingGroup
from seealoud.device.commands.report import echo_line, verbose_option

_LOGGER = logging.getLogger(__name__)


@click.command("run")
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file. Default: $SEEALOUD_CONFIG, then the user's, then /etc/seealoud's.",
)
def run(config: Path | None) -> int:
    """Describe when a button is pressed, and narrate, until SIGTERM or Ctrl-C.

    Control it with `seealoud press`. SIGHUP reloads the settings, SIGUSR1 requests a
    description. The exit code is 0 after SIGTERM or Ctrl-C.
    """
    from seealoud.device.app import Daemon
    from seealoud.device.health.log import set_up_daemon_logging
    from seealoud.device.settings.load import load_settings, retired_lines
    from seealoud.device.settings.paths import directories

    settings = load_settings(config)
    set_up_daemon_logging(settings.log)
    for line in retired_lines(config):
        _LOGGER.warning("%s", line)
    return Daemon(settings, config, directories()).run()


@click.group(
    "mqtt",
    cls=SuggestingGroup,
    no_args_is_help=False,
    short_help="Manage what the MQTT broker keeps.",
)
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
    from seealoud.device.mqtt.broker import check_device_id
    from seealoud.device.mqtt.retained import forget
    from seealoud.device.settings.load import load_settings

    settings = load_settings(config)
    own_id = device_id and check_device_id(device_id)
    broker = settings.mqtt.broker_settings(own_id or settings.device.id)
    for topic in forget(broker, settings.mqtt.discovery_prefix):
        echo_line(topic)
