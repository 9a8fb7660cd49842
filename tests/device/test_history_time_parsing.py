"""Times as users write them, and as they are stored."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.device.errors import ConfigError
from seealoud.device.history.time_parsing import from_us, parse_moment, rfc3339, to_us

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 25, 14, 30, 15, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("text", "is_end", "expected"),
    [
        ("now", False, "2026-11-25T14:30:15"),
        ("2h", False, "2026-11-25T12:30:15"),
        ("1.5 h", False, "2026-11-25T13:00:15"),
        ("30min", False, "2026-11-25T14:00:15"),
        ("45M", False, "2026-11-25T13:45:15"),
        ("90s", False, "2026-11-25T14:28:45"),
        ("3d", False, "2026-11-22T14:30:15"),
        ("1w", True, "2026-11-18T14:30:15"),
        ("today", False, "2026-11-25T00:00:00"),
        ("today", True, "2026-11-26T00:00:00"),
        (" Yesterday ", False, "2026-11-24T00:00:00"),
        ("yesterday", True, "2026-11-25T00:00:00"),
        ("2026-11-20", False, "2026-11-20T00:00:00"),
        ("2026-11-20", True, "2026-11-21T00:00:00"),
        ("14:05", False, "2026-11-25T14:05:00"),
        ("9:30", False, "2026-11-25T09:30:00"),
        ("14:31", False, "2026-11-24T14:31:00"),
        ("2026-11-25T10:00", False, "2026-11-25T10:00:00"),
        ("2026-11-25 10:00:30", True, "2026-11-25T10:00:30"),
        ("2026-11-25T10:00Z", False, "2026-11-25T11:00:00"),
        ("2026-10-01T10:00+02:00", False, "2026-10-01T10:00:00"),
    ],
)
def test_times_as_users_write_them(text: str, is_end: bool, expected: str) -> None:
    wanted = datetime.fromisoformat(expected).replace(tzinfo=BERLIN)
    found = parse_moment(text, NOW, is_end=is_end, zone=BERLIN)
    assert found == wanted
    assert found.tzinfo is not None


def test_a_day_has_its_own_offset_from_utc() -> None:
    summer = parse_moment("2026-07-01", NOW, is_end=False, zone=BERLIN)
    assert summer.astimezone(UTC) == datetime(2026, 6, 30, 22, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "2x", "-2h", "25:00", "2026-13-01", "2026-11-25T", "9" * 400, "999999w"]
)
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigError, match="yesterday"):
        parse_moment(text, NOW, is_end=False, zone=BERLIN)


@given(st.text(max_size=30), st.booleans())
def test_any_text_is_a_time_or_refused(text: str, is_end: bool) -> None:
    with suppress(ConfigError):
        assert parse_moment(text, NOW, is_end=is_end, zone=BERLIN).tzinfo is not None


@given(st.datetimes(timezones=st.just(UTC)))
def test_stored_times_come_back_exactly(moment: datetime) -> None:
    assert from_us(to_us(moment)) == moment
    assert datetime.fromisoformat(rfc3339(moment)) == moment
