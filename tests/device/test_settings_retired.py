"""Retired settings: ignored, with one line for each."""

from __future__ import annotations

import logging

import pytest

from seealoud.device.app import Daemon
from seealoud.device.commands.daemon import run
from seealoud.device.settings.load import parse_settings, retired_lines, settings_table
from seealoud.device.settings.retired import RETIRED, without_retired
from seealoud.device.settings.schema import Settings
from seealoud.device.settings.toml_text import toml_value

ROWS = {"one.old": "it is fixed", "list.old": "it is fixed", "gone": "there is no such part"}


@pytest.mark.parametrize(
    ("values", "kept", "places"),
    [
        ({"one": {"old": 1, "new": 2}}, {"one": {"new": 2}}, ["one.old"]),
        ({"list": [{"new": 1}, {"old": []}]}, {"list": [{"new": 1}, {}]}, ["list[1].old"]),
        ({"gone": {"key": 1}, "old": 1}, {"old": 1}, ["gone"]),
        ({"two": {"old": 1}, "list": [1]}, {"two": {"old": 1}, "list": [1]}, []),
    ],
)
def test_retired_keys_are_dropped_and_named(values, kept, places):
    found, lines = without_retired(values, ROWS)
    assert found == kept
    assert [line.split(" ")[0] for line in lines] == places


def test_a_line_says_why_and_what_to_do():
    _, lines = without_retired({"one": {"old": 1}}, ROWS)
    assert lines == ["one.old is no longer a setting: it is fixed; delete the line"]


@pytest.mark.parametrize("dotted", RETIRED)
def test_a_file_with_a_retired_setting_is_still_good(dotted, tmp_path):
    table, _, key = dotted.rpartition(".")
    root = settings_table()
    header = (
        f"[[{table}]]"
        if any(t.is_list and t.dotted == table for t in root.walk_tables())
        else f"[{table}]"
    )
    text = f"{header}\n{key} = {toml_value('whatever')}\n"
    parse_settings(text, "f.toml")
    (tmp_path / "f.toml").write_text(text)
    (line,) = retired_lines(tmp_path / "f.toml")
    assert line.endswith("; delete the line")
    assert key in line


def test_no_setting_is_retired_and_used():
    used = {key.dotted for key in settings_table().walk_keys()}
    assert not used & set(RETIRED)


def test_the_daemon_starts_and_logs_a_retired_setting(tmp_path, monkeypatch, caplog):
    started: list[Settings] = []

    class Recorded(Daemon):
        def __init__(self, settings, *_):
            started.append(settings)

        def run(self) -> int:
            return 0

    monkeypatch.setattr("seealoud.device.app.Daemon", Recorded)
    monkeypatch.setattr("seealoud.device.health.log.set_up_daemon_logging", lambda _: None)
    file = tmp_path / "f.toml"
    file.write_text("[picture]\nblurred_sharpness = 0.5\n")
    with caplog.at_level(logging.WARNING, logger="seealoud.device"):
        assert run.main(["--config", str(file)], standalone_mode=False) == 0
    assert started == [Settings()]
    assert [m for m in caplog.messages if "no longer a setting" in m] == [
        f"{file}: picture.blurred_sharpness is no longer a setting: "
        "the value that was measured is always used; delete the line"
    ]


def test_without_a_file_nothing_is_retired(tmp_path):
    assert retired_lines(None, {"HOME": str(tmp_path)}) == []
