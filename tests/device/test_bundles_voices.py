"""Voices that are installed: refused with a reason, or heard, chosen, kept whole and removed."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.bundle_packages import own_key
from support.daemon import scene
from support.daemon_process import DaemonProcess
from support.picture_stream import PictureStream
from support.tiny_bundle import flip_byte

from seealoud.device import requests as r
from seealoud.device.__main__ import main
from seealoud.device.bundles import voices as voices_module
from seealoud.device.bundles.install import InstallRules
from seealoud.device.bundles.signatures import sign
from seealoud.device.bundles.voices import VOICE_SIGNATURES, VoiceStore, install_voice, sign_voice
from seealoud.device.errors import BundleError, SeeAloudError, VoiceError
from seealoud.device.speech.settings import SpeechSettings
from seealoud.device.speech.voice import (
    HASHES,
    VOICE_MANIFEST,
    find_voice,
    hashes,
    with_kept_voice,
)

MODEL, CONFIG = "en_GB-someone-low.onnx", "en_GB-someone-low.onnx.json"
GOOD_CONFIG = json.dumps({"audio": {"sample_rate": 16000}}).encode()
OLDER, NEWER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
UNSIGNED = InstallRules(is_unsigned_allowed=True)


class Rig:
    """A device that trusts one key, and a voice that is whole, but cannot speak."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = own_key(folder)
        self.rules = InstallRules((folder / "mine-keys",))
        self.store = VoiceStore(folder / "voices")
        self.voice = folder / "voice"
        self.voice.mkdir()
        (self.voice / MODEL).write_bytes(b"no model at all" * 100)
        (self.voice / CONFIG).write_bytes(GOOD_CONFIG)
        self.sign(self.key)

    def sign(self, key: Path, signed_at: datetime = NEWER, *, keeps_others: bool = False) -> None:
        if not keeps_others:
            (self.voice / HASHES).unlink(missing_ok=True)
        sign_voice(self.voice, key, signed_at, keeps_others=keeps_others)

    def installed(self, name: str) -> Path:
        """Put the voice into the store as it is, as if it could speak; return its folder."""
        return Path(shutil.copytree(self.voice, self.store.folder / name))

    def refused(self, source: object = None, rules: InstallRules | None = None) -> str:
        """Return why a voice is refused, having checked that nothing of it stays."""
        before = {path.name for path in self.store.folder.glob("*")}
        with pytest.raises(SeeAloudError) as refusal:
            install_voice(str(source or self.voice), self.store, rules or self.rules)
        left = {path.name for path in self.store.folder.glob("*")}
        assert left - before <= {".folder.lock"}
        assert refusal.type in (BundleError, VoiceError)
        return str(refusal.value)

    def packed(self, *names: str) -> Path:
        """Return an archive of the voice, with other files in it."""
        archive = self.folder / f"voice-{len(list(self.folder.iterdir()))}.zip"
        assert main(["voice", "pack", str(self.voice), str(archive)]) == 0
        with zipfile.ZipFile(archive, "a") as opened:
            for name in names:
                opened.writestr(zipfile.ZipInfo(name), b"x")
        return archive


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_voice_without_a_good_signature_is_refused(rig: Rig) -> None:
    stranger = own_key(rig.folder, "stranger")
    rig.sign(stranger)
    assert "the voice is not signed by a key that is trusted here (mine)" in rig.refused()
    (rig.voice / VOICE_SIGNATURES).unlink()
    assert "add --unsigned" in rig.refused()
    assert "must be signed" in rig.refused("http://127.0.0.1:9/voice.zip", UNSIGNED)
    rig.sign(rig.key)
    for number in range(0, 80, 9):
        flip_byte(rig.voice / VOICE_SIGNATURES, number, 1)
        assert "not signed" in rig.refused()
        flip_byte(rig.voice / VOICE_SIGNATURES, number, 1)
    flip_byte(rig.voice / MODEL, 5)
    assert f"differs from {HASHES}" in rig.refused()
    signature = (rig.voice / VOICE_SIGNATURES).read_bytes()
    rig.sign(rig.key)  # with hashes that fit the changed file
    (rig.voice / VOICE_SIGNATURES).write_bytes(signature)
    assert "not signed" in rig.refused()


