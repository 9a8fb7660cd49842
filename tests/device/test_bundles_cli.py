"""``seealoud bundle …`` as a user types it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.bundle_packages import NEWER, OLDER, dated_bundle
from support.tiny_bundle import flip_byte

from seealoud.device.__main__ import main
from seealoud.device.vision.manifest import ENCODER

Bundle = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Bundle:
    """Runs the command on a device of its own; returns exit code, stdout and stderr."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SEEALOUD_BUNDLE", "SEEALOUD_CONFIG"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["bundle", *map(str, arguments)])
        written = capsys.readouterr()
        return code, written.out, written.err

    return run


def test_a_bundle_from_the_key_to_its_removal(bundle: Bundle, tmp_path: Path) -> None:
    folder = dated_bundle(tmp_path / "new", NEWER)
    key, archive = tmp_path / "fleet", tmp_path / "new.zip"
    keys = tmp_path / "config" / "bundle-keys"
    keys.mkdir(parents=True)

    assert bundle("make-key", key)[0] == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert bundle("make-key", key)[0] == 13  # a key is never overwritten
    assert bundle("sign", folder, "--key", key)[0] == 0
    assert bundle("pack", folder, archive)[0] == 0
    code, _, err = bundle("install", archive)
    assert code == 3
    assert "bundle-keys" in err
    key.with_name("fleet.pub").rename(keys / "fleet.pub")
    code, out, err = bundle("install", archive)
    assert (code, err) == (0, "")
    assert "signed by fleet" in out
    name = out.split()[1]
    assert f"* {name} (on trial)" in bundle("list")[1]
    feed = tmp_path / "feed.json"
    code, out, _ = bundle("announce", folder, feed, "--key", key, "--address", "new.zip")
    assert (code, f"announces {name}." in out) == (0, True)
    assert stat.S_IMODE(feed.stat().st_mode) == 0o644
    assert bundle("announce", folder, feed, "--key", key, "--address", "")[0] == 3
    assert bundle("announce", tmp_path, feed, "--key", key, "--address", "x")[0] == 3

    assert bundle("use", "shipped")[0] == 0
    assert "* shipped" in bundle("list")[1]
    assert bundle("use", "tiny")[0] == 0  # the beginning is enough
    assert bundle("remove", "tiny")[0] == 3  # in use
    code, out, _ = bundle("rollback")
    assert code == 0
    assert "shipped" in out
    assert bundle("rollback")[0] == 3
    assert bundle("remove", "shipped")[0] == 3
    assert bundle("remove", name)[0] == 0
    assert name not in bundle("list")[1]
    code, _, err = bundle("use", name)
    assert code == 3
    assert "choose one of: shipped" in err


def test_a_bundle_of_the_user_needs_no_signature_with_the_option_unsigned(
    bundle: Bundle, tmp_path: Path
) -> None:
    older, newer = (dated_bundle(tmp_path / x, x) for x in (OLDER, NEWER))
    code, _, err = bundle("install", newer)
    assert code == 3
    assert "--unsigned" in err
    assert bundle("install", newer, "--unsigned", "--no-use")[0] == 0
    assert "* shipped" in bundle("list")[1]
    name = bundle("install", newer, "--unsigned")[1].split()[1]
    assert bundle("install", older, "--unsigned")[0] == 3
    assert bundle("install", older, "--unsigned", "--allow-older")[0] == 0
    assert f"  {name}" in bundle("list")[1]
    flip_byte(newer / ENCODER, 9)
    assert bundle("pack", newer, tmp_path / "x.zip")[0] == 3
    assert bundle("sign", newer, "--key", newer / ENCODER)[0] == 3


def test_a_bundle_that_is_named_elsewhere_is_warned_of(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEALOUD_BUNDLE", str(dated_bundle(tmp_path / "named", NEWER)))
    assert "$SEEALOUD_BUNDLE names" in bundle("list")[2]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a folder of another user")
def test_root_installs_with_the_rights_of_the_folder_s_owner() -> None:
    nobody = 65534
    # Another user may not read a Python in root's home; the system's has the same packages then.
    python = "/usr/bin/python3" if sys.base_prefix.startswith("/root/") else sys.executable
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=False).stdout
    if f"Python {sys.version_info.major}.{sys.version_info.minor}." not in version:
        pytest.skip(f"{python} cannot use the packages of this Python")
    packages = [path for path in sys.path if not path.startswith("/root/")]
    folder = Path(tempfile.mkdtemp(prefix="seealoud-"))  # pytest's own are closed to others
    try:
        source, state = dated_bundle(folder / "new", NEWER), folder / "state"
        state.mkdir()
        for path in (folder, state):
            os.chown(path, nobody, nobody)
        program = [python, "-m", "seealoud", "bundle", "install", source, "--unsigned"]
        environ = {**os.environ, "STATE_DIRECTORY": str(state), "PYTHONPATH": ":".join(packages)}
        command = subprocess.run(program, env=environ, capture_output=True, text=True, check=False)
        assert command.returncode == 0, command.stderr
        owners = {path.stat().st_uid for path in state.rglob("*")}
        assert owners == {nobody}
        assert command.stdout.split()[1] in {path.name for path in (state / "bundles").iterdir()}
    finally:
        shutil.rmtree(folder)
