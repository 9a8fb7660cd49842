"""The program ``seealoud``: finds the command, and turns every outcome into an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import ClassVar, NoReturn

import click

from device import __version__
from device.commands.lazy import LazyGroup
from device.commands.parts import Parts
from device.commands.report import PROGRAM, echo_error
from device.commands.verbosity import verbose_option
from device.errors import SeeAloudError

_SIGNALLED = 128  # shells report death by signal n as 128 + n
# 128 megapixels take 384 MB as RGB: what a Pi with 1 GB can hold.
_MAX_PIXELS = 128 * 2**20


class _Commands(LazyGroup):
    lazy: ClassVar[Mapping[str, str]] = {
        name: f"device.commands.{name}:{name}"
        for name in ("config", "describe", "doctor", "history", "mqtt", "press", "run")
    }


# Without a command: an error in one line, as for every other wrong use.
@click.group(
    cls=_Commands, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
@verbose_option
def cli() -> None:
    """Say aloud what a camera sees. Nothing leaves this device but what you send."""


def main(argv: Sequence[str] | None = None, parts: Parts | None = None) -> int:
    """Run the program and return its exit code.

    Args:
        argv: the arguments; those of the process by default.
        parts: what to use instead of the real parts; for tests.
    """
    # Read by OpenCV when it is loaded, which is later.
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(_MAX_PIXELS))
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        return _run(argv, parts)
    except SeeAloudError as exc:
        for line in str(exc).splitlines():
            echo_error(line)
        return exc.exit_code
    except click.ClickException as exc:
        echo_error(f"{exc.format_message()} See: {_command_path(exc)} --help")
        return exc.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _SIGNALLED + signal.SIGINT
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(argv: Sequence[str] | None, parts: Parts | None) -> int:
    """Run the command; a reader of our output that has gone ends it without a word."""
    from device.commands.stdout import StdoutClosedError

    try:
        exit_code = cli.main(argv, prog_name=PROGRAM, standalone_mode=False, obj=parts)
    except StdoutClosedError:
        # Python flushes stdout at exit, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _SIGNALLED + signal.SIGPIPE
    return exit_code if isinstance(exit_code, int) else 0


def _command_path(error: click.ClickException) -> str:
    """Return the command that was used wrongly, as in ``seealoud describe``."""
    context = getattr(error, "ctx", None)
    return PROGRAM if context is None else str(context.command_path)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End as Ctrl-C does: everything is closed, the broker told, the voice's process ended."""
    raise SystemExit(_SIGNALLED + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
