"""``seealoud press`` against the daemon's real parts: what is printed is what is spoken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.daemon_core import DaemonCore, core_settings
from support.triggers_parts import eventually

from device.__main__ import main
from device.events import Answered, Event

Press = Callable[..., tuple[int, str, str]]


class Answers:
    """Keeps the answers of the bus."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def accept(self, event: Event) -> None:
        if isinstance(event, Answered):
            self.texts.append(event.text)


def test_press_prints_what_is_spoken_and_refuses_in_plain_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(daemon: DaemonCore) -> None:
        answers = Answers()
        daemon._bus.subscribe(answers)

        def press(*typed: str) -> tuple[int, str, str]:
            code = main(["press", *typed, "--socket", str(tmp_path / "run" / "seealoud.sock")])
            said = capsys.readouterr()
            return code, said.out, said.err

        code, out, err = press("describe")
        assert (code, err) == (0, "")
        assert eventually(lambda: bool(answers.texts))
        assert out == f"{answers.texts[-1]}\n"
        assert press("narrate", "off") == (0, "Narration off.\n", "")
        assert press("self-check")[1].startswith("All is well.")
        assert press("say", "dinner", "is", "ready") == (0, "", "")
        code, _, err = press("set", "volume", "99")
        assert code == 10
        # The daemon, which is in this process, logs it as well.
        assert err.splitlines()[-1] == (
            "seealoud: volume: 99 is not allowed; it takes a number from 0 to 2"
        )
        _, status, _ = press("status")
        assert "Narration is off.\n" in status
        assert "The volume is 1.\n" in status

    assert DaemonCore(core_settings(tmp_path), tmp_path, work).run() == 0
