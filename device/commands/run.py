"""``seealoud run``: the daemon, until it is told to stop."""

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
    """Describe at a button's press, and narrate, until SIGTERM or Ctrl-C.

    Talk to it with `seealoud press`. SIGHUP reads the settings anew, SIGUSR1 asks for a
    description. Ends with 0 when it was told to stop.
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
