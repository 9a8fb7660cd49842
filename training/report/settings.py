"""The settings of recorded runs, flat, so that two runs can be told apart by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue, ValidationError

from training.config import RunConfig
from training.report.record import RunRecord

# They name a run; what it does is the same.
_NAMES = frozenset({"name", "note", "ablates"})
_NONE = "none"

Settings = dict[str, str]


def comparable_settings(records: Sequence[RunRecord]) -> list[Settings]:
    """Return ``table.key: value`` of each run, of the keys that any of the records states.

    A record from before a key was known has the key's default, which changed nothing. What no
    record states stays out, so that a new key leaves the page as it is. What is none is left out.
    """
    stated = {key for record in records for key in _flatten(record.config)} - _NAMES
    return [
        {key: value for key, value in _with_defaults(record).items() if key in stated}
        for record in records
    ]


def differing_keys(all_settings: Sequence[Settings]) -> list[str]:
    """Return the keys, sorted, that are not the same in all settings."""
    keys = sorted({key for settings in all_settings for key in settings})
    return [key for key in keys if len({settings.get(key) for settings in all_settings}) > 1]


def differences(run: RunRecord, partner: RunRecord) -> str:
    """Return what a run's settings have otherwise than its partner's, as Markdown.

    A table that only one of the two has is named once, not by its keys.
    """
    settings, others = comparable_settings([run, partner])
    texts: dict[str, None] = {}  # a set that keeps its order
    for key in differing_keys([settings, others]):
        table = key.rpartition(".")[0]
        if table and not _has_table(others, table):
            texts[f"with `{table}`"] = None
        elif table and not _has_table(settings, table):
            texts[f"without `{table}`"] = None
        else:
            texts[f"`{key}` {others.get(key, _NONE)} → {settings.get(key, _NONE)}"] = None
    return ", ".join(texts) or "nothing"


def _has_table(settings: Settings, table: str) -> bool:
    return any(key.startswith(f"{table}.") for key in settings)


def _with_defaults(record: RunRecord) -> Settings:
    try:
        return _flatten(RunConfig.model_validate(record.config).model_dump(mode="json"))
    except ValidationError:  # of a version whose settings are read no more
        return _flatten(record.config)


def _flatten(settings: Mapping[str, JsonValue], prefix: str = "") -> Settings:
    flat: Settings = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{key}."))
        elif value is not None:
            flat[f"{prefix}{key}"] = str(value)
    return flat
