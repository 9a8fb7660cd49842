"""The HTTP API: each operation as its OpenAPI document says, on a real daemon or parts of one."""

from __future__ import annotations

import http.client
import io
import json
import threading
import time
import zipfile
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest
from pydantic import TypeAdapter
from support.daemon_core import DaemonCore, core_settings
from support.page import DEADLINE_S, ask, fetch, free_port, serve

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
from seealoud.device.mqtt.payloads import DescribedPart
from seealoud.device.pictures.questions import LARGEST_FILE_BYTES, PictureAnswered
from seealoud.device.records import Cause, Description
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
from seealoud.device.web.openapi import OPERATIONS

AT = datetime(2026, 11, 28, 10, 0, tzinfo=UTC)


# ------------------------------------------------------------ a real daemon


@pytest.fixture(scope="module")
def replies(tmp_path_factory):
    """What one real daemon answered, by name."""
    folder, port, found = tmp_path_factory.mktemp("daemon"), free_port(), {}
    settings = core_settings(folder, f'[web]\nis_on = true\naddress = "127.0.0.1:{port}"\n')
    features_nd = np.ones((3, 8), np.float32)
    places = PlaceFile(folder / "state" / PLACES_FILE)
    places.change(lambda old: old.with_pictures("hall", "encoder", features_nd))
    scene = (folder / "pictures" / "0.png").read_bytes()

    def work(_: DaemonCore) -> None:
        answer = ask(port, {"action": "describe", "wants_answer": True, "id": "x"})
        found["answer"] = answer
        wrong = {"text": answer.json["answer"], "is_picture_kept": True, "right": "noise"}
        found["report"] = post(port, "/api/feedback", wrong)
        for name in ("state", "history", "summary", "places", "picture?width=32"):
            found[name] = fetch(port, f"/api/{name}")
        before = found["history"].json[0]["at"]
        for query in ("kind=described", "search=zeppelin", "limit=1", f"before={before}"):
            found[query] = fetch(port, f"/api/history?{query}")
        for name, body in (("described", scene), ("damaged", scene[: len(scene) // 2])):
            headers = {"Content-Type": "image/png"}
            found[name] = fetch(port, "/api/describe", "POST", body, headers)
        found["described later"] = fetch(port, "/api/history?kind=described")
        found["export"] = fetch(port, "/api/feedback/export")
        assert ask(port, {"action": "privacy", "is_on": True}).status == 200
        found["private"] = fetch(port, "/api/picture")

    DaemonCore(settings, folder, work).run()
    return found


def test_an_answer_is_waited_for_and_kept_in_the_history(replies):
    outcome = Outcome.model_validate_json(replies["answer"].body)
    assert (outcome.is_accepted, outcome.id, bool(outcome.answer)) == (True, "x", True)
    entries = TypeAdapter(list[HistoryEntry]).validate_json(replies["history"].body)
    assert [entry.at for entry in entries] == sorted((x.at for x in entries), reverse=True)
    assert outcome.answer in [entry.text for entry in entries if entry.cause == "web"]
    assert {x["kind"] for x in replies["kind=described"].json} == {"described"}
    assert replies["search=zeppelin"].json == []
    assert len(replies["limit=1"].json) == 1
    older = replies[f"before={entries[0].at}"].json
    assert [x["id"] for x in older] == [entry.id for entry in entries[1:]]


def test_state_summary_and_places_are_as_the_document_says(replies):
    state = StateAnswer.model_validate_json(replies["state"].body)
    assert (state.is_all_well, state.health) == (True, ["All is well."])
    assert state.state["is_narrating"] is True
    assert SummaryAnswer.model_validate_json(replies["summary"].body).text
    (place,) = TypeAdapter(list[PlaceEntry]).validate_json(replies["places"].body)
    assert (place.name, place.pictures) == ("hall", 3)


def test_the_newest_picture_is_served_unless_privacy_is_on(replies):
    picture = replies["picture?width=32"]
    assert picture.headers["content-type"] == "image/jpeg"
    image = cv2.imdecode(np.frombuffer(picture.body, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (24, 32, 3)
    assert replies["private"].status == 404
    assert "privacy" in replies["private"].error


def test_a_picture_of_a_client_is_described_and_leaves_no_trace(replies):
    assert DescribedPart.model_validate_json(replies["described"].body).text
    assert replies["described later"].json == replies["kind=described"].json
    damaged = replies["damaged"]
    assert (damaged.status, damaged.error.startswith("The picture")) == (422, True)


def test_a_wrong_sentence_is_reported_with_its_picture_and_exported(replies):
    assert replies["report"].json["is_picture_kept"] is True
    with zipfile.ZipFile(io.BytesIO(replies["export"].body)) as archive:
        (picture,) = [x for x in archive.namelist() if x.endswith(".jpg")]
        captions = archive.read("captions.tsv").decode()
    assert captions == f"{picture.rpartition('/')[2]}\tnoise\n"


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
                assert fetch(port, f"/api/{name}").status in (200, 404)
            time.sleep(0.2)  # as often as a page asks
        looked = len(runs)
        assert ask(port, {"action": "describe", "wants_answer": True}).status == 200
        assert len(runs) == looked + 1 == 1
        assert next_event(lines)[0] == "caption"
        stream.close()

    DaemonCore(core_settings(tmp_path, table), tmp_path, work).run()


# ------------------------------------------------------------ requests


def test_a_request_reaches_the_daemon_with_its_cause(page_daemon, page_port):
    causes = []

    def handle(request, cause, asked_s):
        causes.append(cause)
        return Outcome(is_accepted=True, id=request.id)

    page_daemon.handle = handle
    reply = ask(page_port, {"action": "say", "text": "Hello.", "id": "7"})
    assert (reply.status, reply.json["id"]) == (200, "7")
    assert page_daemon.requests == [Say(text="Hello.", id="7")]
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
    page_daemon, page_port, body, status, words
):
    reply = fetch(page_port, "/api/request", "POST", body, {"Content-Type": "application/json"})
    assert (reply.status, reply.headers["content-type"]) == (status, "application/json")
    assert words in reply.error
    assert page_daemon.requests == []


def test_a_request_that_the_daemon_refuses_has_its_reason(page_daemon, page_port):
    page_daemon.handle = lambda *_: Outcome(
        is_accepted=False, reason="another place is being learnt"
    )
    reply = ask(page_port, {"action": "place_teach", "name": "hall"})
    assert (reply.status, reply.error) == (409, "another place is being learnt")


def test_only_a_voice_of_the_settings_can_be_chosen(page_daemon, page_port):
    chosen = {"action": "set", "name": "voice", "value": "/etc/passwd"}
    refused = ask(page_port, chosen)
    assert (refused.status, "'/etc/passwd' is not known" in refused.error) == (409, True)
    for known in ("", "Built-in"):
        assert ask(page_port, {**chosen, "value": known}).status == 200
    assert [request.value for request in page_daemon.requests] == ["", ""]


def test_few_clients_wait_for_answers_at_a_time(page_daemon, page_port):
    """Others are refused at once, and requests that wait for nothing are not held up."""
    asked = threading.Semaphore(0)

    def handle(request, cause, asked_s):
        if isinstance(request, Describe):
            asked.release()
        return Outcome(is_accepted=True, id=request.id)

    page_daemon.handle = handle
    replies = []
    waiting = [
        threading.Thread(
            target=lambda number=number: replies.append(
                ask(page_port, {"action": "describe", "wants_answer": True, "id": str(number)})
            )
        )
        for number in range(2)
    ]
    for thread in waiting:
        thread.start()
        assert asked.acquire(timeout=DEADLINE_S)
    assert ask(page_port, {"action": "describe", "wants_answer": True}).status == 429
    assert ask(page_port, {"action": "stop"}).status == 200
    for number in range(2):
        page_daemon.bus.publish(Answered(at=AT, text=f"{number}", cause=Cause.WEB, id=str(number)))
    for thread in waiting:
        thread.join(DEADLINE_S)
    assert sorted(reply.json["answer"] for reply in replies) == ["0", "1"]


# ------------------------------------------------------------ pictures of clients, reports


def post(port: int, path: str, values):
    return fetch(
        port, path, "POST", json.dumps(values).encode(), {"Content-Type": "application/json"}
    )


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"", "image/jpeg", 422, "empty"),
        (b"GIF89a", "image/gif", 422, "picture"),
        (b"\xff\xd8", "", 415, "Content-Type: image/jpeg"),
        (b"\xff\xd8", "text/html", 415, "'text/html'"),
        (b"\xff" * (LARGEST_FILE_BYTES + 1), "image/jpeg", 413, "10000000"),
    ],
)
def test_a_picture_that_cannot_be_described_is_refused(
    page_daemon, page_port, body, kind, status, words
):
    reply = fetch(page_port, "/api/describe", "POST", body, {"Content-Type": kind})
    assert (reply.status, words in reply.error) == (status, True), reply.error
    assert len(page_daemon.pictures) == 0


def test_one_picture_is_described_at_a_time(page_daemon, page_port):
    _, jpeg = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))
    replies = []

    def send() -> None:
        headers = {"Content-Type": "image/jpeg"}
        replies.append(fetch(page_port, "/api/describe", "POST", jpeg.tobytes(), headers))

    first = threading.Thread(target=send)
    first.start()
    deadline_s = time.monotonic() + DEADLINE_S
    while not page_daemon.pictures:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    send()
    assert (replies[0].status, "another picture" in replies[0].error) == (429, True)
    asked = page_daemon.pictures.take()
    failed = Description("Something went wrong.", reason="failed")
    asked.reply(PictureAnswered(at=AT, description=failed, cause=Cause.WEB, id=asked.id))
    first.join(DEADLINE_S)
    assert (replies[1].status, replies[1].error) == (500, "Something went wrong.")


