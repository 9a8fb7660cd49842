"""The HTTP API: each operation as its OpenAPI document says, on a real daemon or parts of one."""

from __future__ import annotations

import http.client
import json
import threading
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest
from pydantic import TypeAdapter
from support.daemon_core import DaemonCore, core_settings
from support.page import DEADLINE_S, FakeDaemon, ask, fetch, free_port, serve

from seealoud.device.clock import SystemClock
from seealoud.device.events import (
    Alerted,
    Answered,
    Part,
    PlaceAnswered,
    PlaceChanged,
    ProblemChanged,
    SettingChanged,
)
from seealoud.device.records import Cause
from seealoud.device.requests import Describe, Outcome, Say
from seealoud.device.vision.captioner import Captioner
from seealoud.device.vision.places import PLACES_FILE, PlaceFile
from seealoud.device.web.event_stream import MOST_READERS, EventStream
from seealoud.device.web.messages import (
    HistoryEntry,
    PlaceEntry,
    StateAnswer,
    SummaryAnswer,
)
from seealoud.device.web.operations import OPERATIONS

AT = datetime(2026, 11, 28, 10, 0, tzinfo=UTC)


@pytest.fixture
def daemon():
    return FakeDaemon()


@pytest.fixture
def port(daemon, tmp_path):
    server, port = serve(daemon, tmp_path)
    yield port
    server.close()


# ------------------------------------------------------------ a real daemon


def test_a_daemon_answers_every_operation_as_its_document_says(tmp_path):
    port = free_port()
    settings = core_settings(tmp_path, f'[web]\nis_on = true\naddress = "127.0.0.1:{port}"\n')
    features_nd = np.ones((3, 8), np.float32)
    places = PlaceFile(tmp_path / "state" / PLACES_FILE)
    places.change(lambda old: old.with_pictures("hall", "encoder", features_nd))
    replies = {}

    def work(_: DaemonCore) -> None:
        replies["answer"] = ask(port, {"action": "describe", "wants_answer": True, "id": "x"})
        for name in ("state", "history", "summary", "places", "picture?width=32"):
            replies[name] = fetch(port, f"/api/{name}")
        before = replies["history"].json[0]["at"]
        for query in ("kind=described", "search=zeppelin", "limit=1", f"before={before}"):
            replies[query] = fetch(port, f"/api/history?{query}")
        assert ask(port, {"action": "privacy", "is_on": True}).status == 200
        replies["private"] = fetch(port, "/api/picture")

    DaemonCore(settings, tmp_path, work).run()
    outcome = Outcome.model_validate_json(replies["answer"].body)
    assert (outcome.is_accepted, outcome.id, bool(outcome.answer)) == (True, "x", True)
    state = StateAnswer.model_validate_json(replies["state"].body)
    assert (state.is_all_well, state.health) == (True, ["All is well."])
    assert state.state["is_narrating"] is True
    entries = TypeAdapter(list[HistoryEntry]).validate_json(replies["history"].body)
    assert [entry.at for entry in entries] == sorted((x.at for x in entries), reverse=True)
    assert outcome.answer in [entry.text for entry in entries if entry.cause == "web"]
    assert {x["kind"] for x in replies["kind=described"].json} == {"described"}
    assert replies["search=zeppelin"].json == []
    assert len(replies["limit=1"].json) == 1
    later = replies[f"before={entries[0].at}"].json
    assert [x["id"] for x in later] == [entry.id for entry in entries[1:]]
    assert SummaryAnswer.model_validate_json(replies["summary"].body).text
    (place,) = TypeAdapter(list[PlaceEntry]).validate_json(replies["places"].body)
    assert (place.name, place.pictures) == ("hall", 3)
    picture = replies["picture?width=32"]
    assert picture.headers["content-type"] == "image/jpeg"
    image = cv2.imdecode(np.frombuffer(picture.body, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (24, 32, 3)
    assert replies["private"].status == 404
    assert "privacy" in replies["private"].error


def test_the_page_costs_no_encoder_run_while_nobody_asks(tmp_path, monkeypatch):
    """Also with a browser open: pictures, state and events take nothing from the models."""
    runs = []
    encode = Captioner.encode
    monkeypatch.setattr(
        Captioner, "encode", lambda self, frame: runs.append(1) or encode(self, frame)
    )
    port = free_port()
    table = f'[web]\nis_on = true\naddress = "127.0.0.1:{port}"\n[narration]\nis_on = false\n'

    def work(core: DaemonCore) -> None:
        stream, lines = listen(port)
        frames = core._grabber.frames
        while core._grabber.frames < frames + 3:
            for name in ("picture", "state", "history", "events/none"):
                fetch(port, f"/api/{name}")
        looked = len(runs)
        assert ask(port, {"action": "describe", "wants_answer": True}).status == 200
        assert len(runs) == looked + 1 == 1
        assert next_event(lines)[0] == "caption"
        stream.close()

    DaemonCore(core_settings(tmp_path, table), tmp_path, work).run()


# ------------------------------------------------------------ requests


def test_a_request_reaches_the_daemon_with_its_cause(daemon, port):
    causes = []

    def handle(request, cause, asked_s):
        causes.append(cause)
        return Outcome(is_accepted=True, id=request.id)

    daemon.handle = handle
    reply = ask(port, {"action": "say", "text": "Hello.", "id": "7"})
    assert (reply.status, reply.json["id"]) == (200, "7")
    assert daemon.requests == [Say(text="Hello.", id="7")]
    assert causes == [Cause.WEB]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "not JSON"),
        (b"{", 422, "not JSON"),
        (b"[]", 422, "JSON object"),
        (b'{"action":"dance"}', 422, "dance"),
        (b'{"action":"say"}', 422, "text is missing"),
        (b'{"action":"say","text":"' + b"x" * 501 + b'"}', 422, "at most 500"),
        (b'{"action":"stop","loud":true}', 422, "loud"),
        (b'{"action":"stop"' + b" " * 5000 + b"}", 413, "4096"),
        (b"\xff\xfe", 422, "not JSON"),
    ],
)
def test_a_request_that_cannot_be_read_is_refused_with_a_sentence(
    daemon, port, body, status, words
):
    reply = fetch(port, "/api/request", "POST", body, {"Content-Type": "application/json"})
    assert (reply.status, reply.headers["content-type"]) == (status, "application/json")
    assert words in reply.error
    assert daemon.requests == []


