"""What commands have in common: groups, types of numbers, ``--state``, ``--socket``.

Invariant: what is wrong is answered in a plain sentence that names it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from seealoud.device.errors import SeeAloudError

if TYPE_CHECKING:
    from seealoud.device.requests import Outcome, Request

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class SuggestingGroup(click.Group):
    """A group whose error for an unknown command names a similar one.

    Args:
        instead: what to type in place of commands that people expect and that do not exist.
        attributes: those of every click group.
    """

    def __init__(self, *, instead: Mapping[str, str] | None = None, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.instead = instead or {}

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the name and command that the arguments begin with, and the rest.

        Raises:
            click.UsageError: there is no such command; the message suggests another.
        """
        typed = args[0]
        if self.get_command(ctx, typed) is None and not typed.startswith("-"):
            meant = _meant(self, ctx, typed)
            question = f" Did you mean: {meant}?" if meant else ""
            raise click.UsageError(f"There is no command {typed!r}.{question}", ctx)
        return super().resolve_command(ctx, args)


def _meant(group: SuggestingGroup, context: click.Context, typed: str) -> str:
    """Return what was probably meant, as it is typed; empty if nothing is similar."""
    root = context.find_root()
    own = {name: f"{context.command_path} {name}" for name in group.list_commands(context)}
    own |= {name: f"{context.command_path} {words}" for name, words in group.instead.items()}
    assert isinstance(root.command, click.Group)
    # Not those of another group: `seealoud place install` is not about bundles.
    whole = {name: f"{root.command_path} {name}" for name in root.command.list_commands(root)}
    for paths in (own, _all_paths(root) if context is root else whole):
        if near := get_close_matches(typed.lower(), paths, n=1):
            return paths[near[0]]
    # A picture without the word "describe".
    is_picture = os.path.exists(typed) or "." in typed or "/" in typed
    return f"{root.command_path} describe {typed}" if is_picture else ""


def _all_paths(root: click.Context) -> dict[str, str]:
    """Return how each command is typed, by its last word; the program's own commands first."""
    assert isinstance(root.command, click.Group)
    found: dict[str, str] = {}
    for name, path in _walk(root.command, root, root.command_path):
        found.setdefault(name, path)
    return found


def _walk(group: click.Group, context: click.Context, before: str) -> Iterator[tuple[str, str]]:
    inner: list[tuple[click.Group, str]] = []
    for name in group.list_commands(context):
        yield name, f"{before} {name}"
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            inner.append((command, f"{before} {name}"))
    for command, path in inner:
        yield from _walk(command, context, path)


class Count(click.ParamType[int]):
    """A whole number of at least 1."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or end with an error that names the text."""
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"'{value}' is not a whole number from 1 on.", param, ctx)
        return number


class Minutes(click.ParamType[float]):
    """A number of minutes; its range is checked with the request."""

    name = "minutes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number, or end with an error that names the text."""
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number of minutes, as in 30.", param, ctx)


def state_option(help_text: str) -> Callable[[_Decorated], _Decorated]:
    """Return the decorator that adds ``--state FOLDER``; see ``existing_folder``."""
    return click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help=help_text,
    )


def socket_option(function: _Decorated) -> _Decorated:
    """Add the option ``--socket``, as ``daemon_sockets`` takes it."""
    return click.option(
        "--socket",
        envvar="SEEALOUD_SOCKET",
        type=click.Path(path_type=Path),
        help="The daemon's socket. Default: $SEEALOUD_SOCKET, else the usual places.",
    )(function)


def daemon_sockets(socket: Path | None) -> tuple[Path, ...]:
    """Return where the daemon's socket may be, by the option ``--socket``."""
    from seealoud.device.settings.paths import socket_candidates

    return socket_candidates() if socket is None else (socket,)


def ask_daemon(request: Request, socket: Path | None) -> Outcome:
    """Return the daemon's answer to a request.

    Raises:
        DaemonError: no daemon answers.
    """
    from seealoud.device.triggers.control_client import ask

    return ask(daemon_sockets(socket), request)


def request_of(fields: Mapping[str, Any]) -> Request:
    """Return a request, parsed as in the daemon, so that a wrong one has the same message.

    Raises:
        RequestError: it is wrong.
    """
    from seealoud.device.requests import parse_request

    return parse_request(json.dumps(fields).encode())


def existing_folder(state: Path, error: type[SeeAloudError]) -> Path:
    """Return a folder that was given with ``--state``.

    Raises:
        SeeAloudError: of the given type: it does not exist.
    """
    if not state.is_dir():
        raise error(
            f"--state {state}: there is no such folder; correct the name, or leave --state out for "
            "the usual folder"
        )
    return state


def state_with(names: Iterable[str], error: type[SeeAloudError]) -> Path:
    """Return the user's state folder, or the service's if only that one has one of some files.

    Raises:
        SeeAloudError: of the given type: the service's folder may not be read.
    """
    from seealoud.device.settings.paths import SYSTEM_STATE, directories

    own = directories().state
    try:
        for place in (own, SYSTEM_STATE):
            if any((place / name).exists() for name in names):
                return place
    except OSError as exc:  # systemd hides the state folder of a service
        raise error(f"{SYSTEM_STATE} cannot be read: {exc.strerror}; try sudo") from exc
    return own
