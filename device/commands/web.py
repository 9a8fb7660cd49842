"""``seealoud web``: the token of the page, and where the page is."""

from __future__ import annotations

import os
from pathlib import Path

import click

from seealoud.device.commands.command_line import SuggestingGroup, existing_folder, state_option
from seealoud.device.commands.report import echo_error, echo_line, verbose_option
from seealoud.device.errors import ConfigError, DaemonError


@click.group(
    "web", cls=SuggestingGroup, no_args_is_help=False, short_help="Print the page's token."
)
def web() -> None:
    """Print or renew the token with which others use the page of this device."""


@web.command("token")
@click.option("--new", "is_new", is_flag=True, help="Make a new one; every browser is logged out.")
@state_option("The state folder. Default: $STATE_DIRECTORY, else the service's, else your own.")
@verbose_option
def token_command(is_new: bool, state: Path | None) -> None:
    """Print the token of the page, and make one if there is none.

    It is needed if other machines can reach web.address. Whoever knows it can look through the
    camera: do not share it, nor write it into an address or a script that others can read.
    """
    from seealoud.device.web.token import TOKEN_FILE, WebToken

    folder = _state_folder() if state is None else existing_folder(state, ConfigError)
    token = WebToken(folder / TOKEN_FILE)
    try:
        text = token.renew() if is_new else token.create_where_missing()
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise DaemonError(
            f"the token in {folder} cannot be read or written: {reason}; try as the user that the "
            "daemon runs as, for example with sudo"
        ) from exc
    echo_line(text)
    if is_new:
        echo_error("this token is valid at once; browsers must log in with it")


def _state_folder() -> Path:
    """Return the user's folder if a daemon of this user has made a token, else the service's."""
    from seealoud.device.settings.paths import SYSTEM_STATE, directories
    from seealoud.device.web.token import TOKEN_FILE

    own = directories().state
    is_own = os.environ.get("STATE_DIRECTORY") or not SYSTEM_STATE.is_dir()
    return own if is_own or (own / TOKEN_FILE).exists() else SYSTEM_STATE
