"""Settings of the triggers: what goes together, and what presses make of them."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from seealoud.device.requests import MAX_SNOOZE_MIN
from seealoud.device.triggers.settings import (
    ButtonSettings,
    KeySettings,
    PressSettings,
    SocketSettings,
    TriggerSettings,
)


def test_by_default_there_is_no_button_and_no_key() -> None:
    settings = TriggerSettings()
    assert settings.button.pin is None
    assert settings.keys == ()
    assert settings.socket.path is None


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"pin": 54}, "pin"),
        ({"pin": -1}, "pin"),
        ({"pin": True}, "pin"),
        ({"pin": "17"}, "pin"),
        ({"bounce": 1}, "bounce"),
        ({"short_press": "dance"}, "short_press"),
        ({"pull": "none"}, "needs active"),
        ({"pull": "up", "active": "high"}, 'makes active = "low"'),
        ({"pull": "down", "active": "low"}, 'makes active = "high"'),
        ({"snooze_min": 0}, "snooze_min"),
        ({"snooze_min": MAX_SNOOZE_MIN + 1}, "snooze_min"),
    ],
)
def test_what_a_button_cannot_be(table: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        ButtonSettings.model_validate(table)


@pytest.mark.parametrize("code", ["ENTER", "KEY_", "key_enter", "KEY_ENTER;", ""])
def test_what_no_key_is_called(code: str) -> None:
    with pytest.raises(ValidationError, match="code"):
        KeySettings(code=code)


@pytest.mark.parametrize(("path", "named"), [("run/s", "begin with /"), ("/" + "x" * 107, "107")])
def test_where_no_socket_can_be(path: str, named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        SocketSettings.model_validate({"path": path})
    assert SocketSettings.model_validate({"path": "/" + "x" * 106}).path is not None


@pytest.mark.parametrize("factor", [0, 0.4, 4.1, math.nan, "2", True])
def test_what_no_press_time_factor_can_be(factor: object) -> None:
    with pytest.raises(ValidationError, match="press_time_factor"):
        TriggerSettings.model_validate({"press_time_factor": factor})


def test_every_setting_is_explained() -> None:
    for group in (ButtonSettings, KeySettings, SocketSettings, PressSettings):
        undocumented = [name for name, x in group.model_fields.items() if not x.description]
        assert undocumented == [], group
