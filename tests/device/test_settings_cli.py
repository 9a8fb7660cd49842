"""The commands ``seealoud config …`` as a user meets them."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from seealoud.device.camera.devices import FoundCamera
from seealoud.device.commands.config import config
from seealoud.device.errors import ConfigError
from seealoud.device.settings.effective import differing_keys, effective_text
from seealoud.device.settings.load import load_settings, parse_settings, settings_table
from seealoud.device.settings.schema import Settings
from seealoud.device.settings.state import RunState

CAMERA_WITH_PASSWORD = '[camera]\nsource = "rtsp://ann:hunter2@cam/stream1"\n'


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """An empty home, so that this machine's own settings play no part."""
    for name in ("SEEALOUD_CONFIG", "CONFIGURATION_DIRECTORY", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def _run(*args: str) -> int:
    return config.main(list(args), standalone_mode=False) or 0


# --- init -------------------------------------------------------------------------------------


def test_init_writes_a_good_file_where_run_finds_it(home, capsys):
    assert _run("init") == 0
    file = home / "config" / "seealoud" / "seealoud.toml"
    assert str(file) in capsys.readouterr().out
    assert load_settings() == Settings()
    assert _run("check") == 0
    assert capsys.readouterr().out == f"{file} is valid.\n"


def test_init_writes_over_nothing_without_force(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("mine")
    with pytest.raises(ConfigError, match="already exists: --force"):
        _run("init", str(file))
    assert file.read_text() == "mine"
    assert _run("init", "--force", str(file)) == 0
    assert "[camera]" in file.read_text()


def test_init_says_why_it_cannot_write(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        _run("init", str(tmp_path / "file" / "mine.toml"))


def test_init_sets_the_loudspeaker_and_the_camera_that_it_finds(tmp_path, monkeypatch, capsys):
    aplay = tmp_path / "bin" / "aplay"
    aplay.parent.mkdir()
    aplay.write_text("#!/bin/sh\necho plughw:CARD=UAC,DEV=0\necho '    UAC Demo, USB Audio'\n")
    aplay.chmod(0o755)
    monkeypatch.setenv("PATH", f"{aplay.parent}:{os.environ['PATH']}")
    camera = FoundCamera("picamera2", "camera imx708 at the ribbon connector")
    monkeypatch.setattr("seealoud.device.camera.devices.find_camera", lambda: camera)
    file = tmp_path / "mine.toml"
    assert _run("init", "--detect", str(file)) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "Found the camera imx708 at the ribbon connector: source = 'picamera2'.",
        "Found the sound card UAC Demo, USB Audio: device = 'plughw:CARD=UAC,DEV=0'.",
    ]
    settings = load_settings(file)
    assert settings.camera.source == "picamera2"
    assert settings.speech.device == "plughw:CARD=UAC,DEV=0"
    assert "# Found: UAC Demo, USB Audio." in file.read_text()
    # Everything else keeps its default.
    assert differing_keys(settings, Settings()) == ["camera.source", "speech.device"]


def test_init_says_what_it_does_not_find(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("seealoud.device.camera.devices.find_camera", lambda: None)
    assert _run("init", "--detect", str(tmp_path / "mine.toml")) == 0
    camera, loudspeaker, _ = capsys.readouterr().out.splitlines()
    assert camera == "Found no camera: plug one in, then set source in [camera]."
    assert loudspeaker == (
        "Found no sound card: plug a loudspeaker in, then set device in [speech]."
    )
    assert load_settings(tmp_path / "mine.toml") == Settings()


# --- check ------------------------------------------------------------------------------------


def test_check_says_all_that_is_wrong_one_line_each_and_ends_with_2(tmp_path, capsys):
    file = tmp_path / "f.toml"
    file.write_text("[log]\nlevel = 'loud'\n[metrics]\nadress = 1\n")
    assert _run("check", str(file)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sorted(err.splitlines()) == [
        f'seealoud: {file}: log.level: "loud" is not allowed; it takes "error", "warning", "info" '
        'or "debug". Change it, or delete the line: the default is "info"',
        f"seealoud: {file}: metrics.adress: no such key; did you mean metrics.address?",
    ]


def test_check_without_a_file_says_so(capsys):
    if Path("/etc/seealoud/seealoud.toml").exists():
        pytest.skip("this machine has settings of its own in /etc/seealoud")
    assert _run("check") == 0
    assert "defaults" in capsys.readouterr().out


def test_check_warns_of_a_password_that_others_can_read(tmp_path, capsys):
    file = tmp_path / "f.toml"
    file.write_text(CAMERA_WITH_PASSWORD)
    file.chmod(0o644)
    assert _run("check", str(file)) == 0
    out, err = capsys.readouterr()
    assert err == (
        f"seealoud: warning: camera.source: contains a password, and others can read {file}: "
        f"chmod o-rwx {file}\n"
    )
    assert "hunter2" not in out + err
    file.chmod(0o640)
    assert _run("check", str(file)) == 0
    assert capsys.readouterr().err == ""


def test_check_warns_of_password_files(tmp_path, capsys):
    secret, file = tmp_path / "secret", tmp_path / "f.toml"
    file.write_text(f'[mqtt]\nhost = "broker"\nusername = "ann"\npassword_file = "{secret}"\n')
    assert _run("check", str(file)) == 0
    assert f"mqtt.password_file: {secret} cannot be checked: No such" in capsys.readouterr().err
    secret.write_text("hunter2")
    secret.chmod(0o604)
    assert _run("check", str(file)) == 0
    assert f"others can read {secret}: chmod o-rwx" in capsys.readouterr().err
    secret.chmod(0o600)
    assert _run("check", str(file)) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("host", "is_risky"),
    [
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("[::1]", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("[::]", True),
        ("192.168.1.7", True),
        ("kitchen", True),
    ],
)
def test_check_warns_of_what_others_can_reach(tmp_path, capsys, host, is_risky):
    file = tmp_path / "f.toml"
    tables = (f'[{name}]\nis_on = true\naddress = "{host}:1"\n' for name in ("metrics", "web"))
    file.write_text("".join(tables))
    _run("check", str(file))
    err = capsys.readouterr().err
    assert ("warning: metrics.address" in err) is is_risky
    assert ("warning: web.address" in err) is is_risky


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[metrics]\nis_on = true\naddress = "192.0.2.7:9757"\n',
            "metrics: cannot be served on 192.0.2.7",
        ),
        ('[captioner]\nbundle = "nowhere"\n', "captioner.bundle: no bundle 'nowhere'"),
        ('[mqtt]\nis_on = true\nca_file = "/nowhere"\n', "mqtt: MQTT file /nowhere cannot be read"),
        (
            '[mqtt]\nis_on = true\nusername = "a"\npassword_file = "/nowhere"\n',
            "mqtt: MQTT password file /nowhere cannot be read",
        ),
    ],
)
def test_check_refuses_what_a_daemon_would_not_start_with(tmp_path, capsys, text, words):
    file = tmp_path / "f.toml"
    file.write_text(text)
    assert _run("check", str(file)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = [x for x in err.splitlines() if "warning" not in x]
    assert line.startswith(f"seealoud: {file}: {words}")


def test_check_warns_of_rules_that_never_or_hardly_ever_fire(tmp_path, capsys):
    file = tmp_path / "seealoud.toml"
    file.write_text(
        '[[narration.rules]]\nname = "fire"\nwords = ["explosion"]\n'
        '[[narration.rules]]\nname = "odd"\nwords = ["zeppelin"]\n'
        '[[narration.rules]]\nname = "good"\nwords = ["person"]\n'
    )
    assert _run("check", str(file)) == 0
    written = capsys.readouterr()
    assert "warning: narration.rules: the rule 'odd' never fires" in written.err
    assert "the rule 'fire' hardly ever fires" in written.err
    assert "'good'" not in written.err
    assert f"{file} is valid." in written.out


def test_check_warns_of_a_retired_setting_and_ends_with_0(tmp_path, capsys):
    file = tmp_path / "f.toml"
    file.write_text("[picture]\ntoo_dark_level = 30\n")
    assert _run("check", str(file)) == 0
    out, err = capsys.readouterr()
    assert err == (
        f"seealoud: warning: {file}: picture.too_dark_level is no longer a setting: "
        "the value that was measured is always used; delete the line\n"
    )
    assert out == f"{file} is valid.\n"


# --- show -------------------------------------------------------------------------------------


def test_show_says_where_each_value_comes_from(home, capsys):
    file = home / "f.toml"
    file.write_text('[speech]\nvolume = 0.5\nrate = 1.1\n[log]\nlevel = "info"\n')
    state = home / "state" / "seealoud" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text(
        json.dumps({"schema_version": 1, "volume": 0.25, "is_private": True, "is_narrating": False})
    )
    assert _run("show", "--config", str(file)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"# file: {file}", f"# changed at run time: {state}"]
    assert "volume = 0.25  # changed at run time" in lines
    assert "is_on = false  # changed at run time" in lines  # narration's
    assert "# is_private = true  # changed at run time" in lines
    assert "rate = 1.1  # file" in lines
    assert 'level = "info"  # file' in lines  # although it is the default as well
    assert 'format = "auto"  # default' in lines


def test_show_masks_secrets(home, capsys):
    file = home / "f.toml"
    file.write_text(CAMERA_WITH_PASSWORD)
    assert _run("show", "--config", str(file)) == 0
    out = capsys.readouterr().out
    assert 'source = "rtsp://***@cam/stream1"  # file' in out
    assert "hunter2" not in out


def test_show_touches_no_state_not_even_a_broken_one(home, capsys):
    state = home / "state" / "seealoud" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{")
    assert _run("show") == 0
    assert state.read_text() == "{"
    assert "volume" in capsys.readouterr().out


def test_what_is_shown_is_a_file_with_the_same_meaning():
    text = """
[speech]
rate = 1.5
[[narration.rules]]
name = "dogs"
words = ["dog"]
"""
    settings = parse_settings(text, "f")
    state = RunState(volume=0.5, minimum_gap_s=30, is_narrating=False)
    shown = parse_settings(effective_text(settings, state, settings_table()), "shown")
    assert shown.speech.volume == 0.5
    assert shown.narration.minimum_gap_s == 30
    assert not shown.narration.is_on
    assert shown.narration.rules == settings.narration.rules
    overridden = {"speech": {"volume"}, "narration": {"minimum_gap_s", "is_on"}}
    assert shown.model_dump(exclude=overridden) == settings.model_dump(exclude=overridden)


def test_the_built_in_voice_chosen_at_run_time_is_shown_as_not_set():
    settings = parse_settings('[speech]\nvoice = "/voices/amy.onnx"\n', "f")
    text = effective_text(settings, RunState(voice=""), settings_table())
    assert "# voice is not set  # changed at run time" in text
    assert "voice" not in tomllib.loads(text)["speech"]


@pytest.mark.parametrize(
    ("before", "after", "keys"),
    [
        ("", "[log]\nlevel = 'info'\n", []),
        ("", "[log]\nlevel = 'debug'\n[speech]\nrate = 1.5\n", ["speech.rate", "log.level"]),
        ("", "[[narration.rules]]\nname = 'a'\nwords = ['dog']\n", ["narration.rules"]),
    ],
)
def test_what_a_reload_changed_is_named(before, after, keys):
    found = [parse_settings(text, "f") for text in (before, after)]
    assert differing_keys(*found) == keys
    assert sorted(differing_keys(*reversed(found))) == sorted(keys)


# --- reference --------------------------------------------------------------------------------


def test_reference_prints_the_document(capsys):
    assert _run("reference") == 0
    assert capsys.readouterr().out.startswith("# Settings\n")
