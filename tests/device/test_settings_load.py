"""The settings' file: where it is found, and that everything wrong with it is said by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import (
    Field,
    SecretStr,
    StrictFloat,
    StrictInt,
    ValidationError,
    field_validator,
    model_validator,
)

from seealoud.device.errors import ConfigError
from seealoud.device.settings.explain import explain
from seealoud.device.settings.keys import Key, tables_of
from seealoud.device.settings.load import find_config, load_settings, parse_settings, settings_table
from seealoud.device.settings.schema import Settings
from seealoud.device.settings.toml_text import toml_key, toml_value
from seealoud.device.settings_base import SettingsGroup

ROOT = settings_table()
ALL_KEYS = {key.dotted: key for key in ROOT.walk_keys()}


def _problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, "f.toml")
    lines = str(caught.value).splitlines()
    assert all(line.startswith("f.toml: ") for line in lines)
    return [line.removeprefix("f.toml: ") for line in lines]


# --- where it is found ------------------------------------------------------------------------


@pytest.fixture
def places(tmp_path):
    """Directories of every place, and the environment that names them."""
    for name in ("named", "service", "xdg/seealoud"):
        (tmp_path / name).mkdir(parents=True)
    environ = {
        "SEEALOUD_CONFIG": str(tmp_path / "named" / "mine.toml"),
        "CONFIGURATION_DIRECTORY": str(tmp_path / "service"),
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "HOME": str(tmp_path),
    }
    return tmp_path, environ


def _named(file: Path, name: str) -> Path:
    file.write_text(f'[device]\nname = "{name}"\n')
    return file


def test_the_first_file_wins(places):
    root, environ = places
    files = {
        "option": _named(root / "option.toml", "option"),
        "variable": _named(root / "named" / "mine.toml", "variable"),
        "service": _named(root / "service" / "seealoud.toml", "service"),
        "user": _named(root / "xdg" / "seealoud" / "seealoud.toml", "user"),
    }
    assert load_settings(files["option"], environ).device.name == "option"
    assert load_settings(None, environ).device.name == "variable"
    del environ["SEEALOUD_CONFIG"]
    assert load_settings(None, environ).device.name == "service"
    files["service"].unlink()
    assert load_settings(None, environ).device.name == "user"
    assert find_config(None, environ) == files["user"]


def test_without_a_file_everything_is_at_its_default(places):
    _, environ = places
    del environ["SEEALOUD_CONFIG"]
    if Path("/etc/seealoud/seealoud.toml").exists():
        pytest.skip("this machine has settings of its own in /etc/seealoud")
    assert find_config(None, environ) is None
    assert load_settings(None, environ) == Settings()


@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_file_that_is_named_must_be_there(places, by):
    root, environ = places
    path = root / "option.toml" if by == "option" else None
    with pytest.raises(ConfigError, match=r"there is no .*\.toml: `seealoud config init"):
        load_settings(path, environ)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_no_missing_one(tmp_path):
    file = _named(tmp_path / "f.toml", "x")
    file.chmod(0)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        load_settings(file)


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_settings(tmp_path)


def test_text_that_is_no_toml_is_named_with_its_line(tmp_path):
    file = tmp_path / "f.toml"
    file.write_text('[device]\nname = "x\n')
    with pytest.raises(ConfigError, match=r"f\.toml is not TOML: .*line 2"):
        load_settings(file)
    file.write_bytes(b"[device]\nname = '\xff'\n")
    with pytest.raises(ConfigError, match=r"f\.toml is not TOML: byte 17 is not UTF-8"):
        load_settings(file)


def test_an_empty_file_is_a_good_one():
    assert parse_settings("", "f.toml") == Settings()


# --- each key wrong ---------------------------------------------------------------------------


def _wrong_kind(key: Key) -> Any:
    """Return a value of a kind that the key does not take; its own is None."""
    return {"string": 12345, "array": 12345, "object": 12345}.get(
        key.schema.get("type"), "gibberish"
    )


def _out_of_range(key: Key) -> Iterator[Any]:
    schema = key.schema
    for bound, step in (("minimum", -1), ("exclusiveMinimum", 0), ("maximum", 1)):
        if bound in schema:
            yield schema[bound] + step
    if "exclusiveMaximum" in schema:
        yield schema["exclusiveMaximum"]
    if "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1)
    if schema.get("minLength"):
        yield ""
    if "enum" in schema and all(isinstance(value, str) for value in schema["enum"]):
        yield "gibberish"
    if schema.get("type") == "number":
        yield float("nan")
        yield float("inf")


def _assignment(key: Key, value: Any) -> str:
    """Return a file with one key, in tables or lists of tables as it needs."""
    headers, table = "", ROOT
    for name in key.path[:-1]:
        inner = table.table(name)
        assert inner is not None
        dotted = ".".join(toml_key(part) for part in inner.path)
        headers += f"[[{dotted}]]\n" if inner.is_list else f"[{dotted}]\n"
        table = inner
    return f"{headers}{toml_key(key.name)} = {toml_value(value)}\n"


def _is_about(problem: str, key: Key) -> bool:
    return problem.split(": ")[0].replace("[0]", "") == key.dotted


@pytest.mark.parametrize("dotted", ALL_KEYS)
def test_a_value_of_the_wrong_kind_is_refused_by_its_key(dotted):
    key = ALL_KEYS[dotted]
    value = _wrong_kind(key)
    problems = [x for x in _problems(_assignment(key, value)) if _is_about(x, key)]
    assert len(problems) == 1, problems
    assert str(value) in problems[0] or "***" in problems[0]


OUT_OF_RANGE = [
    pytest.param(key, value, id=f"{key.dotted}={str(value)[:12]}")
    for key in ALL_KEYS.values()
    for value in _out_of_range(key)
]


@pytest.mark.parametrize(("key", "value"), OUT_OF_RANGE)
def test_a_value_out_of_range_is_refused_by_its_key(key, value):
    problems = [x for x in _problems(_assignment(key, value)) if _is_about(x, key)]
    assert len(problems) == 1, problems
    assert "Input should" not in problems[0]
    assert ". Change it" in problems[0]


@pytest.mark.parametrize("table", [t.dotted for t in ROOT.walk_tables() if t.path])
def test_an_unknown_key_is_refused_in_every_table(table):
    found = next(t for t in ROOT.walk_tables() if t.dotted == table)
    header = f"[[{table}]]" if found.is_list else f"[{table}]"
    problems = _problems(f"{header}\ngibberish_key = 1\n")
    place = f"{table}[0]" if found.is_list else table
    (line,) = [x for x in problems if x.startswith(f"{place}.gibberish_key: no such key; ")]
    assert found.names[0] in line


@pytest.mark.parametrize("table", [t.path[0] for t in ROOT.tables])
def test_a_value_in_the_place_of_a_table_is_refused(table):
    (line,) = _problems(f"{table} = 5\n")
    assert line.startswith(f"{table}: 5 is not a table, […]")


def test_the_defaults_written_out_are_good():
    lines: list[str] = []
    for table in ROOT.walk_tables():
        keys = [key for key in table.keys if key.default is not None]
        if not table.is_list and keys:
            lines += [f"[{table.dotted}]", *(f"{k.name} = {toml_value(k.default)}" for k in keys)]
    assert parse_settings("\n".join(lines), "f.toml") == Settings()


# --- how it is said ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[log]\nlevle = 'info'", "log.levle: no such key; did you mean log.level?"),
        ("[lgo]\nlevel = 'info'", "lgo: no such table; did you mean log?"),
        ("[device]\nlevel = 'info'", "device.level: no such key; did you mean log.level?"),
        ("threads = 2", "threads: no such key; did you mean captioner.threads?"),
        (
            "[mqtt]\nport = 70000",
            "mqtt.port: 70000 is not allowed; it takes a whole number from 1 to 65535",
        ),
        ("[mqtt]\nport = '9'", 'mqtt.port: "9" is not allowed; it takes a whole number from'),
        ("[mqtt]\nport = 9.5", "mqtt.port: 9.5 is not allowed; it takes a whole number from"),
        (
            "[speech]\nvolume = 99",
            "speech.volume: 99 is not allowed; it takes a number from 0 to 2. Change it, or delete "
            "the line: the default is 1.0",
        ),
        ("[metrics]\nis_on = 1", "metrics.is_on: 1 is not allowed; it takes true or false"),
        ("[metrics]\nis_on = 2026-11-25", 'metrics.is_on: "2026-11-25" is not allowed; it takes'),
        (
            "[log]\nlevel = 'loud'",
            'log.level: "loud" is not allowed; it takes "error", "warning", "info" or "debug"',
        ),
        (
            "[metrics]\naddress = '127.0.0.1'",
            "metrics.address: '127.0.0.1' does not have the form "
            '"127.0.0.1:8080" or "[::1]:8080"',
        ),
        ("[web]\naddress = '::1:8080'", "web.address: '::1:8080' does not have the form"),
        ("[web]\naddress = 'a..b:80'", "web.address: 'a..b' is not a host name"),
        ("[web]\naddress = ':80'", "web.address: ':80' does not have the form"),
        ("[web]\naddress = 'x:0'", "web.address: 'x:0': a port is a whole number from 1 to 65535"),
        ("[web]\naddress = 'x:٣'", "web.address: 'x:٣': a port is a whole number from 1"),
        ("[device]\nid = 'a b'", "device.id: device id 'a b' cannot be used: write 1 to 64"),
    ],
)
def test_a_line_names_key_value_and_what_is_allowed(text, line):
    (problem,) = _problems(text)
    assert problem.startswith(line)


def test_everything_that_is_wrong_is_said_at_once():
    problems = _problems("x = 1\n[log]\nlevel = 'loud'\nformt = 1\n[mqtt]\nport = 0\n")
    assert sorted(problem.split(":")[0] for problem in problems) == [
        *("log.formt", "log.level", "mqtt.port", "x")
    ]


def test_a_number_may_be_written_without_a_point():
    assert parse_settings("[narration]\nminimum_gap_s = 5\n", "f").narration.minimum_gap_s == 5.0


class Rule(SettingsGroup):
    """A rule."""

    words: tuple[str, ...]
    """Words."""


class Camera(SettingsGroup):
    """A camera."""

    source: str = "camera:0"
    """Where."""
    password: SecretStr | None = None
    """Secret."""
    size_px: tuple[int, int] = (1, 1)
    """Two."""
    gain: Annotated[float, Field(ge=0)] | Literal["auto"] = "auto"
    """Several kinds."""
    rules: tuple[Rule, ...] = ()
    """Rules."""
    names: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """By name."""
    gap_s: Annotated[StrictFloat | StrictInt, Field(ge=0, lt=9)] | None = None
    """A number with bounds that pydantic leaves out of the schema."""
    address: str = ""
    """An address."""
    token: str = ""
    """A secret."""
    extra: Rule | None = None
    """A table that may be missing."""

    @field_validator("address", "token")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if not value.startswith("rtsp"):
            raise ValueError(f"{value!r} is no value that I know")
        return value

    @model_validator(mode="after")
    def _go_together(self) -> Camera:
        if self.source == "none" or "hunter" in self.source:
            raise ValueError(f"{self.source} gives no picture")
        return self


class Root(SettingsGroup):
    """All."""

    camera: Camera = Camera()


def _explained(values: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Root.model_validate({"camera": values})
    return explain(caught.value, tables_of(Root))


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"source": "none"}, "camera: none gives no picture"),
        (
            {"size_px": ["a", 2]},
            'camera.size_px[0]: "a" is not allowed; it takes a list of 2: whole',
        ),
        (
            {"gain": "much"},
            'camera.gain: "much" is not allowed; it takes a number at least 0 or "aut',
        ),
        (
            {"gap_s": 9},
            "camera.gap_s: 9 is not allowed; it takes a number at least 0 and below 9, in",
        ),
        ({"address": "x"}, "camera.address: 'x' is no value that I know"),
        ({"rules": [{}]}, "camera.rules[0].words: missing; it takes a list, each: text"),
        ({"rules": 5}, "camera.rules: 5 is not a list of tables, [[…]]"),
        ({"rules": [5]}, "camera.rules[0]: 5 is not a list of tables, [[…]]"),
        (
            {"names": {"a": 0}},
            "camera.names: 0 is not allowed; it takes a table of names, each with: w",
        ),
        ({"extra": 3}, "camera.extra: 3 is not a table, […]"),
        ({"extra": {}}, "camera.extra.words: missing; it takes a list, each: text"),
        ({"extra": {"word": 1}}, "camera.extra.words: missing"),
    ],
)
def test_every_shape_of_setting_is_explained(values, line):
    problems = _explained(values)
    assert any(problem.startswith(line) for problem in problems), problems


@pytest.mark.parametrize(
    "values",
    [
        {"password": ["hunter2"]},
        {"pasword": "hunter2"},
        {"source": ["rtsp://u:hunter2@cam"]},
        {"source": "rtsp://u:hunter2@cam"},
        {"address": "http://u:hunter2@cam/x"},
        {"token": "hunter2"},
        {"gain": "http://x/?pw=hunter2"},
    ],
)
def test_no_message_shows_a_secret(values):
    assert "hunter2" not in "\n".join(_explained(values))


def test_a_long_value_is_cut():
    (problem,) = _problems(f"[log]\nlevel = '{'x' * 500}'\n")
    assert len(problem) < 200


def test_tables_are_found_in_lists_and_where_they_may_be_missing():
    tables = [table.dotted for table in tables_of(Root).walk_tables()]
    assert tables == ["", "camera", "camera.rules", "camera.extra"]
