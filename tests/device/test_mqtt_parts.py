"""The pure parts of MQTT in the daemon: settings, waits, outages, rates, bulletins, memory."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.history_events import message
from support.mqtt_daemon import VOICES

from device.backoff import Backoff
from device.mqtt.commands import TokenBucket
from device.mqtt.daemon_settings import DAEMON_SESSION, MqttSettings
from device.mqtt.device_id import default_device_id
from device.mqtt.identity import Range, identity_of, range_of
from device.mqtt.messages import voice_name
from device.mqtt.outage import STABLE_S, Outage
from device.mqtt.outbox import MemoryOutbox
from device.mqtt.paho_client import Outgoing
from device.mqtt.retained_message import RetainedMessage
from device.settings.schema import DeviceSettings, Settings
from device.speech.settings import SpeechSettings

# --- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "a b"},
        {"port": 0},
        {"protocols": []},
        {"retry_min_s": 5, "retry_max_s": 1},
        {"password_file": "/x"},
        {"key_file": "/x"},
        {"discovery_prefix": "a/#"},
        {"websocket_path": "mqtt"},
        {"transport": "carrier pigeon"},
        {"prot": 1},
    ],
)
def test_settings_that_no_broker_could_have_are_refused_by_name(wrong):
    with pytest.raises(ValidationError) as caught:
        MqttSettings.model_validate(wrong)
    assert next(iter(wrong)).split("_")[0] in str(caught.value).lower()


def test_the_password_comes_from_the_file_then_from_systemd_s_credential(tmp_path, monkeypatch):
    (tmp_path / "mqtt-password").write_text("of systemd\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    settings = MqttSettings(username="ann")
    assert settings.broker_settings("kitchen").password == "of systemd"
    own = tmp_path / "own"
    own.write_text("of the file")
    settings = MqttSettings(username="ann", password_file=own)
    assert settings.broker_settings("kitchen").password == "of the file"
    assert "of the file" not in repr(settings.broker_settings("kitchen"))


def test_the_daemon_s_client_id_is_fixed_and_another_s_is_not():
    settings = MqttSettings()
    daemon = [settings.broker_settings("a", session=DAEMON_SESSION).client_id for _ in range(2)]
    assert daemon == ["a-daemon", "a-daemon"]
    assert settings.broker_settings("a").client_id != settings.broker_settings("a").client_id


def test_the_usual_ports_follow_transport_and_tls():
    ports = [
        MqttSettings(transport=transport, is_tls_on=is_tls_on).broker_settings("a").effective_port
        for transport in ("tcp", "websockets")
        for is_tls_on in (False, True)
    ]
    assert ports == [1883, 8883, 80, 443]


def test_ranges_come_from_the_settings():
    assert range_of(MqttSettings, "keepalive_s", 1) == Range(5, 3600, 1)
    with pytest.raises(ValueError, match="host has no bounds"):
        range_of(MqttSettings, "host", 1)


def test_who_the_device_is_comes_from_the_settings():
    settings = Settings.model_validate(
        {"device": {"id": "kitchen", "name": "Kitchen"}, "speech": {"voice": "/voices/amy.onnx"}}
    )
    found = identity_of(settings.device, settings.speech)
    assert (found.id, found.name) == ("kitchen", "Kitchen")
    assert found.voices == {"Built-in": "", "amy": "/voices/amy.onnx"}
    assert found.volume == Range(0, 2, 0.05)  # the settings' own, which the default here is not
    assert found.rate == Range(0.25, 4, 0.05)
    assert found.minimum_gap_s.low == 0


def test_a_device_without_a_name_of_its_own_has_the_machine_s():
    found = identity_of(DeviceSettings(), SpeechSettings())
    assert found.id == default_device_id()
    assert found.voices == {"Built-in": ""}


def test_voices_have_names():
    assert voice_name("", VOICES) == "Built-in"
    assert voice_name("/voices/amy.onnx", VOICES) == "Amy"
    assert voice_name("/other/bob.onnx", VOICES) == "bob"


# --- waits and rates -----------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_waits_double_up_to_the_longest_and_chance_takes_at_most_a_half(seed, count):
    backoff = Backoff(1.0, 60.0, random.Random(seed))
    for number in range(count):
        full_s = min(60.0, 2.0**number)
        assert full_s / 2 <= backoff.next_s() <= full_s
    backoff.reset()
    assert backoff.next_s() <= 1.0


@given(st.lists(st.floats(0, 5), max_size=200), st.floats(1, 600), st.floats(1, 20))
def test_no_more_than_the_rate_gets_through(gaps, per_min, burst):
    bucket, now_s, taken = TokenBucket(per_min, burst), 0.0, 0
    for gap in gaps:
        now_s += gap
        taken += bucket.take(now_s)
    assert taken <= burst + now_s * per_min / 60 + 1e-6


def test_after_a_rest_commands_are_taken_again():
    bucket = TokenBucket(60, 2)
    assert [bucket.take(0) for _ in range(3)] == [True, True, False]
    assert bucket.take(1.0)


# --- outages -------------------------------------------------------------------------------------


def test_a_broker_that_restarts_is_no_problem():
    outage = Outage(10.0)
    outage.connected(0)
    outage.lost("gone", 100)
    assert outage.tick(109) is None
    outage.connected(109.5)
    assert outage.tick(200) is None


def test_a_broker_that_stays_away_is_told_once_each_way_with_the_newest_reason():
    outage = Outage(10.0)
    outage.failed("first", 0)
    assert outage.tick(9) is None
    outage.failed("second", 5)
    report = outage.tick(10)
    assert report is not None
    assert (report.is_problem, report.text) == (True, "second")
    assert outage.tick(11) is None
    outage.connected(20)
    report = outage.tick(20)
    assert report is not None
    assert not report.is_problem
    assert outage.tick(21) is None


def test_a_broker_that_drops_us_again_and_again_is_not_back_when_it_accepts_us():
    outage = Outage(10.0)
    told = []
    for number in range(20):
        outage.connected(number)
        told.append(outage.tick(number))
        outage.lost("taken over", number + 0.5)
        told.append(outage.tick(number + 0.5))
    assert [x.is_problem for x in told if x is not None] == [True]
    outage.connected(30)
    assert outage.tick(30 + STABLE_S / 2) is None
    report = outage.tick(30 + STABLE_S)
    assert report is not None
    assert not report.is_problem


# --- bulletins and memory -----------------------------------------------------------------


def test_a_bulletin_is_written_when_it_is_sent_one_at_a_time_and_anew_in_each_session():
    value = b"1"
    bulletin = RetainedMessage(lambda: Outgoing("t", value, 1, True))

    def taken() -> bytes | None:
        message = bulletin.take()
        return None if message is None else message.payload

    assert taken() == b"1"
    bulletin.renew()
    value = b"2"
    assert taken() is None
    bulletin.delivered()
    assert taken() == b"2"
    bulletin.delivered()
    assert taken() is None
    value = b"3"
    bulletin.session_ended()
    assert taken() == b"3"


@given(st.lists(st.integers(0, 30)), st.integers(1, 10))
def test_the_memory_outbox_keeps_the_newest_in_order_and_counts_the_rest(numbers, rows):
    outbox = MemoryOutbox(rows)
    for number in numbers:
        outbox.put(message(number))
    kept = [x.id for x in outbox.pending(100)]
    assert len(kept) == len(outbox) <= rows
    assert len(set(kept)) == len(kept)
    if len(set(numbers)) == len(numbers):
        assert kept == [f"id-{n}" for n in numbers[-rows:]]
        assert outbox.dropped == len(numbers) - len(kept)
    outbox.acknowledge(kept[:1])
    assert [x.id for x in outbox.pending(100)] == kept[1:]