def test_reports_are_kept_counted_exported_and_erased(page_daemon, page_port, tmp_path):
    assert fetch(page_port, "/api/feedback").json == {"entries": 0, "bytes": 0}
    assert post(page_port, "/api/feedback", {"text": "A dog."}).json["is_picture_kept"] is False
    refused = post(page_port, "/api/feedback", {"text": "A dog.", "is_picture_kept": True})
    assert (refused.status, "no longer in memory" in refused.error) == (409, True)
    page_daemon.see()
    kept = post(
        page_port, "/api/feedback", {"text": "A dog.", "right": "a cat", "is_picture_kept": True}
    )
    assert kept.json["is_picture_kept"] is True
    found = fetch(page_port, "/api/feedback").json
    assert (found["entries"], found["bytes"] > 500) == (2, True)
    for _ in range(2):
        end_s = time.monotonic() + 30
        while (export := fetch(page_port, "/api/feedback/export")).status == 429:
            assert time.monotonic() < end_s  # the first export ends a moment after its last byte
        assert export.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(export.body)) as archive:
            assert archive.testzip() is None
            assert archive.read("captions.tsv").decode().endswith("\ta cat\n")
    assert fetch(page_port, "/api/feedback", "DELETE").json == found
    assert fetch(page_port, "/api/feedback").json == {"entries": 0, "bytes": 0}
    assert [*tmp_path.rglob("*.jpg")] == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "text is missing"),
        ({"text": ""}, "text must not be empty"),
        ({"text": "x" * 601}, "at most 600"),
        ({"text": "x", "right": "x" * 201}, "at most 200"),
        ({"text": "x", "is_picture_kept": 1}, "true or false"),
        ({"text": "x", "consent": True}, "consent is not known"),
        ([], "JSON object"),
    ],
)
def test_a_report_that_cannot_be_read_is_refused(page_port, values, words):
    reply = post(page_port, "/api/feedback", values)
    assert (reply.status, words in reply.error) == (422, True), reply.error


