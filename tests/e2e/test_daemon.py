"""The real daemon: shipped bundle, real Piper, a real ALSA device, real signals."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.daemon_process import WAIT_S, DaemonProcess
from support.mosquitto import free_port
from support.picture_stream import PictureStream
from support.shipped import needs_shipped_bundle, photographs, shipped_bundle
from support.speech_cards import LastingCard, WavCard

from seealoud.device import requests as r
from seealoud.device.errors import DaemonError
from seealoud.device.history.schema import OUTBOX_FILE
from seealoud.device.mqtt.outbox import Outbox
from seealoud.device.triggers.control_client import ask

pytestmark = needs_shipped_bundle

SIZE = (640, 480)
# The goals on an idle machine are 3 s and 2 s; this one may run trainings beside.
READY_S, STOP_S = 15.0, 6.0
Start = Callable[..., DaemonProcess]


# Motorcycles, and a cat: of both the bundle says a caption, also as JPEGs of a camera.
FAMILIAR = ("motorcycle_left.png", "chelsea.png")


def _picture(number: int) -> np.ndarray:
    path = photographs()[0].with_name(FAMILIAR[number])
    bgr_hwc = cv2.resize(cv2.imread(str(path)), SIZE)
    return np.ascontiguousarray(bgr_hwc[:, :, ::-1])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts daemons with settings, and ends what still runs."""
    daemons: list[DaemonProcess] = []

    def start_one(settings: str, name: str = "one", **environ: str) -> DaemonProcess:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        daemons.append(DaemonProcess(folder, settings, environ))
        return daemons[-1]

    yield start_one
    for daemon in daemons:
        daemon.close()


@pytest.fixture
def stream() -> Iterator[PictureStream]:
    stream = PictureStream(_picture(0))
    yield stream
    stream.close()


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LastingCard]:
    card = LastingCard(tmp_path, monkeypatch)
    yield card
    card.close()


def _live(stream: PictureStream, *, narrates: bool = False, more: str = "") -> str:
    return f"""
[camera]
source = "{stream.address}"
[narration]
is_on = {str(narrates).lower()}
{more}
"""


def _answers(daemon: DaemonProcess) -> list[dict[str, Any]]:
    return [line for line in daemon.log() if line["message"].startswith("answer: ")]


def _has_frame(line: dict[str, Any]) -> bool:
    return line.get("frame_age_s") is not None


def _is_spoken(outcome: str) -> Callable[[dict[str, Any]], bool]:
    """Wanted is an utterance with that outcome, but not the greeting."""
    return lambda line: line.get("outcome") == outcome and line["cause"] != "startup"


def test_a_press_is_answered_aloud_and_sigterm_ends_it_in_the_middle_of_speech(
    start: Start, stream: PictureStream, card: LastingCard
) -> None:
    daemon = start(_live(stream))
    assert daemon.wait_ready() < READY_S
    daemon.wait_log(_has_frame)
    pressed_s = time.monotonic()
    assert daemon.ask(r.Describe(id="first")).is_accepted
    card.wait_sound(pressed_s)
    answer = daemon.wait_log(lambda line: line["message"].startswith("answer: "))
    assert len(answer["text"].split()) >= 3
    daemon.wait_log(_is_spoken("heard"))

    daemon.ask(r.Say(text="One. Two. Three. Four. Five. Six. Seven. Eight. Nine. Ten."))
    said_s = time.monotonic()
    card.wait_sound(said_s)
    code, took_s = daemon.stop()
    assert code == 0, daemon.log_text()[-2000:]
    assert took_s < STOP_S
    assert not daemon.socket.exists()
    assert "Traceback" not in daemon.log_text()


def test_twenty_presses_in_a_second_end_in_one_answer_heard(
    start: Start, stream: PictureStream, card: LastingCard
) -> None:
    daemon = start(_live(stream))
    daemon.wait_ready()
    daemon.wait_log(_has_frame)
    for number in range(20):
        assert daemon.ask(r.Describe(id=f"press {number}")).is_accepted
        time.sleep(0.05)
    answered = {f"press {n}" for n in range(20)}
    daemon.wait_log(lambda line: line.get("id") == "press 19" and "answered" in line["message"])
    daemon.wait_log(_is_spoken("heard"))
    logged = {line.get("id") for line in daemon.log() if "answered" in line["message"]}
    assert logged >= answered
    heard = [line for line in daemon.log() if _is_spoken("heard")(line)]
    assert len(heard) == 1
    assert daemon.stop()[0] == 0


