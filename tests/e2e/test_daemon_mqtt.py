"""The real daemon on a real broker, used by somebody who knows only the discovery message."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from support.daemon_process import WAIT_S, DaemonProcess
from support.mosquitto import Broker, free_port, listening, running_mosquitto
from support.mqtt_home import connected_home
from support.picture_stream import PictureStream
from support.shipped import needs_shipped_bundle, photographs, shipped_bundle
from support.speech_cards import LastingCard

from seealoud.device import requests as r
from seealoud.device.history.schema import OUTBOX_FILE
from seealoud.device.pictures.decode import read_picture_file
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.describe import open_describer

pytestmark = needs_shipped_bundle

DISCOVERY = "homeassistant/device/kitchen/config"
SETTINGS = """
[device]
id = "kitchen"
name = "Kitchen"
[camera]
source = "{source}"
replay.is_looped = true
[narration]
is_on = false
[speech]
output = "none"
[mqtt]
is_on = true
host = "127.0.0.1"
port = {port}
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running_mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def daemon(tmp_path: Path, broker: Broker) -> Iterator[DaemonProcess]:
    path = photographs()[0].with_name("motorcycle_left.png")  # its caption is said
    bgr_hwc = cv2.resize(cv2.imread(str(path)), (640, 480))
    stream = PictureStream(np.ascontiguousarray(bgr_hwc[:, :, ::-1]))
    folder = tmp_path / "daemon"
    folder.mkdir()
    daemon = DaemonProcess(folder, SETTINGS.format(source=stream.address, port=broker.port))
    daemon.wait_ready()
    daemon.wait_log(lambda line: line.get("frame_age_s") is not None)
    yield daemon
    daemon.close()
    stream.close()


def test_home_assistants_buttons_and_switches_do_what_they_say(
    daemon: DaemonProcess, broker: Broker
) -> None:
    with connected_home(broker.port) as home:
        home.discover(DISCOVERY)
        assert home.is_available()
        home.press("describe")
        daemon.wait_log(lambda line: line["message"].startswith("answered mqtt"))
        answer = daemon.wait_log(lambda line: line["message"].startswith("answer: "))
        home.wait_for_state("caption", answer["text"])

        home.press("missed")
        assert home.state("summary").startswith("In the last hour: Once ")
        (seen,) = home.attributes("summary")["seen"]
        assert seen["what"] == home.attributes("caption")["caption"]

        home.command("volume", "40")
        home.wait_for_state("volume", "40")
        home.command("narration", "ON")
        home.wait_for_state("narration", "ON")
        home.command("privacy", "ON")
        home.wait_for_state("privacy", "ON")
        with listening(broker, "seealoud/kitchen/availability") as availability:
            assert availability.next("availability").payload == b"online"
            assert daemon.stop()[0] == 0
            assert availability.next("availability").payload == b"offline"


def test_a_caption_made_while_the_broker_is_away_arrives_later_with_its_own_time(
    daemon: DaemonProcess, broker: Broker, tmp_path: Path
) -> None:
    with listening(broker) as before:
        daemon.ask(r.Describe(id="there"))
        first = json.loads(before.next("kitchen/caption").payload)
    assert first["request_id"] == "there"
    assert first["late"] is False
    broker.stop()
    daemon.wait_log(lambda line: line.get("part") == "broker" and line["level"] == "warning")
    daemon.ask(r.Describe(id="away"))
    daemon.wait_log(lambda line: line.get("id") == "away" and "answered" in line["message"])
    end_s = time.monotonic() + WAIT_S
    while not _is_in_outbox(daemon.folder, b'"request_id":"away"'):
        assert time.monotonic() < end_s
        time.sleep(0.05)
    assert daemon.stop(signal.SIGKILL)[0] == -signal.SIGKILL

    settings = daemon.config.read_text().partition("[log]")[0]
    with running_mosquitto(tmp_path, port=broker.port) as returned, listening(returned) as after:
        again = DaemonProcess(daemon.folder, settings)
        try:
            found = json.loads(after.next("kitchen/caption", WAIT_S).payload)
            if found["id"] == first["id"]:  # at least once: its confirmation may have been lost
                found = json.loads(after.next("kitchen/caption", WAIT_S).payload)
            assert found["request_id"] == "away"
            assert found["at"] > first["at"]
            assert again.stop()[0] == 0
        finally:
            again.close()


def _is_in_outbox(folder: Path, text: bytes) -> bool:
    files = (folder / "state").glob(f"{OUTBOX_FILE}*")  # the database and its write-ahead log
    return any(text in path.read_bytes() for path in files)


