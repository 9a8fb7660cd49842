"""Tiny bundles to install: signed, packed, and of several dates."""

from __future__ import annotations

from pathlib import Path

from support.tiny_bundle import copy_bundle

from seealoud.device.bundles.package import read_package, write_archive
from seealoud.device.bundles.signatures import SIGNATURES, make_key, sign
from seealoud.device.vision.manifest import CHECKSUM

OLDEST = "2026-11-24T00:00:00+00:00"
OLDER = "2099-01-01T00:00:00+00:00"
NEWER = "2099-02-01T00:00:00+00:00"


def own_key(folder: Path, name: str = "mine") -> Path:
    """Make a key whose public half alone is in the folder NAME-keys; return the private one."""
    keys = folder / f"{name}-keys"
    keys.mkdir(parents=True)
    key = folder / name
    make_key(key).rename(keys / f"{name}.pub")
    return key


def dated_bundle(folder: Path, created_at: str, key: Path | None = None) -> Path:
    """Copy the tiny bundle with a date, signed if there is a key; return the folder."""
    copy_bundle(folder, {"created_at": created_at})
    if key is not None:
        (folder / SIGNATURES).write_bytes(sign((folder / CHECKSUM).read_bytes(), key))
    return folder


def packed(folder: Path) -> Path:
    """Return the archive of a bundle, beside its folder."""
    archive = folder.with_name(f"{folder.name}.zip")
    write_archive(read_package(str(folder)), archive)
    return archive
