"""``scripts/setup`` on a machine made of stubs: what it installs, and when it does nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TOOLS = (
    *("bash", "cat", "chmod", "cp", "cut", "dirname", "env", "flock", "mkdir", "paste", "rm"),
    *("sed", "sha256sum", "sort", "touch", "tr"),
)
# Logs what it is asked for, and makes environments whose Python is itself.
PYTHON = """\
#!/usr/bin/env bash
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip --version") [[ $0 == */python ]]; exit ;;
  "-VV") echo "Python $STUB_PYTHON"; exit ;;
  "-c import sys"*) exit ;;
  "-c import ensurepip"*) [[ -e $LOG.python3-venv ]]; exit ;;
esac
echo "${0##*/} $*" >>"$LOG"
[[ "$*" != *" install "* || ! -e $LOG.pip-fails ]]
"""
APT_GET = """\
#!/usr/bin/env bash
echo "apt-get $*" >>"$LOG"
case "$*" in *" install "*python3-venv*) touch "$LOG.python3-venv" ;; esac
"""
SUDO = """\
#!/usr/bin/env bash
[[ $1 != -n ]] || shift
exec "$@"
"""


@dataclass(frozen=True)
class Machine:
    """A folder of commands, and a copy of the project in a folder with spaces."""

    commands: Path
    project: Path
    log: Path

    def set_up(self, *extras: str, python: str = "3.11.2") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.project / "scripts" / "setup"), *extras],
            cwd="/",
            env={"PATH": str(self.commands), "LOG": str(self.log), "STUB_PYTHON": python},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def logged(self) -> list[str]:
        """Return what has been done since the last call, without apt-get's options."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [line.replace("-q -o DPkg::Lock::Timeout=300 ", "") for line in lines]

    def add(self, name: str, text: str) -> None:
        path = self.commands / name
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    commands, project = tmp_path / "bin", tmp_path / "a project"
    commands.mkdir()
    (project / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "setup", project / "scripts")
    shutil.copytree(ROOT / "scripts" / "locks", project / "scripts" / "locks")
    for name in ("pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, project)
    machine = Machine(commands, project, tmp_path / "log")
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (commands / tool).symlink_to(found)
    for name, text in {"python3": PYTHON, "apt-get": APT_GET, "sudo": SUDO}.items():
        machine.add(name, text)
    if not Path("/etc/ssl/certs/ca-certificates.crt").is_file():
        pytest.skip("this machine lacks ca-certificates, and the stubs cannot")
    return machine


def pip_lines(machine: Machine, *extras: str) -> list[str]:
    """Return how pip installs the locked packages, and then the project."""
    pip = "python -m pip install -qq --disable-pip-version-check"
    locks = machine.project / "scripts" / "locks"
    files = " ".join(f"--requirement {locks}/{name}.txt" for name in ("device", *extras))
    return [
        f"{pip} --require-hashes --only-binary :all: {files}",
        f"{pip} --no-deps --no-build-isolation --editable {machine.project}",
    ]


def test_a_fresh_machine_gets_packages_environment_and_project(machine: Machine) -> None:
    done = machine.set_up("demo")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{machine.project}/.venv/bin/python\n"
    assert machine.logged() == [
        "apt-get update",
        "apt-get install -y --no-install-recommends python3-venv alsa-utils",
        f"python3 -m venv {machine.project}/.venv",
        *pip_lines(machine, "demo"),
    ]


def test_a_second_run_does_nothing(machine: Machine) -> None:
    machine.set_up("demo")
    machine.logged()
    assert machine.set_up("demo").stderr == ""
    assert machine.set_up().stderr == ""
    assert machine.logged() == []


def installed(machine: Machine) -> list[str]:
    """Return only pip's lines of the log."""
    return [line for line in machine.logged() if line.startswith("python -m pip")]


def test_extras_add_up(machine: Machine) -> None:
    machine.set_up()
    assert installed(machine) == pip_lines(machine)
    machine.set_up("demo")
    assert installed(machine) == pip_lines(machine, "demo")
    pyproject = machine.project / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + "# changed\n")
    machine.set_up()
    assert installed(machine) == pip_lines(machine, "demo")


def test_new_locked_versions_install_anew(machine: Machine) -> None:
    machine.set_up("demo")
    installed(machine)
    lock = machine.project / "scripts" / "locks" / "device.txt"
    lock.write_text(lock.read_text() + "# changed\n")
    machine.set_up()
    assert installed(machine) == pip_lines(machine, "demo")


def test_an_unknown_extra_is_refused_before_anything_is_installed(machine: Machine) -> None:
    done = machine.set_up("demmo")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no extra demmo" in done.stderr
    assert installed(machine) == []


def test_another_python_installs_anew(machine: Machine) -> None:
    machine.set_up("demo")
    installed(machine)
    machine.set_up("demo", python="3.13.5")
    assert installed(machine) == pip_lines(machine, "demo")


def test_a_failed_installation_is_repeated(machine: Machine) -> None:
    flag = machine.log.with_name(machine.log.name + ".pip-fails")
    flag.touch()
    assert machine.set_up("demo").returncode != 0
    flag.unlink()
    machine.logged()
    assert machine.set_up("demo").returncode == 0
    assert installed(machine) == pip_lines(machine, "demo")


def test_without_sound_or_root_the_demo_is_still_set_up(machine: Machine) -> None:
    machine.log.with_name(machine.log.name + ".python3-venv").touch()
    (machine.commands / "apt-get").unlink()
    done = machine.set_up("demo")
    assert done.returncode == 0
    assert "nothing is said aloud" in done.stderr


def test_without_root_it_says_what_is_missing(machine: Machine) -> None:
    if os.geteuid() == 0:
        (machine.commands / "apt-get").unlink()
    (machine.commands / "sudo").unlink()
    done = machine.set_up("demo")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("setup: missing: python3-venv alsa-utils (")


def test_an_old_python_is_refused(machine: Machine) -> None:
    machine.add("python3", "#!/usr/bin/env bash\n[[ $1 == -V ]] && echo Python 3.9.2\n")
    done = machine.set_up("demo")
    assert done.returncode == 1
    assert done.stderr == "setup: no Python from 3.11 to 3.14; python3 is: Python 3.9.2\n"
