"""Installs a bundle after checks of its signature, its age, its files, and that it works here.

Invariant: only a bundle that passed every check gets a name in the store.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from seealoud.device.bundles.folder_store import LONGEST_NAME, FolderStore
from seealoud.device.bundles.package import read_package
from seealoud.device.bundles.signatures import SIGNATURES, signer
from seealoud.device.bundles.store import BundleStore
from seealoud.device.errors import BundleError, BundleHashError
from seealoud.device.pictures.names import is_address, public_address
from seealoud.device.records import Frame
from seealoud.device.vision.bundle import checksum, load_bundle, pattern
from seealoud.device.vision.describe import open_describer
from seealoud.device.vision.manifest import CHECKSUM, MANIFEST, Manifest

_KEPT_FREE_BYTES = 50 * 2**20
# For the self-test, beside the running daemon: the shipped bundle of 13 MB needs 181 MB, most of it
# the program itself (the peak of `seealoud bundle install`, by /usr/bin/time -v).
_PROGRAM_BYTES = 140 * 2**20
_MEMORY_PER_BYTE = 3
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class InstallRules:
    """Which bundles and voices are accepted.

    Attributes:
        key_folders: where the trusted keys are.
        is_unsigned_allowed: for one of the user's own; never for one from an address.
        is_older_allowed: whether it may be older than the bundle in use, or the installed voice.
        announced: the name that a feed has announced; another bundle is refused.
    """

    key_folders: tuple[Path, ...] = ()
    is_unsigned_allowed: bool = False
    is_older_allowed: bool = False
    announced: str | None = None


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed bundle or voice.

    Attributes:
        name: in the store.
        signed_by: name of the key; None where no signature was asked for.
    """

    name: str
    signed_by: str | None


def install(
    source: str,
    store: BundleStore,
    rules: InstallRules,
    on_progress: Callable[[float], None] | None = None,
) -> Installed:
    """Check a bundle and put it into the store; the bundle in use stays in use.

    Args:
        source: a folder, a zip file, or the http or https address of one.
        store: where it goes.
        rules: what is accepted.
        on_progress: is called with the share of a download that has arrived, 0..1.

    Raises:
        BundleError: it is refused.
        InferenceError: the runtime failed on its models.
        OSError: the store cannot be written.
    """
    if rules.is_unsigned_allowed and is_address(source):
        raise BundleError("a bundle from an address must be signed: download it and look at it")
    with store.changing():
        files = read_package(source, on_progress)
        # Without a password, because errors are logged and published.
        shown = public_address(source) if is_address(source) else source
        for needed in (MANIFEST, CHECKSUM):
            if needed not in files:
                raise BundleError(f"{shown} has no {needed}: export the bundle again")
        signed_by = None if rules.is_unsigned_allowed else _signer(shown, files, rules)
        manifest = _manifest(shown, files)
        if not rules.is_older_allowed:
            _check_age(manifest, store)
        kept = {name: files[name] for name in _kept(shown, files, manifest)}
        size = sum(map(len, kept.values()))
        # What a feed has announced is installed by the daemon, which is in memory already.
        program = _PROGRAM_BYTES if rules.announced is None else 0
        check_room(size, program + _MEMORY_PER_BYTE * size, store)
        name = installed_name(manifest, files[MANIFEST])
        if len(name) > LONGEST_NAME:
            raise BundleError(f"{shown}: its name is longer than {LONGEST_NAME} characters")
        if rules.announced not in (None, name):
            raise BundleError(f"{shown} is {name}, but {rules.announced} was announced")
        if not _is_whole(store, name):
            store.put(kept, name, try_bundle)
    return Installed(name, signed_by)


def installed_name(manifest: Manifest, data: bytes) -> str:
    """Return the name under which a bundle is installed: different for different contents.

    Args:
        manifest: of the bundle.
        data: its file.
    """
    return f"{manifest.name}-{hashlib.sha256(data).hexdigest()[:12]}"