def test_a_request_that_the_daemon_refuses_has_its_reason(daemon, port):
    daemon.handle = lambda *_: Outcome(is_accepted=False, reason="another place is being learnt")
    reply = ask(port, {"action": "place_teach", "name": "hall"})
    assert (reply.status, reply.error) == (409, "another place is being learnt")


def test_few_clients_wait_for_answers_at_a_time(daemon, port):
    """Others are refused at once, and requests that wait for nothing are not held up."""
    asked = threading.Semaphore(0)

    def handle(request, cause, asked_s):
        if isinstance(request, Describe):
            asked.release()
        return Outcome(is_accepted=True, id=request.id)

    daemon.handle = handle
    replies = []
    waiting = [
        threading.Thread(
            target=lambda number=number: replies.append(
                ask(port, {"action": "describe", "wants_answer": True, "id": str(number)})
            )
        )
        for number in range(2)
    ]
    for thread in waiting:
        thread.start()
        assert asked.acquire(timeout=DEADLINE_S)
    assert ask(port, {"action": "describe", "wants_answer": True}).status == 429
    assert ask(port, {"action": "stop"}).status == 200
    for number in range(2):
        daemon.bus.publish(Answered(at=AT, text=f"{number}", cause=Cause.WEB, id=str(number)))
    for thread in waiting:
        thread.join(DEADLINE_S)
    assert sorted(reply.json["answer"] for reply in replies) == ["0", "1"]


# ------------------------------------------------------------ values in addresses


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("picture", 404, "privacy"),
        ("picture?width=15", 422, "width '15'"),
        ("picture?width=1e3", 422, "16 to 1920"),
        ("history", 404, "[history]"),
        ("summary", 404, "[history]"),
        ("nothing", 404, "not found"),
    ],
)
def test_what_is_not_there_is_refused_with_a_sentence(port, path, status, words):
    reply = fetch(port, f"/api/{path}")
    assert reply.status == status
    assert words in reply.error


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=0", "limit '0': give a whole number from 1 to 200"),
        ("limit=201", "limit '201'"),
        ("limit=%D9%A3%C2%B2", "limit"),
        ("kind=odd", "kind 'odd': give one of described, narrated"),
        ("before=yesterday", "before 'yesterday': give a time with its zone"),
        ("before=2026-11-28T10:00:00", "give a time with its zone"),
        ("search=" + "x" * 201, "search has 201 characters"),
    ],
)
def test_a_wrong_value_is_named(daemon, tmp_path, query, words):
    daemon.history = tmp_path / "history.db"
    server, port = serve(daemon, tmp_path)
    try:
        reply = fetch(port, f"/api/history?{query}")
        assert (reply.status, words in reply.error) == (422, True), reply.error
        assert fetch(port, "/api/history").json == []  # nothing was kept yet
        daemon.history.write_bytes(b"no database" * 100)
        reply = fetch(port, "/api/history")
        assert (reply.status, "cannot be read" in reply.error) == (503, True)
    finally:
        server.close()


def test_methods_are_those_of_the_document(port):
    reply = fetch(port, "/api/state", "DELETE")
    assert (reply.status, "GET" in reply.headers["allow"]) == (405, True)
    assert fetch(port, "/api/state", "HEAD").body == b""