# ------------------------------------------------------------ values in addresses


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("picture", 404, "privacy"),
        ("picture?width=15", 422, "width '15'"),
        ("picture?width=1e3", 422, "16 to 1920"),
        ("history", 404, "[history]"),
        ("summary", 404, "[history]"),
        ("nothing", 404, "nothing at this address"),
    ],
)
def test_what_is_not_there_is_refused_with_a_sentence(page_port, path, status, words):
    reply = fetch(page_port, f"/api/{path}")
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
def test_a_wrong_value_is_named(page_daemon, tmp_path, query, words):
    page_daemon.history = tmp_path / "history.db"
    server, port = serve(page_daemon, tmp_path)
    try:
        reply = fetch(port, f"/api/history?{query}")
        assert (reply.status, words in reply.error) == (422, True), reply.error
        assert fetch(port, "/api/history").json == []  # nothing was kept yet
        page_daemon.history.write_bytes(b"no database" * 100)
        reply = fetch(port, "/api/history")
        assert (reply.status, "cannot be read" in reply.error) == (503, True)
    finally:
        server.close()


def test_methods_are_those_of_the_document(page_port):
    reply = fetch(page_port, "/api/state", "DELETE")
    assert (reply.status, "GET" in reply.headers["allow"]) == (405, True)
    assert fetch(page_port, "/api/state", "HEAD").body == b""


