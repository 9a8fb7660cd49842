"""The daemon's sink against a real Mosquitto: what goes out, what comes in, and what may fail."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.publish as mqtt_publish
import pytest
from click.testing import CliRunner
from support.captions import CAPTURED_AT, THINGS, THINGS_JSON, caption
from support.mosquitto import (
    DEADLINE_S,
    HOST,
    Broker,
    free_port,
    listening,
    make_certificates,
    password_lines,
    running_mosquitto,
    silent_server,
)
from support.mqtt_daemon import Device, answered, running, settings_for, summed_up

from seealoud.device.commands.daemon import mqtt
from seealoud.device.errors import BrokerError
from seealoud.device.events import Alerted, Decided, DecisionReason, Part, ProblemChanged
from seealoud.device.mqtt.commands import ResultMessage
from seealoud.device.mqtt.messages import SummaryMessage
from seealoud.device.mqtt.outbox import Outbox
from seealoud.device.mqtt.payloads import CaptionMessage
from seealoud.device.mqtt.retained import forget
from seealoud.device.mqtt.state_messages import DiagnosticsMessage, StateMessage
from seealoud.device.records import Cause
from seealoud.device.requests import MAX_REQUEST_BYTES, Summary
from seealoud.device.testing import ManualClock

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def broker(tmp_path_factory) -> Iterator[Broker]:
    with running_mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(autouse=True)
def _no_thread_stays():
    before = set(threading.enumerate())
    yield
    end_s = time.monotonic() + DEADLINE_S
    while [x for x in threading.enumerate() if x not in before and x.name != "mqtt-dial"]:
        assert time.monotonic() < end_s
        time.sleep(0.01)


def command(broker: Broker, topic: str, payload: str | bytes, *, is_retained=False) -> None:
    mqtt_publish.single(
        f"seealoud/{topic}", payload, qos=1, retain=is_retained, hostname=HOST, port=broker.port
    )


# --- what goes out -----------------------------------------------------------------------------


def test_all_is_published_at_the_start_and_offline_at_the_end(broker):
    with listening(broker, "#") as listener, running(Device(settings_for(broker.port), "start")):
        first = [listener.next("") for _ in range(4)]
    assert [x.topic for x in first] == [
        "seealoud/start/availability",
        "homeassistant/device/start/config",
        "seealoud/start/state",
        "seealoud/start/diagnostics",
    ]
    assert first[0].payload == b"online"
    state = StateMessage.model_validate_json(first[2].payload)
    assert (state.volume, state.voice, state.snooze_min) == (0.5, "Built-in", 0)
    diagnostics = DiagnosticsMessage.model_validate_json(first[3].payload)
    assert (diagnostics.temperature_c, diagnostics.frame_drops) == (48.2, 3)
    with listening(broker, "seealoud/start/#") as late:
        kept = {late.next("").topic.rpartition("/")[2] for _ in range(3)}
        assert kept == {"availability", "state", "diagnostics"}
        with listening(broker, "seealoud/start/availability") as again:
            assert again.next("availability").payload == b"offline"


def test_every_kind_of_event_is_published_on_its_topic(broker):
    device = Device(settings_for(broker.port), "kinds")
    at = answered().at
    with listening(broker, "seealoud/kinds/#") as listener, running(device):
        device.wait_connected()
        bus = device.bus
        bus.publish(answered("I think a dog runs.", id="q1", frame_age_s=0.25))
        message = CaptionMessage.model_validate_json(listener.next("/caption").payload)
        assert (message.event_type, message.text) == ("described", "I think a dog runs.")
        assert (message.request_id, message.frame_age_ms, message.late) == ("q1", 250, False)
        assert message.probability == 0.5
        assert message.caption == caption().text
        bus.publish(answered("It is too dark.", caption=None, reason="too_dark"))
        message = CaptionMessage.model_validate_json(listener.next("/caption").payload)
        assert (message.event_type, message.caption) == ("no_caption", None)
        silent = Decided(at=at, is_spoken=False, reason=DecisionReason.TEXT_SAME, text="Hidden.")
        bus.publish(silent)
        bus.publish(Decided(at=at, is_spoken=True, reason=DecisionReason.FIRST, text="A cat.",
                            caption=caption("a cat")))  # fmt: skip
        message = CaptionMessage.model_validate_json(listener.next("/caption").payload)
        assert (message.event_type, message.text, message.reason) == (
            *("narrated", "A cat."), "first")  # fmt: skip
        bus.publish(Alerted(at=at, rule="dogs", text="A dog!", caption=caption()))
        assert json.loads(listener.next("/alert").payload)["rule"] == "dogs"
        bus.publish(ProblemChanged(at=at, part=Part.CAMERA, is_problem=True, text="gone"))
        assert json.loads(listener.next("/problem").payload)["event_type"] == "problem"
    with listening(broker, "seealoud/kinds/last_caption") as late:
        assert json.loads(late.next("last_caption").payload)["text"] == "A cat."


def test_things_are_in_the_one_message_of_the_caption_and_of_the_alert(broker):
    device = Device(settings_for(broker.port, is_picture_on=True), "named", picture=b"\xff\xd8")
    with listening(broker, "seealoud/named/#") as listener, running(device):
        device.wait_connected()
        device.bus.publish(answered("I think a dog runs. I also see a cat.", things=THINGS))
        listener.next("/picture")
        message = json.loads(listener.next("/caption").payload)
        assert (message["event_type"], message["things"]) == ("described", THINGS_JSON)
        text = "I am not sure what is happening here. On the left a cat."
        device.bus.publish(
            answered(text, caption=None, reason="unsure", probability=None, things=THINGS)
        )
        listener.next("/picture")  # there is something to look at
        message = json.loads(listener.next("/caption").payload)
        assert (message["text"], message["short_text"], message["things"]) == (
            *(text, text), THINGS_JSON)  # fmt: skip
        assert (message["caption"], message["reason"]) == (None, "unsure")
        device.bus.publish(
            Alerted(at=answered().at, rule="cats", text="A cat, on the left.", caption=None,
                    things=THINGS[:1], captured_at=CAPTURED_AT)
        )  # fmt: skip
        alert = json.loads(listener.next("/alert").payload)
        assert (alert["rule"], alert["caption"], alert["things"]) == ("cats", "", THINGS_JSON[:1])
        assert alert["captured_at"] == "2026-11-23T06:06:13.123Z"
        command(broker, "named/command", '{"action": "describe", "id": "q7"}')
        assert json.loads(listener.next("/caption").payload)["request_id"] == "q7"
    with listening(broker, "seealoud/named/last_caption") as late:
        assert json.loads(late.next("last_caption").payload)["things"] == []


def test_a_summary_is_one_message_with_the_id_of_who_asked_and_waits_for_the_broker(broker):
    device = Device(settings_for(broker.port, late_after_s=0.001), "missed")
    device.bus.publish(summed_up(cause=Cause.BUTTON))  # before there is a session
    with listening(broker, "seealoud/missed/#") as listener, running(device):
        late = SummaryMessage.model_validate_json(listener.next("/summary").payload)
        assert (late.late, late.cause, late.request_id) == (True, "button", "")
        command(broker, "missed/command", '{"action": "summary", "minutes": 90, "id": "s7"}')
        result = ResultMessage.model_validate_json(listener.next("/result").payload)
        heard = listener.next("/summary")
    message = SummaryMessage.model_validate_json(heard.payload)
    assert (heard.qos, heard.is_retained) == (1, False)
    assert (message.cause, message.request_id, result.id) == ("mqtt", "s7", "s7")
    assert (message.total, message.seen[0].what, message.seen[0].times) == (2, "a dog", 2)
    assert device.controller.requests == [Summary(minutes=90, id="s7")]


def test_pictures_are_published_only_where_they_are_wanted(broker):
    for is_on in (False, True):
        device = Device(settings_for(broker.port, is_picture_on=is_on), "view", picture=b"\xff\xd8")
        with listening(broker, "seealoud/view/#") as listener, running(device):
            device.wait_connected()
            device.bus.publish(answered())
            device.controller.state["is_private"] = True
            device.bus.publish(answered("second"))
            listener.next("/last_caption")
        pictures = [x for x in listener.drain() if x.topic.endswith("/picture")]
        assert len(pictures) <= int(is_on)
        if not is_on:
            assert not pictures


def test_two_devices_share_no_topic(broker):
    one, other = (Device(settings_for(broker.port), name) for name in ("hall", "attic"))
    with listening(broker) as listener, running(one), running(other):
        one.wait_connected()
        other.wait_connected()
        command(broker, "hall/volume/set", "0.75")
        assert json.loads(listener.next("hall/result").payload)["is_accepted"]
        assert one.controller.state["volume"] == 0.75
        assert other.controller.requests == []


# --- commands ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def commanded(broker) -> Iterator[Device]:
    device = Device(settings_for(broker.port, commands_per_min=6000), "published")
    with running(device):
        device.wait_connected()
        yield device


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("command", b"{" + b" " * MAX_REQUEST_BYTES + b"}", "at most 4096"),
        ("command", b"x" * 60_000, "bytes"),
        ("command", b"{", "JSON"),
        ("command", b"\xff\xfe", "JSON|UTF-8|unicode"),
        ("command", b'{"action": "fly", "id": "a1"}', "'fly'"),
        ("command", b'{"action": "describe", "loud": true}', "loud"),
        ("command", b'{"action": "say", "text": "\\u0007 \\n"}', "nothing to say"),
        ("narration/set", b"perhaps", "'perhaps' is not ON or OFF"),
        ("volume/set", b"loud", "'loud' is not a number"),
        ("volume/set", b"nan", "value must be a finite number, not nan"),
        ("volume/set", b"9", "not in 0..1"),
        ("snooze_min/set", b"-1", "minutes must be at least 0, not -1"),
        ("voice/set", b"Bob", "'Bob' is unknown: known are Built-in, Amy"),
        (
            "command",
            b'{"action": "set", "name": "voice", "value": "/etc/passwd"}',
            "'/etc/passwd' is unknown: known are Built-in, Amy",
        ),
        ("say/set", b"\xff", "UTF-8"),
        ("say/set", b"x" * 501, "500"),
        ("colour/set", b"red", "no command 'colour/set'.*volume/set"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_a_reason(broker, commanded, topic, payload, reason):
    before = dict(commanded.controller.state)
    with listening(broker, "seealoud/published/result") as listener:
        command(broker, f"published/{topic}", payload)
        result = ResultMessage.model_validate_json(listener.next("result").payload)
    assert not result.is_accepted
    assert result.topic == f"seealoud/published/{topic}"
    assert re.search(reason, result.reason), result.reason
    if b"a1" in payload:
        assert (result.id, result.action) == ("a1", "fly")
    assert commanded.controller.state == before


def test_a_describe_command_gets_its_id_back_with_result_and_answer(broker, commanded):
    with listening(broker, "seealoud/published/#") as listener:
        command(broker, "published/command", '{"action": "describe", "id": "q7"}')
        heard = {}
        while not {"result", "caption", "request"} <= heard.keys():
            message = listener.next("")
            heard[message.topic.rpartition("/")[2]] = message.payload
    assert json.loads(heard["result"])["id"] == "q7"
    assert json.loads(heard["caption"])["request_id"] == "q7"
    assert json.loads(heard["request"])["cause"] == "mqtt"


def test_text_to_say_is_cleaned(broker, commanded):
    with listening(broker, "seealoud/published/result") as listener:
        command(broker, "published/say/set", "  come\x07 \n now ")
        listener.next("result")
        command(broker, "published/command", '{"action":"say","text":"to\\u202e day"}')
        listener.next("result")
    assert [x.text for x in commanded.controller.requests[-2:]] == ["come now", "to day"]


def test_a_retained_command_is_never_carried_out(broker):
    command(broker, "kept/command", '{"action": "stop"}', is_retained=True)
    device = Device(settings_for(broker.port), "kept")
    with listening(broker, "seealoud/kept/result") as listener, running(device):
        assert "retained" in json.loads(listener.next("result").payload)["reason"]
    command(broker, "kept/command", "", is_retained=True)
    assert device.controller.requests == []


def test_a_flood_is_refused_and_not_answered_one_by_one(broker):
    device = Device(settings_for(broker.port, commands_per_min=1), "flood")
    with listening(broker, "seealoud/flood/result") as listener, running(device):
        device.wait_connected()
        flood = [("seealoud/flood/command", '{"action": "stop"}', 1, False)] * 200
        mqtt_publish.multiple(flood, hostname=HOST, port=broker.port)
        results = [json.loads(listener.next("result").payload) for _ in range(11)]
        assert [x["is_accepted"] for x in results] == [True] * 10 + [False]
        assert "at most 1 a minute" in results[-1]["reason"]
        device.bus.publish(answered())
        device.wait_until(lambda: len(device.outbox) == 0)
        assert listener.drain() == []


# --- Home Assistant ----------------------------------------------------------------------------


def test_the_device_announces_itself_again_some_seconds_after_the_birth_message(broker):
    clock = ManualClock()
    device = Device(settings_for(broker.port), "reborn", clock=clock)
    with listening(broker, "#") as listener, running(device):
        listener.next("reborn/diagnostics")
        device.wait_until(lambda: device.sink._sender.is_idle)
        mqtt_publish.single("homeassistant/status", "online", hostname=HOST, port=broker.port)
        device.wait_until(lambda: device.sink._subscriptions._announce_s != float("inf"))
        assert 0 <= device.sink._subscriptions._announce_s <= 5
        assert not [x for x in listener.drain() if x.topic.endswith("/config")]
        clock.advance(5)
        assert listener.next("reborn/config").is_retained is False
        listener.next("reborn/state")


def test_forgetting_empties_what_is_kept_and_refuses_while_the_device_is_online(broker):
    device = Device(settings_for(broker.port), "gone")
    settings = settings_for(broker.port).broker_settings("gone")
    with running(device):
        device.wait_connected()
        device.bus.publish(answered())
        device.wait_until(lambda: len(device.outbox) == 0)
        with pytest.raises(BrokerError, match="stop it first"):
            forget(settings, "homeassistant")
    topics = forget(settings, "homeassistant")
    assert "homeassistant/device/gone/config" in topics
    with listening(broker, "#") as listener:
        mqtt_publish.single("marker", "1", hostname=HOST, port=broker.port)
        heard = []
        while (message := listener.next("")).topic != "marker":
            heard.append(message)
    assert not [x for x in heard if "gone" in x.topic]


def test_the_command_forgets_the_device_of_the_settings(broker, tmp_path):
    config = tmp_path / "seealoud.toml"
    config.write_text(
        f'[device]\nid = "lost"\n[mqtt]\nis_on = true\nhost = "{HOST}"\nport = {broker.port}\n'
    )
    topic = "homeassistant/device/lost/config"
    mqtt_publish.single(topic, "{}", qos=1, retain=True, hostname=HOST, port=broker.port)
    result = CliRunner().invoke(mqtt, ["forget", "--config", str(config)], catch_exceptions=False)
    assert result.output.splitlines()[0] == topic
    with listening(broker, "#") as listener:
        mqtt_publish.single("marker", "1", qos=1, hostname=HOST, port=broker.port)
        while (message := listener.next("")).topic != "marker":
            assert message.topic != topic


def test_another_client_of_the_device_that_ends_does_not_make_it_offline(broker):
    device = Device(settings_for(broker.port), "shared")
    with listening(broker, "seealoud/shared/availability") as listener, running(device):
        assert listener.next("").payload == b"online"
        command(broker, "shared/availability", "offline")
        assert listener.next("").payload == b"offline"
        assert listener.next("").payload == b"online"


# --- faults ------------------------------------------------------------------------------------


def test_every_caption_is_accounted_for_while_the_broker_restarts_20_times(tmp_path):
    port, sent = free_port(), 0
    outbox = Outbox(tmp_path / "outbox.sqlite3", 10_000)
    device = Device(settings_for(port, report_after_s=60), "storm", outbox)
    keeps = ("persistence true", f"persistence_location {tmp_path}/", "max_queued_messages 0")
    is_over = threading.Event()

    def talk() -> None:
        nonlocal sent
        while not is_over.is_set():
            device.bus.publish(answered(f"caption {sent}"))
            sent += 1
            is_over.wait(0.004)

    topic = "seealoud/storm/caption"
    with (
        running_mosquitto(tmp_path, *keeps, port=port) as broker,
        listening(broker, topic, session="ear"),
    ):
        pass
    talker = threading.Thread(target=talk)
    with running(device):
        talker.start()
        try:
            for _ in range(20):
                with running_mosquitto(tmp_path, *keeps, port=port):
                    device.wait_until(lambda: device.sink.is_connected)
                device.wait_until(lambda: not device.sink.is_connected)
        finally:
            is_over.set()
            talker.join()
        with (
            running_mosquitto(tmp_path, *keeps, port=port) as broker,
            listening(broker, topic, session="ear") as listener,
        ):
            device.wait_until(lambda: device.sink._sender.is_idle and len(outbox) == 0)
            mqtt_publish.single(topic, "end", qos=1, hostname=HOST, port=port)
            arrived = []
            while (heard := listener.next("")).payload != b"end":
                arrived.append(int(json.loads(heard.payload)["text"].split()[1]))
    outbox.close()
    assert sent > 100
    assert outbox.dropped == 0
    assert set(arrived) == set(range(sent))
    assert list(dict.fromkeys(arrived)) == list(range(sent))


def test_captions_of_an_absence_come_late_in_order_and_the_state_is_the_newest(tmp_path):
    port = free_port()
    clock = ManualClock()
    device = Device(settings_for(port, report_after_s=0), "away", clock=clock)
    with running(device):
        device.bus.publish(answered("first", at=clock.utc()))
        device.bus.publish(answered("second", at=clock.utc()))
        # The clock stands still, so no attempt is made until it is moved on.
        device.wait_until(lambda: device.sink._broker._backoff.rest_s > 0)
        device.wait_until(lambda: device.kept.problems == [(Part.BROKER, True)])
        device.controller.state["volume"] = 0.1
        with running_mosquitto(tmp_path, port=port) as broker, listening(broker) as listener:
            clock.advance(60)
            device.bus.publish(answered("now", at=clock.utc()))
            assert json.loads(listener.next("/state").payload)["volume"] == 0.1
            published = []
            while len(published) < 3:
                heard = listener.next("caption")
                if heard.topic.endswith("last_caption"):
                    assert json.loads(heard.payload)["text"] == "now"
                else:
                    published.append(json.loads(heard.payload))
            device.wait_until(
                lambda: device.kept.problems == [(Part.BROKER, True), (Part.BROKER, False)]
            )
        assert [(x["text"], x["late"]) for x in published] == [
            ("first", True),
            ("second", True),
            ("now", False),
        ]


def test_a_refused_connection_is_not_connected_and_is_one_problem(tmp_path):
    lines = password_lines(tmp_path, "ann", "s3cret")
    with running_mosquitto(tmp_path, *lines) as broker:
        device = Device(settings_for(broker.port, report_after_s=0), "eve")
        with running(device):
            device.wait_until(lambda: bool(device.kept.problems))
            assert not device.sink.is_connected
        assert device.kept.problems == [(Part.BROKER, True)]


def test_tls_and_password_from_a_file_and_a_wrong_authority_is_refused(tmp_path):
    certificates, other = (make_certificates(tmp_path / x) for x in ("right", "wrong"))
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    lines = [*certificates.lines(), *password_lines(tmp_path, "ann", "s3cret")]
    with running_mosquitto(tmp_path, *lines) as broker:
        for authority, is_right in ((certificates, True), (other, False)):
            settings = settings_for(broker.port, ca_file=authority.ca, username="ann",
                                    password_file=secret, report_after_s=0)  # fmt: skip
            device = Device(settings, "safe")
            with running(device):
                if is_right:
                    device.wait_connected()
                else:
                    device.wait_until(lambda: bool(device.kept.problems))  # noqa: B023
                    problem = next(x for x in device.kept.events if isinstance(x, ProblemChanged))
                    assert "not trusted" in problem.text


def test_a_broker_that_says_nothing_blocks_nobody():
    with silent_server() as port:
        device = Device(settings_for(port, timeout_s=0.5, report_after_s=0), "mute")
        with running(device):
            device.bus.publish(answered())
            device.wait_until(lambda: bool(device.kept.problems))
            assert not device.worker.is_stuck
            started_s = time.monotonic()
        assert time.monotonic() - started_s < 2


def test_a_broker_that_stops_answering_is_left_and_gets_everything_afterwards(tmp_path):
    with running_mosquitto(tmp_path) as broker:
        device = Device(settings_for(broker.port, timeout_s=0.5), "frozen")
        with listening(broker, "seealoud/frozen/caption") as listener, running(device):
            device.wait_connected()
            broker.pause()
            try:
                for number in range(50):
                    device.bus.publish(answered(f"caption {number}"))
                device.wait_until(lambda: not device.sink.is_connected)
                assert len(device.outbox) == 50
            finally:
                broker.resume()
            texts: list[str] = []
            while len(set(texts)) < 50:
                texts.append(json.loads(listener.next("caption").payload)["text"])
            device.wait_until(lambda: len(device.outbox) == 0)


def test_closing_in_front_of_a_frozen_broker_ends_in_time(tmp_path):
    with running_mosquitto(tmp_path) as broker:
        device = Device(settings_for(broker.port), "stop")
        device.worker.start()
        device.wait_connected()
        broker.pause()
        device.bus.publish(answered())
        device.worker.request_stop()
        assert device.worker.join(DEADLINE_S)
        started_s = time.monotonic()
        device.sink.close()
        assert time.monotonic() - started_s < 2
        assert len(device.outbox) == 1
        broker.resume()


def test_two_devices_of_one_id_slow_down_and_report_it(broker):
    one, other = (
        Device(settings_for(broker.port, retry_max_s=0.1, report_after_s=0.5), "twin")
        for _ in range(2)
    )
    with running(one), running(other):
        one.wait_until(lambda: bool(one.kept.problems or other.kept.problems))
    assert [(Part.BROKER, True)] in (one.kept.problems[:1], other.kept.problems[:1])
    assert len(one.kept.problems) <= 2
    assert len(other.kept.problems) <= 2


_CHILD = """
import signal, sys, threading
from support.mqtt_daemon import Device, settings_for
device = Device(settings_for(int(sys.argv[1])), "child")
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
device.worker.start()
device.wait_connected()
print("connected", flush=True)
stop.wait()
device.worker.request_stop()
device.worker.join(5)
device.sink.close()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_offline_is_seen_after_a_kill_and_after_a_stop(broker, number):
    with listening(broker, "seealoud/child/availability") as listener:
        process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(broker.port)],
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
        )
        try:
            assert process.stdout.readline() == b"connected\n"
            while listener.next("availability").payload != b"online":
                pass
        finally:
            process.send_signal(number)
            process.wait(DEADLINE_S)
            process.stdout.close()
        assert listener.next("availability").payload == b"offline"
