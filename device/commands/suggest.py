"""Groups of commands that answer a mistyped command with the one that was probably meant."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches

import click


class SuggestingGroup(click.Group):
    """A group whose error for an unknown command names a similar one, wherever it is."""

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


def _meant(group: click.Group, context: click.Context, typed: str) -> str:
    """Return what was probably meant, as it is typed; empty if nothing is similar."""
    own = {name: f"{context.command_path} {name}" for name in group.list_commands(context)}
    for paths in (own, _all_paths(context.find_root())):
        if near := get_close_matches(typed.lower(), paths, n=1):
            return paths[near[0]]
    # A picture without the word "describe".
    is_picture = os.path.exists(typed) or "." in typed or "/" in typed
    return f"{context.find_root().command_path} describe {typed}" if is_picture else ""


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
