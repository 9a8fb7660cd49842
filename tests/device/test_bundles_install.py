"""What is installed, and everything that is refused; what is refused leaves nothing behind."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from support.bundle_packages import NEWER, OLDER, OLDEST, dated_bundle, own_key, packed
from support.confident_bundle import confident_bundle
from support.tiny_bundle import change_manifest, flip_byte, replace_file

from seealoud.device.bundles import install as install_module
from seealoud.device.bundles import package
from seealoud.device.bundles.install import InstallRules, install
from seealoud.device.bundles.package import read_package
from seealoud.device.bundles.signatures import SIGNATURES, sign
from seealoud.device.bundles.store import BundleStore
from seealoud.device.errors import BundleError
from seealoud.device.vision.bundle import file_entry, load_bundle
from seealoud.device.vision.manifest import (
    CHECKSUM,
    CONFIDENCE,
    DECODER,
    ENCODER,
    MANIFEST,
    VOCABULARY,
)

UNSIGNED = InstallRules(is_unsigned_allowed=True)


class Rig:
    """A device that trusts one key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = own_key(folder)
        self.rules = InstallRules((folder / "mine-keys",))
        self.store = BundleStore(folder / "bundles")

    def signed(self, name: str = "bundle", created_at: str = NEWER) -> Path:
        return dated_bundle(self.folder / name, created_at, self.key)

    def refused(self, source: Path | str, rules: InstallRules | None = None) -> str:
        """Return why a bundle is refused, having checked that nothing of it stays."""
        before = sorted(self.store.folder.glob("*")) if self.store.folder.exists() else []
        with pytest.raises(BundleError) as refusal:
            install(str(source), self.store, rules or self.rules)
        after = [path for path in self.store.folder.glob("*") if path.name != ".folder.lock"]
        assert sorted(after) == [path for path in before if path.name != ".folder.lock"]
        return str(refusal.value)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def rewrite(archive: Path, change: Callable[[zipfile.ZipFile], None]) -> Path:
    with zipfile.ZipFile(archive, "a") as opened:
        change(opened)
    return archive


# ------------------------------------------------------------ accepted


def test_a_signed_bundle_is_installed_from_folder_archive_and_address(rig: Rig) -> None:
    folder = rig.signed()
    archive = packed(folder)
    handler = partial(SimpleHTTPRequestHandler, directory=str(rig.folder))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined]
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/{archive.name}"
        for source in (folder, archive, address):
            installed = install(str(source), rig.store, rig.rules)
            assert installed.signed_by == "mine"
            whole = load_bundle(rig.store.path(installed.name))
            assert whole.manifest == load_bundle(folder).manifest
            assert rig.store.names() == [installed.name]
            assert rig.store.choice().current is None  # install alone chooses nothing
            rig.store.remove(installed.name)
        assert "must be signed" in rig.refused(address, UNSIGNED)
        assert "404" in rig.refused(f"{address}.gone")
        assert "IPv6" in rig.refused("http://[::1")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_what_no_signature_covers_is_not_installed(rig: Rig) -> None:
    folder = rig.signed()
    (folder / "MODEL_CARD.md").write_text("x", encoding="utf-8")
    path = rig.store.path(install(str(folder), rig.store, rig.rules).name)
    names = {MANIFEST, CHECKSUM, SIGNATURES, ENCODER, DECODER, VOCABULARY}
    assert {entry.name for entry in path.iterdir()} == names
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_damaged_installed_bundle_is_replaced_by_installing_it_again(rig: Rig) -> None:
    folder = rig.signed()
    name = install(str(folder), rig.store, rig.rules).name
    flip_byte(rig.store.path(name) / ENCODER, 100)
    assert install(str(folder), rig.store, rig.rules).name == name
    load_bundle(rig.store.path(name))


def test_a_key_is_replaced_by_signing_with_the_old_and_the_new_one(rig: Rig) -> None:
    new = own_key(rig.folder, "new")
    folder = rig.signed()
    line = sign((folder / CHECKSUM).read_bytes(), new)
    (folder / SIGNATURES).write_bytes((folder / SIGNATURES).read_bytes() + line)
    for keys, signer in (("mine-keys", "mine"), ("new-keys", "new")):
        rules = InstallRules((rig.folder / keys,))
        assert install(str(folder), rig.store, rules).signed_by == signer


# ------------------------------------------------------------ signatures