def test_a_fault_of_the_daemon_is_an_answer_without_a_traceback(daemon, port):
    def broken(*_):
        raise RuntimeError("/secret/path")

    daemon.handle = broken
    reply = ask(port, {"action": "stop"})
    assert reply.status == 500
    assert "secret" not in reply.error
    assert ask(port, {"action": "nothing"}).status == 422


def test_names_are_escaped_on_the_page(port):
    assert b"Kitchen &lt;1&gt;" in fetch(port, "/").body


# ------------------------------------------------------------ OpenAPI


def test_the_document_names_every_operation_and_model(port):
    document = fetch(port, "/api").json
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {one.path for one in OPERATIONS}
    schemas = document["components"]["schemas"]
    assert {"Outcome", "StateAnswer", "HistoryEntry", "ErrorAnswer", "Describe"} <= set(schemas)
    text = json.dumps(document)
    for reference in set(text.split('"#/components/schemas/')[1:]):
        assert reference.partition('"')[0] in schemas
    assert "#/$defs" not in text
    described = schemas["Describe"]
    assert "action" not in described.get("required", [])
    for one in OPERATIONS:
        found = document["paths"][one.path][one.method]
        assert found["operationId"] == one.name
        assert {"200", "401", "403", "429"} <= set(found["responses"])


# ------------------------------------------------------------ events


def listen(port: int):
    """Return an open stream, and its lines."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request("GET", "/api/events")
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/event-stream")
    lines = iter(response.readline, b"")
    assert next(lines) == b"retry: 3000\n"
    assert next(lines) == b"\n"
    return connection, lines


def next_event(lines) -> tuple[str, dict]:
    name = data = ""
    for line in lines:
        text = line.decode().rstrip("\n")
        if text.startswith("event: "):
            name = text.removeprefix("event: ")
        elif text.startswith("data: "):
            data = text.removeprefix("data: ")
        elif not text and data:
            return name, json.loads(data)
    raise EOFError


def test_events_arrive_as_they_happen(daemon, port):
    _, lines = listen(port)
    for event in (
        Answered(at=AT, text="A dog runs.\nIt barks.", cause=Cause.WEB, id="7"),
        Alerted(at=AT, rule="dog", text="Dog!", caption=None),
        ProblemChanged(at=AT, part=Part.CAMERA, is_problem=True, text="camera:0 is gone"),
        ProblemChanged(at=AT, part=Part.CAMERA, is_problem=False, text="it is back"),
        SettingChanged(at=AT, name="volume", value=0.5, cause=Cause.CLI),
        PlaceChanged(at=AT, place="hall", known=("hall", "attic")),
        PlaceAnswered(at=AT, text="This looks like hall.", cause=Cause.WEB, id="8"),
    ):
        daemon.bus.publish(event)
    found = [next_event(lines) for _ in range(7)]
    assert [name for name, _ in found] == [
        *("caption", "alert", "problem", "problem", "state", "place", "caption")
    ]
    data = [values for _, values in found]
    assert data[0]["text"] == "A dog runs.\nIt barks."
    assert (data[0]["id"], data[0]["kind"], data[0]["cause"]) == ("7", "described", "web")
    assert (data[1]["reason"], data[2]["kind"], data[3]["kind"]) == ("dog", "problem", "recovery")
    assert data[4] == {"name": "volume", "value": 0.5, "cause": "cli"}
    assert data[5] == {"place": "hall", "known": ["hall", "attic"]}
    assert (data[6]["kind"], data[6]["id"]) == ("place", "8")


def test_the_newest_streams_stay_and_the_oldest_ends(daemon, port):
    streams = [listen(port) for _ in range(MOST_READERS + 1)]
    _, oldest = streams[0]
    assert list(oldest) == []
    daemon.bus.publish(Answered(at=AT, text="A dog runs.", cause=Cause.WEB))
    for _, lines in streams[1:]:
        assert next_event(lines)[1]["text"] == "A dog runs."
    assert fetch(port, "/api/state").status == 200


def test_a_stream_without_events_has_a_heartbeat(monkeypatch, daemon, tmp_path):
    monkeypatch.setattr("seealoud.device.web.event_stream.HEARTBEAT_S", 0.0)
    server, port = serve(daemon, tmp_path)
    try:
        _, lines = listen(port)
        assert next(lines) == b": the device works\n"
    finally:
        server.close()


def test_a_reader_that_takes_nothing_is_dropped_and_costs_the_others_nothing(daemon, port):
    stream = EventStream(SystemClock())
    stuck, quick = stream.read(lambda: False), stream.read(lambda: False)
    assert (next(stuck), next(quick)) == ("retry: 3000\n\n", "retry: 3000\n\n")
    for number in range(1000):
        stream.accept(
            Answered(at=AT + timedelta(seconds=number), text=f"{number}", cause=Cause.WEB)
        )
        assert f'"text": "{number}"' in next(quick)
    assert len(list(stuck)) <= 100
    assert stream.readers == 1
    quick.close()
    assert stream.readers == 0
