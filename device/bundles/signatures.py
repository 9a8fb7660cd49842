"""Signatures of bundles: Ed25519, by PyNaCl, which is imported only when one is made or checked.

What is signed is ``bundle.sha256``, which has the hash of the manifest, which has the hash of
every file that the program reads. ``bundle.sig`` may have several lines, one for each key, so that
devices with an old key and devices with a new one both accept the bundle.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seealoud.device.errors import BundleError
from seealoud.device.files import read_regular

_LOGGER = logging.getLogger(__name__)
SIGNATURES = "bundle.sig"
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_MOST_SIGNATURES = 8


def make_key(path: Path) -> Path:
    """Write a new private key, and beside it the public one; return the public one's path.

    Raises:
        BundleError: PyNaCl is missing.
        OSError: a file exists or cannot be written.
    """
    key = _signing().SigningKey.generate()
    public = path.with_name(f"{path.name}.pub")
    for file, data, mode in ((path, bytes(key), 0o600), (public, bytes(key.verify_key), 0o644)):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as written:
            written.write(base64.b64encode(data) + b"\n")
    return public


def sign(message: bytes, key_file: Path) -> bytes:
    """Return a line of ``bundle.sig`` for the contents of ``bundle.sha256``.

    Raises:
        BundleError: PyNaCl is missing, or the file is missing or no private key.
        OSError: the file cannot be read.
    """
    try:
        key = _signing().SigningKey(_decoded(key_file))
    except FileNotFoundError as exc:
        raise BundleError(
            f"there is no key {key_file}: seealoud bundle make-key makes one"
        ) from exc
    return base64.b64encode(key.sign(message).signature) + b"\n"


def signer(
    message: bytes, signatures: bytes, key_folders: Iterable[Path], what: str = "the bundle"
) -> str:
    """Return the name of a trusted key that signed a message.

    Args:
        message: the contents of ``bundle.sha256``.
        signatures: the contents of ``bundle.sig``.
        key_folders: have a file NAME.pub for each trusted key.
        what: names in errors what was signed.

    Raises:
        BundleError: no trusted key signed it, there is no key, or PyNaCl is missing.
    """
    folders = tuple(key_folders)
    keys = sorted(path for folder in folders for path in folder.glob("*.pub"))
    if not keys:
        raise BundleError(
            f"no key is trusted: put the public key of whoever signs your bundles into {folders[0]}"
        )
    signing = _signing()
    for path in keys:
        try:
            key = signing.VerifyKey(_decoded(path))
        except (OSError, BundleError) as exc:
            _LOGGER.warning("a key is not used: %s", exc)
            continue
        for line in signatures.splitlines()[:_MOST_SIGNATURES]:
            try:
                key.verify(message, base64.b64decode(line, validate=True))
            except (signing.exc.BadSignatureError, ValueError):
                continue
            return path.stem
    known = ", ".join(path.stem for path in keys)
    raise BundleError(f"{what} is not signed by a key that is trusted here ({known})")


def _decoded(path: Path) -> bytes:
    """Return the 32 bytes of a key."""
    try:
        key = base64.b64decode(read_regular(path).strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise BundleError(f"{path} is not a key: seealoud bundle make-key writes one")
    return key


def _signing() -> Any:
    try:
        import nacl.signing
    except ImportError as exc:
        raise BundleError("signatures need a package: pip install 'pynacl>=1.6,<2'") from exc
    return nacl.signing
