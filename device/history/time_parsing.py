"""Times as they are stored, as they are exported, and as a user writes them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from seealoud.device.errors import ConfigError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# A clock that was never set says 1970, and none of these programs runs in 2200.
_LATEST_US = 230 * 365 * 24 * 3600 * 10**6
_AGO = re.compile(r"(?P<number>\d{1,6}(?:\.\d+)?)\s*(?P<unit>s|m|min|h|d|w)", re.IGNORECASE)
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_CLOCK = re.compile(r"\d{1,2}:\d{2}")
_DAY = timedelta(days=1)


def to_us(moment: datetime) -> int:
    """Return microseconds since 1970 of an aware time, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Return the aware UTC time of microseconds since 1970, exactly."""
    return _EPOCH + timedelta(microseconds=microseconds)


def stored_time(value: object) -> datetime:
    """Return the aware UTC time of a column that may be damaged.

    Raises:
        ValueError: no program can have stored this.
    """
    if not isinstance(value, int) or not 0 <= value <= _LATEST_US:
        raise ValueError(f"time {str(value)[:40]!r}")
    return from_us(value)


def rfc3339(moment: datetime) -> str:
    """Return an aware time in UTC with microseconds, as in ``2026-11-25T10:00:00.000000Z``."""
    in_utc = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return in_utc.removesuffix("+00:00") + "Z"


def parse_moment(text: str, now: datetime, *, is_end: bool, zone: tzinfo | None = None) -> datetime:
    """Return the time that a user means.

    Args:
        text: ``2h`` (ago; s, m, h, d, w), ``now``, ``today``, ``yesterday``, ``14:05`` (the most
            recent one), a date, or a date and time in ISO 8601, local without a zone.
        now: aware.
        is_end: whether a whole day means its end, not its beginning.
        zone: the user's; None for the machine's.

    Raises:
        ConfigError: it is none of these.
    """
    wanted = text.strip()
    today = now.astimezone(zone).date()
    days = {"today": today, "yesterday": today - _DAY}
    try:
        if wanted.lower() == "now":
            return now
        if match := _AGO.fullmatch(wanted):
            return now - float(match["number"]) * _UNITS[match["unit"].lower()]
        if _CLOCK.fullmatch(wanted):
            return _last_time_of_day(time.fromisoformat(wanted.zfill(5)), now, zone)
        day = days.get(wanted.lower()) or _date(wanted)
        if day is not None:
            return _local(datetime.combine(day + _DAY if is_end else day, time()), zone)
        moment = datetime.fromisoformat(wanted)
        return _local(moment, zone) if moment.tzinfo is None else moment
    except (ValueError, OverflowError) as exc:
        raise ConfigError(
            f"{text!r} is not a time: write 2h, 30m, 3d, today, yesterday, 14:05, 2026-11-25 or "
            "2026-11-25T10:00"
        ) from exc


def _date(text: str) -> date | None:
    return date.fromisoformat(text) if len(text) == len("2026-11-25") else None


def _last_time_of_day(time_of_day: time, now: datetime, zone: tzinfo | None) -> datetime:
    today = now.astimezone(zone).date()
    moment = _local(datetime.combine(today, time_of_day), zone)
    if moment <= now:
        return moment
    return _local(datetime.combine(today - _DAY, time_of_day), zone)


def _local(naive: datetime, zone: tzinfo | None) -> datetime:
    """Return the aware time of a local one; each day has its own offset from UTC."""
    return naive.astimezone() if zone is None else naive.replace(tzinfo=zone)
