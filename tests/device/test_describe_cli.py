"""``seealoud describe`` in this process: output, errors, exit codes; the captioner is a fake."""

from __future__ import annotations

import json
import os
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.captions import THINGS, THINGS_JSON, described
from support.fakes import SAMPLE_RATE_HZ, SAMPLES_PER_CHARACTER, FakeParts, NoSoundCard
from support.mosquitto import HOST, free_port, listening, running_mosquitto
from support.pictures import encoded, write

from seealoud.device.__main__ import main
from seealoud.device.commands import run_describe
from seealoud.device.commands.report import ErrorReport, one_line
from seealoud.device.commands.sinks import PAUSE_S, JsonSink
from seealoud.device.errors import BrokerError, ConfigError
from seealoud.device.mqtt.payloads import CaptionMessage, DescribedPart


@pytest.fixture
def fakes() -> FakeParts:
    return FakeParts()


@pytest.fixture
def run(fakes, capfd):
    """Return a function that runs the program: exit code, lines of stdout, lines of stderr."""

    def run(*arguments):
        code = main(["describe", *map(str, arguments)], fakes.parts)
        said = capfd.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return run


def field(path: Path, *colour: int) -> Path:
    return write(path, encoded(np.full((24, 32, 3), colour, np.uint8), path.suffix))