def test_a_voice_that_cannot_speak_is_refused(rig: Rig) -> None:
    with pytest.raises(VoiceError):
        install_voice(str(rig.voice), rig.store, rig.rules)
    assert rig.store.names() == []
    assert rig.refused(rig.voice / MODEL, UNSIGNED)


def test_a_voice_with_a_wrong_configuration_is_refused(rig: Rig) -> None:
    for wrong in (
        *(b"", b"{", b"[]", b'{"audio": 3}', b'{"audio": {}}', b"[" * 100_000),
        *(b'{"audio": {"sample_rate": 7}}', b'{"audio": {"sample_rate": "16000"}}'),
    ):
        (rig.voice / CONFIG).write_bytes(wrong)
        reason = rig.refused(rules=UNSIGNED)
        assert "not a Piper configuration" in reason or "sample rate" in reason


@pytest.mark.parametrize(
    "name",
    ["../en_GB-x.onnx", "/etc/passwd", "a/b.onnx", "..", "x.onnx\n", "-x.onnx", "x.pt", "x.py"],
)
def test_a_voice_with_another_name_in_it_is_refused(rig: Rig, name: str) -> None:
    assert "no voice has" in rig.refused(rig.packed(name))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_voice_in_a_damaged_or_deceiving_archive_is_refused(rig: Rig) -> None:
    assert "a voice is NAME.onnx" in rig.refused(rig.packed("other.onnx"))
    assert "two files of the same name" in rig.refused(rig.packed(MODEL))
    archive = rig.packed()
    whole = archive.read_bytes()
    for kept in (0, 1, len(whole) // 2, len(whole) - 1):
        archive.write_bytes(whole[:kept])
        assert "zip" in rig.refused(archive)
    entry = zipfile.ZipInfo("LICENSE")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.write_bytes(whole)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(entry, "/etc/shadow")
    assert "link or a device" in rig.refused(archive)
    (rig.voice / CONFIG).unlink()
    (rig.voice / CONFIG).symlink_to("/etc/hostname")
    assert "is a link" in rig.refused()
    (rig.voice / CONFIG).unlink()
    assert "a voice is NAME.onnx" in rig.refused()
    assert "cannot be read" in rig.refused(rig.voice / MODEL)


def test_a_voice_that_is_too_large_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = rig.packed()
    with (rig.voice / MODEL).open("r+b") as file:
        file.truncate(2**40)  # sparse; who reads all of it has no memory left
    for source in (rig.voice, rig.voice / MODEL):
        assert "larger than 160 MiB" in rig.refused(source)
    with (rig.voice / MODEL).open("r+b") as file:
        file.truncate(1500)
    monkeypatch.setattr(voices_module, "VOICE", replace(voices_module.VOICE, most_bytes=1000))
    for source in (rig.voice, rig.voice / MODEL, archive):
        assert "larger than" in rig.refused(source)


def test_a_voice_that_was_signed_before_the_installed_one_is_refused(rig: Rig) -> None:
    allowed = replace(rig.rules, is_older_allowed=True)
    rig.installed(f"{MODEL.removesuffix('.onnx')}-0123456789ab")
    assert "cannot be loaded" in rig.refused(rig.packed())  # as old as it: tried, as a new one is
    rig.sign(rig.key, OLDER)
    for source in (rig.voice, rig.voice / MODEL, rig.packed()):
        reason = rig.refused(source)
        assert "2026-01-01T00:00:00+00:00" in reason
        assert "2026-02-01T00:00:00+00:00" in reason
        assert "--allow-older" in reason
    assert "cannot be loaded" in rig.refused(rules=allowed)

    (rig.voice / VOICE_MANIFEST).unlink()  # as an earlier SeeAloud signed it
    voice = {name: (rig.voice / name).read_bytes() for name in (MODEL, CONFIG)}
    (rig.voice / HASHES).write_bytes(hashes(voice))
    (rig.voice / VOICE_SIGNATURES).write_bytes(sign(hashes(voice), rig.key))
    assert "has no date" in rig.refused()
    assert "has no date" in rig.refused(rules=UNSIGNED)
    for name in (MODEL, CONFIG):  # a voice with another name is not compared
        (rig.voice / name).rename(rig.voice / name.replace("someone", "other"))
    rig.sign(rig.key, OLDER)
    assert "cannot be loaded" in rig.refused()


def test_the_date_of_a_voice_is_signed_and_stays_with_a_second_signature(rig: Rig) -> None:
    date = (rig.voice / VOICE_MANIFEST).read_bytes()
    for changed in (date.replace(b"2026-02", b"2027-02"), None):
        if changed is None:
            (rig.voice / VOICE_MANIFEST).unlink()
        else:
            (rig.voice / VOICE_MANIFEST).write_bytes(changed)
        assert f"differs from {HASHES}" in rig.refused()
    (rig.voice / VOICE_MANIFEST).write_bytes(date)

    rig.sign(own_key(rig.folder, "other"), OLDER, keeps_others=True)
    assert (rig.voice / VOICE_MANIFEST).read_bytes() == date
    other = InstallRules((rig.folder / "other-keys",))
    assert "cannot be loaded" in rig.refused(rules=other)  # that key has signed the same date
    assert len((rig.voice / VOICE_SIGNATURES).read_bytes().splitlines()) == 2

    for wrong in (b"", b"{", b"[]", b"{}", b'{"signed_at": 3}', b'{"signed_at": "Monday"}'):
        (rig.voice / VOICE_MANIFEST).write_bytes(wrong)
        (rig.voice / HASHES).unlink(missing_ok=True)
        assert f"{VOICE_MANIFEST} has no date" in rig.refused(rules=UNSIGNED)


# ------------------------------------------------------------ a real voice

SETTINGS = """
camera.source = "{url}"
narration.is_on = false
speech.output = "none"
"""


@pytest.fixture
def voice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs the command on a device of its own; returns the exit code and what was printed."""
    for name in ("state", "config", "run"):
        variable = {"run": "RUNTIME", "config": "CONFIGURATION"}.get(name, name.upper())
        monkeypatch.setenv(f"{variable}_DIRECTORY", str(tmp_path / name))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SEEALOUD_CONFIG", raising=False)

    def run(*arguments: object) -> tuple[int, str]:
        code = main(["voice", *map(str, arguments)])
        written = capsys.readouterr()
        return code, written.out + written.err

    return run


def test_a_real_voice_from_the_key_to_its_removal(
    voice: Callable[..., tuple[int, str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    built_in, folder = find_voice(), tmp_path / "new"
    folder.mkdir()
    for path in (built_in.model_path, built_in.config_path):
        shutil.copy(path, folder / path.name.replace("joe", "joseph"))
    key = own_key(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "mine-keys").rename(tmp_path / "config" / "bundle-keys")
    assert voice("sign", folder, "--key", key)[0] == 0
    code, text = voice("install", folder)
    assert (code, "signed by mine" in text) == (0, True), text
    name = text.split()[1]
    assert f"* {name}  " in voice("list")[1]
    assert voice("remove", name)[0] == 3  # in use
    sign_voice(folder, key, OLDER)
    assert "--allow-older" in voice("install", folder)[1]
    assert voice("install", folder, "--allow-older", "--no-use")[0] == 0

    store = VoiceStore(tmp_path / "state" / "voices")
    path = store.paths()[name]
    stream = PictureStream(scene(1))
    daemon = DaemonProcess(tmp_path, SETTINGS.format(url=stream.address))
    try:
        daemon.wait_ready()
        assert daemon.ask(r.Status()).data["voice"] == path
        code, text = voice("use", "built-in")
        assert (code, "now" in text) == (0, True), text
        assert daemon.ask(r.Status()).data["voice"] == ""
        assert daemon.ask(r.Set(name="voice", value=path)).is_accepted
        assert daemon.stop()[0] == 0
    finally:
        daemon.close()
        stream.close()

    settings = SpeechSettings()
    assert str(with_kept_voice(settings, path).voice) == path
    flip_byte(Path(path), 1000)  # on the disk, afterwards: the next start speaks nevertheless
    assert with_kept_voice(settings, path).voice is None
    assert "install the voice again" in caplog.text
    (older,) = {*store.names()} - {name}
    for command, chosen, code in (
        ("use", name, 7),
        ("use", "built-in", 0),
        ("remove", name, 0),
        ("use", name, 3),
        ("remove", older, 0),
    ):
        assert voice(command, chosen)[0] == code, (command, chosen)
    assert store.names() == []
