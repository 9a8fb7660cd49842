"""The page of a real daemon in Debian's Chromium: accessible, safe, and live.

One daemon and one browser for the whole file. The page is on all addresses, so that it asks for the
token, as it does on a phone.
"""

from __future__ import annotations

import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from support.daemon_process import WAIT_S, DaemonProcess
from support.mosquitto import free_port
from support.page_browser import Watched, browser, watched
from support.picture_stream import PictureStream
from support.shipped import ROOT, needs_shipped_bundle

from seealoud.device import requests as r

__all__ = ["browser"]
pytestmark = needs_shipped_bundle

PHOTOS = ROOT / "docs" / "figures" / "photos"
SETTINGS = """
[device]
name = "SeeAloud in the kitchen"
[camera]
source = "{source}"
[narration]
is_on = false
[[narration.rules]]
name = "cat"
words = ["cat"]
cooldown_s = 1
[speech]
output = "none"
[web]
is_on = true
address = "0.0.0.0:{port}"
"""
PAGES = ("/", "/history?minutes=60", "/places", "/settings", "/feedback", "/health")
ASKS = ("/places/forget?name=kitchen", "/places/forget", "/feedback/erase")
ERRORS = ("/nothing-here", "/history?minutes=never")
# 1280 px at 200 % and at 400 %, a phone, and a computer.
WIDTHS_PX = (640, 320, 360, 1280)
HEIGHT_PX = 700


class Site(NamedTuple):
    """What all tests share: the daemon, its camera, its page, and a browser that is logged in."""

    daemon: DaemonProcess
    stream: PictureStream
    base: str
    browser: Any
    logged_in: Any

    @property
    def token(self) -> str:
        return (self.daemon.state / "web-token").read_text().strip()

    def context(self, **options: Any) -> Any:
        """Return a new context of the browser, logged in, with Playwright's options."""
        return self.browser.new_context(storage_state=self.logged_in, **options)


def _photo(name: str) -> np.ndarray:
    bgr_hwc = cv2.resize(cv2.imread(str(PHOTOS / name)), (640, 480))
    return np.ascontiguousarray(bgr_hwc[:, :, ::-1])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Site]:
    stream = PictureStream(_photo("two-dogs.jpg"))
    port = free_port()
    settings = SETTINGS.format(source=stream.address, port=port)
    daemon = DaemonProcess(tmp_path_factory.mktemp("page"), settings)
    try:
        daemon.wait_ready()
        base = f"http://127.0.0.1:{port}"
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{base}/login")
        page.get_by_label("Token").fill((daemon.state / "web-token").read_text().strip())
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{base}/")
        page.locator("#picture").wait_for()  # as soon as the camera works
        logged_in = context.storage_state()
        context.close()
        yield Site(daemon, stream, base, browser, logged_in)
    finally:
        daemon.close()
        stream.close()


@pytest.fixture
def seen(site: Site) -> Iterator[Watched]:
    """A page of a logged-in browser; errors on the console and requests to others fail the test."""
    context = site.context(viewport={"width": 1280, "height": HEIGHT_PX})
    with watched(context, site.base) as page:
        yield page
    context.close()


def _opened(site: Site, seen: Watched, path: str) -> Any:
    seen.page.goto(f"{site.base}{path}")
    return seen.page


def _state(site: Site) -> Any:
    return site.daemon.ask(r.Status()).data


# ------------------------------------------------------------ who may see it


def test_a_stranger_sees_only_the_login_and_a_wrong_token_is_refused_at_its_field(
    site: Site,
) -> None:
    context = site.browser.new_context()
    with watched(context, site.base) as seen:
        seen.allowed += ["status of 401"]
        page = _opened(site, seen, "/settings")
        assert page.url == f"{site.base}/login"
        field = page.get_by_label("Token")
        assert field.evaluate("x => x === document.activeElement")
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        page.get_by_text("There is a problem").wait_for()
        assert page.title().startswith("Problem: ")
        assert field.get_attribute("aria-invalid") == "true"
        described = page.locator(f"#{field.get_attribute('aria-describedby')}")
        assert "token" in described.inner_text().lower()
        assert seen.violations() == []
        assert context.cookies() == []

        page.get_by_label("Token").fill(site.token)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{site.base}/")
        (cookie,) = context.cookies()
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
        assert site.token not in cookie["value"]
        assert site.token not in page.content()
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url(f"{site.base}/login")
        assert page.goto(f"{site.base}/health").url == f"{site.base}/login"
    context.close()
    assert site.token not in site.daemon.log_text()


