"""The publisher against real brokers: Mosquitto with all that a user may switch on, and amqtt."""

from __future__ import annotations

import contextlib
import gc
import json
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.captions import caption, described
from support.mosquitto import (
    DEADLINE_S,
    HOST,
    Broker,
    Certificates,
    free_port,
    listening,
    make_certificates,
    password_lines,
    running_mosquitto,
    silent_server,
)

from seealoud.device.errors import BrokerError
from seealoud.device.mqtt.broker import BrokerSettings, TlsSettings
from seealoud.device.mqtt.payloads import CaptionMessage
from seealoud.device.mqtt.publisher import MqttPublisher

USER, PASSWORD = "ann", "s3cret"
SHORT_S = 1.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory) -> Iterator[Broker]:
    with running_mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def settings_for(broker: Broker, device_id: str = "kitchen", **changes) -> BrokerSettings:
    return BrokerSettings(HOST, device_id, port=broker.port, **changes)


def publish_one(settings: BrokerSettings) -> None:
    with MqttPublisher(settings) as publisher:
        publisher.accept(described())


@pytest.fixture(autouse=True)
def _no_thread_stays():
    before = set(threading.enumerate())
    yield
    left = [x for x in threading.enumerate() if x not in before and "paho" in x.name]
    assert not left


# --- what subscribers see --------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_online_caption_offline_in_this_order(broker, protocol):
    device_id = f"order-{protocol.replace('.', '')}"
    with listening(broker, f"seealoud/{device_id}/#") as listener:
        publish_one(settings_for(broker, device_id, protocols=(protocol,)))
        heard = [listener.next("") for _ in range(3)]
    assert [x.topic for x in heard] == [
        f"seealoud/{device_id}/{end}" for end in ("availability", "caption", "availability")
    ]
    assert [x.qos for x in heard] == [1, 1, 1]
    assert heard[0].payload == b"online"
    assert heard[2].payload == b"offline"
    message = CaptionMessage.model_validate_json(heard[1].payload)
    assert message.caption == caption().text
    assert message.frame_age_ms >= 0
    assert json.loads(heard[1].payload)["n_best"][1]["text"] == "a cat"


def test_availability_is_retained_and_the_caption_is_not(broker):
    publish_one(settings_for(broker, "retained"))
    with listening(broker, "seealoud/retained/#") as listener:
        heard = listener.next("availability")
        assert heard.is_retained
        assert heard.payload == b"offline"
        publish_one(settings_for(broker, "retained"))  # an answer to the subscription comes first
        assert not any(x.is_retained for x in listener.drain())


def test_one_connection_serves_many_captions(broker):
    with listening(broker, "seealoud/many/#") as listener:
        with MqttPublisher(settings_for(broker, "many")) as publisher:
            for number in range(25):
                publisher.accept(described(f"dog {number}"))
        heard = [listener.next("") for _ in range(27)]
    captions = [json.loads(x.payload)["caption"] for x in heard[1:-1]]
    assert captions == [f"dog {number}" for number in range(25)]


def test_closing_twice_or_without_a_connection_does_nothing(broker):
    publisher = MqttPublisher(settings_for(broker, "twice"))
    publisher.close()
    publisher.accept(described())
    publisher.close()
    publisher.close()


def test_the_will_is_seen_after_a_kill(broker):
    code = (
        "import sys, time\n"
        "from seealoud.device.mqtt.connection import DeviceConnection\n"
        "from seealoud.device.mqtt.broker import BrokerSettings\n"
        f"connection = DeviceConnection(BrokerSettings({HOST!r}, 'killed', port={broker.port}))\n"
        "print('connected', flush=True)\n"
        "time.sleep(60)\n"
    )
    with listening(broker, "seealoud/killed/#") as listener:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        try:
            assert process.stdout.readline() == b"connected\n"
            assert listener.next("availability").payload == b"online"
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE_S)
            process.stdout.close()
        assert listener.next("availability").payload == b"offline"
    with listening(broker, "seealoud/killed/#") as late:
        heard = late.next("availability")
    assert heard.payload == b"offline"
    assert heard.is_retained


# --- who may enter ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def locked(tmp_path_factory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("locked")
    with running_mosquitto(folder, *password_lines(folder, USER, PASSWORD)) as broker:
        yield broker


