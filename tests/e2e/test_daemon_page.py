"""The page of a real daemon in a process of its own: start, token, log, and the end."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

from support.daemon_core import core_settings_text
from support.daemon_process import DaemonProcess
from support.page import HERE, ask, fetch, free_port

from seealoud.device import requests as r
from seealoud.device.web.token import TOKEN_FILE

STOP_S = 6.0


def settings_text(folder: Path, address: str) -> str:
    return core_settings_text(folder, f'[web]\nis_on = true\naddress = "{address}"')


def is_page(is_problem: bool):
    level = "warning" if is_problem else "info"
    return lambda line: line.get("part") == "page" and line["level"] == level


def test_a_page_that_cannot_be_served_ends_no_start_and_works_later_with_a_secret_token(
    tmp_path: Path,
) -> None:
    port = free_port()
    with ExitStack() as stack:
        taken = stack.enter_context(socket.create_server(("0.0.0.0", port)))
        daemon = DaemonProcess(tmp_path, settings_text(tmp_path, f"0.0.0.0:{port}"))
        stack.callback(daemon.close)
        daemon.wait_ready()
        line = daemon.wait_log(is_page(True))
        assert f"0.0.0.0:{port}" in str(line)
        assert "web.address" in str(line)
        assert daemon.ask(r.Describe()).is_accepted
        taken.close()
        daemon.wait_log(is_page(False))

        token = (daemon.state / TOKEN_FILE).read_text().strip()
        bearer = {"Authorization": f"Bearer {token}"}
        assert fetch(port, "/api/state").status == 401
        assert fetch(port, "/api/state", headers=bearer).json["is_all_well"] is True
        assert fetch(port, f"/api/state?token={token}").status == 401
        assert ask(port, {"action": "say", "text": "A secret."}, **bearer).status == 200
        session = fetch(
            port,
            "/login",
            "POST",
            f"token={token}".encode(),
            {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"http://{HERE}:{port}",
            },
        ).headers["set-cookie"]

        stream = stack.enter_context(socket.create_connection((HERE, port), 30))
        stream.sendall(
            f"GET /api/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        assert b"text/event-stream" in stream.recv(4096)
        process = Path("/proc") / str(daemon.process.pid)
        assert token.encode() not in (process / "cmdline").read_bytes()
        assert token.encode() not in (process / "environ").read_bytes()
        code, took_s = daemon.stop()
    assert (code, took_s < STOP_S) == (0, True)
    assert token not in daemon.log_text()
    assert session.partition(";")[0].partition("=")[2] not in daemon.log_text()
    assert "Traceback" not in daemon.log_text()