def test_a_fault_of_the_daemon_is_an_answer_without_a_traceback(page_daemon, page_port):
    def broken(*_):
        raise RuntimeError("/secret/path")

    page_daemon.handle = broken
    reply = ask(page_port, {"action": "stop"})
    assert reply.status == 500
    assert "secret" not in reply.error
    assert ask(page_port, {"action": "nothing"}).status == 422


def test_names_are_escaped_on_the_page(page_port):
    assert b"Kitchen &lt;1&gt;" in fetch(page_port, "/").body


# ------------------------------------------------------------ OpenAPI


def test_the_document_names_every_operation_and_model(page_port):
    document = fetch(page_port, "/api").json
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


def test_events_arrive_as_they_happen(page_daemon, page_port):
    _, lines = listen(page_port)
    for event in (
        Answered(at=AT, text="A dog runs.\nIt barks.", cause=Cause.WEB, id="7"),
        Alerted(at=AT, rule="dog", text="Dog!", caption=None),
        ProblemChanged(at=AT, part=Part.CAMERA, is_problem=True, text="camera:0 is gone"),
        ProblemChanged(at=AT, part=Part.CAMERA, is_problem=False, text="it is back"),
        SettingChanged(at=AT, name="volume", value=0.5, cause=Cause.CLI),
        PlaceChanged(at=AT, place="hall", known=("hall", "attic")),
        PlaceAnswered(at=AT, text="This looks like hall.", cause=Cause.WEB, id="8"),
    ):
        page_daemon.bus.publish(event)
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


def test_the_newest_streams_stay_and_the_oldest_ends(page_daemon, page_port):
    streams = [listen(page_port) for _ in range(MOST_READERS + 1)]
    _, oldest = streams[0]
    assert list(oldest) == [b"retry: 30000\n", b"\n"]  # it comes back, but not at once
    page_daemon.bus.publish(Answered(at=AT, text="A dog runs.", cause=Cause.WEB))
    for _, lines in streams[1:]:
        assert next_event(lines)[1]["text"] == "A dog runs."
    assert fetch(page_port, "/api/state").status == 200


def test_a_stream_without_events_has_a_heartbeat(monkeypatch, page_daemon, tmp_path):
    monkeypatch.setattr("seealoud.device.web.event_stream.HEARTBEAT_S", 0.0)
    server, port = serve(page_daemon, tmp_path)
    try:
        _, lines = listen(port)
        assert next(lines) == b": the device works\n"
    finally:
        server.close()


def test_a_reader_that_takes_nothing_is_dropped_and_costs_the_others_nothing(
    page_daemon, page_port
):
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
    unused = stream.read(lambda: False)
    unused.close()  # as of a HEAD request
    assert stream.readers == 1
    quick.close()
    assert stream.readers == 0
