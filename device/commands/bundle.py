"""The commands ``seealoud bundle …``: install, choose and remove bundles; make and sign them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seealoud.device.commands.command_line import SuggestingGroup
from seealoud.device.commands.report import echo_error, echo_line, verbose_option
from seealoud.device.commands.service_files import service_directories, written
from seealoud.device.errors import BundleError

if TYPE_CHECKING:
    from seealoud.device.bundles.store import BundleStore

_WHAT = "bundles"
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
_FILE = click.Path(path_type=Path, dir_okay=False)
_NOW = (
    "The daemon tries it when it starts or reloads (sudo systemctl reload seealoud), and goes back "
    "by itself if it does not work."
)


@click.group(
    "bundle",
    cls=SuggestingGroup,
    no_args_is_help=False,
    short_help="Install, choose and remove bundles of models.",
)
def bundle() -> None:
    """Install, choose and remove the bundles of models that `seealoud run` uses.

    Exit codes: 0 done, 3 the bundle is refused, 13 a file cannot be written.
    """


@bundle.command(short_help="Install a bundle, and use it.")
@click.argument("source")
@click.option("--unsigned", is_flag=True, help="Accept a bundle of your own, without a signature.")
@click.option("--allow-older", is_flag=True, help="Accept one made before the bundle in use.")
@click.option("--no-use", is_flag=True, help="Install it, and leave the other one in use.")
@verbose_option
def install(source: str, unsigned: bool, allow_older: bool, no_use: bool) -> None:
    """Check a bundle, write it beside the one in use, and use it from the next start or reload on.

    SOURCE is a folder, a zip file, or the http or https address of one. It must be signed with a
    key in /etc/seealoud/bundle-keys.
    """
    from seealoud.device.bundles.install import InstallRules
    from seealoud.device.bundles.install import install as install_bundle
    from seealoud.device.bundles.store import BundleStore

    folders = service_directories(_WHAT)
    rules = InstallRules(folders.bundle_keys, unsigned, allow_older)
    store = BundleStore(folders.bundles)
    with written(store.folder):
        installed = install_bundle(source, store, rules)
        by = f"signed by {installed.signed_by}" if installed.signed_by else "unsigned"
        echo_line(f"Installed {installed.name} ({by}).")
        if not no_use:
            _use(store, installed.name)


@bundle.command("list", short_help="Show the installed bundles.")
@verbose_option
def list_command() -> None:
    """Show the installed bundles, with `*` before the one in use."""
    from seealoud.device.bundles.store import SHIPPED

    store = _store()
    choice = store.choice()
    for name in (None, *store.names()):
        mark = "*" if name == choice.current else " "
        notes = []
        if name is not None and name == choice.current and choice.trial:
            notes.append("on trial")
        if name is not None and name == choice.previous:
            notes.append("previous")
        note = f" ({', '.join(notes)})" if notes else ""
        echo_line(f"{mark} {name or SHIPPED}{note}  {store.path(name)}")
    _warn_of_named()


@bundle.command(short_help="Use an installed bundle.")
@click.argument("name")
@verbose_option
def use(name: str) -> None:
    """Use an installed bundle; the beginning of its name is enough. `shipped` is SeeAloud's own."""
    store = _store()
    with written(store.folder):
        _use(store, store.resolve(name))


@bundle.command(short_help="Use the previous bundle again.")
@verbose_option
def rollback() -> None:
    """Use the previous bundle again, or the shipped one where there is no previous one."""
    from seealoud.device.bundles.store import SHIPPED

    store = _store()
    with written(store.folder):
        if store.choice().current is None:
            raise BundleError("the shipped bundle is in use: there is nothing to go back from")
        current = store.go_back().current
    echo_line(f"{current or f'The {SHIPPED} bundle'} is in use from the next start or reload on.")


@bundle.command(short_help="Remove an installed bundle.")
@click.argument("name")
@verbose_option
def remove(name: str) -> None:
    """Remove an installed bundle that is not in use; the beginning of its name is enough."""
    store = _store()
    with written(store.folder):
        found = store.resolve(name)
        if found is None:
            raise BundleError("the shipped bundle is a part of SeeAloud and cannot be removed")
        store.remove(found)
    echo_line(f"Removed {found}.")


