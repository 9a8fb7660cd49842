"""Who may use the page: token, cookie, other web sites, names that lead here, too many requests."""

from __future__ import annotations

import http.client
import logging
import os
import stat
from datetime import timedelta

import pytest
from support.page import DEADLINE_S, ask, fetch, serve

from seealoud.device.commands.web import web
from seealoud.device.errors import ConfigError, DaemonError
from seealoud.device.testing import ManualClock
from seealoud.device.web.access import COOKIE, Call, Guard
from seealoud.device.web.token import SESSION_S, TOKEN_FILE, WebToken

EVERYWHERE = "0.0.0.0"
PRIVATE = ("/", "/api", "/api/state", "/api/picture", "/api/history", "/api/events", "/api/places")


@pytest.fixture
def open_page(page_daemon, tmp_path):
    """A page that others can reach: its port, and its token."""
    server, port = serve(page_daemon, tmp_path, EVERYWHERE)
    yield port, WebToken(tmp_path / TOKEN_FILE).text()
    server.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def form(port: int, token: str, **headers: str):
    own = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": f"http://127.0.0.1:{port}",
    }
    return fetch(port, "/login", "POST", f"token={token}".encode(), {**own, **headers})


def cookie_of(reply) -> str:
    return reply.headers["set-cookie"].partition(";")[0]


# ------------------------------------------------------------ the token


def test_without_the_token_nothing_private_is_served(open_page):
    port, token = open_page
    for path in PRIVATE:
        reply = fetch(port, path)
        if path == "/":
            assert (reply.status, reply.headers["location"]) == (303, "/login")
        else:
            assert reply.status == 401
            assert "seealoud web token" in reply.error
            assert reply.headers["www-authenticate"] == "Bearer"
    for wrong in ("", "Bearer", f"Bearer {token}x", f"Basic {token}", f"Bearer {token[:-1]}"):
        assert fetch(port, "/api/state", headers={"Authorization": wrong}).status == 401
    assert fetch(port, f"/api/state?token={token}").status == 401
    assert fetch(port, "/api/state", headers=bearer(token)).status == 200
    assert fetch(port, "/static/page.css").status == 200
    assert fetch(port, "/static/../api/state").status in (401, 404)
    assert fetch(port, "/login/../api/state").status == 303
    assert fetch(port, "//api/state").status in (303, 401)


def test_the_token_is_kept_where_only_the_daemon_s_user_reads_it(open_page, tmp_path):
    _, token = open_page
    assert stat.S_IMODE((tmp_path / TOKEN_FILE).stat().st_mode) == 0o600
    assert len(token) >= 43


def test_a_browser_logs_in_with_the_token_and_has_a_cookie_that_is_not_it(open_page):
    port, token = open_page
    page = fetch(port, "/login")
    assert page.status == 200
    assert b'type="password"' in page.body
    reply = form(port, token)
    assert (reply.status, reply.headers["location"]) == (303, "/")
    line = reply.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(line.split("; "))
    assert token not in line
    cookie = {"Cookie": cookie_of(reply)}
    assert fetch(port, "/", headers=cookie).status == 200
    assert fetch(port, "/api/state", headers=cookie).status == 200
    assert fetch(port, "/login", headers=cookie).status == 303
    gone = fetch(port, "/logout", "POST", b"", {**cookie, "Origin": f"http://127.0.0.1:{port}"})
    assert gone.status == 303
    assert f"{COOKIE}=;" in gone.headers["set-cookie"]


def test_a_wrong_token_in_the_form_is_refused_with_the_next_step(open_page):
    port, token = open_page
    reply = form(port, f"{token}x")
    assert reply.status == 401
    assert b"seealoud web token" in reply.body
    assert "set-cookie" not in reply.headers
    assert form(port, "x" * 5000).status == 413
    assert form(port, "%FF%FE").status == 401
    for _ in range(10):
        refused = form(port, "wrong")
    assert refused.status == 429
    assert form(port, token).status == 303


def test_a_changed_cookie_is_refused(open_page):
    port, token = open_page
    value = cookie_of(form(port, token)).partition("=")[2]
    begun, nonce, signature = value.split(".")
    for forged in (
        f"{int(begun) + 1}.{nonce}.{signature}",
        f"{begun}.{nonce}x.{signature}",
        f"{begun}.{nonce}.{signature[:-1]}",
        f"{begun}.{nonce}.",
        token,
        "..",
        "9" * 4000,
        "\N{ARABIC-INDIC DIGIT THREE}",
    ):
        cookie = {"Cookie": f"{COOKIE}={forged}".encode().decode("latin-1")}
        assert fetch(port, "/api/state", headers=cookie).status == 401, forged