def test_a_bundle_without_a_good_signature_is_refused(rig: Rig) -> None:
    stranger = own_key(rig.folder, "stranger")
    unsigned = dated_bundle(rig.folder / "unsigned", NEWER)
    assert "add --unsigned" in rig.refused(unsigned)
    foreign = dated_bundle(rig.folder / "foreign", NEWER, stranger)
    assert "not signed by a key that is trusted here (mine)" in rig.refused(foreign)
    assert "no key is trusted" in rig.refused(foreign, InstallRules((rig.folder / "nothing",)))
    # A signature of another bundle of the same key.
    moved = dated_bundle(rig.folder / "moved", OLDER)
    (moved / SIGNATURES).write_bytes((rig.signed() / SIGNATURES).read_bytes())
    assert "not signed" in rig.refused(moved)
    for junk in (b"", b"\xff\xfe", b"AAAA\n" * 1000, b"\n"):
        (moved / SIGNATURES).write_bytes(junk)
        assert "not signed" in rig.refused(moved)
    assert install(str(unsigned), rig.store, UNSIGNED).signed_by is None


def test_no_bit_of_a_signature_can_change(rig: Rig) -> None:
    folder = rig.signed()
    good = (folder / SIGNATURES).read_bytes()
    for position in range(0, len(good) - 3, 5):  # the last characters are padding
        (folder / SIGNATURES).write_bytes(good)
        flip_byte(folder / SIGNATURES, position, 1)
        assert "not signed" in rig.refused(folder)


def test_a_signed_bundle_that_was_changed_afterwards_is_refused(rig: Rig) -> None:
    folder = rig.signed()
    (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes() + b" ")
    assert CHECKSUM in rig.refused(folder)
    change_manifest(folder, {"data_licence": "mine"})  # with a hash that fits
    assert "not signed" in rig.refused(folder)


# ------------------------------------------------------------ versions, sizes, shapes


def test_an_older_bundle_is_refused_unless_it_is_asked_for(rig: Rig) -> None:
    new = install(str(rig.signed("new", NEWER)), rig.store, rig.rules).name
    older = rig.signed("older", OLDER)
    install(str(older), rig.store, rig.rules)  # the shipped one is in use, and older still
    rig.store.use(new)
    assert "--allow-older" in rig.refused(older)
    rules = InstallRules(rig.rules.key_folders, is_older_allowed=True)
    install(str(older), rig.store, rules)
    assert "is not a time" in rig.refused(rig.signed("undated", "yesterday"))
    rig.store.use(None)
    assert "before the bundle in use" in rig.refused(rig.signed("oldest", "2020-01-01T00:00:00"))
    assert OLDEST < OLDER


def test_a_bundle_that_does_not_work_here_is_refused(rig: Rig) -> None:
    folder = rig.signed()
    encoder, decoder = (folder / ENCODER).read_bytes(), (folder / DECODER).read_bytes()
    for name, content in ((ENCODER, decoder), (ENCODER, b"no model"), (DECODER, encoder)):
        replace_file(folder, name, content)
        assert rig.refused(folder, UNSIGNED)
        replace_file(folder, ENCODER, encoder)
        replace_file(folder, DECODER, decoder)
    change_manifest(folder, {"self_test/log_probability": -9.0})
    assert "self-test" in rig.refused(folder, UNSIGNED)
    change_manifest(folder, {"self_test/log_probability": "low"})
    assert "self_test.log_probability" in rig.refused(folder, UNSIGNED)


