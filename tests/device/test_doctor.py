"""The doctor: what is wrong, what mends it, and a check that breaks is a finding too."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from support.mosquitto import (
    HOST,
    Broker,
    free_port,
    listening,
    make_certificates,
    password_lines,
    running_mosquitto,
)
from support.mqtt_daemon import Device, answered, running, settings_for
from support.shipped import needs_shipped_bundle, shipped_bundle
from support.speech_cards import WavCard
from support.tiny_bundle import TINY_BUNDLE, copy_bundle

from seealoud.device import __version__
from seealoud.device.commands.program import cli
from seealoud.device.doctor import machine
from seealoud.device.doctor.finding import (
    Check,
    Finding,
    Level,
    closing_line,
    examine,
    spoken_summary,
)
from seealoud.device.doctor.parts import (
    check_broker,
    check_button,
    check_camera,
    check_model,
    check_page,
    check_sound,
    check_voice,
    part_checks,
)
from seealoud.device.doctor.rules import check_rules, judge_rules, unknown_words
from seealoud.device.english import split_words
from seealoud.device.errors import BrokerError, BundleError, CameraError, PlaybackError, VoiceError
from seealoud.device.mqtt.broker import DAEMON_SESSION, BrokerSettings
from seealoud.device.mqtt.connection import probe
from seealoud.device.narrator.rules import KeywordRule
from seealoud.device.narrator.settings import NarrationRule
from seealoud.device.settings.schema import Settings
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.manifest import CHECKSUM, SaidSpec

OK = Finding("Part", Level.OK, "fine")


def _settings(**tables: object) -> Settings:
    return Settings.model_validate(tables)


# ---------------------------------------------------------------- findings


def test_a_check_that_raises_is_a_failure_with_its_fix_and_the_others_go_on() -> None:
    def refuse() -> Finding:
        raise CameraError("camera:0 is gone")

    def refuse_with_advice() -> Finding:
        raise CameraError("camera:0 is gone: plug it in")

    def break_down() -> Finding:
        raise ZeroDivisionError

    checks = [
        Check("Camera", refuse, "plug it in"),
        Check("Odd", break_down),
        Check("P", lambda: OK),
        Check("Again", refuse_with_advice, "plug it in, or set another"),
    ]
    camera, odd, last, again = examine(checks)
    # The advice is read once.
    assert (again.text, again.fix) == ("camera:0 is gone", "plug it in, or set another")
    assert (camera.level, camera.text, camera.fix) == (
        Level.FAILURE,
        "camera:0 is gone",
        "plug it in",
    )
    assert odd.level is Level.WARNING
    assert "ZeroDivisionError" in odd.text
    assert last is OK


@pytest.mark.parametrize(
    ("levels", "begins"),
    [
        ([Level.OK, Level.NOTE], "All is well."),
        ([Level.WARNING], "It works, with a warning. P0: text."),
        ([Level.FAILURE], "1 problem. P0: text."),
        (
            [Level.WARNING, Level.FAILURE, Level.FAILURE],
            "2 problems. P1: text. P2: text. P0: text.",
        ),
    ],
)
def test_what_is_said_begins_with_the_worst(levels: list[Level], begins: str) -> None:
    findings = [Finding(f"P{n}", level, "text") for n, level in enumerate(levels)]
    assert spoken_summary(findings) == begins


# ---------------------------------------------------------------- the machine


def test_this_machine_is_a_64_bit_one() -> None:
    assert machine.check_system().level is Level.OK


def test_a_disk_with_room_and_one_that_is_locked(tmp_path: Path) -> None:
    assert machine.check_disk(tmp_path / "not" / "there" / "yet").level is Level.OK
    locked = machine.check_disk(Path("/proc/1"))  # where not even root may write
    assert locked.level in (Level.FAILURE, Level.WARNING)


def test_a_full_disk_names_what_frees_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SMALLEST_FREE_MB", 1 << 40)
    finding = machine.check_disk(tmp_path)
    assert finding.level is Level.WARNING
    assert "seealoud history erase" in finding.fix


@pytest.mark.parametrize(
    ("content", "level"), [("45000\n", Level.OK), ("81000\n", Level.WARNING), ("?", Level.NOTE)]
)
def test_a_hot_processor_is_reported(tmp_path: Path, content: str, level: Level) -> None:
    zone = tmp_path / "temp"
    zone.write_text(content)
    assert machine.check_temperature(zone).level is level
    assert machine.check_temperature(tmp_path / "none").level is Level.NOTE


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ("throttled=0x0", Level.OK),
        ("throttled=0x50005", Level.FAILURE),
        ("throttled=0x50000", Level.WARNING),
        ("nonsense", Level.NOTE),
    ],
)
def test_too_little_power_is_reported(tmp_path: Path, said: str, level: Level) -> None:
    command = tmp_path / "vcgencmd"
    command.write_text(f"#!/bin/sh\necho '{said}'\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    assert machine.check_power([str(command)]).level is level
    assert machine.check_power([str(tmp_path / "none")]).level is Level.NOTE


# ---------------------------------------------------------------- the parts


def test_the_model_is_really_run_and_a_broken_one_is_named() -> None:
    found = check_model(_settings(captioner={"bundle": str(TINY_BUNDLE)}))
    assert found.level is Level.OK
    assert "milliseconds for a caption" in found.text
    with pytest.raises(BundleError, match="/nowhere"):
        check_model(_settings(captioner={"bundle": "/nowhere"}))


def test_a_model_without_a_checksum_is_a_warning(tmp_path: Path) -> None:
    folder = copy_bundle(tmp_path / "bundle")
    (folder / CHECKSUM).unlink()
    found = check_model(_settings(captioner={"bundle": str(folder)}))
    assert found.level is Level.WARNING
    assert CHECKSUM in found.text


def test_the_voice_really_speaks() -> None:
    assert check_voice(Settings()).level is Level.OK


def test_the_sound_device_really_takes_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WavCard(tmp_path, monkeypatch)
    assert check_sound(Settings()).level is Level.OK
    with pytest.raises(PlaybackError, match="absent"):
        check_sound(_settings(speech={"device": "absent"}))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "alsa-utils" in check_sound(Settings()).fix


def test_without_a_loudspeaker_sound_and_voice_are_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")  # not even aplay is needed
    silent = _settings(speech={"output": "none", "device": "absent"})
    found = check_sound(silent)
    assert (found.level, found.sentences) == (
        Level.NOTE,
        'Sound: not used, because speech.output is "none".',
    )
    assert check_voice(silent).level is Level.NOTE
    with pytest.raises(VoiceError, match="missing"):  # the daemon refuses it as well
        check_voice(_settings(speech={"output": "none", "voice": "/nowhere/a.onnx"}))


def test_a_camera_that_is_not_there_and_pictures_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="camera:99"):
        check_camera(_settings(camera={"source": "camera:99"}))


def test_a_missing_button_or_broker_is_not_a_problem() -> None:
    assert check_button(Settings()).level is Level.NOTE
    assert check_broker(Settings()).level is Level.NOTE


def test_the_page_is_named_with_its_address_and_a_taken_port_is_found() -> None:
    assert check_page(Settings(), False).level is Level.NOTE
    port = free_port()
    own = _settings(web={"is_on": True, "address": f"{HOST}:{port}"})
    found = check_page(own, False)
    assert (found.level, found.text) == (Level.OK, f"http://{HOST}:{port}, on this machine only")
    found = check_page(_settings(web={"is_on": True, "address": f"0.0.0.0:{port}"}), False)
    assert found.level is Level.OK
    assert found.text.endswith(f":{port}, with the token that `seealoud web token` prints")
    with socket.create_server((HOST, port)):
        assert check_page(own, True).level is Level.OK  # the daemon has it
        found = check_page(own, False)
    assert (found.level, "in use" in found.text) == (Level.FAILURE, True)
    assert "web.address" in found.fix
    elsewhere = _settings(web={"is_on": True, "address": "203.0.113.1:80"})
    assert check_page(elsewhere, True).level is Level.FAILURE


def test_the_page_without_its_packages_names_what_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seealoud.device.doctor.parts.find_spec", lambda _: None)
    found = check_page(_settings(web={"is_on": True}), False)
    assert found.level is Level.FAILURE
    assert "seealoud[web]" in found.fix


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


def test_looking_at_the_broker_leaves_the_running_daemon_of_the_same_id_alone(
    broker: Broker,
) -> None:
    with running(Device(settings_for(broker.port), "kitchen")) as device:
        device.wait_connected()
        log_size = len(broker.log.read_bytes())
        with listening(broker, "#") as listener:
            device.wait_until(lambda: b"kitchen-daemon" in broker.log.read_bytes())
            found = check_broker(
                _settings(
                    device={"id": "kitchen"},
                    mqtt={"is_on": True, "host": HOST, "port": broker.port},
                )
            )
            # What comes after it would come after anything of its.
            device.bus.publish(answered("Still here."))
            assert json.loads(listener.next("/caption").payload)["text"] == "Still here."
            left = [x for x in listener.drain() if not x.topic.endswith("/last_caption")]
        log = broker.log.read_bytes()[log_size:].decode()
    assert (found.level, left) == (Level.OK, [])
    assert f"{HOST}:{broker.port}" in found.text
    assert log.count("No will message specified") == 2  # the listener's and the doctor's
    assert "already connected" not in log
    assert device.kept.problems == []


def test_a_broker_that_is_away_refuses_or_is_not_trusted_is_an_error(tmp_path: Path) -> None:
    def check(port: int, **more: object) -> Finding:
        return check_broker(_settings(mqtt={"is_on": True, "host": HOST, "port": port, **more}))

    with pytest.raises(BrokerError, match="is it running"):
        check(free_port())
    password = tmp_path / "password"
    password.write_text("wrong")
    with (
        running_mosquitto(tmp_path / "a", *password_lines(tmp_path, "ann", "right")) as broker,
        pytest.raises(BrokerError, match="check user and password"),
    ):
        check(broker.port, username="ann", password_file=str(password))
    ours, others = (make_certificates(tmp_path / name) for name in ("ours", "others"))
    with running_mosquitto(tmp_path / "b", *ours.lines()) as broker:
        assert check(broker.port, ca_file=str(ours.ca)).level is Level.OK
        with pytest.raises(BrokerError, match="not trusted"):
            check(broker.port, ca_file=str(others.ca))


def test_a_probe_as_the_daemon_is_refused() -> None:
    with pytest.raises(ValueError, match="kitchen-daemon"):
        probe(BrokerSettings(HOST, "kitchen", session=DAEMON_SESSION))


# ---------------------------------------------------------------- rules


KNOWN = split_words("a dog runs children skating bicycle on t-shirt hound")


@pytest.mark.parametrize(
    ("words", "synonyms", "unknown"),
    [
        (["dogs"], [], ()),
        (["DOG"], [], ()),
        (["child"], [], ()),
        (["skat*"], [], ()),
        (["wolf", "dog"], [], ("wolf",)),
        (["t-shirt"], [], ()),
        (["dog bicycle"], [], ()),
        (["wolf"], [["wolf", "hound"]], ()),
        (["wolf"], [["hound", "dog"]], ("wolf",)),
        (["wolf", "deer"], [], ("wolf", "deer")),
        (["dog wolf"], [], ("wolf",)),
        (["skatx*"], [], ("skatx*",)),
        (["cat"], [], ("cat",)),
    ],
)
def test_a_rule_is_named_only_when_none_of_its_phrases_can_be_seen(
    words: list[str], synonyms: list[list[str]], unknown: tuple[str, ...]
) -> None:
    rule = NarrationRule.model_validate({"name": "mine", "words": words, "synonyms": synonyms})
    found = judge_rules([rule], KNOWN, "tiny")
    assert unknown_words(rule, KNOWN) == unknown
    is_dead = bool(unknown) and words != ["wolf", "dog"]
    assert found.level is (Level.WARNING if is_dead else Level.OK)
    if is_dead:
        assert all(repr(word) in found.text for word in ("mine", *unknown))
        assert "vocabulary.txt" in found.fix


@given(
    st.lists(st.sampled_from(KNOWN[1:]), min_size=1, max_size=6),
    st.sampled_from(["dogs", "child", "skat*", "dog bicycle", "wolf", "hound", "t-shirt", "run"]),
)
def test_a_rule_that_fires_on_any_caption_is_never_called_dead(
    caption: list[str], phrase: str
) -> None:
    rule = NarrationRule.model_validate({"name": "mine", "words": [phrase]})
    if KeywordRule(rule).is_in(split_words(" ".join(caption))):
        assert judge_rules([rule], KNOWN, "tiny").level is Level.OK


def test_a_typing_error_is_met_with_the_word_that_was_meant() -> None:
    rules = [
        NarrationRule.model_validate({"name": name, "words": [word]})
        for name, word in (("bike", "bycicle"), ("pet", "dog"))
    ]
    found = judge_rules(rules, KNOWN, "tiny")
    assert "'bike'" in found.text
    assert "'pet'" not in found.text
    assert "perhaps 'bicycle'" in found.fix


SAID = SaidSpec(pictures=1119, words={"dogs": 30, "dog": 200, "man": 300, "smoke": 1, "beach": 9})
SAYABLE = ("dog", "dogs", "man", "smoke", "fire", "beach", "woman", "flood")


@pytest.mark.parametrize(
    ("words", "rare"),
    [
        (["dog"], None),
        (["fire"], "said 'fire' in none of 1119 photographs"),
        (["smoke"], "said 'smoke' in 1 of 1119 photographs"),
        (["fire", "flood"], "said 'fire', 'flood' in none of 1119 photographs"),
        (["fire", "dog"], None),
        (["dog beach"], None),
        (["dog smoke"], "said 'dog smoke' in 1 of 1119 photographs"),
        (["person"], None),
        (["cup"], None),  # named by the detector, not by captions
        (["animal cup"], None),
        (["truck"], None),
        (["fire truck"], None),
        (["fir*"], "said 'fir*' in none of 1119 photographs"),
    ],
)
def test_a_rule_that_hardly_ever_fires_is_named_with_how_often(words, rare) -> None:
    rule = NarrationRule.model_validate({"name": "mine", "words": words})
    found = judge_rules([rule], SAYABLE, "tiny", SAID, ("cup", "fire truck"))
    assert found.level is (Level.OK if rare is None else Level.WARNING)
    if rare is not None:
        assert found.text == f"the rule 'mine' hardly ever fires: tiny {rare}"
        assert "person, animal, vehicle, furniture" in found.fix
    assert judge_rules([rule], SAYABLE, "tiny", None, ("cup", "fire truck")).level is Level.OK


def test_a_rule_that_never_fires_is_not_named_a_second_time_as_rare() -> None:
    rules = [
        NarrationRule.model_validate({"name": word, "words": [word]}) for word in ("wolf", "fire")
    ]
    found = judge_rules(rules, SAYABLE, "tiny", SAID)
    assert found.text.count("'wolf'") == 2
    assert "'wolf' never fires" in found.text
    assert "'fire' hardly ever fires" in found.text


@needs_shipped_bundle
def test_the_shipped_bundle_says_people_and_dogs_and_hardly_ever_fire() -> None:
    said = load_bundle(shipped_bundle()).manifest.said
    assert said is not None
    assert said.pictures >= 1000
    for words, level in (
        (["person"], Level.OK),
        (["dog"], Level.OK),
        (["animal"], Level.OK),
        (["vehicle"], Level.OK),
        (["furniture"], Level.OK),
        (["laptop"], Level.OK),
        (["smoke"], Level.WARNING),
        (["explosion"], Level.WARNING),
    ):
        found = check_rules(_settings(narration={"rules": [{"name": "mine", "words": words}]}))
        assert found.level is level, words


def test_rules_are_held_against_the_words_of_the_bundle() -> None:
    bundle = {"bundle": str(TINY_BUNDLE)}
    assert check_rules(_settings(captioner=bundle)).level is Level.NOTE
    word = load_bundle(TINY_BUNDLE).vocabulary.words[-1]
    for words, level in (([word], Level.OK), (["zeppelin"], Level.WARNING)):
        rules = [{"name": "mine", "words": words}]
        found = check_rules(_settings(captioner=bundle, narration={"rules": rules}))
        assert found.level is level


def test_rules_may_wait_for_things_that_only_the_detector_or_the_encoder_names() -> None:
    rules = [{"name": "mine", "words": ["toothbrush"]}, {"name": "other", "words": ["accordion"]}]
    assert check_rules(_settings(narration={"rules": rules})).level is Level.OK


def test_a_button_on_a_machine_without_pins_is_a_failure_that_names_the_pin() -> None:
    found = check_button(_settings(triggers={"button": {"pin": 17}}))
    assert found.level is Level.FAILURE
    assert "17" in found.text


def test_what_a_running_daemon_holds_is_not_taken_from_it() -> None:
    by_part = {check.part: check for check in part_checks(Settings(), is_daemon_running=True)}
    for part in ("Camera", "Button"):
        assert by_part[part].look().level is Level.NOTE


# ---------------------------------------------------------------- the command


def _run(*arguments: str, config: Path) -> Result:
    return CliRunner().invoke(
        cli, ["doctor", "--config", str(config), *arguments], standalone_mode=False
    )


def test_the_command_shows_each_part_and_what_fixes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WavCard(tmp_path, monkeypatch)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    config = tmp_path / "seealoud.toml"
    camera = '[camera]\nsource = "camera:99"\n'
    config.write_text(f'{camera}[captioner]\nbundle = "{TINY_BUNDLE}"\n')
    result = _run("--json", "--speak", config=config)
    assert result.return_value == 1
    findings = {finding["part"]: finding for finding in json.loads(result.stdout)}
    assert findings["Camera"]["level"] == "failure"
    assert {
        "Settings",
        "System",
        "Disk",
        "Model",
        "Voice",
        "Sound",
        "Broker",
        "Page",
    } <= findings.keys()
    assert findings["Model"]["level"] == findings["Sound"]["level"] == "ok"

    lines = _run(config=config).stdout.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("Camera: does not work. "))
    assert lines[place + 1].startswith("To fix it: ")
    assert "camera.source" in lines[place + 1]
    assert lines[-1] == (
        f"1 of {len(findings)} parts needs attention: Camera. This is SeeAloud {__version__}."
    )
    # A screen reader reads every line as it stands.
    assert not [x for x in lines if "  " in x or "->" in x or x.startswith("-") or "ALSA" in x]
    assert all(x.startswith("To fix it: ") or x.endswith(".") for x in lines)


@pytest.mark.parametrize(
    ("levels", "line"),
    [
        ([Level.OK, Level.NOTE], "None of 2 parts needs attention."),
        ([Level.OK, Level.WARNING], "1 of 2 parts needs attention: P1."),
        ([Level.FAILURE, Level.WARNING, Level.OK], "2 of 3 parts need attention: P0 and P1."),
        ([Level.FAILURE] * 3, "3 of 3 parts need attention: P0, P1 and P2."),
    ],
)
def test_the_closing_line_counts_what_needs_attention(levels: list[Level], line: str) -> None:
    findings = [Finding(f"P{n}", level, "text") for n, level in enumerate(levels)]
    assert closing_line(findings) == line


@pytest.mark.parametrize(
    ("level", "text", "printed"),
    [
        (Level.OK, "every key is known", "Part: fine. Every key is known."),
        (Level.NOTE, "not available here", "Part: not available here."),
        (Level.WARNING, "85 degrees, so it slows down", "Part: needs attention. 85 degrees, so it"),
        (Level.FAILURE, "camera:0 is gone", "Part: does not work. camera:0 is gone."),
        (Level.FAILURE, "it failed. Why?", "Part: does not work. It failed. Why?"),
    ],
)
def test_a_finding_is_printed_as_sentences(level: Level, text: str, printed: str) -> None:
    assert Finding("Part", level, text).sentences.startswith(printed)


def test_wrong_settings_are_the_first_finding_and_the_machine_is_still_checked(
    tmp_path: Path,
) -> None:
    config = tmp_path / "seealoud.toml"
    config.write_text("[camera]\nrotation = 90\n")
    result = _run("--json", config=config)
    first, *rest = json.loads(result.stdout)
    assert (first["part"], first["level"]) == ("Settings", "failure")
    assert "rotation" in first["text"]
    assert any(finding["part"] == "Disk" for finding in rest)