def test_the_camera_goes_and_comes_back_and_both_are_said_once(
    start: Start, stream: PictureStream, card: LastingCard
) -> None:
    daemon = start(_live(stream))
    daemon.wait_ready()
    daemon.wait_log(_has_frame)
    daemon.ask(r.Describe())
    daemon.wait_log(_is_spoken("heard"))
    stream.vanish()
    lost = daemon.wait_log(lambda line: line.get("part") == "camera" and line["level"] == "warning")
    assert "camera" in lost["message"]
    assert daemon.ask(r.Status()).data["is_camera_available"] is False
    stream.come_back()
    daemon.wait_log(lambda line: line.get("part") == "camera" and line["level"] == "info")
    problems = [line for line in daemon.log() if line.get("part") == "camera"]
    assert [line["level"] for line in problems] == ["warning", "info"]
    daemon.ask(r.Describe(id="after"))
    after = daemon.wait_log(
        lambda line: line.get("id") == "after" and "answered" in line["message"]
    )
    assert after["encoder_ms"] > 0  # a caption was made
    assert daemon.stop()[0] == 0


def test_half_pictures_are_not_captioned_and_a_problem_that_is_spoken(
    start: Start, stream: PictureStream, card: LastingCard
) -> None:
    daemon = start(_live(stream))
    daemon.wait_ready()
    daemon.wait_log(_has_frame)
    stream.damage()
    began_s = time.monotonic()
    lost = daemon.wait_log(lambda line: line.get("part") == "camera" and line["level"] == "warning")
    assert "damaged pictures" in lost["message"]
    card.wait_sound(began_s)
    for number in range(3):
        daemon.ask(r.Describe(id=f"half {number}"))
    for number in range(3):
        answer = daemon.wait_log(
            lambda line, wanted=f"half {number}": (
                line.get("id") == wanted and "answered" in line["message"]
            )
        )
        assert not answer.get("encoder_ms")  # no caption was made
    stream.repair()
    daemon.wait_log(lambda line: line.get("part") == "camera" and line["level"] == "info")
    assert daemon.stop()[0] == 0


def test_the_voice_killed_in_mid_word_speaks_the_answer_all_the_same(
    start: Start, stream: PictureStream, card: LastingCard
) -> None:
    daemon = start(_live(stream))
    daemon.wait_ready()
    daemon.wait_log(_has_frame)
    began_s = time.monotonic()
    daemon.ask(r.Describe())
    card.wait_sound(began_s)
    (voice,) = [pid for pid in _children(daemon.process.pid) if "piper_worker" in _command(pid)]
    os.kill(voice, signal.SIGKILL)
    daemon.wait_log(_is_spoken("heard"))
    assert daemon.stop()[0] == 0


def test_a_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on(
    start: Start, stream: PictureStream
) -> None:
    settings = _live(stream) + '[speech]\noutput = "none"\n'
    first = start(settings)
    first.wait_ready()
    second = start(settings)
    assert second.process.wait(WAIT_S) == 11
    assert str(first.process.pid) in second.log_text()
    assert first.ask(r.Status()).is_accepted
    assert first.stop()[0] == 0


