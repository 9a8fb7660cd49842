"""The committed tiny bundle, and copies of it with something changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device.vision.bundle import checksum, file_entry
from device.vision.manifest import CHECKSUM, ENCODER, HASHED_FILES, MANIFEST

DATA = Path(__file__).parents[1] / "data"
TINY_BUNDLE = DATA / "tiny-bundle"
# The same encoder with each kind of input that ``device.vision.runtime`` knows.
ENCODERS = {
    "int8": TINY_BUNDLE / ENCODER,
    "uint8": DATA / "tiny-encoders" / "uint8.tflite",
    "float32": DATA / "tiny-encoders" / "float32.tflite",
}


def copy_bundle(folder: Path, changes: Mapping[str, Any] | None = None) -> Path:
    """Copy the tiny bundle to ``folder`` and change its manifest; return ``folder``.

    Args:
        folder: does not exist yet.
        changes: new values by path, such as ``{"search/beam_width": 2}``.
    """
    shutil.copytree(TINY_BUNDLE, folder)
    change_manifest(folder, changes or {})
    return folder


def change_manifest(folder: Path, changes: Mapping[str, Any]) -> None:
    """Set values in a bundle's manifest, by path as in ``copy_bundle``, and its hash."""
    path = folder / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        *parents, last = key.split("/")
        part = manifest
        for parent in parents:
            part = part[parent]
        part[last] = value
    write_manifest(folder, json.dumps(manifest))


def write_manifest(folder: Path, text: str) -> None:
    """Write a bundle's manifest, and its hash."""
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    (folder / CHECKSUM).write_bytes(checksum(text.encode()))


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Put another file into a bundle, and its hash into the manifest."""
    assert name in HASHED_FILES
    (folder / name).write_bytes(content)
    change_manifest(folder, {f"files/{name}": file_entry(folder / name).model_dump()})


def flip_byte(path: Path, position: int, bits: int = 0xFF) -> None:
    """Turn over bits of one byte of a file, all by default."""
    content = bytearray(path.read_bytes())
    content[position] ^= bits
    path.write_bytes(bytes(content))
