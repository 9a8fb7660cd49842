"""The commands ``seealoud config …``: write, check and show the settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seealoud.device.commands.command_line import SuggestingGroup
from seealoud.device.commands.report import echo_error, echo_line, verbose_option
from seealoud.device.errors import ConfigError

if TYPE_CHECKING:
    from seealoud.device.settings.reference import ChosenValue

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.group(
    cls=SuggestingGroup, no_args_is_help=False, short_help="Write, check and show the settings."
)
def config() -> None:
    """Write, check and show the settings of `seealoud run`."""


@config.command(short_help="Write a commented example.")
@click.argument("path", type=_PATH, required=False)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option(
    "--detect", is_flag=True, help="Find the camera and the loudspeaker, and set both in the file."
)
@verbose_option
def init(path: Path | None, force: bool, detect: bool) -> None:
    """Write a commented example with the default of every key.

    Without PATH: to the first place where `seealoud run` searches for settings.
    """
    from seealoud.device.settings.load import settings_table
    from seealoud.device.settings.paths import config_candidates
    from seealoud.device.settings.reference import example_text

    file = path or config_candidates()[0]
    chosen = _detected() if detect else {}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, example_text(settings_table(), chosen), is_forced=force)
    except OSError as exc:
        if isinstance(exc, FileExistsError) and file.is_file():
            raise ConfigError(f"{file} already exists: --force overwrites it") from exc
        raise ConfigError(f"{file} cannot be written: {exc.strerror}") from exc
    echo_line(f"Wrote {file}. Edit it, then run: seealoud config check {file}")


@config.command(short_help="Check a file.")
@click.argument("path", type=_PATH, required=False)
@verbose_option
def check(path: Path | None) -> int:
    """Report everything that is wrong or risky in a file; exit code 2 if anything is wrong.

    A daemon starts with a file in which nothing is wrong: the bundle and the files of the MQTT
    connection are read as well. Whether camera and broker answer is for `seealoud doctor`.

    Without PATH: the file that `seealoud run` would read.
    """
    from seealoud.device.daemon.start_check import start_problems
    from seealoud.device.doctor.finding import Level
    from seealoud.device.doctor.rules import check_rules
    from seealoud.device.settings.effective import risks
    from seealoud.device.settings.load import find_config, load_settings, retired_lines

    file = find_config(path)
    try:
        settings = load_settings(path)
    except ConfigError as exc:
        for line in str(exc).split("\n"):
            echo_error(line)
        return exc.exit_code
    for line in [*retired_lines(path), *risks(settings, file)]:
        echo_error(f"warning: {line}")
    if problems := start_problems(settings):
        for line in problems:
            echo_error(f"{file or 'the default settings'}: {line}")
        return ConfigError.exit_code
    rules = check_rules(settings)
    if rules.level is Level.WARNING:
        echo_error(f"warning: narration.rules: {rules.text}: {rules.fix}")
    echo_line(
        "There is no settings file: the defaults are used." if file is None else f"{file} is valid."
    )
    return 0


@config.command(short_help="Print the settings in force.")
@click.option(
    "--config",
    "path",
    type=_PATH,
    help="Settings file. Default: the one that `seealoud run` reads.",
)
@verbose_option
def show(path: Path | None) -> None:
    """Print every setting in force with its origin.

    The origin is the default, the file, or a change at run time. Secrets are shown as ***.
    """
    from seealoud.device.settings.effective import effective_text
    from seealoud.device.settings.load import find_config, load_settings, settings_table
    from seealoud.device.settings.paths import directories
    from seealoud.device.settings.state import peek

    file, state_file = find_config(path), directories().state_file
    settings = load_settings(path)
    echo_line(f"# file: {file or 'none'}\n# changed at run time: {state_file}")
    echo_line(effective_text(settings, peek(state_file), settings_table()).rstrip("\n"))


@config.command(short_help="Print the reference of all settings.")
@verbose_option
def reference() -> None:
    """Print the reference of all settings, as in docs/settings.md."""
    from seealoud.device.settings.load import settings_table
    from seealoud.device.settings.reference import reference_text

    echo_line(reference_text(settings_table()).rstrip("\n"))


def _detected() -> dict[str, ChosenValue]:
    """Return the settings of the camera and the loudspeaker that are found, and print both."""
    from seealoud.device.camera.devices import find_camera
    from seealoud.device.settings.reference import ChosenValue
    from seealoud.device.speech.aplay import find_loudspeaker

    chosen = {}
    if camera := find_camera():
        chosen["camera.source"] = ChosenValue(camera.source, f"Found: {camera.description}.")
        echo_line(f"Found the {camera.description}: source = {camera.source!r}.")
    else:
        echo_line("Found no camera: plug one in, then set source in [camera].")
    if loudspeaker := find_loudspeaker():
        name, card = loudspeaker.name, loudspeaker.description
        chosen["speech.device"] = ChosenValue(name, f"Found: {card}.")
        echo_line(f"Found the sound card {card}: device = {name!r}.")
    else:
        echo_line("Found no sound card: plug a loudspeaker in, then set device in [speech].")
    return chosen


def _write(file: Path, text: str, *, is_forced: bool) -> None:
    """Write a file with the usual permissions, so that the daemon's user can read it as well.

    Raises:
        OSError: it already exists, or cannot be written.
    """
    with file.open("w" if is_forced else "x", encoding="utf-8") as stream:
        stream.write(text)
