"""``seealoud history``: what was seen and said; printed, exported, summed up or erased."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from seealoud.device.commands.command_line import (
    Count,
    SuggestingGroup,
    existing_folder,
    state_option,
    state_with,
)
from seealoud.device.commands.report import echo_line, one_line, verbose_option
from seealoud.device.english import counted
from seealoud.device.errors import ConfigError, HistoryError

if TYPE_CHECKING:
    from seealoud.device.history.entries import Entry
    from seealoud.device.history.reading import Selection

_DEFAULT = click.core.ParameterSource.DEFAULT
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])
_state_option = state_option(
    "The daemon's state folder. Default: your own, else /var/lib/seealoud."
)
_TIME = "2h (ago), 3d, yesterday, 14:05, 2026-11-25 or 2026-11-25T10:00"


def _span_options(function: _Decorated) -> _Decorated:
    until = click.option("--until", metavar="TIME", help="Only entries before TIME.")(function)
    return click.option("--since", metavar="TIME", help=f"Only entries since TIME: {_TIME}.")(until)


@click.group(
    "history",
    cls=SuggestingGroup,
    instead={"export": "--csv FILE", "list": "--limit 20", "search": "--search WORDS"},
    invoke_without_command=True,
    short_help="What was seen and said.",
)
@_span_options
@click.option(
    "--search",
    default="",
    metavar="WORDS",
    help='Only entries with WORDS, spoken or named; "dog" also finds "dogs".',
)
@click.option("--limit", type=Count(), help="Only so many entries, the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write a table with a header line; - for stdout.",
)
@_state_option
@verbose_option
@click.pass_context
def history(context: click.Context, /, **values: Any) -> None:
    """Print what the device saw and said, oldest first.

    Works with or without a running daemon.
    """
    if context.invoked_subcommand is not None:
        given = [x for x in values if context.get_parameter_source(x) is not _DEFAULT]
        if given:  # else `history --since 2h erase` would erase everything
            raise click.UsageError(
                f"write the options after {context.invoked_subcommand!r}, not before it", context
            )
        return
    _print_entries(**values)


@history.command("erase")
@_span_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@_state_option
@verbose_option
def erase_command(since: str | None, until: str | None, yes: bool, state: Path | None) -> None:
    """Erase everything, or a time span, for good; also messages that wait for the broker."""
    from seealoud.device.history.deletion import erase

    span, folder = _selection(since, until), _state(state)
    if not yes:
        parts = [f"{word} {_local(x)}" for word, x in _bounds(span) if x is not None]
        what = f"what was seen and said {' '.join(parts)}" if parts else "the whole history"
        click.confirm(f"Erase {what} in {folder} for good?", abort=True, err=True)
    erased = erase(folder, span)
    counts = [
        counted(erased.entries, "entry", "entries"),
        counted(erased.messages, "message for the broker", "messages for the broker"),
        counted(erased.broken_files, "damaged file", "damaged files"),
    ]
    echo_line(f"Erased: {', '.join(counts)}.")


@history.command("summary")
@click.option("--since", default="1h", show_default=True, metavar="TIME", help=f"{_TIME}.")
@click.option("--until", metavar="TIME", help="Only entries before TIME.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_state_option
@verbose_option
def summary_command(since: str, until: str | None, as_json: bool, state: Path | None) -> None:
    """Summarize what was seen: grouped and counted, with times."""
    from seealoud.device.history.reading import read_entries
    from seealoud.device.history.schema import HISTORY_FILE
    from seealoud.device.history.summary import summarize, summary_json
    from seealoud.device.history.summary_text import Span

    now, chosen = _now(), _selection(since, until)
    span = Span(chosen.since or now, chosen.until or now, now)
    summary = summarize(read_entries(_state(state) / HISTORY_FILE, chosen), span)
    echo_line(json.dumps(summary_json(summary)) if as_json else summary.text)


def _print_entries(
    *,
    since: str | None,
    until: str | None,
    state: Path | None,
    csv_file: Path | None,
    as_json: bool,
    **choice: Any,
) -> None:
    """Print or write the chosen entries."""
    from seealoud.device.history.reading import read_entries
    from seealoud.device.history.schema import HISTORY_FILE

    if as_json and csv_file is not None:
        raise ConfigError("--json and --csv: give only one of them")
    entries = read_entries(_state(state) / HISTORY_FILE, _selection(since, until, **choice))
    if csv_file is not None:
        _write_csv(entries, csv_file)
        return
    for entry in entries:
        echo_line(json.dumps(entry.to_json()) if as_json else _line(entry))


def _selection(since: str | None, until: str | None, **choice: Any) -> Selection:
    """Return the selection of the options.

    Raises:
        ConfigError: a time is not one, or the span is empty.
    """
    from seealoud.device.history.reading import Selection
    from seealoud.device.history.time_parsing import parse_moment

    now = _now()
    first = None if since is None else parse_moment(since, now, is_end=False)
    last = None if until is None else parse_moment(until, now, is_end=True)
    if first is not None and last is not None and first >= last:
        raise ConfigError(f"--since {since} is not before --until {until}")
    return Selection(first, last, **choice)


def _bounds(span: Selection) -> tuple[tuple[str, datetime | None], ...]:
    return (("since", span.since), ("until", span.until))


def _state(folder: Path | None) -> Path:
    """Return the folder that the user gave, else the first that has a history.

    Raises:
        HistoryError: it does not exist, or may not be read.
    """
    from seealoud.device.history.schema import HISTORY_FILE, OUTBOX_FILE

    if folder is not None:
        return existing_folder(folder, HistoryError)
    return state_with((HISTORY_FILE, OUTBOX_FILE), HistoryError)


def _write_csv(entries: Iterable[Entry], file: Path) -> None:
    """Write entries as a table.

    Raises:
        ConfigError: the file cannot be written.
    """
    from seealoud.device.history.entries import FIELDS

    found = (_cells(entry) for entry in entries)
    rows = chain(list(islice(found, 1)), found)  # a history that fails leaves no empty table
    if str(file) == "-":
        for row in (FIELDS, *rows):
            text = io.StringIO()
            csv.writer(text, lineterminator="").writerow(row)
            echo_line(text.getvalue())
        return
    try:
        with file.open("w", newline="", encoding="utf-8") as opened:
            csv.writer(opened).writerows((FIELDS, *rows))
    except OSError as exc:
        raise ConfigError(f"--csv {file} cannot be written: {exc.strerror}") from exc


def _cells(entry: Entry) -> list[Any]:
    """Return an entry as a row of a table, its things as JSON."""
    from seealoud.device.history.entries import FIELDS

    values = entry.to_json()
    return [json.dumps(values[x]) if x == "things" else values[x] for x in FIELDS]


def _line(entry: Entry) -> str:
    """Return an entry for people, in local time."""
    from seealoud.device.vision.sentences import name_things

    words = entry.text or entry.caption or name_things(entry.things)
    note = f" ({entry.reason})" if entry.reason and entry.reason not in words else ""
    return one_line(f"{_local(entry.at)}  {entry.kind.value:<9}  {words}{note}")


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _now() -> datetime:
    return datetime.now().astimezone()
