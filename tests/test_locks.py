"""The lock files: every package pinned with hashes and within pyproject.toml's range."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "scripts" / "locks"
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})\b")
PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")


@cache
def pyproject() -> dict[str, dict[str, list[str]]]:
    """Return the direct requirements: by the extra's name, and "device" for those without one."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        text = tomllib.load(file)
    project = text["project"]
    device = [*project["dependencies"], *text["build-system"]["requires"]]
    return {"device": device, **project["optional-dependencies"]}


def entries(name: str) -> list[str]:
    """Return a lock file's entries, each on one line with its hashes."""
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pinned(name: str, python: str, machine: str) -> dict[str, Requirement]:
    """Return what a file's pins are for one Python and machine, by the package's name."""
    found: dict[str, Requirement] = {}
    for entry in entries(name):
        requirement = Requirement(HASH.sub("", entry).strip())
        if is_for(requirement, python, machine):
            assert requirement.name not in found, f"{requirement.name} is pinned twice"
            found[requirement.name] = requirement
    return found


def is_for(requirement: Requirement, python: str, machine: str) -> bool:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "platform_machine": machine,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    return requirement.marker is None or requirement.marker.evaluate(environment)


def version(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    assert specifier.operator == "=="
    return specifier.version


def test_there_is_a_file_for_the_device_for_each_extra_and_for_lgpio() -> None:
    assert {path.stem for path in LOCKS.iterdir()} == {*pyproject(), "lgpio"}


@pytest.mark.parametrize("path", sorted(LOCKS.glob("*.txt")), ids=lambda path: path.stem)
def test_every_package_is_pinned_with_hashes(path: Path) -> None:
    assert entries(path.stem)
    for entry in entries(path.stem):
        assert HASH.search(entry), entry
        assert re.match(r"[a-z0-9-]+==[^ =]+ ", entry), entry


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", sorted(pyproject()))
def test_every_direct_dependency_is_pinned_within_its_range(
    name: str, python: str, machine: str
) -> None:
    locked = pinned("device", python, machine) | pinned(name, python, machine)
    for wanted in map(Requirement, pyproject()[name]):
        if not is_for(wanted, python, machine):
            continue
        found = locked[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version(found)), (str(wanted), str(found))


@pytest.mark.parametrize("python", PYTHONS)
def test_a_package_has_one_version_in_all_files(python: str) -> None:
    versions: dict[str, set[str]] = {}
    for name in pyproject():
        for package, requirement in pinned(name, python, "aarch64").items():
            versions.setdefault(package, set()).add(version(requirement))
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}
