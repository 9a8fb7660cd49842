"""What ``docs/architecture.md`` says of the code: the paths of a press and of a caption."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
WIRING = "device/app.py"
LONGEST = {"The life of a press": 18, "The life of a caption": 8}


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
    return {f"{name.replace('.', '/')}.py" for name in names if name.startswith("device")}


@pytest.mark.parametrize("heading", LONGEST)
def test_each_module_on_a_path_is_called_by_one_before_it_or_connected_by_the_app(
    heading: str,
) -> None:
    path = listed(heading)
    assert 1 < len(path) <= LONGEST[heading]
    assert len(set(path)) == len(path)
    assert [module for module in path if not (ROOT / module).is_file()] == []
    reached = {path[0], *imported(WIRING)}
    for module in path:
        assert module in reached, f"{module}: neither a module before it nor {WIRING} imports it"
        reached |= imported(module)