@pytest.fixture
def red(tmp_path) -> Path:
    return field(tmp_path / "red.png", 200, 10, 10)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a folder with a green, a bad and a blue picture, in this order."""
    folder = tmp_path / "folder"
    folder.mkdir()
    field(folder / "a.png", 10, 200, 10)
    write(folder / "b.jpg", b"not a picture")
    field(folder / "c.jpg", 10, 10, 200)
    return folder


# --- output ----------------------------------------------------------------------------------


def test_one_picture_prints_just_the_sentence(run, red):
    assert run(red) == (0, ["A red field."], [])


def test_several_pictures_are_labelled(run, red):
    assert run(red, red) == (0, [f"{red}: A red field."] * 2, [])


def test_a_folder_is_labelled_even_with_one_picture(run, tmp_path, red):
    assert run(tmp_path) == (0, [f"{red}: A red field."], [])


def test_a_folder_with_a_bad_file_captions_all_the_others(run, folder):
    code, out, err = run(folder)
    assert code == 4
    assert out == [f"{folder}/a.png: A green field.", f"{folder}/c.jpg: A blue field."]
    assert err == [f"seealoud: {folder}/b.jpg cannot be read as a picture: it is text"]


def test_json_prints_one_object_a_line(run, folder, red):
    code, out, err = run("--json", red, folder)
    assert code == 4
    assert len(err) == 1
    assert [json.loads(line)["caption"] for line in out] == [
        "a red field", "a green field", "a blue field",
    ]  # fmt: skip
    first = json.loads(out[0])
    assert first.pop("captured_at").endswith("Z")
    assert first == {
        "text": "A red field.",
        "probability": 0.9,
        "reason": "",
        "source": str(red),
        "caption": "a red field",
        "sentence": "A red field.",
        "log_probability": -1.0,
        "n_best": [
            {"text": "a red field", "log_probability": -1.0, "score": -0.5},
            {"text": "something red", "log_probability": -2.0, "score": -1.5},
            {"text": "a field", "log_probability": -3.0, "score": -2.5},
        ],
        "timings": {"preprocess_ms": 1.0, "encoder_ms": 2.0, "decoder_ms": 3.0, "total_ms": 6.0},
        "bundle": "fake",
        "things": [],
    }


def test_json_and_mqtt_use_the_same_words():
    assert set(DescribedPart.model_fields) < set(CaptionMessage.model_fields)
    assert DescribedPart.of(described()).model_dump_json()


def test_json_has_the_things_and_why_the_caption_is_not_said():
    withheld = replace(described(), text="A cat.", reason="unsure", things=THINGS)
    printed = json.loads(DescribedPart.of(withheld).json_text())
    assert (printed["reason"], printed["caption"]) == ("unsure", "a dog runs through the grass")
    assert printed["things"] == THINGS_JSON


@pytest.mark.parametrize("reason", ["", "unsure"])
def test_json_is_printed_with_the_things(reason, capsys):
    JsonSink().accept(replace(described(), reason=reason, things=THINGS))
    printed = json.loads(capsys.readouterr().out)
    assert printed["reason"] == reason
    assert [x["from"] for x in printed["things"]] == [x.source.value for x in THINGS]


def test_what_is_said_is_worded_by_how_sure_it_is_and_the_bare_caption_is_data(
    run, fakes, tmp_path
):
    unsure, dark = field(tmp_path / "a.png", 0, 0, 60), field(tmp_path / "b.png", 9, 0, 0)
    said = ["I think a blue field.", "It is too dark to see."]
    code, out, _ = run("--speak", "--wav", tmp_path / "s.wav", unsure, dark)
    assert (code, out) == (0, [f"{unsure}: {said[0]}", f"{dark}: {said[1]}"])
    assert fakes.voice.said == said
    _, lines, _ = run("--json", unsure, dark)
    printed = [json.loads(line) for line in lines]
    assert [x["text"] for x in printed] == said
    assert [(x["caption"], x["probability"], x["reason"]) for x in printed] == [
        ("a blue field", 0.5, ""), ("a red field", 0.1, "too_dark"),
    ]  # fmt: skip


def test_n_best_reaches_the_captioner(run, red):
    _, (line,), _ = run("--json", "--n-best", "1", red)
    assert len(json.loads(line)["n_best"]) == 1


def test_file_names_cannot_steer_the_terminal(run, tmp_path):
    evil = field(tmp_path / "a\x1b[2Jb\nc.png", 200, 0, 0)
    _, out, _ = run(evil, evil)
    assert out == [f"{tmp_path}/a [2Jb c.png: A red field."] * 2
    assert one_line("a\u202eb\x00c") == "a b c"


# --- errors and exit codes -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "code"),
    [("missing.jpg", 4), ("camera:99", 5), ("http://127.0.0.1:1/x.jpg", 4), ("camera:x", 5)],
)
def test_each_kind_of_source_error_has_its_code(run, source, code):
    got, out, err = run(source)
    assert (got, out, len(err)) == (code, [], 1)
    assert err[0].startswith(f"seealoud: {source}")


def test_the_first_error_decides_the_exit_code(run, red, tmp_path):
    black = field(tmp_path / "black.png", 0, 0, 0)
    code, out, err = run(black, "camera:99", tmp_path / "missing.png", red)
    assert code == 6
    assert out == [f"{red}: A red field."]
    assert len(err) == 3


def test_an_empty_folder_is_an_error(run, tmp_path):
    code, out, err = run(tmp_path)
    assert (code, out, len(err)) == (4, [], 1)


def test_without_a_bundle_nothing_is_described(run, fakes, red):
    fakes.has_bundle = False
    code, out, err = run(red, "--wav", red.with_suffix(".wav"), "--mqtt", "127.0.0.1:1")
    assert (code, out, err) == (3, [], ["seealoud: no bundle 'x': name one with --bundle"])
    assert fakes.voice.is_closed
    assert not red.with_suffix(".wav").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--no-such-option", "x"],
        ["--beam", "0", "x"],
        ["--beam", "x", "x"],
        ["--n-best", "0", "x"],
        ["--threads", "-1", "x"],
        ["--voice", "v.onnx", "x"],
        ["--audio-device", "hw:0", "x"],
        ["--mqtt-user", "ann", "x"],
        ["--mqtt-tls", "x"],
        ["--mqtt", "ann:s3cret@host", "x"],
        ["--mqtt", "host:0", "x"],
        ["--mqtt", "host", "--device-id", "a/b", "x"],
        ["--mqtt", "host", "--mqtt-ca", "/missing.pem", "x"],
        ["--mqtt", "host", "--mqtt-user", "ann", "--mqtt-password-file", "/missing", "x"],
        ["--mqtt", "host", "--mqtt-password-file", "/dev/null", "x"],
    ],
)
def test_wrong_options_are_one_line_and_code_2(run, fakes, arguments):
    code, out, err = run(*arguments)
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("seealoud: ")
    assert "s3cret" not in err[0]
    assert not fakes.captioners


def test_no_command_is_one_line_and_code_2(capfd):
    assert main([]) == 2
    assert capfd.readouterr().err == "seealoud: Missing command. See: seealoud --help\n"


@pytest.mark.parametrize("value", ["0", "-3", "many", "1.5"])
def test_a_wrong_number_is_met_with_what_is_taken(run, value):
    code, _, (line,) = run("--jobs", value, "x.jpg")
    assert code == 2
    assert f"'--jobs': '{value}' is not a whole number from 1 on." in line


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("desribe", "seealoud describe"),
        ("Doctor", "seealoud doctor"),
        ("status", "seealoud press status"),
        ("say", "seealoud press say"),
        ("check", "seealoud config check"),
        ("photo.jpg", "seealoud describe photo.jpg"),
    ],
)
def test_a_wrong_command_is_met_with_the_one_that_was_meant(typed, meant, capfd):
    assert main([typed]) == 2
    expected = (
        f"seealoud: There is no command {typed!r}. Did you mean: {meant}? See: seealoud --help"
    )
    assert capfd.readouterr().err == f"{expected}\n"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["history", "export"], "seealoud history --csv FILE"),
        (["history", "sumary"], "seealoud history summary"),
        (["press", "doctor"], "seealoud doctor"),
    ],
)
def test_a_wrong_command_of_a_group_is_met_with_one_that_does_the_same(typed, meant, capfd):
    assert main(typed) == 2
    assert f"There is no command {typed[1]!r}. Did you mean: {meant}?" in capfd.readouterr().err


def test_what_another_group_does_is_not_suggested(capfd):
    """Such as `seealoud bundle install` for a place."""
    assert main(["place", "install"]) == 2
    assert "Did you mean" not in capfd.readouterr().err


def test_version_and_help_are_printed(capfd):
    assert main(["--version"]) == 0
    assert capfd.readouterr().out.startswith("seealoud 0.")
    assert main(["describe", "--help"]) == 0
    assert "--mqtt-password-file" in capfd.readouterr().out


def test_ctrl_c_ends_with_130_and_closes_everything(fakes, red, capfd, monkeypatch):
    monkeypatch.setattr(
        "support.fakes.FakeDescriber.look",
        lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt),
    )
    assert main(["describe", str(red), "--speak"], fakes.parts) == 130
    assert fakes.captioners[0].is_closed
    assert fakes.voice.is_closed
    assert fakes.playback.is_closed
    assert capfd.readouterr().err.strip() == ""


def test_verbose_logs_more(run, red, capfd, fakes):
    with running_mosquitto(red.parent / "broker") as broker:
        _, _, quiet = run(red, "--mqtt", broker.address)
        _, _, verbose = run("-v", red, "--mqtt", broker.address)
        assert main(["-v", "describe", str(red), "--mqtt", broker.address], fakes.parts) == 0
    assert quiet == []
    assert any("connected to" in line for line in verbose)
    assert "connected to" in capfd.readouterr().err


# --- speech ----------------------------------------------------------------------------------


def test_speak_says_every_caption(run, fakes, folder):
    code, out, _ = run("--speak", folder)
    assert code == 4
    assert len(out) == 2
    assert fakes.voice.said == ["A green field.", "A blue field."]
    assert fakes.playback.utterances == 2
    assert fakes.playback.is_closed
    assert fakes.voice.is_closed


def test_without_speech_no_voice_is_opened(run, fakes, red):
    run(red)
    assert not fakes.voice.is_warm


def samples_of(path: Path) -> int:
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth()) == (1, 2)
        assert wav.getframerate() == SAMPLE_RATE_HZ
        return wav.getnframes()


def test_wav_holds_all_captions_with_pauses(run, folder, tmp_path):
    target = tmp_path / "speech.wav"
    run("--wav", target, folder)
    spoken = len("A green field.A blue field.") * SAMPLES_PER_CHARACTER
    assert samples_of(target) == spoken + PAUSE_S * SAMPLE_RATE_HZ
    assert sorted(x.name for x in tmp_path.iterdir()) == ["folder", "speech.wav"]


def test_speak_and_wav_synthesise_once(run, fakes, red, tmp_path):
    assert run("--speak", "--wav", tmp_path / "s.wav", red)[0] == 0
    assert fakes.voice.said == ["A red field."]
    assert fakes.playback.samples == samples_of(tmp_path / "s.wav")


def test_no_caption_makes_no_wav(run, tmp_path):
    code, _, err = run("--wav", tmp_path / "s.wav", tmp_path / "missing.png")
    assert (code, len(err)) == (4, 1)
    assert not (tmp_path / "s.wav").exists()


def test_a_wav_that_cannot_be_written_is_reported_and_the_rest_goes_on(run, fakes, red):
    code, out, err = run("--speak", "--wav", "/no/such/folder/s.wav", red)
    assert (code, out, len(err)) == (7, ["A red field."], 1)
    assert fakes.playback.utterances == 1


def test_a_missing_voice_is_reported_and_the_rest_goes_on(run, fakes, red):
    fakes.has_voice = False
    code, out, err = run("--speak", "--voice", "x.onnx", red)
    assert (code, out, err) == (
        7, ["A red field."], ["seealoud: the voice's file x.onnx is missing"],
    )  # fmt: skip


# --- nothing is lost because one sink failed ---------------------------------------------------


def test_no_sound_card_costs_nothing_else(run, fakes, folder, tmp_path):
    fakes.playback = NoSoundCard()
    with running_mosquitto(tmp_path / "broker") as broker, listening(broker) as listener:
        code, out, err = run(
            "--speak", "--wav", tmp_path / "s.wav", "--mqtt", broker.address,
            folder / "a.png", folder / "c.jpg",
        )  # fmt: skip
        published = [json.loads(listener.next("caption").payload)["caption"] for _ in range(2)]
    assert code == 7
    assert len(out) == 2
    assert err == ["seealoud: no sound device 'default': plug in a loudspeaker"] * 2
    assert published == ["a green field", "a blue field"]
    assert samples_of(tmp_path / "s.wav") > 0


def test_no_broker_costs_nothing_else(run, fakes, red, tmp_path):
    port = free_port()
    code, out, err = run(
        "--json", "--speak", "--wav", tmp_path / "s.wav", "--mqtt", f"{HOST}:{port}", red
    )
    assert code == 8
    assert json.loads(out[0])["caption"] == "a red field"
    assert len(err) == 1
    assert f"{HOST}:{port}" in err[0]
    assert fakes.playback.utterances == 1
    assert samples_of(tmp_path / "s.wav") > 0


def test_with_two_failing_sinks_the_first_decides(run, fakes, red):
    fakes.playback = NoSoundCard()
    code, out, err = run("--speak", "--mqtt", f"{HOST}:{free_port()}", red)
    assert (code, out, len(err)) == (8, ["A red field."], 2)


def test_a_sink_that_keeps_failing_is_given_up(run, fakes, red):
    fakes.playback = NoSoundCard()
    code, out, err = run("--speak", *[red] * 6)
    assert (code, len(out)) == (7, 6)
    assert len(err) == run_describe.FAILURES_UNTIL_GIVEN_UP + 1
    assert err[-1] == "seealoud: speech is given up after 3 failures in a row"


def test_a_sink_that_recovers_is_not_given_up(fakes, red, capfd, monkeypatch):
    failing = iter([True, True, False, True, True, False, False])
    delivered = []

    def accept(self, caption):
        if next(failing):
            raise BrokerError("away")
        delivered.append(caption)

    monkeypatch.setattr("seealoud.device.mqtt.publisher.MqttPublisher.accept", accept)
    code = main(["describe", "--mqtt", f"{HOST}:1", *[str(red)] * 7], fakes.parts)
    assert code == 8
    assert len(delivered) == 3
    assert "given up" not in capfd.readouterr().err


# --- MQTT options ------------------------------------------------------------------------------


def test_the_published_caption_says_what_caused_it(run, red, tmp_path):
    with running_mosquitto(tmp_path / "broker") as broker, listening(broker) as listener:
        code, _, _ = run("--mqtt", broker.address, "--device-id", "kitchen", red)
        heard = [listener.next("") for _ in range(3)]
    assert code == 0
    assert heard[0].topic == "seealoud/kitchen/availability"
    message = CaptionMessage.model_validate_json(heard[1].payload)
    assert message.cause == "describe"
    assert message.source == str(red)
    assert message.bundle == "fake"
    assert heard[2].payload == b"offline"


def test_the_device_id_can_come_from_the_environment(run, red, tmp_path, monkeypatch):
    monkeypatch.setenv("SEEALOUD_DEVICE_ID", "porch")
    with running_mosquitto(tmp_path / "broker") as broker, listening(broker) as listener:
        run("--mqtt", broker.address, red)
        assert listener.next("caption").topic == "seealoud/porch/caption"


# --- small parts ---------------------------------------------------------------------------------


def test_the_report_keeps_the_first_code_and_one_line_each(capfd):
    report = ErrorReport()
    assert report.exit_code == 0
    report.add(BrokerError("one\ntwo"))
    report.add(ConfigError("three"))
    assert report.exit_code == 8
    assert capfd.readouterr().err == "seealoud: one two\nseealoud: three\n"


def test_opencv_is_kept_from_pictures_that_fill_the_memory():
    main(["--version"])
    assert int(os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"]) <= 2**27
