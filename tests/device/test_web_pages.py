"""The pages as they are served, without a browser: what a form does, and what is shown when."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from support.page import DEADLINE_S, STATE, FakeDaemon, Reply, fetch, serve

from seealoud.device import requests as r
from seealoud.device.clock import SystemClock
from seealoud.device.history.entries import Entry, Kind
from seealoud.device.history.history import History
from seealoud.device.history.settings import HistorySettings
from seealoud.device.pictures.questions import PictureAnswered
from seealoud.device.records import Description
from seealoud.device.requests import Outcome

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Page:
    """A daemon that a test holds in its hands, and its page."""

    def __init__(self, folder: Path) -> None:
        self.daemon = FakeDaemon(history=folder / "history.sqlite3")
        self.server, self.port = serve(self.daemon, folder)
        self.daemon.see()

    def get(self, path: str) -> Reply:
        return fetch(self.port, path)

    def post(self, path: str, **form: str) -> Reply:
        return fetch(self.port, path, "POST", urlencode(form).encode(), FORM)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    page = Page(tmp_path)
    yield page
    page.server.close()


def words(reply: Reply) -> str:
    """Return what a page shows, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", reply.body.decode())).split())


def keep(path: Path, *entries: Entry) -> None:
    history = History(path, HistorySettings(), SystemClock())
    history._waiting.extend(entries)
    history.close()


def entry(number: int, text: str, kind: Kind = Kind.DESCRIBED) -> Entry:
    return Entry(id=str(number), at=SystemClock().utc(), kind=kind, text=text)


def test_nothing_that_was_said_or_typed_is_ever_markup(page: Page, tmp_path: Path) -> None:
    keep(tmp_path / "history.sqlite3", entry(1, "<script>alert(1)</script>"))
    evil = urlencode({"search": "<b>x</b>", "kind": "<b>", "before": "<b>", "done": "<b>"})
    for reply in (
        page.get("/"),
        page.get(f"/history?{evil}"),
        page.get(f"/settings?{evil}"),
        page.get(f"/places/forget?name={evil}"),
        page.get(f"/<b>?{evil}"),
        page.post("/settings", action="<b>"),
        page.post("/places", action="place_teach", name="<b>" * 30),
        page.post("/feedback", text="<b>", right="<b>" * 100),
    ):
        body = reply.body.decode()
        assert "<b>" not in body
        assert "<script>" not in body
        assert "Kitchen &lt;1&gt;" in body


def test_a_change_redirects_with_a_name_and_a_refusal_shows_its_reason_at_the_field(
    page: Page,
) -> None:
    reply = page.post("/settings", action="set", name="volume", value="1,5")
    assert (reply.status, reply.headers["location"]) == (303, "/settings?done=volume")
    assert page.daemon.requests == [r.Set(name="volume", value=1.5)]
    assert "The volume is 1 now." in words(page.get("/settings?done=volume"))

    page.daemon.handle = lambda *_: Outcome(is_accepted=False, reason="volume: 9 is not allowed")
    reply = page.post("/settings", action="set", name="volume", value="9")
    assert reply.status == 422
    field = re.search(r'<input [^>]*id="volume"[^>]*>', reply.body.decode())
    assert field is not None
    assert 'aria-invalid="true" autofocus' in field[0]
    assert 'value="9"' in field[0]
    assert "Volume: 9 is not allowed." in words(reply)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"is_private": True, "is_camera_available": False}, "switched off for privacy"),
        ({"is_camera_available": False}, "does not work, or is being opened"),
    ],
)
def test_without_a_picture_the_page_says_why(
    page: Page, monkeypatch: pytest.MonkeyPatch, state: dict[str, Any], expected: str
) -> None:
    for key, value in state.items():
        monkeypatch.setitem(STATE, key, value)
    page.daemon.frame = None
    reply = page.get("/")
    assert expected in words(reply)
    assert "<img" not in reply.body.decode()
    refused = page.post("/describe", how="here")
    assert refused.status == 422
    assert "There is no picture now" in words(refused)


def test_describing_only_here_asks_for_no_sound_and_gives_the_answer(page: Page) -> None:
    def answer() -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while (asked := page.daemon.pictures.take()) is None:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        description = Description("I think a dog runs.")
        at = SystemClock().utc()
        asked.reply(PictureAnswered(at=at, description=description, cause=asked.cause))

    observer = threading.Thread(target=answer)
    observer.start()
    reply = page.post("/describe", how="here")
    observer.join()
    assert reply.status == 200
    assert "The answer I think a dog runs." in words(reply)
    assert page.daemon.requests == []
    assert page.post("/describe", how="stop").status == 200
    assert page.post("/describe", how="explode").status == 422
    assert page.daemon.requests == [r.Stop()]


