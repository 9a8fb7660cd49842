"""The requests that the forms of the page send, and the words of its state and settings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from seealoud.device import requests as r
from seealoud.device.errors import RequestError
from seealoud.device.narrator.settings import NarrationSettings
from seealoud.device.speech.settings import SpeechSettings
from seealoud.device.web import sentences
from seealoud.device.web.forms import NumberField, field_of, number_fields, request_of, switches

NOW = datetime(2026, 11, 28, 14, 0, tzinfo=UTC)
VOICES = {"Built-in": "", "alan": "/voices/alan.onnx"}


def state(**changes: Any) -> dict[str, Any]:
    return {
        "is_narrating": True, "is_alerting": True, "is_muted": False, "is_private": False,
        "snoozed_until": None, "volume": 1.0, "rate": 1.25, "voice": None, "minimum_gap_s": 8.0,
        "is_camera_available": True, "is_camera_problem": False, "uptime_s": 7505, **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"action": "narrate", "is_on": "false"}, r.Narrate(is_on=False)),
        ({"action": "snooze", "minutes": "30"}, r.Snooze(minutes=30)),
        ({"action": "set", "name": "rate", "value": " 1,5 "}, r.Set(name="rate", value=1.5)),
        ({"action": "set", "name": "voice", "value": "Built-in"}, r.Set(name="voice", value="")),
        (
            {"action": "set", "name": "voice", "value": "alan"},
            r.Set(name="voice", value="/voices/alan.onnx"),
        ),
        ({"action": "place_teach", "name": " kitchen "}, r.PlaceTeach(name="kitchen")),
        ({"action": "place_forget"}, r.PlaceForget()),
    ],
)
def test_a_form_becomes_a_request(form: dict[str, str], expected: r.Request) -> None:
    assert request_of(form, VOICES) == expected


def test_a_form_can_wait_for_its_answer() -> None:
    assert request_of({"action": "where"}, VOICES, wants_answer=True) == r.Where(wants_answer=True)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"action": "set", "name": "volume", "value": "loud"}, "'loud' is not a number"),
        ({"action": "set", "name": "volume", "value": "inf"}, "value"),
        ({"action": "set", "name": "voice", "value": "/etc/passwd"}, "Built-in, alan"),
        ({"action": "narrate", "is_on": "maybe"}, "is_on"),
        ({"action": "snooze", "minutes": "-1"}, "minutes"),
        ({"action": "explode"}, "explode"),
        ({"action": "narrate", "is_on": "true", "more": "x"}, "more"),
        ({"action": "place_teach", "name": " "}, "name"),
        ({}, "action"),
    ],
)
def test_a_wrong_form_is_refused_with_its_value(form: dict[str, str], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        request_of(form, VOICES)


def test_every_switch_sends_what_is_not_so_now_and_has_a_result() -> None:
    for is_on in (True, False):
        now = state(is_narrating=is_on, is_alerting=is_on, is_muted=is_on, is_private=is_on)
        for form in switches(now, NOW):
            request = request_of(form.fields, VOICES)
            assert request.action == form.id == field_of(form.fields)
            assert request.is_on is (not is_on)  # type: ignore[union-attr]
            assert sentences.setting_changed(form.id, now, NOW)


def test_every_number_is_a_request_within_the_limits_of_the_settings() -> None:
    def sent(field: NumberField, value: str) -> r.Request:
        form = {"action": field.action, field.field: value}
        if field.action == "set":
            form["name"] = field.id
        assert field_of(form) == field.id
        return request_of(form, VOICES)

    tables: dict[str, Any] = {"minimum_gap_s": NarrationSettings}
    for field in number_fields(state()).values():
        sent(field, field.value)
        assert sentences.setting_changed(field.id, state(), NOW)
        if field.action != "set":
            continue
        table = tables.get(field.id, SpeechSettings)
        for limit in (field.least, field.most):
            table.model_validate({field.id: limit})
        with pytest.raises(ValueError, match=field.id):
            table.model_validate({field.id: field.most + 1})


def test_the_state_is_shown_in_full_sentences() -> None:
    until = (NOW + timedelta(minutes=5)).isoformat()
    assert sentences.state_in_words(state(snoozed_until=until, is_muted=True), NOW) == [
        "The camera works.",
        "Narration is paused until 14:05:00.",
        "Alerts are on.",
        "Sound is muted, except for alerts.",
    ]
    assert sentences.state_in_words(state(is_private=True), NOW)[0] == (
        "The camera is switched off for privacy."
    )
    assert "The camera does not work." in sentences.state_in_words(
        state(is_camera_available=False, is_camera_problem=True), NOW
    )


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOW, "14:00:00"),
        (NOW - timedelta(days=1), "27 November, 14:00:00"),
        (NOW - timedelta(days=365), "28 November 2025, 14:00:00"),
    ],
)
def test_a_time_names_the_day_where_it_is_not_today(at: datetime, words: str) -> None:
    assert sentences.moment_in_words(at, NOW) == words


def test_figures_without_a_value_are_not_known() -> None:
    shown = dict(sentences.figures(state()))
    assert shown["Running for"] == "2 hours and 5 minutes"
    assert shown["Temperature"] == "not known"


def test_reports_are_counted_in_words() -> None:
    assert sentences.kept_reports(0, 0) == "No reports are kept."
    assert sentences.kept_reports(1, 9) == "1 report is kept, less than 0.1 MB."
    assert sentences.kept_reports(2, 2_340_000) == "2 reports are kept, 2.3 MB."


def test_a_message_of_the_program_becomes_a_sentence() -> None:
    assert sentences.as_sentence("the broker works again") == "The broker works again."
    assert sentences.as_sentence("Is it dark?") == "Is it dark?"