class _Evil(BaseHTTPRequestHandler):
    """A web site that somebody visits, who is logged in at the device in the same browser."""

    target = ""

    def do_GET(self) -> None:
        body = (
            f'<form method="post" action="{self.target}/settings">'
            '<input name="action" value="privacy"><input name="is_on" value="true">'
            "<button>Win a prize</button></form>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_form_of_another_web_site_is_refused(site: Site) -> None:
    _Evil.target = site.base
    server = HTTPServer(("127.0.0.1", 0), _Evil)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    # Of the same host, so that the browser even sends the strict cookie; and of another one.
    context = site.context()
    try:
        for host in ("127.0.0.1", "localhost"):
            page = context.new_page()
            page.goto(f"http://{host}:{server.server_address[1]}/")
            with page.expect_navigation() as navigation:
                page.get_by_role("button").click()
            # Without its cookie it ends at the login, with it at a refusal.
            assert navigation.value.status == 403 or page.url == f"{site.base}/login"
            assert _state(site)["is_private"] is False
    finally:
        context.close()
        server.shutdown()
        server.server_close()
        thread.join()


# ------------------------------------------------------------ accessible


def test_every_page_is_accessible_in_both_colour_schemes_and_at_every_width(
    site: Site, seen: Watched
) -> None:
    seen.allowed += ["status of 404", "status of 422"]
    site.daemon.ask(r.Describe(wants_answer=True))
    wrong = []
    for path in (*PAGES, *ASKS, *ERRORS):
        page = _opened(site, seen, path)
        page.evaluate("document.querySelectorAll('details').forEach(x => { x.open = true; })")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            wrong += [f"{scheme}: {x}" for x in seen.violations()]
        assert page.locator("h1").count() == 1
        assert page.locator("main, nav, header, footer").count() == 4
        for width in WIDTHS_PX:
            page.set_viewport_size({"width": width, "height": HEIGHT_PX})
            if seen.too_wide_px() > 0:
                wrong.append(f"{path}: {seen.too_wide_px()} px too wide at {width} px")
        # 200 % of the text alone, as some people set it.
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        if seen.too_wide_px() > 0:
            wrong.append(f"{path}: too wide with text of 200 %")
    assert wrong == []


def test_tab_reaches_everything_and_the_focus_is_always_visible(site: Site, seen: Watched) -> None:
    # A summary would have the focus, and Tab would begin there.
    for path in (*(x.partition("?")[0] for x in PAGES), ASKS[0]):
        page = _opened(site, seen, path)
        page.wait_for_load_state()
        stops = seen.tab_stops()
        assert len(stops) == seen.n_reachable(), (path, [x["name"] for x in stops])
        assert stops[0]["name"].endswith("Skip to the content")
        hidden = [x["name"] for x in stops if not (x["isOutlined"] and x["isInView"])]
        assert hidden == [], path


def test_the_skip_link_moves_the_focus_into_the_content(site: Site, seen: Watched) -> None:
    page = _opened(site, seen, "/health")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_keyboard_alone_changes_settings_and_the_result_has_the_focus(
    site: Site, seen: Watched
) -> None:
    seen.allowed += ["status of 422"]
    page = _opened(site, seen, "/settings")
    volume = page.get_by_label("Volume")
    seen.tab_to(volume)
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("0.5")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("The volume is 0.5 now.").wait_for()
    assert "The volume is 0.5 now." in page.evaluate("document.activeElement.innerText")
    assert page.title().startswith("The volume is 0.5 now.")
    assert _state(site)["volume"] == 0.5

    for name, key, value in (
        ("Switch narration on", "is_narrating", True),
        ("Switch narration off", "is_narrating", False),
        ("Mute all sound except alerts", "is_muted", True),
        ("Switch sound on", "is_muted", False),
    ):
        button = page.get_by_role("button", name=name)
        seen.tab_to(button)
        with page.expect_navigation():
            page.keyboard.press("Space")
        assert _state(site)[key] is value
        assert "now." in page.evaluate("document.activeElement.innerText")

    # What the browser lets pass and the daemon refuses.
    field = page.get_by_label("Pace of the words")
    field.evaluate("x => x.removeAttribute('max')")
    field.fill("99")
    page.keyboard.press("Enter")
    page.get_by_text("There is a problem").wait_for()
    field = page.get_by_label("Pace of the words")
    assert field.evaluate("x => x === document.activeElement")
    assert field.input_value() == "99"
    problem = page.locator("#rate-problem")
    assert "rate-problem" in (field.get_attribute("aria-describedby") or "")
    assert "99" in problem.inner_text()
    assert seen.violations() == []


# ------------------------------------------------------------ live


def test_new_captions_and_alerts_come_into_the_live_regions_and_the_focus_stays(
    site: Site, seen: Watched
) -> None:
    page = _opened(site, seen, "/")
    polite, at_once = page.locator("#spoken-politely"), page.locator("#spoken-at-once")
    assert polite.get_attribute("aria-live") == "polite"
    assert at_once.get_attribute("aria-live") == "assertive"
    button = page.get_by_role("button", name="Say it again")
    button.focus()
    page.wait_for_function("() => document.getElementById('stream-state').textContent === ''")
    said = site.daemon.ask(r.Describe(wants_answer=True)).answer
    polite.get_by_text(said).wait_for(state="attached")
    page.locator("#captions li").first.get_by_text(said).wait_for()

    site.stream.show(_photo("chelsea.jpg"))
    at_once.get_by_text("Alert: ").wait_for(state="attached")
    page.locator("#captions .alert").first.wait_for()
    site.daemon.ask(r.AlertSwitch(is_on=False))
    page.locator("#state").get_by_text("Alerts are off.").wait_for()
    assert button.evaluate("x => x === document.activeElement")

    quiet = page.get_by_label("Have a screen reader read new captions on this page")
    seen.tab_to(quiet)
    page.keyboard.press("Space")
    before = polite.inner_text()
    n_entries = page.locator("#captions li").count()
    answer = site.daemon.ask(r.Describe(wants_answer=True)).answer
    page.wait_for_function(
        "([text, n]) => { const found = document.querySelectorAll('#captions li');"
        " return found.length !== n && found[0].innerText.includes(text); }",
        arg=[answer, n_entries],
    )
    assert polite.inner_text() == before
    page.reload()
    assert not quiet.is_checked()
    quiet.check()
    site.daemon.ask(r.AlertSwitch(is_on=True))
    site.stream.show(_photo("two-dogs.jpg"))


def test_the_buttons_describe_aloud_and_only_here_by_the_keyboard(
    site: Site, seen: Watched
) -> None:
    page = _opened(site, seen, "/")
    answer = page.locator("#answer-text")
    for name, key in (("Describe only here", "Space"), ("Describe aloud", "Enter")):
        n_answers = page.locator("#captions .described").count()
        answer.evaluate("x => { x.textContent = ''; }")
        button = page.get_by_role("button", name=name)
        seen.tab_to(button)
        page.keyboard.press(key)
        page.wait_for_function("() => document.getElementById('answer-text').textContent")
        text = answer.inner_text()
        assert "dog" in text
        assert page.locator("#spoken-politely").inner_text() == text
        assert button.evaluate("x => x === document.activeElement")
        if name == "Describe aloud":
            page.wait_for_function(
                "n => document.querySelectorAll('#captions .described').length > n", arg=n_answers
            )
        else:
            assert page.locator("#captions .described").count() == n_answers


def test_the_picture_is_fetched_only_while_it_is_looked_at(site: Site, seen: Watched) -> None:
    page = seen.page
    page.clock.install()
    page.goto(f"{site.base}/")
    asked: list[str] = []
    page.on("request", lambda x: asked.append(x.url) if "/api/picture" in x.url else None)

    def after(seconds: int) -> int:
        # What was asked for is answered first; then time passes, and nothing may be asked for.
        page.wait_for_function("() => document.getElementById('picture').complete")
        before = len(asked)
        page.clock.run_for(seconds * 1000)
        page.evaluate("() => new Promise(x => queueMicrotask(x))")
        return len(asked) - before

    with page.expect_request("**/api/picture*"):
        page.clock.run_for(2000)
    page.get_by_role("button", name="Pause the picture").click()
    assert after(20) == 0
    with page.expect_request("**/api/picture*"):
        page.get_by_role("button", name="Show the picture live").click()
    page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', {configurable: true, value: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    assert after(20) == 0
    with page.expect_request("**/api/picture*"):
        page.evaluate(
            "() => { delete document.hidden;"
            " document.dispatchEvent(new Event('visibilitychange')); }"
        )
    page.set_viewport_size({"width": 360, "height": 200})
    page.locator("footer").scroll_into_view_if_needed()
    page.wait_for_function(
        "() => document.getElementById('picture').getBoundingClientRect().bottom < 0"
    )
    # The observer reports after the next frame.
    page.evaluate("() => new Promise(x => requestAnimationFrame(() => requestAnimationFrame(x)))")
    assert after(20) == 0


# ------------------------------------------------------------ reports, places, history


def test_a_report_is_kept_with_consent_exported_and_erased(
    site: Site, seen: Watched, tmp_path: Path
) -> None:
    said = site.daemon.ask(r.Describe(wants_answer=True)).answer
    page = _opened(site, seen, "/")
    seen.tab_to(page.locator("summary"))
    page.keyboard.press("Enter")
    assert said in page.locator("blockquote").inner_text()
    right = page.get_by_label("What is there really? (optional)")
    seen.tab_to(right)
    page.keyboard.type("Two dogs look out of a house.")
    keep = page.get_by_label("Keep the picture on this device")
    assert not keep.is_checked()
    seen.tab_to(keep)
    page.keyboard.press("Space")
    seen.tab_to(page.get_by_role("button", name="Save the report"))
    page.keyboard.press("Enter")
    page.get_by_text("The report is saved.").wait_for()

    page = _opened(site, seen, "/feedback")
    assert "1 report is kept" in page.locator("#kept").inner_text()
    with page.expect_download() as download:
        page.get_by_text("Export as a ZIP file").click()
    exported = tmp_path / "export.zip"
    download.value.save_as(exported)
    with zipfile.ZipFile(exported) as archive:
        names = archive.namelist()
        table = next(name for name in names if name.endswith("captions.tsv"))
        assert "Two dogs look out of a house." in archive.read(table).decode()
        picture = next(name for name in names if name.endswith(".jpg"))
        assert archive.read(picture).startswith(b"\xff\xd8")

    seen.tab_to(page.get_by_text("Erase all reports"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/feedback/erase")
    seen.tab_to(page.get_by_text("Keep it"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/feedback")
    assert "1 report is kept" in page.locator("#kept").inner_text()
    page.goto(f"{site.base}/feedback/erase")
    seen.tab_to(page.get_by_role("button", name="Erase all reports"))
    page.keyboard.press("Enter")
    page.get_by_text("All reports are erased.").wait_for()
    assert "No reports are kept." in page.locator("#kept").inner_text()
    assert [x for x in (site.daemon.state / "feedback").rglob("*") if x.is_file()] == []


def test_a_place_is_taught_recognised_and_forgotten_only_after_a_confirmation(
    site: Site, seen: Watched
) -> None:
    page = _opened(site, seen, "/places")
    name = page.get_by_label("Name of the place")
    name.fill("the <b>kitchen</b>")
    page.keyboard.press("Enter")
    # As the page has been loaded again, with the place in its list; never as markup.
    page.get_by_role("link", name="Forget the <b>kitchen</b>").wait_for()
    assert page.locator("#answer").inner_text()
    page.get_by_role("button", name="Say which place this is").click()
    page.locator("#answer").get_by_text("looks like").wait_for()

    page.get_by_role("link", name="Forget the <b>kitchen</b>").click()
    assert page.title().startswith("Forget “the <b>kitchen</b>”?")
    page.get_by_role("button", name="Forget").click()
    page.get_by_text("It is forgotten.").wait_for()
    assert "No place has been taught yet." in page.locator("main").inner_text()


def test_the_history_is_searched_and_summed_up(site: Site, seen: Watched) -> None:
    said = site.daemon.ask(r.Describe(wants_answer=True)).answer
    page = _opened(site, seen, "/")
    page.get_by_role("link", name="What did I miss?").click()
    page.get_by_role("button", name="Show what I missed").click()
    assert page.locator("#summary p").inner_text()
    assert page.evaluate("document.activeElement.id") == "summary"
    word = said.rstrip(".").split()[-1].strip(",.")
    page.get_by_label("Words to look for").fill(word)
    page.get_by_label("Kind of entry").select_option("described")
    page.get_by_role("button", name="Search").click()
    page.locator(".entries li").first.get_by_text(said).wait_for()
    page.get_by_label("Words to look for").fill("xylophone")
    page.keyboard.press("Enter")
    page.get_by_text("Nothing was found.").wait_for()


def test_the_pages_work_without_javascript(site: Site) -> None:
    context = site.context(java_script_enabled=False)
    with watched(context, site.base) as seen:
        page = _opened(site, seen, "/")
        assert "Without JavaScript it does not change" in page.content()
        page.get_by_role("button", name="Describe only here").click()
        assert "dog" in page.locator("#answer-text").inner_text()
        page.get_by_role("button", name="Describe aloud").click()
        answer = page.locator("#answer-text").inner_text()
        assert page.locator("#captions li").first.locator(".said").inner_text() == answer
        page.locator("summary").click()
        page.get_by_role("button", name="Save the report").click()
        page.get_by_text("The report is saved.").wait_for()
        page.goto(f"{site.base}/settings")
        page.get_by_role("button", name="Switch the camera off").click()
        page.goto(f"{site.base}/")
        assert "switched off for privacy" in page.locator("#view").inner_text()
        page.goto(f"{site.base}/settings")
        page.get_by_role("button", name="Switch the camera on").click()
    context.close()
    deadline_s = time.monotonic() + WAIT_S
    while not _state(site)["is_camera_available"]:
        assert time.monotonic() < deadline_s, "the camera is not opened again"
        time.sleep(0.02)


def test_the_health_is_in_sentences(site: Site, seen: Watched) -> None:
    page = _opened(site, seen, "/health")
    for sentence in page.locator(".sentences li").all_inner_texts():
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    page.get_by_role("button", name="Speak the self-check on the device").click()
    page.get_by_text("The device speaks the self-check now.").wait_for()
