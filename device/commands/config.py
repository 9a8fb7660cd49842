"""The commands ``seealoud config …``: write, check and show the settings."""

from __future__ import annotations

from pathlib import Path

import click

from device.commands.report import echo_error
from device.commands.stdout import echo_line
from device.commands.verbosity import verbose_option
from device.errors import ConfigError

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.group(no_args_is_help=False, short_help="Write, check and show the settings.")
def config() -> None:
    """Write, check and show the settings of `seealoud run`."""


@config.command(short_help="Write a commented example.")
@click.argument("path", type=_PATH, required=False)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@verbose_option
def init(path: Path | None, force: bool) -> None:
    """Write a commented example with every key at its default.

    Without PATH: where the settings are looked for first.
    """
    from device.settings.load import settings_table
    from device.settings.paths import config_candidates
    from device.settings.reference import example_text

    file = path or config_candidates()[0]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, example_text(settings_table()), is_forced=force)
    except OSError as exc:
        if isinstance(exc, FileExistsError) and file.is_file():
            raise ConfigError(f"{file} is there already: --force writes over it") from exc
        raise ConfigError(f"{file} cannot be written: {exc.strerror}") from exc
    echo_line(f"{file} is written. Change it, then: seealoud config check {file}")


@config.command(short_help="Report all that is wrong with a file.")
@click.argument("path", type=_PATH, required=False)
@verbose_option
def check(path: Path | None) -> int:
    """Report all that is wrong with a file, and what is risky; exit code 2 if anything is wrong.

    Without PATH: the file that `seealoud run` would read.
    """
    from device.settings.load import find_config, load_settings, retired_lines
    from device.settings.risks import risks

    file = find_config(path)
    try:
        settings = load_settings(path)
    except ConfigError as exc:
        for line in str(exc).splitlines():
            echo_error(line)
        return exc.exit_code
    for line in [*retired_lines(path), *risks(settings, file)]:
        echo_error(f"warning: {line}")
    echo_line(
        "There is no file: the defaults are in force." if file is None else f"{file} is good."
    )
    return 0


@config.command(short_help="Print what is in force.")
@click.option("--config", "path", type=_PATH, help="The file. Default: what `seealoud run` reads.")
@verbose_option
def show(path: Path | None) -> None:
    """Print every setting as it is in force, and where it comes from.

    That is the default, the file, or a change at run time. Secrets are shown as ***.
    """
    from device.settings.effective import effective_text
    from device.settings.load import find_config, load_settings, settings_table
    from device.settings.paths import directories
    from device.settings.state import peek

    file, state_file = find_config(path), directories().state_file
    settings = load_settings(path)
    echo_line(f"# file: {file or 'none'}\n# changed at run time: {state_file}")
    echo_line(effective_text(settings, peek(state_file), settings_table()).rstrip("\n"))


@config.command(short_help="Print the reference of all settings.")
@verbose_option
def reference() -> None:
    """Print the reference of all settings, as in docs/settings.md."""
    from device.settings.load import settings_table
    from device.settings.reference import reference_text

    echo_line(reference_text(settings_table()).rstrip("\n"))


def _write(file: Path, text: str, *, is_forced: bool) -> None:
    """Write a file; readable as others are, so that the daemon's user can read it as well.

    Raises:
        OSError: it is there already, or cannot be written.
    """
    with file.open("w" if is_forced else "x", encoding="utf-8") as stream:
        stream.write(text)
