"""Requests: strict, whole or refused, the value named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device import requests as r
from device.errors import RequestError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"action": "describe"}', r.Describe()),
        ('{"action": "describe", "id": "a1"}', r.Describe(id="a1")),
        ('{"action": "say", "text": "Dinner."}', r.Say(text="Dinner.")),
        ('{"action": "narrate"}', r.Narrate()),
        ('{"action": "narrate", "is_on": false}', r.Narrate(is_on=False)),
        ('{"action": "snooze", "minutes": 5}', r.Snooze(minutes=5)),
        ('{"action": "set", "name": "volume", "value": 0.5}', r.Set(name="volume", value=0.5)),
        ('{"action": "summary"}', r.Summary(minutes=60)),
    ],
)
def test_what_is_taken(text: str, expected: r.Request) -> None:
    assert r.parse_request(text.encode()) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "JSON"),
        ("[]", "object"),
        ("{}", "action"),
        ('{"action": "dance"}', "dance"),
        ('{"action": "describe", "loud": true}', "loud"),
        ('{"action": "say"}', "text"),
        ('{"action": "say", "text": ""}', "text"),
        (json.dumps({"action": "say", "text": "x" * (r.MAX_SAY_CHARS + 1)}), "text"),
        ('{"action": "narrate", "is_on": "yes"}', "is_on"),
        ('{"action": "narrate", "is_on": 1}', "is_on"),
        ('{"action": "snooze", "minutes": -1}', "minutes"),
        ('{"action": "snooze", "minutes": NaN}', "minutes"),
        ('{"action": "snooze", "minutes": 1441}', "minutes"),
        ('{"action": "mute"}', "is_on"),
        ('{"action": "set", "name": "bundle", "value": 1}', "name"),
        (json.dumps({"action": "describe", "id": "x" * 65}), "id"),
    ],
)
def test_what_is_refused_names_the_key_or_the_value(text: str, named: str) -> None:
    with pytest.raises(RequestError, match=named) as caught:
        r.parse_request(text.encode())
    assert "Input" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "the request must be a JSON object, not '[]'"),
        ("{}", "the request names no action: '{}'"),
        ('{"action": "describe", "loud": true}', "describe: loud is not known"),
        ('{"action": "say"}', "say: text is missing"),
        ('{"action": "say", "text": ""}', "say: text must not be empty"),
        ('{"action": "narrate", "is_on": 1}', "narrate: is_on must be true or false, not 1"),
        ('{"action": "snooze", "minutes": 1441}', "snooze: minutes must be at most 1440, not 1441"),
        (f'{{"action": "snooze", "minutes": 1{"0" * 400}}}', "snooze: minutes must be"),
        (f'{{"action": "narrate", "is_on": 1{"0" * 400}}}', "narrate: is_on must be true or false"),
        ('{"action": "snooze", "minutes": "x"}', "snooze: minutes must be a number, not 'x'"),
        (
            '{"action": "snooze", "minutes": NaN}',
            "snooze: minutes must be a finite number, not nan",
        ),
        (
            '{"action": "set", "name": "volum", "value": 1}',
            "set: name must be 'volume', 'rate', 'minimum_gap_s', 'snooze_min' or 'voice', not",
        ),
    ],
)
def test_a_refusal_is_in_plain_words(text: str, reason: str) -> None:
    with pytest.raises(RequestError) as caught:
        r.parse_request(text.encode())
    assert str(caught.value).startswith(reason)


def test_a_long_request_is_refused_before_it_is_read() -> None:
    with pytest.raises(RequestError, match=str(r.MAX_REQUEST_BYTES)):
        r.parse_request(b" " * (r.MAX_REQUEST_BYTES + 1))


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_else_than_be_taken_or_refused(data: bytes) -> None:
    try:
        request = r.parse_request(data)
    except RequestError:
        return
    assert r.parse_request(request.model_dump_json().encode()) == request