def _signer(source: str, files: Mapping[str, bytes], rules: InstallRules) -> str:
    if SIGNATURES not in files:
        raise BundleError(
            f"{source} is not signed. If you made it yourself, add --unsigned; otherwise ask for a "
            "signed one"
        )
    return signer(files[CHECKSUM], files[SIGNATURES], rules.key_folders)


def _manifest(source: str, files: Mapping[str, bytes]) -> Manifest:
    """Return the manifest, which must be the one that was signed."""
    if files[CHECKSUM] != checksum(files[MANIFEST]):
        raise BundleHashError(f"{source}: {MANIFEST} is not the one that {CHECKSUM} names")
    try:
        return Manifest.model_validate_json(files[MANIFEST])
    except ValidationError as exc:
        key = ".".join(map(str, exc.errors()[0]["loc"])) or "the file"
        raise BundleError(
            f"{source}: {MANIFEST}: {key}: {exc.errors()[0]['msg']}; it may need a newer SeeAloud"
        ) from exc


def _kept(source: str, files: Mapping[str, bytes], manifest: Manifest) -> list[str]:
    """Return what is installed: what the manifest covers, and nothing else."""
    covered = manifest.file_names()
    if missing := [name for name in covered if name not in files]:
        raise BundleError(f"{source} has no {missing[0]}: copy the bundle again")
    return [MANIFEST, CHECKSUM, *(x for x in (SIGNATURES,) if x in files), *covered]


def _check_age(manifest: Manifest, store: BundleStore) -> None:
    """Refuse a bundle that was made before the one in use, by ``created_at`` of the manifests."""
    try:
        used = load_bundle(store.find(None)).manifest
        limit = time_of(used.created_at)
    except (BundleError, ValueError):
        return  # a bundle that cannot be read is no reason to refuse a better one
    try:
        made = time_of(manifest.created_at)
    except ValueError as exc:
        raise BundleError(f"created_at: {manifest.created_at!r} is not a time") from exc
    if made < limit:
        raise BundleError(
            f"{manifest.name} was made at {manifest.created_at}, before the bundle in use "
            f"({used.name}, {used.created_at}); to go back to it, add --allow-older"
        )


def time_of(created_at: str) -> datetime:
    """Return the time of a manifest; UTC where it names no zone.

    Raises:
        ValueError: it is no time.
    """
    found = datetime.fromisoformat(created_at)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def check_room(size: int, needed: int, store: FolderStore) -> None:
    """Return if disk and memory have room for what is to be installed.

    Args:
        size: bytes on the disk.
        needed: bytes of memory, to try it.
        store: where it goes.

    Raises:
        BundleError: there is no room.
    """
    free = shutil.disk_usage(store.folder).free
    if free < size + _KEPT_FREE_BYTES:
        raise BundleError(
            f"{store.folder} has {_mb(free)} free, {_mb(size + _KEPT_FREE_BYTES)} are needed: "
            f"remove one with seealoud {store.word} remove"
        )
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(encoding="ascii"), re.M)
    available = int(found.group(1)) * 1024 if found else needed
    if available < needed:
        raise BundleError(
            f"{_mb(available)} of memory are available, {_mb(needed)} are needed to try the "
            f"{store.word}: end other programs, or stop SeeAloud while you install"
        )


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def _is_whole(store: BundleStore, name: str) -> bool:
    """Return whether a bundle is installed, and not damaged."""
    if not store.has(name):
        return False
    try:
        load_bundle(store.path(name))
    except BundleError:
        return False
    return True


def try_bundle(folder: Path) -> None:
    """Load a bundle as the daemon does, and describe a generated picture with all of its parts.

    Raises:
        BundleError: a hash or shape is wrong, or the self-test failed.
        InferenceError: the runtime failed.
    """
    describer = open_describer(load_bundle(folder), is_gate_on=False)
    try:
        describer.look(Frame.now(pattern(0), "self-test"), captions_refused=True)
    finally:
        describer.close()