def test_a_new_token_ends_every_session_at_once(open_page, tmp_path, capsys):
    port, token = open_page
    cookie = {"Cookie": cookie_of(form(port, token))}
    stream = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    stream.request("GET", "/api/events", headers=cookie)
    events = stream.getresponse()
    assert events.readline() == b"retry: 3000\n"
    web.main(["token", "--state", str(tmp_path)], standalone_mode=False)
    assert capsys.readouterr().out == f"{token}\n"
    web.main(["token", "--new", "--state", str(tmp_path)], standalone_mode=False)
    new = capsys.readouterr().out.strip()
    assert new != token
    assert fetch(port, "/api/state", headers=bearer(new)).status == 200
    assert fetch(port, "/api/state", headers=bearer(token)).status == 401
    assert fetch(port, "/api/state", headers=cookie).status == 401
    assert events.read() == b"\n"  # the open stream ends as well


def test_a_cookie_is_found_among_those_of_other_programs_on_the_same_host(open_page):
    port, token = open_page
    own = cookie_of(form(port, token))
    others = {"Cookie": f'a={{"b":[1,"x"]}}; odd; {own}; c=d'}
    assert fetch(port, "/api/state", headers=others).status == 200


def test_the_command_makes_the_token_before_the_daemon_does(tmp_path, capsys):
    web.main(["token", "--state", str(tmp_path)], standalone_mode=False)
    token = capsys.readouterr().out.strip()
    assert WebToken(tmp_path / TOKEN_FILE).create_where_missing() == token


def test_the_command_makes_no_folder_where_the_state_is_mistyped(tmp_path):
    typo = tmp_path / "typo"
    with pytest.raises(ConfigError, match=f"--state {typo}: there is no such folder; .*leave"):
        web.main(["token", "--state", str(typo)], standalone_mode=False)
    assert not typo.exists()


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 60])
def test_a_damaged_token_file_is_reported_and_lets_nobody_in(tmp_path, content):
    (tmp_path / TOKEN_FILE).write_bytes(content)
    with pytest.raises(DaemonError, match=str(tmp_path)):
        web.main(["token", "--state", str(tmp_path)], standalone_mode=False)
    token = WebToken(tmp_path / TOKEN_FILE)
    assert not token.is_right(content.decode("latin-1").strip())
    assert not token.is_session("1.a.b", ManualClock().utc())


def test_a_session_ends_after_thirty_days_and_outlives_a_restart(tmp_path):
    clock = ManualClock()
    token = WebToken(tmp_path / TOKEN_FILE)
    token.create_where_missing()
    session = token.new_session(clock.utc())
    again = WebToken(tmp_path / TOKEN_FILE)
    assert again.is_session(session, clock.utc() + timedelta(seconds=SESSION_S))
    assert not again.is_session(session, clock.utc() + timedelta(seconds=SESSION_S + 1))
    # A Raspberry Pi without a network has the time of its last shutdown.
    assert again.is_session(session, clock.utc() - timedelta(days=400))


def test_the_token_is_never_logged(open_page, caplog):
    port, token = open_page
    with caplog.at_level(logging.DEBUG):
        session = cookie_of(form(port, token))
        form(port, f"{token}x")
        fetch(port, f"/api/state?token={token}")
        fetch(port, f"/{token}")
        fetch(port, "/api/state", headers=bearer(token))
        fetch(port, "/api/state", headers=bearer(f"{token}x"))
        fetch(port, "/api/state", headers={"Cookie": session})
    assert "gave a wrong token" in caplog.text
    assert token not in caplog.text
    assert session.partition("=")[2] not in caplog.text


# ------------------------------------------------------------ other web sites


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_another_web_site_can_neither_read_nor_change_anything(
    page_daemon, page_port, open_page, headers
):
    port, token = open_page
    cookie = {"Cookie": cookie_of(form(port, token))}
    for where, own in ((page_port, {}), (port, cookie)):
        reply = ask(where, {"action": "say", "text": "boo"}, **{**own, **headers})
        assert reply.status == 403, reply.body
        assert "another web site" in reply.error or "the web site" in reply.error
        assert fetch(where, "/api/state", headers={**own, **headers}).status == 403
    assert page_daemon.requests == []


