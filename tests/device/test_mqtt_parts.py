"""The parts of MQTT in the daemon without a broker: settings, outages, rates, retained."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.mqtt_daemon import VOICES

from seealoud.device.client_limits import TokenBucket
from seealoud.device.errors import BrokerError
from seealoud.device.events import EventBus
from seealoud.device.mqtt.broker import DAEMON_SESSION, default_device_id
from seealoud.device.mqtt.broker_connection import STABLE_S, BrokerConnection
from seealoud.device.mqtt.connection import DeviceConnection
from seealoud.device.mqtt.identity import Range, identity_of, range_of, voice_name
from seealoud.device.mqtt.retained import RetainedMessage
from seealoud.device.mqtt.settings import MqttLimits, MqttSettings
from seealoud.device.mqtt.topics import OutgoingMessage
from seealoud.device.settings.schema import Settings
from seealoud.device.speech.settings import SpeechSettings
from seealoud.device.testing import EventRecorder, ManualClock

# --- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "a b"},
        {"port": 0},
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
    found = identity_of(settings.device.id, settings.device.name, settings.speech)
    assert (found.id, found.name) == ("kitchen", "Kitchen")
    assert found.voices == {"Built-in": "", "amy": "/voices/amy.onnx"}
    assert found.volume == Range(0, 2, 0.05)  # the settings' own, which the default here is not
    assert found.rate == Range(0.25, 4, 0.05)
    assert found.minimum_gap_s.low == 0


def test_a_device_without_a_name_of_its_own_has_the_machine_s():
    found = identity_of(None, "SeeAloud", SpeechSettings())
    assert found.id == default_device_id()
    assert found.voices == {"Built-in": ""}


def test_voices_have_names():
    assert voice_name("", VOICES) == "Built-in"
    assert voice_name("/voices/amy.onnx", VOICES) == "Amy"
    assert voice_name("/other/bob.onnx", VOICES) == "bob"


# --- rates -----------------------------------------------------------------------------


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


class FakeConnection(DeviceConnection):
    """A connection that the broker has accepted, and that can be made to end."""

    def __init__(self) -> None:
        self.is_lost = False

    def receive(self, timeout_s: float = 0.0) -> None:
        if self.is_lost:
            raise BrokerError("taken over")

    def abandon(self) -> None:
        pass


class Rig:
    """A broker connection on a hand-driven clock, and what it reports."""

    def __init__(self, report_after_s: float = 10.0) -> None:
        self.is_broker_there = True
        self.reason = "away"
        self.clock = ManualClock()
        self.opened: list[FakeConnection] = []
        self._dialed = threading.Event()
        bus, self._kept = EventBus(), EventRecorder()
        bus.subscribe(self._kept)
        limits = MqttLimits(
            report_after_s=report_after_s,
            retry_min_s=0.001,
            retry_max_s=0.001,
            spread_s=0,
            start_spread_s=0,
        )
        self.broker = BrokerConnection(
            self._open, self._dialed.set, bus, self.clock, limits, random.Random(0)
        )

    def _open(self) -> FakeConnection:
        if not self.is_broker_there:
            raise BrokerError(self.reason)
        self.opened.append(FakeConnection())
        return self.opened[-1]

    def attempt(self) -> None:
        """Have one attempt made, whatever comes of it."""
        self._dialed.clear()
        self.clock.advance(0.002)
        self.broker.tend()
        assert self._dialed.wait(10)
        self.broker.tend()

    def lose(self) -> None:
        self.opened[-1].is_lost = True
        self.broker.receive()
        assert not self.broker.is_connected

    @property
    def reports(self) -> list[tuple[bool, str]]:
        return [(x.is_problem, x.text) for x in self._kept.events]


def test_a_broker_that_restarts_is_not_a_problem():
    rig = Rig()
    rig.attempt()
    rig.clock.advance(100)
    rig.broker.tend()
    rig.lose()
    rig.clock.advance(9)
    rig.attempt()
    assert rig.broker.is_connected
    rig.clock.advance(100)
    rig.broker.tend()
    assert rig.reports == []


def test_a_broker_that_stays_away_is_reported_once_each_way_with_the_newest_reason():
    rig = Rig()
    rig.is_broker_there = False
    rig.attempt()
    rig.clock.advance(9)
    rig.reason = "still away"
    rig.attempt()
    assert rig.reports == []
    rig.clock.advance(1)
    rig.attempt()
    assert rig.reports == [(True, "still away")]
    rig.attempt()
    rig.is_broker_there = True
    rig.attempt()
    assert rig.broker.is_connected
    assert rig.reports == [(True, "still away"), (False, "The MQTT broker is back.")]


def test_a_broker_that_keeps_dropping_the_connection_is_not_back_at_once():
    rig = Rig()
    for _ in range(20):
        rig.attempt()
        rig.clock.advance(1)
        rig.lose()
        rig.broker.tend()
    assert rig.reports == [(True, "taken over")]
    rig.attempt()
    rig.clock.advance(STABLE_S / 2)
    rig.broker.tend()
    assert len(rig.reports) == 1
    rig.clock.advance(STABLE_S / 2)
    rig.broker.tend()
    assert rig.reports[1:] == [(False, "The MQTT broker is back.")]


def test_devices_that_start_or_lose_the_broker_together_do_not_connect_together():
    clock, limits = ManualClock(), MqttLimits()
    dialed_s: list[float] = []
    dialed = threading.Semaphore(0)

    def connect() -> FakeConnection:
        dialed_s.append(clock.now_s())
        return FakeConnection()

    def connect_all(within_s: float) -> list[float]:
        """Return when each connected, in seconds from now."""
        dialed_s.clear()
        began_s, count = clock.now_s(), 0
        for _ in range(round(within_s / 0.1)):
            clock.advance(0.1)
            dialing = [x for x in devices if not x.is_connected and not x.tend() and x._is_dialing]
            for _ in dialing:
                assert dialed.acquire(timeout=10)
            assert all(device.tend() for device in dialing)
            count += len(dialing)
        assert count == len(devices)
        return [at_s - began_s for at_s in dialed_s]

    devices = [
        BrokerConnection(connect, dialed.release, EventBus(), clock, limits, random.Random(number))
        for number in range(60)
    ]
    # Evenly, they are 3 in each 0.1 s at the start, and 1.2 after a loss.
    started_s = connect_all(limits.start_spread_s)
    assert max(started_s.count(x) for x in started_s) <= 9
    assert max(started_s) > 0.8 * limits.start_spread_s
    clock.advance(100)
    for device in devices:
        device.tend()
        device.use(lambda connection: setattr(connection, "is_lost", True))
        device.receive()
        assert not device.is_connected
    back_s = connect_all(limits.spread_s)
    assert max(back_s.count(x) for x in back_s) <= 6
    assert max(back_s) > 0.8 * limits.spread_s


# --- retained messages -----------------------------------------------------------------


def test_a_retained_message_is_written_when_it_is_sent_and_again_over_each_connection():
    value = b"1"
    retained = RetainedMessage(lambda: OutgoingMessage("t", value, 1, True))

    def taken() -> bytes | None:
        message = retained.take()
        return None if message is None else message.payload

    assert taken() == b"1"
    retained.renew()
    value = b"2"
    assert taken() is None
    retained.delivered()
    assert taken() == b"2"
    retained.delivered()
    assert taken() is None
    value = b"3"
    retained.connection_ended()
    assert taken() == b"3"
