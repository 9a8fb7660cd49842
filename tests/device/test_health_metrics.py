"""Metrics: counted from events, read from the parts, and served over real HTTP."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.captions import THINGS, caption

from seealoud.device import __version__
from seealoud.device.errors import ConfigError
from seealoud.device.events import (
    Alerted,
    Answered,
    Decided,
    DecisionReason,
    EventBus,
    Part,
    ProblemChanged,
    Requested,
    SettingChanged,
    SpeechOutcome,
    Spoke,
)
from seealoud.device.health.metrics import MetricsListener, Readings
from seealoud.device.health.metrics_server import MOST_CLIENTS, MetricsServer
from seealoud.device.health.settings import MetricsSettings
from seealoud.device.records import Cause, Priority, ThingSource, Utterance

AT = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)


def _spoke(outcome: SpeechOutcome, first_sample_s: float | None = None) -> Spoke:
    utterance = Utterance("A very private line.", Priority.ANSWER, Cause.BUTTON)
    return Spoke(at=AT, utterance=utterance, outcome=outcome, first_sample_s=first_sample_s)


def _value(listener: MetricsListener, name: str, **labels: str) -> float | None:
    return listener.registry.get_sample_value(f"seealoud_{name}", labels)


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _get(port: int, host: str = "127.0.0.1") -> str:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        assert response.status == 200
        return response.read().decode()
    finally:
        connection.close()


# --- counting ---------------------------------------------------------------------------------


def test_captions_are_counted_by_cause_and_stages_timed_once_a_caption():
    listener = MetricsListener()
    shared = caption()
    for cause in (Cause.BUTTON, Cause.MQTT):  # one look answers both
        listener.accept(Answered(at=AT, text="A dog.", cause=cause, caption=shared))
    listener.accept(
        Decided(at=AT, is_spoken=True, reason=DecisionReason.CHANGED, caption=caption())
    )
    assert _value(listener, "captions_total", cause="button") == 1
    assert _value(listener, "captions_total", cause="mqtt") == 1
    assert _value(listener, "captions_total", cause="narration") == 1
    timings = shared.timings
    for stage, time_ms in (
        ("preprocess", timings.preprocess_ms),
        ("encoder", timings.encoder_ms),
        ("decoder", timings.decoder_ms),
    ):
        assert _value(listener, "stage_seconds_count", stage=stage) == 2
        total_s = _value(listener, "stage_seconds_sum", stage=stage)
        assert total_s == pytest.approx(2 * time_ms / 1000)


def test_things_are_counted_by_the_model_that_named_them_once_a_look():
    listener = MetricsListener()
    for source in ThingSource:
        assert _value(listener, "things_total", source=source.value) == 0
    for cause in (Cause.BUTTON, Cause.MQTT):  # one look answers both
        listener.accept(Answered(at=AT, text="A cat.", cause=cause, reason="unsure", things=THINGS))
    again = tuple(replace(x) for x in THINGS[:3])
    listener.accept(
        Decided(at=AT, is_spoken=True, reason=DecisionReason.CHANGED, text="A.", things=again)
    )
    assert _value(listener, "things_total", source="detector") == 4
    assert _value(listener, "things_total", source="encoder") == 3


def test_an_answer_without_a_caption_counts_by_its_reason():
    listener = MetricsListener()
    listener.accept(Answered(at=AT, text="Too dark.", cause=Cause.BUTTON, reason="too_dark"))
    assert _value(listener, "answers_without_caption_total", reason="too_dark") == 1
    assert _value(listener, "captions_total", cause="button") == 0


def test_decisions_count_by_reason():
    listener = MetricsListener()
    for _ in range(3):
        listener.accept(Decided(at=AT, is_spoken=False, reason=DecisionReason.PICTURE_SAME))
    sample = {"reason": "picture_same", "is_spoken": "false"}
    assert _value(listener, "decisions_total", **sample) == 3


def test_every_reason_part_and_outcome_begins_at_zero():
    listener = MetricsListener()
    for reason in DecisionReason:
        values = [
            _value(listener, "decisions_total", reason=reason.value, is_spoken=spoken)
            for spoken in ("true", "false")
        ]
        assert 0 in values
    for part in Part:
        assert _value(listener, "problem", part=part.value) == 0
    for outcome in SpeechOutcome:
        labels = {"priority": "answer", "outcome": outcome.value}
        assert _value(listener, "utterances_total", **labels) == 0


def test_speech_is_counted_by_outcome_and_timed_to_its_first_sample():
    listener = MetricsListener()
    listener.accept(_spoke(SpeechOutcome.HEARD, 0.42))
    listener.accept(_spoke(SpeechOutcome.CUT, 0.15))
    listener.accept(_spoke(SpeechOutcome.SILENT))
    assert _value(listener, "utterances_total", priority="answer", outcome="cut") == 1
    assert _value(listener, "first_sample_seconds_count", priority="answer") == 2
    assert _value(listener, "first_sample_seconds_bucket", priority="answer", le="0.2") == 1
    assert _value(listener, "first_sample_seconds_bucket", priority="answer", le="0.5") == 2


def test_a_problem_is_1_until_it_is_over():
    listener = MetricsListener()
    for is_problem in (True, False, True):
        listener.accept(ProblemChanged(at=AT, part=Part.CAMERA, is_problem=is_problem, text="x"))
        assert _value(listener, "problem", part="camera") == is_problem
    assert _value(listener, "problem", part="broker") == 0


def test_requests_and_alerts_count():
    listener = MetricsListener()
    listener.accept(Requested(at=AT, action="say", cause=Cause.MQTT, is_accepted=False, reason="x"))
    listener.accept(Alerted(at=AT, rule="dog", text="A dog!", caption=caption()))
    labels = {"action": "say", "cause": "mqtt", "is_accepted": "false"}
    assert _value(listener, "requests_total", **labels) == 1
    assert _value(listener, "alerts_total", rule="dog") == 1


def test_nothing_is_lost_when_several_threads_count():
    listener, bus = MetricsListener(), EventBus()
    bus.subscribe(listener)
    line = caption()
    answer = Answered(at=AT, text="A dog.", cause=Cause.KEY, caption=line)
    threads = [
        threading.Thread(target=lambda: [bus.publish(answer) for _ in range(500)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _value(listener, "captions_total", cause="key") == 2000
    assert _value(listener, "stage_seconds_count", stage="encoder") == 1


# --- reading ----------------------------------------------------------------------------------


def test_parts_are_read_at_each_scrape():
    now = {"frames": 7, "age": None}
    listener = MetricsListener(
        Readings(
            frames=lambda: now["frames"] or 0,
            drops=lambda: 2,
            frame_age_s=lambda: now["age"],
            bundle=lambda: "lite0",
            queue_lengths={"speech": lambda: 3},
            restarts={"voice": lambda: 1},
            dropped_messages=lambda: 4,
        )
    )
    assert _value(listener, "frames_total") == 7
    assert _value(listener, "frames_dropped_total") == 2
    assert _value(listener, "frame_age_seconds") is None  # no frame, no age: not 0
    assert _value(listener, "queue_length", queue="speech") == 3
    assert _value(listener, "restarts_total", part="voice") == 1
    assert _value(listener, "messages_dropped_total") == 4
    assert _value(listener, "build_info", version=__version__, bundle="lite0") == 1
    now.update(frames=8, age=0.25)
    assert _value(listener, "frames_total") == 8
    assert _value(listener, "frame_age_seconds") == 0.25


# --- serving ----------------------------------------------------------------------------------


def test_metrics_are_off_and_on_loopback_by_default():
    settings = MetricsSettings()
    assert (settings.is_on, settings.address) == (False, "127.0.0.1:9757")


def test_a_real_scrape_has_every_metric_and_no_words(free_port):
    listener = MetricsListener(Readings(bundle=lambda: "lite0"))
    server = MetricsServer(listener.registry, MetricsSettings(address=f"127.0.0.1:{free_port}"))
    server.start()
    try:
        listener.accept(
            Answered(
                at=AT,
                text="A hound.",
                cause=Cause.BUTTON,
                caption=caption(),
                id="abc-1",
                things=THINGS,
            )
        )
        listener.accept(_spoke(SpeechOutcome.HEARD, 0.4))
        listener.accept(
            SettingChanged(at=AT, name="voice", value="/home/ann/x.onnx", cause=Cause.CLI)
        )
        body = _get(free_port)
    finally:
        server.close()
    names = {family.name for family in text_string_to_metric_families(body)}
    assert {
        "seealoud_captions",
        "seealoud_decisions",
        "seealoud_requests",
        "seealoud_alerts",
        "seealoud_things",
        "seealoud_utterances",
        "seealoud_stage_seconds",
        "seealoud_first_sample_seconds",
        "seealoud_frames",
        "seealoud_frames_dropped",
        "seealoud_frame_age_seconds",
        "seealoud_queue_length",
        "seealoud_restarts",
        "seealoud_problem",
        "seealoud_build_info",
        "process_resident_memory_bytes",
        "process_cpu_seconds",
    } <= names
    for word in ("hound", "private", "onnx", "abc-1", caption().text, "toaster", "left"):
        assert word not in body


def test_two_listeners_do_not_share_their_numbers():
    first, second = MetricsListener(), MetricsListener()
    first.accept(_spoke(SpeechOutcome.CUT))
    assert _value(second, "utterances_total", priority="answer", outcome="cut") == 0


def test_a_port_that_is_taken_is_a_wrong_setting(free_port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        server = MetricsServer(
            MetricsListener().registry, MetricsSettings(address=f"127.0.0.1:{free_port}")
        )
        with pytest.raises(ConfigError, match=rf"{free_port}.*in use.*metrics\.address"):
            server.start()
        server.close()


def test_an_address_of_another_machine_is_a_wrong_setting(free_port):
    settings = MetricsSettings(address=f"203.0.113.1:{free_port}")
    with pytest.raises(ConfigError, match=r"203\.0\.113\.1.*metrics\.address"):
        MetricsServer(MetricsListener().registry, settings).start()


def test_after_close_nobody_listens_and_the_port_is_free(free_port):
    settings = MetricsSettings(address=f"127.0.0.1:{free_port}")
    for _ in range(2):
        server = MetricsServer(MetricsListener().registry, settings)
        server.start()
        assert "seealoud_build_info" in _get(free_port)
        server.close()
        server.close()
        with pytest.raises(ConnectionRefusedError):
            _get(free_port)


def _ends(connection: socket.socket) -> bool:
    """Return whether the server ends a connection, in which it answers nothing."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_idle_clients_take_few_threads_and_keep_nobody_out(free_port):
    before = threading.active_count()
    server = MetricsServer(
        MetricsListener().registry, MetricsSettings(address=f"127.0.0.1:{free_port}")
    )
    server.start()
    with ExitStack() as stack:
        stack.callback(server.close)
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", free_port), 20))
            for _ in range(5 * MOST_CLIENTS)
        ]
        assert "seealoud_build_info" in _get(free_port)
        assert all(_ends(connection) for connection in idle[: 4 * MOST_CLIENTS])
        assert threading.active_count() - before <= MOST_CLIENTS + 2


def test_a_client_that_is_silent_or_does_not_read_is_disconnected(free_port, capfd):
    settings = MetricsSettings(address=f"127.0.0.1:{free_port}")
    server = MetricsServer(MetricsListener().registry, settings, client_timeout_s=0.2)
    server.start()
    with ExitStack() as stack:
        stack.callback(server.close)
        for sent in (b"", b"GET /metrics HT", b"GET /metrics HTTP/1.1\r\nHost: x\r\n"):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", free_port), 20))
            client.sendall(sent)
            assert _ends(client)
        assert "seealoud_build_info" in _get(free_port)
    assert capfd.readouterr() == ("", "")


def test_metrics_are_served_by_ipv6_too(free_port):
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    settings = MetricsSettings(address=f"[::1]:{free_port}")
    server = MetricsServer(MetricsListener().registry, settings)
    server.start()
    with closing(server):
        assert "seealoud_build_info" in _get(free_port, "::1")