def test_a_pickle_is_never_opened(rig: Rig, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    folder = confident_bundle(tmp_path / "trap")
    trapped = io.BytesIO()
    np.savez(trapped, *[np.array([Trap()], dtype=object)])
    (folder / CONFIDENCE).write_bytes(trapped.getvalue())
    entry = file_entry(folder / CONFIDENCE).model_dump()
    change_manifest(folder, {f"files/{CONFIDENCE}": entry, "created_at": NEWER})
    assert CONFIDENCE in rig.refused(folder, UNSIGNED)
    assert not (tmp_path / "sprung").exists()


def test_no_module_of_the_device_opens_pickles() -> None:
    """Reading what is installed (arrays, JSON, text, models) never runs code."""
    pickles = re.compile(r"^\s*(import|from) (c?[Pp]ickle|dill|shelve|marshal|joblib)\b", re.M)
    loads = 0
    for path in Path(package.__file__).parents[1].rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not pickles.search(text), path
        loads += text.count("np.load(")
        assert text.count("np.load(") == text.count("allow_pickle=False"), path
    assert loads >= 3


def test_what_is_too_large_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = rig.signed()
    archive = packed(folder)
    monkeypatch.setattr(package, "BUNDLE", replace(package.BUNDLE, most_bytes=5000))
    assert "larger" in rig.refused(folder)
    assert "larger" in rig.refused(archive)
    monkeypatch.undo()
    # 65 MiB of zeros in a file of 64 kB whose header states another size.
    bomb = rig.folder / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(ENCODER, bytes(65 * 2**20))
    assert bomb.stat().st_size < 2**20
    assert "larger than 64 MiB" in rig.refused(bomb)


def test_disk_and_memory_must_have_room(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = rig.signed()
    little = rig.folder / "meminfo"
    little.write_text("MemTotal: 999999 kB\nMemAvailable:    9000 kB\n", encoding="ascii")
    monkeypatch.setattr(install_module, "_MEMINFO", little)
    assert "9 MB of memory are available" in rig.refused(folder)
    monkeypatch.undo()
    monkeypatch.setattr(install_module, "_KEPT_FREE_BYTES", 2**60)
    assert "free" in rig.refused(folder)


# ------------------------------------------------------------ damage, and names that deceive


def test_an_archive_that_was_cut_short_or_damaged_is_refused(rig: Rig) -> None:
    archive = packed(rig.signed())
    good = archive.read_bytes()
    for kept in (0, 1, 100, len(good) // 2, len(good) - 30, len(good) - 1):
        archive.write_bytes(good[:kept])
        assert "zip" in rig.refused(archive)
    whole = read_package(str(archive.with_suffix("")))
    refused = 0
    for position in range(0, len(good), len(good) // 50):
        archive.write_bytes(good)
        flip_byte(archive, position)
        try:
            found = read_package(str(archive))
        except BundleError:
            refused += 1
        else:
            assert found == whole  # the byte was one of a date
    assert refused > 40


@pytest.mark.parametrize(
    "name",
    ["../encoder.tflite", "/etc/passwd", "a/manifest.json", "..", "", "manifest.json/", "C:\\x",
     "bundle.sha256\n", "setup.py", "encoder.tflite "],
)  # fmt: skip
def test_an_archive_with_another_name_in_it_is_refused(rig: Rig, name: str) -> None:
    archive = packed(rig.signed())
    rewrite(archive, lambda opened: opened.writestr(zipfile.ZipInfo(name), b"x"))
    assert "no bundle has" in rig.refused(archive)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_a_link_a_device_or_a_name_twice_is_refused(rig: Rig) -> None:
    for kind in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFDIR):
        entry = zipfile.ZipInfo("MODEL_CARD.md")
        entry.external_attr = (kind | 0o777) << 16
        archive = packed(rig.signed(f"kind-{kind}"))
        rewrite(archive, lambda opened, entry=entry: opened.writestr(entry, "/etc/shadow"))
        assert "link or a device" in rig.refused(archive)
    archive = packed(rig.signed("doubled"))
    rewrite(archive, lambda opened: opened.writestr(MANIFEST, b"{}"))
    assert "two files of the same name" in rig.refused(archive)


def test_an_encrypted_archive_is_refused(rig: Rig) -> None:
    archive = packed(rig.signed())
    data = bytearray(archive.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            flags = struct.unpack_from("<H", data, at + offset)[0]
            struct.pack_into("<H", data, at + offset, flags | 1)
    archive.write_bytes(data)
    assert "encrypted" in rig.refused(archive)


def test_a_folder_with_links_pipes_or_other_files_is_refused(rig: Rig, tmp_path: Path) -> None:
    folder = rig.signed()
    (folder / "notes.txt").touch()
    assert "notes.txt" in rig.refused(folder)
    (folder / "notes.txt").unlink()
    (folder / ENCODER).rename(tmp_path / "away")
    (folder / ENCODER).symlink_to(tmp_path / "away")
    assert "is a link" in rig.refused(folder)
    (folder / ENCODER).unlink()
    assert f"has no {ENCODER}" in rig.refused(folder)
    os.mkfifo(folder / ENCODER)
    assert "named pipe" in rig.refused(folder)
    assert "named pipe" in rig.refused(folder / ENCODER)
    assert "No such file" in rig.refused(tmp_path / "nothing")
    assert "not a complete zip file" in rig.refused(tmp_path / "away")