def test_a_form_of_another_web_site_is_not_json(page_daemon, page_port):
    """Old browsers send no Origin; a form cannot send JSON without asking first."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        reply = fetch(
            page_port, "/api/request", "POST", b'{"action":"stop"}', {"Content-Type": kind}
        )
        assert reply.status == 415
    assert (
        fetch(page_port, "/api/request", "OPTIONS")
        .headers.keys()
        .isdisjoint({"access-control-allow-origin", "access-control-allow-headers"})
    )
    assert page_daemon.requests == []


def test_a_cookie_without_an_origin_changes_nothing(page_daemon, open_page):
    port, token = open_page
    cookie = {"Cookie": cookie_of(form(port, token))}
    reply = ask(port, {"action": "stop"}, **cookie)
    assert reply.status == 403
    assert "Authorization: Bearer" in reply.error
    assert page_daemon.requests == []
    assert ask(port, {"action": "stop"}, **cookie, Origin=f"http://127.0.0.1:{port}").status == 200
    assert ask(port, {"action": "stop"}, **cookie, Sec_Fetch_Site="same-origin").status == 200
    assert ask(port, {"action": "stop"}, **bearer(token)).status == 200


def test_a_login_from_another_web_site_is_refused(open_page):
    port, token = open_page
    assert form(port, token, Origin="http://evil.example").status == 403


def test_a_link_from_another_web_site_opens_the_page(page_port):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert fetch(page_port, "/", headers=link).status == 200
    assert fetch(page_port, "/", "POST", b"", link).status == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8080", 200),
        ("127.0.0.1:1", 200),
        ("127.9.9.9", 200),
        ("[::1]:8080", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("evil.example@localhost", 200),  # names localhost; no browser sends it
        ("", 403),
        ("[", 403),
        ("192.168.1.7:8080", 403),
    ],
)
def test_a_name_that_leads_to_this_machine_is_refused_without_a_token(page_port, host, status):
    assert fetch(page_port, "/api/state", headers={"Host": host}).status == status


def test_no_address_leads_to_the_host_that_a_client_names(page_port, open_page):
    port, token = open_page
    evil = {"Host": "evil.example"}
    for path in ("/api//state", "/static//page.css", "/settings/"):
        for reply in (
            fetch(page_port, path),
            fetch(port, path, headers=evil),
            fetch(port, path, headers={**bearer(token), **evil}),
        ):
            assert reply.status in (303, 401, 404), path
            assert "evil" not in reply.headers.get("location", "")


def test_every_answer_forbids_the_browser_to_load_anything_from_elsewhere(open_page):
    port, _ = open_page
    for path in ("/login", "/static/page.css", "/nothing", "/api", "/api/nothing"):
        headers = fetch(port, path).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers
        if not path.startswith("/static"):
            assert headers["cache-control"] == "no-store"


# ------------------------------------------------------------ too many requests


def call(client: str = "192.0.2.7", path: str = "/api/state", **headers: str) -> Call:
    return Call("GET", path, client, {"host": "localhost", **headers})


def test_each_client_has_a_limit_of_its_own():
    clock = ManualClock()
    guard = Guard(None, clock)
    refused = [guard.refusal(call()) for _ in range(1000)]
    assert refused[0] is None
    assert refused[-1] is not None
    assert refused[-1].status == 429
    assert guard.refusal(call("192.0.2.8")) is None
    clock.advance(10)
    assert guard.refusal(call()) is None


def test_requests_that_other_web_sites_cause_do_not_count_against_the_user():
    guard = Guard(None, ManualClock())
    foreign = (
        call(**{"sec-fetch-site": "cross-site"}),
        call(origin="http://evil.example"),
        call(host="evil.example"),
        # As in an iframe, which a page can open as often as it likes.
        call(
            path="/",
            **{
                "sec-fetch-site": "cross-site",
                "sec-fetch-mode": "navigate",
                "sec-fetch-dest": "iframe",
            },
        ),
    )
    for _ in range(1000):
        for one in foreign:
            refused = guard.refusal(one)
            assert refused is not None
            assert refused.status == 403
    assert guard.refusal(call()) is None


def test_guesses_of_the_token_are_limited_for_each_client_and_for_all(tmp_path):
    clock = ManualClock()
    token = WebToken(tmp_path / TOKEN_FILE)
    right = token.create_where_missing()
    guard = Guard(token, clock)

    def guess(client: str, given: str) -> int:
        found = guard.refusal(call(client, authorization=f"Bearer {given}"))
        return 200 if found is None else found.status

    assert [guess("192.0.2.7", "wrong") for _ in range(11)] == [401] * 10 + [429]
    # Who knows it is not kept out by somebody who guesses.
    assert guess("192.0.2.7", right) == 200
    statuses = [guess(f"198.51.100.{number}", "wrong") for number in range(100)]
    assert statuses.count(401) == 50  # 60 in all
    assert guess("192.0.2.9", right) == 200
    clock.advance(60)
    assert guess("192.0.2.7", "wrong") == 401


def test_clients_that_were_long_gone_are_forgotten():
    guard = Guard(None, ManualClock())
    for number in range(2000):
        assert guard.refusal(call(f"client {number}")) is None
    assert len(guard._requests._buckets) <= 256


def test_root_keeps_the_owner_of_the_folder(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, 12345, 54321)
    WebToken(folder / TOKEN_FILE).renew()
    status = (folder / TOKEN_FILE).stat()
    assert (status.st_uid, status.st_gid) == (12345, 54321)
