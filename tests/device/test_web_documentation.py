"""The commands of docs/api.md, run by curl against a real daemon."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import cv2
import pytest
from support.daemon_core import DaemonCore, core_settings
from support.page import DEADLINE_S, FakeDaemon, free_port, serve

from seealoud.device.web.openapi import OPERATIONS
from seealoud.device.web.token import TOKEN_FILE

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
HERE, ELSEWHERE = "127.0.0.1:8080", "kitchen.local:8080"
_TIME_IS_OVER = 28


def commands() -> list[list[str]]:
    """Return the commands of the page, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    return [found for line in lines if (found := shlex.split(line, comments=True))]


def test_every_operation_is_documented_with_a_command():
    addresses = {
        address.partition(HERE)[2].partition("?")[0] for one in commands() for address in one
    }
    assert {one.path for one in OPERATIONS} <= addresses


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_command_of_the_page_works_as_it_is_written(tmp_path):
    port = free_port()
    settings = core_settings(tmp_path, f'[web]\nis_on = true\naddress = "127.0.0.1:{port}"\n')
    others, others_port = serve(FakeDaemon(), tmp_path, "0.0.0.0")
    token = (tmp_path / TOKEN_FILE).read_text().strip()
    (tmp_path / "token-header").write_text(f"Authorization: Bearer {token}\n")
    picture = cv2.imread(str(tmp_path / "pictures" / "0.png"))
    cv2.imwrite(str(tmp_path / "photo.jpg"), picture)
    printed = []

    def work(_: DaemonCore) -> None:
        for command in commands():
            own = [
                word.replace(HERE, f"127.0.0.1:{port}").replace(
                    ELSEWHERE, f"127.0.0.1:{others_port}"
                )
                for word in command
            ]
            assert own[0] == "curl"
            done = subprocess.run(
                own, cwd=tmp_path, capture_output=True, timeout=DEADLINE_S, check=False
            )
            is_stream = "--max-time" in own
            assert done.returncode == (_TIME_IS_OVER if is_stream else 0), (own, done.stderr)
            if not is_stream and "-o" not in own:
                answer = json.loads(done.stdout)
                assert "error" not in answer, (own, answer)
                printed.append(answer)

    try:
        DaemonCore(settings, tmp_path, work).run()
    finally:
        others.close()
    assert len(printed) >= 10
    assert (tmp_path / "camera.jpg").read_bytes().startswith(b"\xff\xd8")
    assert (tmp_path / "feedback.zip").read_bytes().startswith(b"PK")
