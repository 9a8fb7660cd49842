"""A bundle's folder in ``models/`` is made or changed as a whole, or not at all.

Invariant: whatever fails, and whenever the process is killed, the folder holds the bundle from
before, and a later call puts it back where a kill came between two renames.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seealoud.device.vision.bundle import load_bundle


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder of the same name, which takes the place of ``target`` in the end.

    Raises:
        BundleError: what the block has written is no whole bundle.
        OSError: it cannot be written.
    """
    work = target.with_name(f".{target.name}.new")
    new, old = work / target.name, work / "old"
    _put_back(old, target)
    shutil.rmtree(work, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        load_bundle(new)
        if target.exists():
            target.rename(old)
        new.rename(target)
    finally:
        _put_back(old, target)
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def changed_folder(target: Path) -> Iterator[Path]:
    """Yield a copy of the bundle in a folder, which takes its place in the end.

    Raises:
        BundleError: the folder has no whole bundle, before or after the block.
        OSError: it cannot be written.
    """
    load_bundle(target)
    with new_folder(target) as new:
        shutil.copytree(target, new, dirs_exist_ok=True)
        yield new


def _put_back(old: Path, target: Path) -> None:
    if old.is_dir() and not target.exists():
        old.rename(target)
