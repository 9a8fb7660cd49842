"""The commands ``seealoud voice …``: install, choose and remove voices; sign and pack them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seealoud.device.commands.command_line import SuggestingGroup
from seealoud.device.commands.report import echo_line, verbose_option
from seealoud.device.commands.service_files import service_directories, written
from seealoud.device.errors import BundleError, ConfigError, DaemonError, OutputError, RequestError

if TYPE_CHECKING:
    from seealoud.device.bundles.voices import VoiceStore
    from seealoud.device.settings.paths import Directories

_WHAT = "voices"
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(
    "voice",
    cls=SuggestingGroup,
    no_args_is_help=False,
    short_help="Install, choose and remove voices.",
)
def voice() -> None:
    """Install, choose and remove the Piper voices that `seealoud run` speaks with.

    Exit codes: 0 done, 3 the voice is refused, 7 it does not speak, 13 a file cannot be written.
    """


@voice.command(short_help="Install a voice, and use it.")
@click.argument("source")
@click.option("--unsigned", is_flag=True, help="Accept a voice of your own, without a signature.")
@click.option("--allow-older", is_flag=True, help="Accept one signed before the installed one.")
@click.option("--no-use", is_flag=True, help="Install it, and leave the other one in use.")
@verbose_option
def install(source: str, unsigned: bool, allow_older: bool, no_use: bool) -> None:
    """Check a voice, try it on a sentence without a sound, and use it.

    SOURCE is the .onnx file of a Piper voice with its .onnx.json beside it, a folder or zip file
    with both, or the http or https address of such a zip file. It must be signed with a key in
    /etc/seealoud/bundle-keys.
    """
    from seealoud.device.bundles.install import InstallRules
    from seealoud.device.bundles.voices import VoiceStore, install_voice

    folders = service_directories(_WHAT)
    store = VoiceStore(folders.voices)
    rules = InstallRules(folders.bundle_keys, unsigned, allow_older)
    with written(store.folder):
        installed = install_voice(source, store, rules)
        by = f"signed by {installed.signed_by}" if installed.signed_by else "unsigned"
        echo_line(f"Installed {installed.name} ({by}).")
        if not no_use:
            _use(folders, store, installed.name)


@voice.command("list", short_help="Show the installed voices.")
@verbose_option
def list_command() -> None:
    """Show the installed voices, with `*` before the one in use."""
    from seealoud.device.bundles.voices import BUILT_IN, VoiceStore

    folders = service_directories(_WHAT)
    store = VoiceStore(folders.voices)
    used, *_ = _used(folders)
    paths = {BUILT_IN: "", **store.paths()}
    for name in (BUILT_IN, *store.names()):
        path = paths.get(name)
        mark = "*" if path == used else " "
        where = path if path is not None else "damaged: install it again"
        echo_line(f"{mark} {name}  {where}".rstrip())
    if used not in paths.values():
        echo_line(f"* {used}")


@voice.command(short_help="Use an installed voice.")
@click.argument("name")
@verbose_option
def use(name: str) -> None:
    """Use an installed voice; the beginning of its name is enough. `built-in` is SeeAloud's own.

    It is tried first; the old one stays in use if it does not speak.
    """
    from seealoud.device.bundles.voices import VoiceStore

    folders = service_directories(_WHAT)
    store = VoiceStore(folders.voices)
    with written(store.folder):
        _use(folders, store, store.resolve(name))


@voice.command(short_help="Remove an installed voice.")
@click.argument("name")
@verbose_option
def remove(name: str) -> None:
    """Remove an installed voice that is not in use; the beginning of its name is enough."""
    from seealoud.device.bundles.voices import VoiceStore

    folders = service_directories(_WHAT)
    store = VoiceStore(folders.voices)
    with written(store.folder):
        found = store.resolve(name)
        if found is None:
            raise BundleError("the built-in voice is a part of SeeAloud and cannot be removed")
        store.remove(found, _used(folders))
    echo_line(f"Removed {found}.")


@voice.command("sign", short_help="Sign a voice.")
@click.argument("folder", type=_FOLDER)
@click.option("--key", type=_FILE, required=True, help="Private key, by bundle make-key.")
@click.option("--add", is_flag=True, help="Keep the signatures by other keys.")
@verbose_option
def sign_command(folder: Path, key: Path, add: bool) -> None:
    """Write voice.json with today's date, voice.sha256 and voice.sig into the folder of a voice.

    With --add the date stays, because the other signatures are of it.
    """
    from seealoud.device.bundles.voices import sign_voice

    with written(folder):
        sign_voice(folder, key, datetime.now(UTC), keeps_others=add)
    echo_line(f"Signed {folder}.")


@voice.command(short_help="Make the file that install takes.")
@click.argument("folder", type=_FOLDER)
@click.argument("file", type=_FILE)
@verbose_option
def pack(folder: Path, file: Path) -> None:
    """Write the voice in FOLDER to FILE, a zip file that `seealoud voice install` takes."""
    from seealoud.device.bundles.package import write_archive
    from seealoud.device.bundles.voices import read_voice

    with written(file):
        write_archive(read_voice(str(folder)), file)
    echo_line(f"Wrote {file}.")


def _used(folders: Directories) -> tuple[str, ...]:
    """Return the paths of the voice in use and of that in the settings; empty: the built-in one."""
    from seealoud.device.settings.load import load_settings
    from seealoud.device.settings.state import peek

    kept = peek(folders.state_file).voice
    try:
        named = load_settings(None).speech.voice
    except ConfigError:
        named = None  # `seealoud config check` is for that
    configured = "" if named is None else str(named)
    return (configured if kept is None else kept, configured)


def _use(folders: Directories, store: VoiceStore, name: str | None) -> None:
    """Try a voice, and have the daemon use it; without a daemon, from its next start on."""
    from seealoud.device.bundles.voices import BUILT_IN, try_voice
    from seealoud.device.requests import Set
    from seealoud.device.settings.paths import socket_candidates
    from seealoud.device.triggers.control_client import ask

    found = store.find(name)
    try_voice(found)
    path = "" if name is None else str(found.model_path)
    try:
        outcome = ask(socket_candidates(), Set(name="voice", value=path))
    except DaemonError:
        _keep(folders, path)
        echo_line(f"Chosen: {name or BUILT_IN}. The daemon speaks with it from its next start on.")
        return
    if not outcome.is_accepted:
        raise RequestError(outcome.reason)
    echo_line(f"The device speaks with {name or BUILT_IN} now.")


def _keep(folders: Directories, path: str) -> None:
    """Keep the choice where the daemon reads it at its start."""
    from seealoud.device.events import Event, ProblemChanged
    from seealoud.device.settings.paths import StateLock
    from seealoud.device.settings.state import StateFile

    problems: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, ProblemChanged) and event.is_problem:
            problems.append(event.text)

    with StateLock(folders.state):  # a daemon that has just started would overwrite it
        file = StateFile(folders.state_file, note)
        file.write(file.read().model_copy(update={"voice": path}))
    if problems:
        raise OutputError(problems[-1])