@pytest.mark.parametrize("protocols", [("5", "3.1.1"), ("3.1.1",)])
def test_the_right_password_enters(locked, protocols):
    publish_one(settings_for(locked, username=USER, password=PASSWORD, protocols=protocols))


@pytest.mark.parametrize("protocols", [("5", "3.1.1"), ("3.1.1",)])
@pytest.mark.parametrize(
    ("user", "password"), [(USER, "wr0ng"), ("eve", PASSWORD), (USER, None), (None, None)]
)
def test_any_other_password_is_refused_with_the_broker_s_reason(locked, protocols, user, password):
    settings = settings_for(locked, username=user, password=password, protocols=protocols)
    with pytest.raises(BrokerError, match="refused the connection: Not authorized") as caught:
        publish_one(settings)
    assert "check user and password" in str(caught.value)
    assert (password or PASSWORD) not in str(caught.value)


def test_a_refused_message_is_an_error(tmp_path):
    """A broker whose rules forbid the topic confirms with a refusal, in MQTT 5."""
    rules = tmp_path / "acl"
    rules.write_text("topic readwrite seealoud/+/availability\n")
    with (
        running_mosquitto(tmp_path, f"acl_file {rules}") as broker,
        pytest.raises(
            BrokerError, match=r"refused a message on seealoud/kitchen/caption: Not auth"
        ),
    ):
        publish_one(settings_for(broker))


# --- TLS -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory, certificates) -> Iterator[Broker]:
    with running_mosquitto(tmp_path_factory.mktemp("tls"), *certificates.lines()) as broker:
        yield broker


def test_a_trusted_broker_is_used(encrypted, certificates):
    publish_one(settings_for(encrypted, tls=TlsSettings(ca_file=certificates.ca)))


def test_a_broker_of_another_authority_is_refused(encrypted, tmp_path):
    other = make_certificates(tmp_path / "other")
    with pytest.raises(BrokerError, match="not trusted"):
        publish_one(settings_for(encrypted, tls=TlsSettings(ca_file=other.ca)))


def test_the_system_does_not_trust_our_authority(encrypted):
    with pytest.raises(BrokerError, match="not trusted"):
        publish_one(settings_for(encrypted, tls=TlsSettings()))


def test_a_certificate_for_another_host_is_refused(encrypted, certificates):
    settings = BrokerSettings(
        "localhost", "kitchen", encrypted.port, tls=TlsSettings(ca_file=certificates.ca)
    )
    with pytest.raises(BrokerError, match=r"not trusted.*localhost"):
        publish_one(settings)


def test_plain_towards_tls_and_tls_towards_plain_are_reported(encrypted, broker, certificates):
    with pytest.raises(BrokerError, match="is it a TLS port"):
        publish_one(settings_for(encrypted))
    with pytest.raises(BrokerError, match="is it a TLS port"):
        publish_one(settings_for(broker, tls=TlsSettings(ca_file=certificates.ca)))


def test_a_broker_that_wants_our_certificate(tmp_path, certificates):
    mine = TlsSettings(certificates.ca, certificates.client, certificates.client_key)
    with running_mosquitto(tmp_path, *certificates.lines(needs_client=True)) as broker:
        publish_one(settings_for(broker, tls=mine))
        with pytest.raises(BrokerError):
            publish_one(settings_for(broker, tls=TlsSettings(certificates.ca)))


# --- brokers that are away, silent or die ------------------------------------------------------


def test_no_broker_is_reported_at_once():
    started_s = time.monotonic()
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:\d+ cannot be reached .*refused"):
        publish_one(BrokerSettings(HOST, "kitchen", free_port()))
    assert time.monotonic() - started_s < 1


def test_an_unknown_host_is_reported():
    with pytest.raises(BrokerError, match="unknown host"):
        publish_one(BrokerSettings("no-such-host.invalid", "kitchen"))


@pytest.mark.parametrize("tls", [None, TlsSettings()])
def test_a_silent_broker_ends_within_the_timeout(tls):
    with silent_server() as port:
        started_s = time.monotonic()
        with pytest.raises(BrokerError, match="does not answer within 1 s"):
            publish_one(BrokerSettings(HOST, "kitchen", port, tls=tls, timeout_s=SHORT_S))
        assert SHORT_S * 0.9 < time.monotonic() - started_s < SHORT_S + 1