def test_greeting_says_what_is_missing_by_every_channel_that_works(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One device has no loudspeaker, the other one no broker; neither has a camera."""
    card = LastingCard(tmp_path, monkeypatch)
    common = SETTINGS.replace('output = "none"', 'device = "{device}"')
    silent, lonely = tmp_path / "silent", tmp_path / "lonely"
    silent.mkdir()
    lonely.mkdir()
    with listening(broker) as home:
        values = {"source": "camera:99", "port": broker.port, "device": "no_such_card"}
        without_sound = DaemonProcess(silent, common.format(**values))
        values = {"source": "camera:99", "port": free_port(), "device": "default"}
        without_broker = DaemonProcess(lonely, common.format(**values))
        try:
            found = [json.loads(home.next("kitchen/problem", WAIT_S).payload) for _ in range(2)]
            assert {one["part"] for one in found} == {"camera", "sound"}
            without_sound.wait_log(lambda line: line.get("part") == "sound")
            camera = without_sound.wait_log(lambda line: line.get("part") == "camera")
            assert "camera:99" in camera["message"]

            words = "SeeAloud is ready. I find no camera. Plug one in."
            for one in (without_sound, without_broker):
                one.wait_log(lambda line: line["message"] == f"greeting: {words}")
            without_broker.wait_log(lambda line: line.get("outcome") == "heard")
            assert card.heard_s() > 1.0
            without_broker.wait_log(lambda line: line.get("part") == "broker")
            card.wait_heard(card.heard_s() + 1.0)  # which is said as well
            assert without_broker.stop()[0] == without_sound.stop()[0] == 0
        finally:
            without_sound.close()
            without_broker.close()
            card.close()


def test_the_broker_is_reached_again_while_privacy_stops_a_replayed_film(
    broker: Broker, tmp_path: Path
) -> None:
    """The film stands still meanwhile; everything else goes by the machine's clock."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    shutil.copy(photographs()[0].with_name("motorcycle_left.png"), pictures)
    folder = tmp_path / "daemon"
    folder.mkdir()
    daemon = DaemonProcess(folder, SETTINGS.format(source=pictures, port=broker.port))
    try:
        daemon.wait_ready()
        daemon.wait_log(lambda line: "connected to" in line["message"])
        daemon.ask(r.Privacy(is_on=True))
        daemon.ask(r.Snooze(minutes=0.01))
        broker.stop()
        daemon.wait_log(lambda line: "broker" in line["message"] and line["level"] == "warning")
        with running_mosquitto(tmp_path, port=broker.port) as again, listening(again) as heard:
            while heard.next("kitchen/availability", WAIT_S).payload != b"online":
                pass
        end_s = time.monotonic() + WAIT_S
        while daemon.ask(r.Status()).data["snoozed_until"] is not None:
            assert time.monotonic() < end_s
            time.sleep(0.1)
    finally:
        daemon.close()


def test_pictures_of_others_are_described_in_the_same_words_also_during_privacy_and_a_flood(
    daemon: DaemonProcess, broker: Broker
) -> None:
    files = photographs()[:3]
    describer = open_describer(load_bundle(shipped_bundle()))
    texts = [describer.look(read_picture_file(file, file.name)).text for file in files]
    describer.close()
    topic = "seealoud/kitchen/describe/picture"
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    with listening(broker) as heard:
        while heard.next("kitchen/availability", WAIT_S).payload != b"online":
            pass
        daemon.ask(r.Privacy(is_on=True))
        for file, text in zip(files, texts, strict=True):
            client.publish(f"{topic}/{file.stem}", file.read_bytes(), qos=1)
            answer = json.loads(heard.next("/describe/answer", WAIT_S).payload)
            assert (answer["request_id"], answer["text"]) == (file.stem, text)
            assert answer["cause"] == "mqtt"
        in_json = {"id": "json", "picture": base64.b64encode(files[1].read_bytes()).decode()}
        client.publish(topic, json.dumps(in_json), qos=1)
        answer = json.loads(heard.next("/describe/answer", WAIT_S).payload)
        assert (answer["request_id"], answer["text"]) == ("json", texts[1])

        # The press is answered although many pictures come, and each of these has an answer too.
        daemon.ask(r.Privacy(is_on=False))
        for number in range(30):
            client.publish(f"{topic}/{number}", files[1].read_bytes(), qos=1)
        client.publish("seealoud/kitchen/command", '{"action": "describe", "id": "press"}', qos=1)
        caption = json.loads(heard.next("kitchen/caption", WAIT_S).payload)
        assert caption["request_id"] == "press"
    client.disconnect()
    client.loop_stop()
    assert daemon.stop()[0] == 0


def test_desired_settings_are_applied_once_also_over_a_kill_and_a_change_at_the_device_stays(
    broker: Broker, tmp_path: Path
) -> None:
    folder = tmp_path / "daemon"
    folder.mkdir()
    settings = SETTINGS.format(source="camera:99", port=broker.port)
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()

    def desire(**document: object) -> None:
        payload = json.dumps({"is_narrating": True, "rate": 1.25, **document})
        client.publish("seealoud/kitchen/desired", payload, qos=1, retain=True).wait_for_publish(9)

    def wait_report(own_id: str) -> dict[str, Any]:
        while True:
            message = heard.next("kitchen/state", WAIT_S)
            state: dict[str, Any] = json.loads(message.payload)
            if not message.is_retained and own_id in str(state["desired"]):
                return state

    desire(id="rev-1", volume=0.5, minimum_gap_s=30, voice="Built-in")
    with listening(broker) as heard:
        daemon = DaemonProcess(folder, settings)
        try:
            state = wait_report("rev-1")
            values = [state[x] for x in ("is_narrating", "rate", "volume", "minimum_gap_s")]
            assert values == [True, 1.25, 0.5, 30]
            (report,) = state["desired"]
            assert (report["is_accepted"], report["differing"]) == (True, [])
            daemon.ask(r.Set(name="volume", value=0.75))
            assert daemon.stop(signal.SIGKILL)[0] == -signal.SIGKILL
            daemon.close()
            daemon = DaemonProcess(folder, settings)
            state = wait_report("rev-1")
            assert state["volume"] == 0.75
            assert state["desired"][0]["differing"] == ["volume"]
            desire(id="rev-2", volume=1.5)
            assert wait_report("rev-2")["volume"] == 1.5
            assert daemon.ask(r.Status()).data["volume"] == 1.5
            assert daemon.stop()[0] == 0
        finally:
            daemon.close()
            client.disconnect()
            client.loop_stop()
