"""The program's commands, and the exit code of every outcome."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import click

from seealoud.device import __version__
from seealoud.device.commands.command_line import SuggestingGroup
from seealoud.device.commands.report import PROGRAM, SIGNALLED, echo_error, verbose_option
from seealoud.device.ending_signals import ending_signals, requests_ignored
from seealoud.device.errors import SeeAloudError

if TYPE_CHECKING:
    from seealoud.device.commands.run_describe import DescribeParts

# 128 megapixels need 384 MB as RGB, which a Pi with 1 GB can hold.
_MAX_PIXELS = 128 * 2**20
# It handles the ending signals itself, because its exit code is 0.
_DAEMON = "run"


class _Commands(SuggestingGroup):
    """Imports each command only when it is used, so that every command starts quickly.

    The command ``name`` is ``seealoud.device.commands.MODULE.name``.
    """

    modules: ClassVar[Mapping[str, str]] = {
        "benchmark": "benchmark",
        "bundle": "bundle",
        "config": "config",
        "describe": "describe",
        "doctor": "doctor",
        "feedback": "feedback",
        "history": "history",
        "mqtt": "daemon",
        "place": "place",
        "press": "press",
        _DAEMON: "daemon",
        "voice": "voice",
        "web": "web",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command, or None if there is none of that name."""
        if cmd_name not in self.modules:
            return None
        module = importlib.import_module(f"seealoud.device.commands.{self.modules[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


# Without a command: an error in one line, as for any other wrong usage.
@click.group(
    cls=_Commands, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
@verbose_option
@click.pass_context
def cli(context: click.Context) -> None:
    """Say aloud what a camera sees. Nothing leaves this device except what you publish."""
    is_daemon = context.invoked_subcommand == _DAEMON
    context.with_resource(requests_ignored() if is_daemon else ending_signals(_interrupt))


def run_program(argv: Sequence[str] | None, parts: DescribeParts | None) -> int:
    """Run a command and return its exit code; the arguments are those of ``main``."""
    # OpenCV reads it when it is imported, which happens later.
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(_MAX_PIXELS))
    try:
        exit_code = cli.main(argv, prog_name=PROGRAM, standalone_mode=False, obj=parts)
        return exit_code if isinstance(exit_code, int) else 0
    except SeeAloudError as exc:
        for line in str(exc).splitlines():
            echo_error(line)
        return exc.exit_code
    except click.ClickException as exc:
        echo_error(f"{exc.format_message()} See: {_command_path(exc)} --help")
        return exc.exit_code
    except (KeyboardInterrupt, click.Abort):
        return SIGNALLED + signal.SIGINT


def _command_path(error: click.ClickException) -> str:
    """Return the command that was used wrongly, for example ``seealoud describe``."""
    context = getattr(error, "ctx", None)
    return PROGRAM if context is None else str(context.command_path)


def _interrupt(number: int) -> None:
    """Let every ``finally`` run, so that the broker and the voice are closed."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(SIGNALLED + number)