@bundle.command("make-key", short_help="Make a key to sign bundles with.")
@click.argument("file", type=_FILE)
@verbose_option
def make_key_command(file: Path) -> None:
    """Write a private key to FILE, and the public key that devices need to FILE.pub."""
    from seealoud.device.bundles.signatures import make_key

    with written(file):
        public = make_key(file)
    echo_line(f"Keep {file} secret. Copy {public} into /etc/seealoud/bundle-keys of each device.")


@bundle.command("sign", short_help="Sign a bundle.")
@click.argument("folder", type=_FOLDER)
@click.option("--key", type=_FILE, required=True, help="The private key.")
@click.option("--add", is_flag=True, help="Keep the signatures by other keys.")
@verbose_option
def sign_command(folder: Path, key: Path, add: bool) -> None:
    """Write bundle.sig into the folder of a bundle."""
    from seealoud.device.bundles.signatures import SIGNATURES, sign
    from seealoud.device.vision.bundle import load_bundle
    from seealoud.device.vision.manifest import CHECKSUM

    if not load_bundle(folder).has_checksum:
        raise BundleError(f"{folder} has no {CHECKSUM}: see the warning above")
    target = folder / SIGNATURES
    with written(target):
        line = sign((folder / CHECKSUM).read_bytes(), key)
        kept = target.read_bytes() if add and target.exists() else b""
        target.write_bytes(kept + line)
    echo_line(f"Signed {folder}.")


@bundle.command(short_help="Make the file that install takes.")
@click.argument("folder", type=_FOLDER)
@click.argument("file", type=_FILE)
@verbose_option
def pack(folder: Path, file: Path) -> None:
    """Write the bundle in FOLDER to FILE, a zip file that `seealoud bundle install` takes."""
    from seealoud.device.bundles.package import read_package, write_archive
    from seealoud.device.vision.bundle import load_bundle

    load_bundle(folder)
    with written(file):
        write_archive(read_package(str(folder)), file)
    echo_line(f"Wrote {file}.")


@bundle.command(short_help="Make the feed at which devices look for updates.")
@click.argument("folder", type=_FOLDER)
@click.argument("file", type=_FILE)
@click.option("--key", type=_FILE, required=True, help="The private key.")
@click.option(
    "--address",
    required=True,
    help="Address of the packed bundle, which may be relative to the feed's.",
)
@click.option("--summary", default="", help="What is new, for the people who are asked.")
@verbose_option
def announce(folder: Path, file: Path, key: Path, address: str, summary: str) -> None:
    """Write to FILE the signed feed that announces the bundle in FOLDER.

    Devices whose setting captioner.updates is the address of FILE offer the bundle as an update.
    """
    from seealoud.device.bundles.feed import described, write_feed
    from seealoud.device.files import write_atomically

    announcement = described(folder, address, summary)
    with written(file):
        write_atomically(file, write_feed(announcement, key))
        file.chmod(0o644)
    echo_line(f"Wrote {file}, which announces {announcement.bundle}.")


def _store() -> BundleStore:
    from seealoud.device.bundles.store import BundleStore

    return BundleStore(service_directories(_WHAT).bundles)


def _use(store: BundleStore, name: str | None) -> None:
    from seealoud.device.bundles.store import SHIPPED

    store.use(name)
    echo_line(f"Chosen: {name or SHIPPED}. {_NOW}")
    _warn_of_named()


def _warn_of_named() -> None:
    """Warn where a bundle that is named elsewhere comes before the chosen one."""
    from seealoud.device.errors import ConfigError
    from seealoud.device.settings.load import load_settings
    from seealoud.device.vision.bundle import named_bundle

    try:
        configured = load_settings(None).captioner.bundle
    except ConfigError:
        return  # `seealoud config check` is for that
    if named := named_bundle(configured):
        where = "captioner.bundle of the settings" if configured else "$SEEALOUD_BUNDLE"
        echo_error(
            f"warning: {where} names {named}, which comes before any choice made here: "
            "remove it to use an installed bundle"
        )