def test_the_history_is_read_in_pages_and_a_damaged_file_is_reported(
    page: Page, tmp_path: Path
) -> None:
    assert "Nothing is kept yet." in words(page.get("/history"))
    keep(tmp_path / "history.sqlite3", *(entry(x, f"Dog number {x}.") for x in range(60)))
    first = page.get("/history?search=dog")
    assert "Dog number 59." in words(first)
    assert "Dog number 9." not in words(first)
    older = re.search(r'href="(/history\?[^"]*before[^"#]*)', first.body.decode())
    assert older is not None
    second = words(page.get(unescape(older[1])))
    assert [x for x in range(60) if f"Dog number {x}." in second] == [*range(10)]
    assert "Nothing was found." in words(page.get("/history?kind=alert"))
    (tmp_path / "history.sqlite3").write_bytes(b"no database" * 100)
    broken = page.get("/history")
    assert broken.status == 503
    assert "history" in words(broken)
    assert "internal error" not in words(broken)


def test_a_report_whose_picture_is_no_longer_in_memory_keeps_what_was_typed(page: Page) -> None:
    page.daemon.frame = None
    form = {"text": "A dog runs.", "right": "A cat sits."}
    reply = page.post("/feedback", **form, is_picture_kept="true")
    assert reply.status == 422
    assert "no longer in memory" in words(reply)
    reply = page.post("/feedback", **form)
    assert (reply.status, reply.headers["location"]) == (303, "/?done=report")
    assert "1 report is kept" in words(page.get("/feedback"))
    assert page.get("/api/feedback/export").headers["content-type"] == "application/zip"
    assert page.post("/feedback/erase").status == 303
    assert "No reports are kept." in words(page.get("/feedback"))


def test_nothing_is_erased_or_changed_by_opening_an_address(page: Page) -> None:
    page.post("/feedback", text="A dog runs.")
    for path in ("/feedback/erase", "/places/forget", "/settings?action=privacy&is_on=true"):
        assert page.get(path).status == 200
    assert page.get("/describe").status == 405
    assert "1 report is kept" in words(page.get("/feedback"))
    assert page.daemon.requests == []


def test_what_is_missed_is_asked_for_in_minutes(page: Page) -> None:
    assert "There is no history" in words(page.get("/history?minutes=60"))
    for wrong in ("never", "0", "-5", "1e9", "nan", ""):
        reply = page.get(f"/history?minutes={wrong}")
        assert reply.status == 422, wrong
        assert 'aria-invalid="true"' in reply.body.decode()
    page.daemon.handle = lambda *_: Outcome(is_accepted=True, answer="In the last hour: a dog.")
    spoken = page.post("/history", action="summary", minutes="60")
    assert "In the last hour: a dog." in words(spoken)


def test_an_unknown_address_is_explained_in_plain_words(page: Page) -> None:
    reply = page.get("/nothing-here")
    assert reply.status == 404
    assert "There is nothing at this address: check it for a mistake." in words(reply)


def test_problems_are_shown_as_sentences(page: Page) -> None:
    assert "Everything works." in words(page.get("/health"))
    assert "The camera works. Narration is on." in words(page.get("/health"))
    page.daemon.problems.append("the broker cannot be reached: start it")
    shown = words(page.get("/health"))
    assert "Something needs your attention." in shown
    assert "The broker cannot be reached: start it." in shown


def test_only_one_client_waits_for_a_description_of_the_page(page: Page) -> None:
    replies: list[Reply] = []
    first = threading.Thread(target=lambda: replies.append(page.post("/describe", how="here")))
    first.start()
    deadline_s = time.monotonic() + DEADLINE_S
    while not page.daemon.pictures:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    try:
        # Each waits in a thread of the server, of which the others need some.
        began_s = time.monotonic()
        refused = page.post("/describe", how="here")
        assert time.monotonic() - began_s < 5
        picture = {"Content-Type": "image/png"}
        assert fetch(page.port, "/api/describe", "POST", b"x", picture).status == 429
    finally:
        asked = page.daemon.pictures.take()
        assert asked is not None
        description = Description("I think a dog runs.")
        at = SystemClock().utc()
        asked.reply(PictureAnswered(at=at, description=description, cause=asked.cause))
        first.join()
    assert refused.status == 422
    assert "Another picture is being described" in words(refused)
    assert [reply.status for reply in replies] == [200]
