"""``seealoud run``: the daemon, until it is stopped."""

from __future__ import annotations

import logging
from pathlib import Path

import click

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
    from device.app import Daemon
    from device.health.log import set_up_daemon_logging
    from device.settings.load import load_settings, retired_lines
    from device.settings.paths import directories

    settings = load_settings(config)
    set_up_daemon_logging(settings.log)
    for line in retired_lines(config):
        _LOGGER.warning("%s", line)
    return Daemon(settings, config, directories()).run()
