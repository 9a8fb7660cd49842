"""Upgrades of the program: kept if the new version starts and stays, taken back otherwise.

The functions of ``scripts/install-pi`` run unchanged in folders of the test. Only what needs a
Debian of its own is replaced: packages, pip, and systemd, whose part a shell function plays.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TIMEOUT_S = 60
# A version is known by its kind: what happens when the service starts with it.
FAKES = r"""
check_machine() { :; }
check_root() { :; }
check_room() { :; }
install_packages() { :; }
chown() { :; }
has_systemd() { [[ -z ${NO_SYSTEMD:-} ]]; }
sleep() { command sleep 0.1; }
journalctl() { echo "journal: $kind"; }
install_project() {
  [[ $kind != nopip ]] || { rm -rf "$version"; die "pip could not install SeeAloud"; }
  mkdir -p "$version/venv/bin"
  echo "$kind" >"$version/venv/kind"
  printf '#!/bin/sh\n' >"$version/venv/bin/seealoud"
  chmod 755 "$version/venv/bin/seealoud"
  touch "$version/complete"
}
install_service() { install -d "$config" "$state"; }
runuser() { :; }
systemctl() {
  local verb=$1 running
  case $verb in
    restart)
      running=$(cat "$current/venv/kind" 2>/dev/null || cat "$home/venv/kind")
      echo "$running" >>"$state/history.sqlite3"
      [[ $running != cut ]] || kill -9 $$
      if [[ $running == fails* ]]; then echo failed >"$home/../active"; return 1; fi
      echo active >"$home/../active"
      rm -f "$trial" # as ExecStartPost= does
      ;;
    stop) echo inactive >"$home/../active" ;;
    show)
      if [[ $4 == ActiveState ]]; then cat "$home/../active"; return; fi
      running=$(cat "$current/venv/kind" 2>/dev/null || cat "$home/venv/kind")
      if [[ $running == crashes ]]; then echo "$RANDOM$RANDOM"; else echo 7; fi
      ;;
  esac
}
"""


class Pi:
    """A Raspberry Pi in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home, self.state = folder / "opt", folder / "var"
        self.units = folder / "units"
        self.units.mkdir()
        (folder / "bin").mkdir()
        script = (ROOT / "scripts" / "install-pi").read_text(encoding="utf-8")
        functions, main, _ = script.rpartition('main "$@"')
        assert main
        for name, here in (
            ("/opt/seealoud", self.home),
            ("/etc/systemd/system", self.units),
            ("/etc/seealoud", folder / "etc"),
            ("/var/lib/seealoud", self.state),
            ("/usr/local/bin", folder / "bin"),
            ("${BASH_SOURCE[0]}", ROOT / "scripts" / "install-pi"),
        ):
            assert name in functions
            functions = functions.replace(name, str(here))
        functions, n = re.subn(r"readonly parts=\([^)]*\)", "readonly parts=(systemd)", functions)
        functions, m = re.subn(
            r"longest_start_s=\d+ healthy_after_s=\d+",
            "longest_start_s=2 healthy_after_s=0",
            functions,
        )
        assert (n, m) == (1, 1)
        self.script = folder / "install-pi"
        self.script.write_text(f'{functions}\n{FAKES}\nmain "$@"\n', encoding="utf-8")

    def run(self, *options: str, kind: str = "works", systemd: bool = True) -> tuple[int, str]:
        """Return the exit code, and what was printed."""
        done = subprocess.run(
            ["bash", str(self.script), *options],
            env={"PATH": "/usr/bin:/bin", "kind": kind, **({} if systemd else {"NO_SYSTEMD": "1"})},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def kind(self, link: str = "current") -> str:
        """Return the kind of version that a link leads to; empty where there is none."""
        file = self.home / link / "venv" / "kind"
        return file.read_text().strip() if file.is_file() else ""

    @property
    def history(self) -> list[str]:
        return (self.state / "history.sqlite3").read_text().split()

    def is_settled(self) -> bool:
        """Whether nothing of an upgrade is left."""
        left = {path.name for path in self.home.iterdir()}
        return left <= {".lock", "versions", "current", "previous", "src", "venv"}


@pytest.fixture
def pi(tmp_path: Path) -> Pi:
    return Pi(tmp_path)


def test_install_pi_keeps_the_version_before_and_removes_older_ones(pi: Pi) -> None:
    code, text = pi.run("--upgrade")
    assert (code, "without --upgrade" in text) == (1, True)
    assert not (pi.home / "current").exists()
    for kind, before in (("works1", ""), ("works2", "works1"), ("works3", "works2")):
        code, text = pi.run(*(["--upgrade"] if before else []), kind=kind)
        assert code == 0, text
        assert (pi.kind(), pi.kind("previous")) == (kind, before)
        assert pi.is_settled()
    assert len(list((pi.home / "versions").iterdir())) == 2
    assert pi.history == ["works1", "works2", "works3"]
    assert (pi.folder / "bin" / "seealoud").resolve() == (
        pi.home / "current" / "venv" / "bin" / "seealoud"
    ).resolve()
    assert "current/venv/bin/seealoud run" in (pi.units / "seealoud.service").read_text()


@pytest.mark.parametrize("kind", ["fails", "crashes"])
def test_install_pi_goes_back_from_a_version_that_does_not_start_or_does_not_stay(
    pi: Pi, kind: str
) -> None:
    pi.run(kind="works1")
    pi.run(kind="works2")
    (pi.units / "seealoud.service").write_text("of works2")
    code, text = pi.run("--upgrade", kind=kind)
    assert code == 1
    assert "the previous one is in use again" in text
    assert f"journal: {kind}" in text
    assert (pi.kind(), pi.kind("previous")) == ("works2", "works1")
    assert pi.is_settled()
    assert (pi.units / "seealoud.service").read_text() != "of works2"  # of the version in use
    # As before, and then the start of the version that is in use again.
    assert pi.history == ["works1", "works2", "works2"]
    assert len(list((pi.home / "versions").iterdir())) == 2


def test_install_pi_leaves_everything_as_it_is_if_pip_fails(pi: Pi) -> None:
    pi.run(kind="works1")
    code, text = pi.run("--upgrade", kind="nopip")
    assert (code, "pip" in text) == (1, True)
    assert (pi.kind(), pi.kind("previous")) == ("works1", "")
    assert pi.history == ["works1"]
    assert pi.is_settled()


def test_install_pi_goes_back_and_forth_when_asked(pi: Pi) -> None:
    assert "no previous version" in pi.run("--rollback")[1]
    pi.run(kind="works1")
    pi.run(kind="works2")
    for kind, other in (("works1", "works2"), ("works2", "works1")):
        code, text = pi.run("--rollback")
        assert code == 0, text
        assert (pi.kind(), pi.kind("previous")) == (kind, other)
    (pi.home / "previous" / "venv" / "kind").write_text("fails1\n")
    code, text = pi.run("--rollback")
    assert (code, "nothing was changed" in text) == (1, True)
    assert (pi.kind(), pi.kind("previous")) == ("works2", "fails1")
    assert pi.is_settled()


def test_install_pi_goes_back_after_a_power_cut_during_an_upgrade(pi: Pi) -> None:
    """What systemd then starts is ``seealoud-rollback.service``, if the new version fails."""
    pi.run(kind="works1")
    pi.run(kind="works2")
    assert pi.run("--rollback", "--after-failure")[0] == 0  # there was no upgrade
    assert pi.kind() == "works2"
    assert pi.run("--upgrade", kind="cut")[0] == -9
    assert pi.kind() == "cut"
    assert (pi.home / "trial").exists()
    code, text = pi.run("--rollback", "--after-failure")
    assert code == 0, text
    assert (pi.kind(), pi.kind("previous")) == ("works2", "works1")
    assert pi.history == ["works1", "works2", "works2"]
    assert pi.is_settled()
    code, text = pi.run("--upgrade", kind="works3")  # and the half version is gone
    assert code == 0, text
    assert len(list((pi.home / "versions").iterdir())) == 2


@pytest.mark.parametrize("kind", ["works", "fails"])
def test_install_pi_upgrades_an_installation_from_before_there_were_versions(
    pi: Pi, kind: str
) -> None:
    (pi.home / "venv" / "bin").mkdir(parents=True)
    (pi.home / "venv" / "kind").write_text("old\n")
    (pi.home / "venv" / "bin" / "seealoud").write_text("#!/bin/sh\n")
    (pi.home / "venv" / "bin" / "seealoud").chmod(0o755)
    (pi.home / "src" / "systemd").mkdir(parents=True)
    (pi.home / "src" / "systemd" / "seealoud.service").write_text("old unit")
    pi.state.mkdir()
    (pi.state / "history.sqlite3").write_text("old\n")
    code, text = pi.run("--upgrade", kind=kind)
    if kind == "works":
        assert code == 0, text
        assert (pi.kind(), pi.kind("previous")) == ("works", "old")
        assert pi.run("--upgrade", kind="works2")[0] == 0
        assert not (pi.home / "venv").exists()
    else:
        assert (code, "in use again" in text) == (1, True)
        assert pi.kind() == "old"
        assert (pi.units / "seealoud.service").read_text() == "old unit"
        assert pi.history == ["old", "old"]
    assert pi.is_settled()


def test_install_pi_without_a_running_systemd_leaves_the_trial_to_the_next_boot(pi: Pi) -> None:
    """As for an image that is prepared for a Pi."""
    code, text = pi.run(kind="works1", systemd=False)
    assert code == 0, text
    assert pi.kind() == "works1"
    assert not (pi.home / "trial").exists()  # there is nothing to go back to
    assert pi.run("--no-start", kind="works2")[0] == 0
    assert (pi.kind(), pi.kind("previous")) == ("works2", "works1")
    assert (pi.home / "trial").exists()


def test_install_pi_changes_one_thing_at_a_time(pi: Pi) -> None:
    pi.run(kind="works1")
    busy = f'exec 9>"{pi.home}/.lock"; flock 9; "$@"; exit $?'
    for options, code in (
        (["--upgrade"], 1),
        (["--rollback"], 1),
        (["--rollback", "--after-failure"], 0),
    ):
        done = subprocess.run(
            ["bash", "-c", busy, "-", "bash", str(pi.script), *options],
            env={"PATH": "/usr/bin:/bin", "kind": "works2"},
            capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert pi.kind() == "works1"