def test_a_broker_that_stops_confirming_is_an_error_and_gets_no_disconnect(tmp_path):
    """So that its last will says offline, which could not be said."""
    with running_mosquitto(tmp_path) as broker, listening(broker) as listener:
        publisher = MqttPublisher(settings_for(broker, timeout_s=SHORT_S))
        publisher.accept(described())
        broker.pause()
        try:
            with pytest.raises(BrokerError, match="did not confirm a message within 1 s"):
                publisher.accept(described())
            publisher.close()
        finally:
            broker.resume()
        publisher.close()
        assert listener.next("availability").payload == b"online"
        assert listener.next("availability").payload == b"offline"


def test_offline_that_is_not_confirmed_is_an_error(tmp_path):
    with running_mosquitto(tmp_path) as broker:
        publisher = MqttPublisher(settings_for(broker, timeout_s=SHORT_S))
        publisher.accept(described())
        broker.pause()
        try:
            with pytest.raises(BrokerError, match="did not confirm"):
                publisher.close()
        finally:
            broker.resume()
        publisher.close()


def test_a_broker_that_comes_back_gets_the_next_caption(tmp_path):
    port = free_port()
    with running_mosquitto(tmp_path, port=port) as broker:
        publisher = MqttPublisher(settings_for(broker, timeout_s=SHORT_S))
        publisher.accept(described("before"))
    with pytest.raises(BrokerError):
        publisher.accept(described("away"))
    with running_mosquitto(tmp_path, port=port) as broker, listening(broker) as listener:
        publisher.accept(described("after"))
        assert listener.next("availability").payload == b"online"
        assert json.loads(listener.next("caption").payload)["caption"] == "after"
        publisher.close()
        assert listener.next("availability").payload == b"offline"


def test_closing_after_the_broker_died_is_quiet(tmp_path):
    with running_mosquitto(tmp_path) as broker:
        publisher = MqttPublisher(settings_for(broker, timeout_s=SHORT_S))
        publisher.accept(described())
    deadline_s = time.monotonic() + DEADLINE_S
    while publisher.is_connected and time.monotonic() < deadline_s:
        time.sleep(0.01)
    publisher.close()


# --- an older broker ---------------------------------------------------------------------------


@contextlib.contextmanager
def running_amqtt(folder: Path, kind: str = "tcp") -> Iterator[int]:
    program = Path(sys.executable).with_name("amqtt")
    if not program.exists():
        pytest.skip("amqtt is not installed (pip install amqtt)")
    port = free_port()
    config = folder / "amqtt.yaml"
    config.write_text(
        f"listeners:\n  default:\n    type: {kind}\n    bind: {HOST}:{port}\n"
        "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n"
    )
    with (folder / "amqtt.log").open("wb") as log:
        process = subprocess.Popen([str(program), "-c", str(config)], stdout=log, stderr=log)
    try:
        deadline_s = time.monotonic() + 2 * DEADLINE_S
        while b"max" not in (folder / "amqtt.log").read_bytes():
            assert time.monotonic() < deadline_s, (folder / "amqtt.log").read_text()
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def test_a_broker_that_only_knows_3_1_1_is_reached(tmp_path):
    with running_amqtt(tmp_path) as port:
        broker = Broker(port, None, tmp_path / "amqtt.log")
        with listening(broker) as listener:
            publish_one(BrokerSettings(HOST, "old", port, timeout_s=2 * SHORT_S))
            assert listener.next("availability").payload == b"online"
            assert json.loads(listener.next("caption").payload)["caption"] == caption().text
            assert listener.next("availability").payload == b"offline"


def test_websockets_carry_captions(tmp_path):
    """Debian's Mosquitto opens no WebSockets without IPv6, so this is amqtt's."""
    with running_amqtt(tmp_path, "ws") as port:
        settings = BrokerSettings(
            HOST, "webby", port, protocols=("3.1.1",), transport="websockets", timeout_s=5.0
        )
        publish_one(settings)


# paho leaves the socket of a failed WebSocket handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_without_websockets_is_reported(broker):
    with warnings.catch_warnings():
        # paho forgets its socket when the handshake fails: the collector closes it, and says so.
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(BrokerError, match=r"WebSockets|hung up|cannot be reached|not answer"):
            publish_one(settings_for(broker, transport="websockets", timeout_s=SHORT_S))
        gc.collect()
    gc.collect()