def test_what_was_changed_survives_sigkill_and_a_truncated_state_is_no_obstacle(
    start: Start, stream: PictureStream
) -> None:
    settings = _live(stream) + '[speech]\noutput = "none"\n'
    daemon = start(settings)
    daemon.wait_ready()
    for request in (
        r.Set(name="volume", value=0.5),
        r.Set(name="minimum_gap_s", value=30),
        r.Narrate(is_on=True),
        r.Snooze(minutes=60),
        r.Privacy(is_on=True),
    ):
        assert daemon.ask(request).is_accepted
    refused = daemon.ask(r.Set(name="volume", value=7))
    assert not refused.is_accepted
    assert "7" in refused.reason
    assert daemon.stop(signal.SIGKILL)[0] == -signal.SIGKILL

    again = start(settings)
    again.wait_ready()
    status = again.ask(r.Status()).data
    assert (status["volume"], status["minimum_gap_s"]) == (0.5, 30)
    assert (status["is_narrating"], status["is_private"]) == (True, True)
    assert status["snoozed_until"] is not None
    assert again.stop()[0] == 0

    (again.state / "state.json").write_bytes(b'{"schema_version": 1, "vol')
    away = f'[mqtt]\nis_on = true\nhost = "127.0.0.1"\nport = {free_port()}\n'
    third = start(f"{settings}{away}")
    third.wait_ready()
    assert third.ask(r.Status()).data["volume"] == 1.0
    assert (third.state / "state.json.broken").exists()
    lost = third.wait_log(lambda line: line.get("part") == "state")
    assert (lost["level"], "truncated" in lost["message"]) == ("warning", True)
    # What happened before anybody could listen is said and published all the same.
    third.wait_log(lambda line: line.get("cause") == "startup" and line.get("outcome") == "heard")
    assert third.stop()[0] == 0
    outbox = Outbox(third.state / OUTBOX_FILE, 100)
    waiting = [json.loads(x.payload) for x in outbox.pending(100) if x.topic.endswith("/problem")]
    outbox.close()
    # On a slow machine the broker has been away for long enough to be reported as well.
    assert [(x["part"], x["event_type"]) for x in waiting if x["part"] != "broker"] == [
        ("state", "problem"),
        ("state", "solved"),
    ]


