"""``seealoud feedback``: what was reported as wrong; listed, exported for training, or erased."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seealoud.device.commands.command_line import (
    SuggestingGroup,
    existing_folder,
    state_option,
    state_with,
)
from seealoud.device.commands.report import echo_error, echo_line, one_line, verbose_option
from seealoud.device.english import counted
from seealoud.device.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from seealoud.device.history.feedback import Feedback

_NOTHING = "nothing has been reported as wrong yet"
_state_option = state_option(
    "The daemon's state folder. Default: your own, else /var/lib/seealoud."
)


@click.group(
    "feedback",
    cls=SuggestingGroup,
    no_args_is_help=False,
    short_help="List, export and erase reports of what was wrong.",
)
def feedback() -> None:
    """List, export and erase what was reported as wrong on the device's page.

    A report has the words that were said, the right words if somebody gave them, and the picture
    if it was to be kept. All of it stays on this device.
    """


@feedback.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@_state_option
@verbose_option
def list_command(as_json: bool, state: Path | None) -> None:
    """Print the reports, the oldest first."""
    kept = _feedback(state)
    for report in kept.reports():
        if as_json:
            echo_line(json.dumps(asdict(report), ensure_ascii=False))
            continue
        right = f" Right: {report.right}" if report.right else ""
        picture = "with its picture" if report.picture else "without a picture"
        echo_line(one_line(f"{report.at}  {report.said}{right} ({picture})"))
    if not kept.size().reports:
        echo_error(_NOTHING)


@feedback.command("export")
@click.argument("folder", type=click.Path(path_type=Path))
@_state_option
@verbose_option
def export_command(folder: Path, state: Path | None) -> None:
    """Write the reports into FOLDER, which must not exist yet, as `seealoud-train` reads them."""
    kept = _feedback(state)
    reports = list(kept.reports())
    if not reports:
        raise OutputError(f"{_NOTHING}, so there is nothing to export")
    kept.export(folder)
    right = sum(bool(report.right and report.picture) for report in reports)
    echo_line(
        one_line(
            f"{counted(len(reports), 'report')} written to {folder}, "
            f"{right} of them with a picture and right words for training."
        )
    )


@feedback.command("erase")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@_state_option
@verbose_option
def erase_command(yes: bool, state: Path | None) -> None:
    """Erase all reports and their pictures for good."""
    kept = _feedback(state)
    if not yes:
        what = counted(kept.size().reports, "report")
        click.confirm(f"Erase {what} and their pictures for good?", abort=True, err=True)
    erased = kept.erase()
    echo_line(f"Erased: {counted(erased.reports, 'report')}, {erased.size_bytes / 1e6:.1f} MB.")


def _feedback(state: Path | None) -> Feedback:
    """Return the reports in the folder that the user gave, else in the first that has any.

    Raises:
        ConfigError: the folder that the user gave does not exist.
        OutputError: the folder of the service may not be read.
    """
    from seealoud.device.history.feedback import FEEDBACK_FOLDER, Feedback

    if state is None:
        folder = state_with((FEEDBACK_FOLDER,), OutputError)
    else:
        folder = existing_folder(state, ConfigError)
    return Feedback(folder / FEEDBACK_FOLDER)
