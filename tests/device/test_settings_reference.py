"""The generated documents are current, and every key is in them with all that there is to know."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from seealoud.device.settings.load import parse_settings, settings_table
from seealoud.device.settings.reference import allowed, example_text, example_value, reference_text
from seealoud.device.settings.schema import Settings

DOCS = Path(__file__).parents[2] / "docs"
ROOT = settings_table()
KEYS = list(ROOT.walk_keys())
# Last words of the names of numbers that have no unit: counts, shares, factors, grey levels.
DIMENSIONLESS = {
    *("frames", "rows", "flight", "threads", "port", "pin"),
    *("share", "change", "probability", "volume", "rate"),
    *("level", "contrast", "sharpness", "factor"),
}


@pytest.mark.parametrize(
    ("name", "text", "command"),
    [
        ("settings.md", reference_text(ROOT), "config reference > docs/settings.md"),
        (
            "settings.example.toml",
            example_text(ROOT),
            "config init --force docs/settings.example.toml",
        ),
    ],
)
def test_the_documents_are_what_the_code_says(name, text, command):
    current = (DOCS / name).read_text(encoding="utf-8").rstrip("\n")
    assert current == text.rstrip("\n"), f"run: seealoud {command}"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.dotted)
def test_every_key_says_what_it_means_takes_and_is_without(key):
    assert key.doc, "write a docstring under the field"
    assert allowed(key) != "any value"
    if key.schema.get("type") in ("integer", "number") and "enum" not in key.schema:
        low = {"minimum", "exclusiveMinimum"} & key.schema.keys()
        high = {"maximum", "exclusiveMaximum"} & key.schema.keys()
        assert low, "give it bounds: Field(ge=…, le=…)"
        assert high, "give it bounds: Field(ge=…, le=…)"
        assert key.unit or key.name.split("_")[-1] in DIMENSIONLESS, "end its name with a unit"


@pytest.mark.parametrize("table", [t for t in ROOT.walk_tables() if t.path], ids=lambda t: t.dotted)
def test_every_table_says_what_it_is_for(table):
    assert table.doc


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.dotted)
def test_every_key_is_in_both_documents(key):
    table = ".".join(key.path[:-1])
    section = (DOCS / "settings.md").read_text().split(f"[{table}]")[1].split("\n## ")[0]
    row = next(line for line in section.splitlines() if line.startswith(f"| `{key.name}` |"))
    assert allowed(key) in row.replace("\\|", "|")
    example = (DOCS / "settings.example.toml").read_text().split(f"[{table}]")[1]
    assert re.search(rf"^#{re.escape(key.name)} = ", example, re.MULTILINE)


def test_the_example_as_it_is_changes_nothing():
    assert parse_settings(example_text(ROOT), "example") == Settings()


def test_the_example_names_the_defaults():
    values = tomllib.loads(_uncommented(example_text(ROOT)))
    for key in KEYS:
        place = values
        for name in key.path[:-1]:
            place = place[name][0] if isinstance(place[name], list) else place[name]
        expected = example_value(key) if key.default is None else key.default
        assert place[key.name] == expected, key.dotted


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.dotted)
def test_each_line_of_the_example_can_be_taken_as_it_stands(key):
    """Alone, since some keys only make sense with others."""
    problems = _problems_of_key(key)
    assert not problems, f"give the field examples=[…] that are good: {problems}"


def _problems_of_key(key) -> list[str]:
    from seealoud.device.errors import ConfigError

    try:
        parse_settings(_uncommented(example_text(ROOT)), "example")
    except ConfigError as exc:
        lines = [line.removeprefix("example: ") for line in str(exc).splitlines()]
        return [x for x in lines if x.split(": ")[0].replace("[0]", "") == key.dotted]
    return []


def _uncommented(text: str) -> str:
    return re.sub(r"^#(?=[\[\w\"])", "", text, flags=re.MULTILINE)
