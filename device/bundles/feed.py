"""The feed: a small signed file that announces the newest bundle, and where it can be fetched.

It is one JSON object: ``signed`` is the announcement as text, ``signatures`` are lines of Ed25519
signatures of exactly that text, by the same keys that sign bundles. One file, so that a server
never delivers an announcement with the signatures of another one.

Invariant: nothing that no trusted key has signed is believed, not even a version number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urljoin, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from seealoud.device.bundles.folder_store import InstalledName
from seealoud.device.bundles.install import installed_name, time_of
from seealoud.device.bundles.signatures import sign, signer
from seealoud.device.bundles.store import BundleStore
from seealoud.device.errors import BundleError, PictureError
from seealoud.device.events import Event
from seealoud.device.pictures.names import public_address
from seealoud.device.pictures.web import FetchLimits, StreamFound, fetch_file
from seealoud.device.settings_base import LineText
from seealoud.device.vision.manifest import MANIFEST, Manifest

# As many characters as Home Assistant takes for the summary of an update.
MOST_SUMMARY_CHARS = 255
_LIMITS = FetchLimits(timeout_s=30.0, max_bytes=64 * 1024)


def _check_time(text: str) -> str:
    time_of(text)
    return text


class Announcement(BaseModel):
    """What a feed announces; keys of later versions are ignored.

    Attributes:
        schema_version: of this format.
        bundle: the name under which it is installed.
        created_at: as in its manifest.
        address: where its package is; may be relative to the feed's address.
        summary: for people: what is better.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: Literal[1] = 1
    bundle: InstalledName
    created_at: Annotated[str, AfterValidator(_check_time)]
    address: Annotated[LineText, Field(min_length=1, max_length=2000)]
    summary: Annotated[LineText, Field(max_length=MOST_SUMMARY_CHARS)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateChanged(Event):
    """Another bundle is in use or announced, or an update makes progress.

    Attributes:
        installed: the name of the bundle in use.
        latest: the newest one that was announced, which may be the one in use; None if unknown.
        is_in_progress: whether a bundle is being installed, or is on trial.
        percentage: of the installation, 0..100; None while it cannot be known.
        summary: of the newest one, for people.
        problem: why the last look or installation failed; empty if it did not.
    """

    installed: str
    latest: str | None
    is_in_progress: bool = False
    percentage: int | None = None
    summary: str = ""
    problem: str = ""


class _Feed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    signed: str
    signatures: tuple[str, ...]


def write_feed(announcement: Announcement, key_file: Path) -> bytes:
    """Return the contents of a feed.

    Raises:
        BundleError: PyNaCl is missing, or the file is no private key.
        OSError: the key cannot be read.
    """
    text = announcement.model_dump_json()
    line = sign(text.encode(), key_file).decode("ascii").strip()
    return _Feed(signed=text, signatures=(line,)).model_dump_json(indent=2).encode() + b"\n"


def read_feed(url: str, key_folders: Iterable[Path]) -> Announcement:
    """Return what the feed at an address announces; the address in it is complete.

    Raises:
        BundleError: it cannot be fetched, is not signed by a trusted key, or is no feed.
    """
    try:
        name = public_address(url)
        data = fetch_file(url, _LIMITS)
    except (PictureError, StreamFound, ValueError) as exc:
        raise BundleError(f"the feed of updates: {exc or 'a video stream'}") from exc
    try:
        feed = _Feed.model_validate_json(data)
    except ValidationError as exc:
        raise BundleError(f"{name} is not a feed: seealoud bundle announce writes one") from exc
    signed, signatures = feed.signed.encode(), "\n".join(feed.signatures).encode()
    signer(signed, signatures, key_folders, "the feed of updates")
    try:
        found = Announcement.model_validate_json(signed)
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the text"
        raise BundleError(f"{name}: {key}: {first['msg']}; it may need a newer SeeAloud") from exc
    try:
        address = urljoin(url, found.address)
        scheme, shown = urlsplit(address).scheme, public_address(address)
    except ValueError as exc:
        raise BundleError(f"{name}: the address of the bundle: {exc}") from exc
    if scheme not in ("http", "https"):
        raise BundleError(f"{name} names {shown}: only http and https are read")
    return found.model_copy(update={"address": address})


def bundle_in_use(store: BundleStore, configured: str | None) -> Announcement:
    """Return the bundle that the daemon uses, as a feed would announce it.

    Args:
        store: the installed bundles.
        configured: the setting ``captioner.bundle``, which comes first.

    Raises:
        BundleError: its manifest cannot be read.
    """
    return described(store.find(configured))


def described(folder: Path, address: str = "-", summary: str = "") -> Announcement:
    """Return the announcement of the bundle in a folder.

    Args:
        folder: of the bundle.
        address: where its package will be.
        summary: for people.

    Raises:
        BundleError: its manifest or one of the values cannot be used.
    """
    try:
        data = (folder / MANIFEST).read_bytes()
        manifest = Manifest.model_validate_json(data)
        return Announcement(
            bundle=installed_name(manifest, data),
            created_at=manifest.created_at,
            address=address,
            summary=summary,
        )
    except OSError as exc:
        raise BundleError(f"{folder / MANIFEST} cannot be read: {exc.strerror}") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise BundleError(f"{folder}: {key}: {first['msg']}") from exc
