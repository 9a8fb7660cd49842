"""What ``seealoud config check`` calls good starts; what it refuses, it refuses in one line."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from support.daemon_core import DaemonCore, core_settings
from support.tiny_bundle import TINY_BUNDLE

from seealoud.device.daemon.start_check import start_problems
from seealoud.device.errors import ConfigError
from seealoud.device.settings.keys import Key
from seealoud.device.settings.load import parse_settings, settings_table
from seealoud.device.settings.schema import Settings
from seealoud.device.settings.toml_text import toml_value

TEXTS = (
    *("\0", "~nosuchuser/x", "~root/x", "/", "", "a\0b", "x" * 5000, "/" + "x" * 300, "é\u2028"),
    *("\x1b[2J", "127.0.0.1", "::1", "fe80::1%lo", "a..b", "x" * 64, "-", "rtsp://[", "[::1]"),
    *("camera:0", "camera:9999", "rtsp://u:p@h:99999/", "http://h/\0", "/dev/\0", "picamera2:9"),
    *("22:00-07:00", "any", "(", "[a-", "*", "+", "#", "none", "auto", str(TINY_BUNDLE)),
)
# Where these point is this machine, or the test would need others.
_KEPT = ("captioner.bundle", "speech.output", "camera.source")


def _values(key: Key) -> st.SearchStrategy[object]:
    """Return values of a key: most of them allowed, some not."""
    schema = key.schema
    found: list[st.SearchStrategy[object]] = [st.sampled_from(TEXTS)]
    if "enum" in schema:
        found.append(st.sampled_from(list(schema["enum"])))
    low, high = schema.get("minimum", 0), schema.get("maximum", 10**6)
    if schema.get("type") == "integer":
        found += [st.integers(low, high)] * 3 + [st.sampled_from([low, high, low - 1, 2**63])]
    if schema.get("type") == "number":
        found += [st.floats(low, high)] * 3 + [st.sampled_from([float(low), float(high), -0.0])]
    if schema.get("type") == "boolean":
        found += [st.booleans()] * 3
    if schema.get("type") == "string":
        found += [st.text(max_size=20), st.sampled_from(TEXTS)]
    if schema.get("type") == "array":
        found.append(st.lists(st.sampled_from(TEXTS), max_size=2))
    return st.one_of(found)


def _tables() -> dict[str, list[Key]]:
    tables = {
        table.dotted: [key for key in table.keys if key.dotted not in _KEPT]
        for table in settings_table().walk_tables()
        if table.path and not table.is_list
    }
    return {name: keys for name, keys in tables.items() if keys}


@st.composite
def files(draw: st.DrawFn) -> str:
    lines = []
    tables = _tables()
    for name in draw(st.lists(st.sampled_from(sorted(tables)), max_size=4, unique=True)):
        lines.append(f"[{name}]")
        keys = draw(st.lists(st.sampled_from(tables[name]), max_size=3, unique_by=lambda x: x.name))
        lines += [f"{key.name} = {toml_value(draw(_values(key)))}" for key in keys]
    return "\n".join(lines)


def _merged(folder: Path, text: str) -> Settings:
    """Return the settings of a file on top of those of the core."""
    ours = core_settings(folder)
    theirs = parse_settings(text, "file")
    camera = theirs.camera.model_copy(update={"source": ours.camera.source})
    speech = theirs.speech.model_copy(update={"output": "none"})
    captioner = theirs.captioner.model_copy(update={"bundle": ours.captioner.bundle})
    return theirs.model_copy(update={"camera": camera, "speech": speech, "captioner": captioner})


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(files())
def test_what_the_check_calls_good_starts(text: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="seealoud-"))
    try:
        try:
            chosen = _merged(folder, text)
        except ConfigError as exc:
            event("refused by the file")
            lines = str(exc).split("\n")
            assert all(line.startswith("file") for line in lines)
            assert all(len(line) < 1000 for line in lines)
            return
        problems = start_problems(chosen)
        if problems:
            event("refused by the check")
            assert all("\n" not in line for line in problems)
            return
        event("starts")
        DaemonCore(chosen, folder).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize(
    "text",
    [
        '[speech]\nvoice = "\\u0000"',
        '[speech]\nvoice = "~nosuchuser/x"',
        '[speech]\ndevice = "a\\u0000"',
        '[camera]\nsource = "~nosuchuser/x"',
        '[camera]\nsource = "/dev/video\\u0000"',
        '[captioner]\nbundle = "\\u0000"',
        '[mqtt]\nhost = "a..b"',
        '[mqtt]\nusername = "a\\u0000"',
        '[mqtt]\nca_file = "\\u0000"',
        '[metrics]\naddress = "\\u0000:1"',
        '[web]\naddress = "\\u0000:1"',
        '[triggers.socket]\npath = "/tmp/\\u0000"',
        '[[triggers.keys]]\ndevice = "\\u0000"',
    ],
)
def test_an_impossible_path_host_or_device_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, "file")
    (line,) = str(caught.value).splitlines()
    assert line.startswith("file: ")
    assert "\0" not in line
