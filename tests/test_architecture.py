"""The shape of ``device/``: one name for one class, few protocols, modules of a readable size.

The order of its layers is in pyproject.toml, for import-linter. The paths of a press and of a
caption are in ``docs/architecture.md``.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from seealoud.device.settings.load import settings_table

ROOT = Path(__file__).parent.parent
ENTRY_POINTS = ("__init__.py", "__main__.py")
SHORTEST_LINES = 30
LONGEST_LINES = 300
MOST_PROTOCOLS = 7
MOST_SETTINGS = 80
MOST_LAYERS = 7
# Module by module, what does not hold yet.
DOUBLE_NAMES: set[str] = set()
TOO_SHORT: set[str] = set()
TOO_LONG: set[str] = set()

MODULES = sorted((ROOT / "device").rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in MODULES]


@cache
def classes(path: Path) -> list[ast.ClassDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def is_protocol(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).split("[")[0] == "Protocol" for base in node.bases)


def test_a_public_class_name_exists_once() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path, name in zip(MODULES, NAMES, strict=True):
        for node in classes(path):
            places[node.name].append(name)
    twice = {x: y for x, y in places.items() if len(y) > 1 and not x.startswith("_")}
    assert twice.keys() <= DOUBLE_NAMES, twice


def test_there_are_few_protocols() -> None:
    found = [
        f"{name}: {node.name}"
        for path, name in zip(MODULES, NAMES, strict=True)
        for node in classes(path)
        if is_protocol(node)
    ]
    assert len(found) <= MOST_PROTOCOLS, found


def test_there_are_few_settings() -> None:
    # As docs/settings.md shows them: what a button and a key have in common counts twice.
    assert len(list(settings_table().walk_keys())) <= MOST_SETTINGS


@pytest.mark.parametrize("name", NAMES)
def test_a_module_holds_one_concept_whole(name: str) -> None:
    if Path(name).name in ENTRY_POINTS:
        return
    lines = len((ROOT / name).read_text(encoding="utf-8").splitlines())
    assert lines >= SHORTEST_LINES or name in TOO_SHORT, "merge it into the module that uses it"
    assert lines <= LONGEST_LINES or name in TOO_LONG, "split it by concepts"


def test_the_device_has_few_layers() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (contract,) = [x for x in contracts if x.get("containers") == ["seealoud.device"]]
    assert len(contract["layers"]) <= MOST_LAYERS
    assert contract["exhaustive"]


def test_the_tests_of_the_device_are_named_by_their_subject() -> None:
    """So that ``pytest -k narrator`` finds them."""
    device = ROOT / "device"
    subjects = {path.stem for path in (*device.iterdir(), *(device / "commands").iterdir())}
    names = [path.stem.removeprefix("test_") for path in (ROOT / "tests" / "device").glob("*.py")]
    assert [
        name for name in names if not any(f"{name}_".startswith(f"{x}_") for x in subjects)
    ] == []


# ------------------------------------------------------------ paths through the modules

PAGE = ROOT / "docs" / "architecture.md"
WIRING = ("device/app.py", "device/daemon/optional_parts.py")
LONGEST_PATH = {"The life of a press": 18, "The life of a caption": 8}


def test_the_map_of_packages_is_complete() -> None:
    packages = {
        f"{path.parent.relative_to(ROOT)}/"
        for part in ("device", "training", "convert", "seealoud")
        for path in (ROOT / part).rglob("*.py")
    }
    section = PAGE.read_text(encoding="utf-8").partition("## Packages\n")[2].partition("\n## ")[0]
    mapped = set(re.findall(r"`(\w[\w/]*/)`", section))
    assert packages - mapped == set(), "add a row to docs/architecture.md"
    assert [path for path in mapped if not (ROOT / path).is_dir()] == []


def listed(heading: str) -> list[str]:
    """Return the modules of a section's numbered list."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\d+\. `(device/[\w/]+\.py)`", section, re.MULTILINE)


def imported(path: str) -> set[str]:
    """Return the modules of the device that a module imports, as paths."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    inside = (name.removeprefix("seealoud.") for name in names if name.startswith("seealoud."))
    return {f"{name.replace('.', '/')}.py" for name in inside}


@pytest.mark.parametrize("heading", LONGEST_PATH)
def test_each_module_on_a_path_is_called_by_one_before_it_or_connected_by_the_app(
    heading: str,
) -> None:
    path = listed(heading)
    assert 1 < len(path) <= LONGEST_PATH[heading]
    assert len(set(path)) == len(path)
    assert [module for module in path if not (ROOT / module).is_file()] == []
    reached = {path[0]}.union(*map(imported, WIRING))
    for module in path:
        assert module in reached, f"{module}: imported by no module before it and none of {WIRING}"
        reached |= imported(module)