def test_sighup_takes_settings_over_and_refuses_wrong_ones_and_broken_bundles(
    start: Start, stream: PictureStream, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(shipped_bundle(), bundle)
    base = f'[captioner]\nbundle = "{bundle}"\n[speech]\noutput = "none"\n'
    gap = "minimum_gap_s = {}"
    daemon = start(_live(stream, more=gap.format(20)) + base)
    daemon.wait_ready()
    daemon.wait_log(_has_frame)
    text = daemon.config.read_text()

    daemon.config.write_text(text.replace("minimum_gap_s = 20", "minimum_gap_s = 40"))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_notified("READY=1")
    assert daemon.ask(r.Status()).data["minimum_gap_s"] == 40
    assert not [line for line in daemon.log() if "loading the bundle again" in line["message"]]

    daemon.config.write_text(text.replace("minimum_gap_s", "minimum_gip_s"))
    daemon.process.send_signal(signal.SIGHUP)
    refused = daemon.wait_log(lambda line: "minimum_gip_s" in line["message"])
    assert refused["level"] == "error"
    daemon.wait_notified("READY=1")
    assert daemon.ask(r.Status()).data["minimum_gap_s"] == 40

    daemon.config.write_text(text)
    (bundle / "encoder.tflite").write_bytes(b"half a copy")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_log(lambda line: line.get("part") == "bundle" and line["level"] == "warning")
    daemon.ask(r.Describe(id="still"))
    still = daemon.wait_log(
        lambda line: line.get("id") == "still" and "answered" in line["message"]
    )
    assert still["encoder_ms"] > 0  # by the old bundle
    refused = daemon.wait_log(lambda line: "the bundle is rejected" in line["message"])
    assert "encoder.tflite" in refused["message"]
    assert not [line for line in daemon.log() if "loading the bundle again" in line["message"]]

    shutil.copyfile(shipped_bundle() / "encoder.tflite", bundle / "encoder.tflite")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_log(lambda line: line.get("part") == "bundle" and line["level"] == "info")
    assert daemon.stop()[0] == 0


def test_metrics_are_served_on_the_loopback_only_when_asked_for(
    start: Start, stream: PictureStream
) -> None:
    port = free_port()
    more = f'[speech]\noutput = "none"\n[metrics]\nis_on = true\naddress = "127.0.0.1:{port}"\n'
    daemon = start(_live(stream) + more)
    daemon.wait_ready()
    daemon.wait_log(_has_frame)
    daemon.ask(r.Describe(id="counted"))
    # By its id, because the greeting is heard as well.
    daemon.wait_log(lambda line: line.get("id") == "counted" and line.get("outcome") == "heard")
    values = _metrics(port)
    assert values['captions_total{cause="cli"}'] == 1
    assert values["frames_total"] > 0
    assert values['problem{part="camera"}'] == 0
    assert values['first_sample_seconds_count{priority="answer"}'] == 1
    assert values['queue_length{queue="questions"}'] == 0
    assert 'queue_length{queue="outbox"}' not in values  # there is no broker
    assert daemon.stop()[0] == 0


def test_metrics_count_what_waits_and_what_was_dropped_cut_and_restarted(
    start: Start, stream: PictureStream, card: LastingCard
) -> None:
    port, nobody = free_port(), free_port()
    broker = f'[mqtt]\nis_on = true\nhost = "127.0.0.1"\nport = {nobody}\n'
    more = f'[metrics]\nis_on = true\naddress = "127.0.0.1:{port}"\n{broker}'
    daemon = start(_live(stream) + more)
    daemon.wait_ready()
    daemon.wait_log(_has_frame)
    for number in range(3):
        daemon.ask(r.Describe(id=str(number)))
        daemon.wait_log(
            lambda line, number=number: line.get("id") == str(number) and "outcome" in line
        )
    values = _wait_metrics(port, lambda values: values['queue_length{queue="outbox"}'] >= 3)
    assert values['captions_total{cause="cli"}'] == 3
    for stage in ("preprocess", "encoder", "decoder"):
        assert values[f'stage_seconds_count{{stage="{stage}"}}'] == 3
        assert values[f'stage_seconds_sum{{stage="{stage}"}}'] > 0
    assert values["frames_dropped_total"] <= values["frames_total"]
    assert 0 <= values["frame_age_seconds"] < WAIT_S
    assert values["messages_dropped_total"] == 0
    assert values['queue_length{queue="speech"}'] == 0
    assert values['restarts_total{part="voice"}'] == values['restarts_total{part="camera"}'] == 0

    cut = 'utterances_total{outcome="cut",priority="alert"}'
    cut_before = values.get(cut, 0)  # a press may have cut the greeting
    began_s = time.monotonic()
    for text in ("One. " * 60, "Two.", "Three."):
        daemon.ask(r.Say(text=text))
    card.wait_sound(began_s)
    # The first is being said; the sound may still have been the end of the last answer.
    _wait_metrics(port, lambda values: values['queue_length{queue="speech"}'] == 2)
    card.wait_sound(time.monotonic() + 0.5)  # its own: what the pipe still held is over by then
    (voice,) = [pid for pid in _children(daemon.process.pid) if "piper_worker" in _command(pid)]
    os.kill(voice, signal.SIGKILL)
    _wait_metrics(port, lambda values: values['restarts_total{part="voice"}'] == 1)
    daemon.ask(r.Stop())
    values = _wait_metrics(port, lambda values: values[cut] == cut_before + 3)
    assert values['queue_length{queue="speech"}'] == 0

    stream.vanish()
    daemon.wait_log(lambda line: line.get("part") == "camera" and line["level"] == "warning")
    assert _metrics(port)['problem{part="camera"}'] == 1
    stream.come_back()
    _wait_metrics(port, lambda values: values['restarts_total{part="camera"}'] == 1)
    assert daemon.stop()[0] == 0


def _metrics(port: int) -> dict[str, float]:
    """Return what is served now, without the common prefix."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=WAIT_S) as answer:
        lines = answer.read().decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if line.startswith("seealoud_")]
    return {name.removeprefix("seealoud_"): float(value) for name, value in pairs}


def _wait_metrics(port: int, are_wanted: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """Return the first values that are wanted."""
    deadline_s = time.monotonic() + WAIT_S
    while not are_wanted(values := _metrics(port)):
        assert time.monotonic() < deadline_s, values
        time.sleep(0.1)
    return values


def test_a_video_is_narrated_as_expected_faster_than_it_lasts(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two minutes: a scene that rests, a short disturbance, another scene, darkness, the first."""
    wav = WavCard(tmp_path, monkeypatch)
    rate_hz = 4
    dark = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    scenes = [(_picture(0), 40), (_picture(1), 1), (_picture(0), 15), (_picture(1), 40), (dark, 14),
              (_picture(0), 10)]  # fmt: skip
    _write_video(tmp_path / "scenes.avi", scenes, rate_hz)
    lasts_s = sum(seconds for _, seconds in scenes)
    settings = f"""
[camera]
source = "{tmp_path / "scenes.avi"}"
replay.pace = "fast"
[narration]
smallest_probability = 0
heartbeat_s = 1000
[speech]
is_device_kept_open = false
"""
    daemon = start(settings)
    daemon.wait_ready()
    began_s = time.monotonic()
    assert daemon.process.wait(WAIT_S) == 0, daemon.log_text()[-2000:]
    assert time.monotonic() - began_s < lasts_s / 2

    spoken = [line for line in daemon.log() if line.get("is_spoken")]
    reasons = [line["reason"] for line in spoken]
    assert reasons == ["first", "changed", "unusable_picture", "changed"]
    silent = [line["reason"] for line in daemon.log() if line.get("is_spoken") is False]
    kinds = {reason for reason, _ in itertools.groupby(silent)}
    assert {"picture_same", "not_stable", "unusable_picture"} <= kinds
    spoken = [(line["cause"], line["outcome"]) for line in daemon.log() if "outcome" in line]
    # At last that the recording is over: without that, its end would be silence.
    assert spoken == [("narration", "heard")] * 4 + [("startup", "heard")]
    assert np.abs(wav.samples()).max() > 1000  # the last line, in the ALSA device's file


def test_a_replay_of_twelve_megapixel_photographs_stays_below_300_mb(
    start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(4):
        large = cv2.resize(_picture(number % 2), (4000, 3000))[:, :, ::-1]
        cv2.imwrite(str(folder / f"{number}.jpg"), large)
    replay = f'source = "{folder}"\nreplay.pace = "fast"'
    daemon = start(f'[camera]\n{replay}\n[speech]\noutput = "none"\n')
    peak_kb = 0
    status = Path(f"/proc/{daemon.process.pid}/status")
    while daemon.process.poll() is None:
        found = [line.split()[1] for line in status.read_text().splitlines() if "VmHWM" in line]
        peak_kb = max([peak_kb, *map(int, found)])
        time.sleep(0.02)
    assert daemon.process.returncode == 0, daemon.log_text()[-2000:]
    assert [line for line in daemon.log() if line.get("is_spoken")]
    assert 100_000 < peak_kb < 300_000


def test_idle_clients_do_not_use_up_the_files_that_the_daemon_may_open(
    tmp_path: Path, stream: PictureStream, card: LastingCard
) -> None:
    port, page = free_port(), free_port()
    settings = (
        f'{_live(stream)}[metrics]\nis_on = true\naddress = "127.0.0.1:{port}"\n'
        f'[web]\nis_on = true\naddress = "127.0.0.1:{page}"\n'
    )
    limited = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"]
    daemon = DaemonProcess(tmp_path, settings, prefix=limited)
    with ExitStack() as stack:
        stack.callback(daemon.close)
        daemon.wait_ready()
        daemon.wait_log(_has_frame)
        for _ in range(64):
            idle = stack.enter_context(socket.socket(socket.AF_UNIX))
            idle.connect(str(daemon.socket))
            for each in (port, page):
                stack.enter_context(socket.create_connection(("127.0.0.1", each), WAIT_S))
        for number in range(3):
            assert daemon.ask(r.Describe(id=f"crowded {number}")).is_accepted
            daemon.wait_log(
                lambda line, wanted=f"crowded {number}": (
                    line.get("id") == wanted and line.get("outcome") == "heard"
                )
            )
            assert "frames_total" in _metrics(port)
            address = f"http://127.0.0.1:{page}/api/state"
            with urllib.request.urlopen(address, timeout=WAIT_S) as found:
                assert json.load(found)["health"] == ["All is well."]
        assert daemon.stop()[0] == 0
    assert "Traceback" not in daemon.log_text()


def test_a_folder_of_one_picture_is_no_silent_end(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WavCard(tmp_path, monkeypatch)
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(photographs()[0].with_name(FAMILIAR[1]), folder)
    daemon = start(f'[camera]\nsource = "{folder}/"\n')
    assert daemon.process.wait(WAIT_S) == 0
    spoken = [(line["cause"], line["outcome"]) for line in daemon.log() if "outcome" in line]
    assert spoken == [("narration", "heard"), ("startup", "heard")]
    (warning,) = [line for line in daemon.log() if line["level"] == "warning"]
    assert "the recording is over" in warning["message"]
    assert "camera.source" in warning["message"]


def test_a_read_only_card_does_not_silence_the_device(
    tmp_path: Path, stream: PictureStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a second daemon on the same card is refused as on any other."""
    WavCard(tmp_path, monkeypatch)
    state = tmp_path / "state"
    state.mkdir()
    (state / "seealoud.lock").touch()
    read_only = f"mount --bind {state} {state} && mount -o remount,bind,ro {state} && exec"
    prefix = ["unshare", "--mount", "sh", "-c", f'{read_only} "$@"', "sh"]
    tried = subprocess.run([*prefix, "touch", state / "x"], capture_output=True, check=False)
    if b"Read-only" not in tried.stderr:
        pytest.skip(f"a folder cannot be made read-only here: {tried.stderr!r}")
    with closing(DaemonProcess(tmp_path, _live(stream), prefix=prefix)) as daemon:
        daemon.wait_ready()
        problem = daemon.wait_log(lambda line: line.get("part") == "disk")
        assert str(state) in problem["message"]
        daemon.wait_log(lambda line: line.get("outcome") == "heard" and line["cause"] == "startup")
        daemon.wait_log(_has_frame)
        daemon.ask(r.Describe())
        daemon.wait_log(lambda line: line.get("outcome") == "heard" and line["cause"] != "startup")
        with closing(DaemonProcess(tmp_path, _live(stream), prefix=prefix)) as second:
            assert second.process.wait(WAIT_S) == DaemonError.exit_code
        assert daemon.stop()[0] == 0
    assert "Traceback" not in daemon.log_text()
    assert [path.name for path in state.iterdir()] == ["seealoud.lock"]


def test_a_socket_that_cannot_be_made_at_the_start_works_later(
    start: Start, stream: PictureStream, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "later"
    in_the_way.touch()
    path = in_the_way / "seealoud.sock"
    daemon = start(
        _live(stream, more=f'[triggers.socket]\npath = "{path}"\n[speech]\noutput = "none"\n')
    )
    daemon.wait_ready()
    problem = daemon.wait_log(lambda line: line.get("part") == "socket")
    assert str(in_the_way) in problem["message"]
    in_the_way.unlink()
    daemon.wait_log(lambda line: line.get("part") == "socket" and line["level"] == "info")
    assert ask([path], r.Status()).is_accepted
    assert daemon.stop()[0] == 0
    assert not path.exists()


def test_a_busy_socket_or_a_wrong_setting_ends_at_once_with_the_reason(
    start: Start, stream: PictureStream
) -> None:
    wrong = start('[camera]\nsource = "camera:0"\nrotation = 90\n', name="wrong")
    assert wrong.process.wait(WAIT_S) == 2
    assert "rotation" in wrong.log_text()
    missing = start('[captioner]\nbundle = "/nowhere"\n', name="missing")
    assert missing.process.wait(WAIT_S) == 3
    assert "/nowhere" in missing.log_text()


def _write_video(path: Path, scenes: list[tuple[np.ndarray, int]], rate_hz: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate_hz, SIZE)
    rng = np.random.default_rng(1)
    for image_hwc, seconds in scenes:
        for _ in range(seconds * rate_hz):
            noise = rng.integers(-2, 3, (SIZE[1], SIZE[0], 1))
            writer.write(np.clip(image_hwc[:, :, ::-1] + noise, 0, 255).astype(np.uint8))
    writer.release()


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    others = Path(f"/proc/{pid}/task").glob("*/children")
    found = {int(x) for file in others for x in file.read_text().split()}
    return sorted(found | {int(x) for x in text.split()})


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def test_the_password_of_a_camera_is_never_logged(start: Start) -> None:
    address = "rtsp://anna:secret@127.0.0.1:9/stream"
    daemon = start(f'[camera]\nsource = "{address}"\n[speech]\noutput = "none"\n')
    daemon.wait_ready()
    daemon.wait_log(lambda line: line.get("part") == "camera")
    assert daemon.stop()[0] == 0
    assert "127.0.0.1" in daemon.log_text()
    assert "secret" not in daemon.log_text()
