"""The units: correct by systemd's own word, closed as far as cameras and sound allow, in step."""

from __future__ import annotations

import ipaddress
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UNITS = ROOT / "systemd"
# A bare unit scores 9.6; what is left open is what cameras, sound, GPIO and a broker need.
LARGEST_EXPOSURE = 1.5
TIMEOUT_S = 120


def _analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units with a program that is there, as systemd wants it to be."""
    for unit in UNITS.glob("*.service"):
        text = unit.read_text(encoding="utf-8")
        assert ("ExecStart=/opt/seealoud/current/venv/bin/seealoud run" in text) == (
            unit.name != "seealoud-rollback.service"
        )
        (tmp_path / unit.name).write_text(
            re.sub(r"/opt/seealoud/current/\S+/(seealoud|install-pi)\b", "/bin/true", text),
            encoding="utf-8",
        )
    return tmp_path


@pytest.mark.parametrize(
    "name", ["seealoud.service", "seealoud@kitchen.service", "seealoud-rollback.service"]
)
def test_systemd_understands_every_line(installed: Path, name: str) -> None:
    checked = _analyze("verify", installed / name)
    ours = [line for line in checked.stderr.splitlines() if "seealoud" in line]
    assert ours == []
    assert checked.returncode == 0


def test_a_line_that_systemd_does_not_know_would_be_found(installed: Path) -> None:
    unit = installed / "seealoud.service"
    unit.write_text(unit.read_text() + "\n[Service]\nProtectEverything=yes\n")
    assert "ProtectEverything" in _analyze("verify", unit).stderr


@pytest.mark.parametrize("name", ["seealoud.service", "seealoud@.service"])
def test_the_service_is_closed(installed: Path, name: str) -> None:
    said = _analyze("security", "--offline=true", installed / name).stdout
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", said)
    assert found is not None, said
    assert float(found[1]) <= LARGEST_EXPOSURE


def _values(name: str, key: str) -> list[str]:
    text = (UNITS / name).read_text(encoding="utf-8")
    return [
        word for line in re.findall(rf"^{key}=(.*)$", text, re.MULTILINE) for word in line.split()
    ]


@pytest.mark.parametrize("name", ["seealoud.service", "seealoud@.service"])
def test_the_service_reaches_no_public_address(name: str) -> None:
    assert _values(name, "IPAddressDeny") == ["any"]
    allowed = _values(name, "IPAddressAllow")
    assert {"localhost", "link-local"} <= {*allowed}
    networks = [ipaddress.ip_network(word) for word in allowed if "/" in word]
    assert [str(network) for network in networks if not network.is_private] == []
    for address in ("10.1.2.3", "172.20.0.1", "192.168.1.10", "fd12:3456::1"):
        assert any(ipaddress.ip_address(address) in network for network in networks), address


@pytest.mark.parametrize("name", ["seealoud.service", "seealoud@.service"])
def test_the_memory_limit_leaves_room_for_the_daemon_and_two_voices(name: str) -> None:
    # The daemon's own bound, and a voice as measured; a new voice loads before the old one ends.
    daemon_mb, voice_mb = 300, 204
    (limit,) = _values(name, "MemoryMax")
    assert limit.endswith("M")
    assert int(limit[:-1]) > daemon_mb + 2 * voice_mb


def test_the_template_differs_in_what_belongs_to_one_camera_only() -> None:
    def lines(name: str) -> list[str]:
        text = (UNITS / name).read_text(encoding="utf-8")
        return [line for line in text.splitlines() if not line.startswith("#")]

    one, template = lines("seealoud.service"), lines("seealoud@.service")
    changed = [b for a, b in zip(one, template, strict=True) if a != b]
    assert changed
    assert all("%i" in line for line in changed)
    keys = {line.split("=")[0] for line in changed}
    assert {"StateDirectory", "RuntimeDirectory", "Environment", "LoadCredential"} <= keys


def test_the_time_to_stop_is_longer_than_our_own_joins() -> None:
    from seealoud.device.worker import STOP_TIMEOUT_S

    text = (UNITS / "seealoud.service").read_text(encoding="utf-8")
    found = re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert found is not None
    assert int(found[1]) > STOP_TIMEOUT_S


def test_install_pi_asks_for_root_and_knows_its_options() -> None:
    script = ROOT / "scripts" / "install-pi"
    shown = subprocess.run(
        [script, "--help"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    assert "--uninstall" in shown.stdout
    refused = subprocess.run(
        [script, "--frobnicate"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert refused.returncode == 1
    assert "--frobnicate" in refused.stderr


def test_install_pi_without_systemd_changes_nothing(tmp_path: Path) -> None:
    """A system with all that is needed before the service: its first change would be apt-get's."""
    programs, changed = tmp_path / "bin", tmp_path / "changed"
    programs.mkdir()
    for name in ("bash", "dirname", "dpkg", "env", "python3", "sed"):
        found = shutil.which(name, path="/usr/bin:/bin")
        assert found is not None, name
        (programs / name).symlink_to(found)
    apt_get = programs / "apt-get"
    apt_get.write_text(f"#!/bin/sh\n: > {changed}\nexit 1\n")
    apt_get.chmod(0o755)
    refused = subprocess.run(
        [ROOT / "scripts" / "install-pi"],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert refused.returncode == 1
    assert "no systemd-sysusers: the service needs systemd" in refused.stderr
    assert "Nothing was changed" in refused.stderr
    assert not changed.exists()


@pytest.mark.parametrize("umask", ["000", "077"])
def test_what_the_installation_writes_can_be_read_by_the_service_and_changed_by_root_only(
    tmp_path: Path, umask: str
) -> None:
    """Its functions with folders of the test, called by somebody with another umask."""
    script = (ROOT / "scripts" / "install-pi").read_text(encoding="utf-8")
    functions, main, _ = script.rpartition('main "$@"')
    assert main
    here = functions.replace("/opt/seealoud", f"{tmp_path}/opt").replace(
        "${BASH_SOURCE[0]}", f"{ROOT}/scripts/install-pi"
    )
    copied = "parts=(systemd pyproject.toml)"
    here = re.sub(r"readonly parts=\([^)]*\)", f"readonly {copied}", here)
    assert copied in here
    file = tmp_path / "install"
    steps = 'chown() { :; }\ncopy_project\ntouch "$home/file"\nmkdir "$home/folder"\n'
    file.write_text(f"umask {umask}\n{here}\n{steps}")
    subprocess.run(["bash", str(file)], check=True, timeout=TIMEOUT_S)
    written = [tmp_path / "opt", *(tmp_path / "opt").rglob("*")]
    assert "seealoud.service" in {path.name for path in written}
    for path in written:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == 0o755 or (mode == 0o644 and path.is_file()), (path, oct(mode))


@pytest.mark.parametrize("name", ["seealoud.service", "seealoud@.service"])
def test_a_new_version_that_never_started_is_given_up_by_systemd(name: str) -> None:
    """Three files must mean the same mark: the units, the rollback's unit, and install-pi."""
    assert _values(name, "OnFailure") == ["seealoud-rollback.service"]
    assert _values(name, "ExecStartPost")[-1] == "/opt/seealoud/trial"
    assert _values("seealoud-rollback.service", "ConditionPathExists") == ["/opt/seealoud/trial"]
    script = (ROOT / "scripts" / "install-pi").read_text(encoding="utf-8")
    assert "readonly home=/opt/seealoud\n" in script
    assert "readonly trial=$home/trial\n" in script
