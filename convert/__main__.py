"""``seealoud-convert``: from a trained run to a verified bundle."""

from __future__ import annotations

from pathlib import Path

import click

from training.command_line import data_option, run_program, runs_option, set_up_logging

_PROJECT = Path(__file__).resolve().parent.parent


@click.command()
@click.argument("run")
@data_option
@runs_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=_PROJECT / "models",
    show_default="models/",
    help="Folder in which the bundle's folder is written.",
)
@click.option(
    "--records",
    type=click.Path(path_type=Path),
    default=_PROJECT / "docs" / "runs",
    show_default="docs/runs/",
    help="Folder in which the run's record is written, for seealoud-train report.",
)
def cli(run: str, data: Path | None, runs: Path | None, out: Path, records: Path) -> None:
    """Export RUN, verify it against Keras, and write its bundle; refuse when it differs."""
    from convert.convert import convert
    from training.data.readers import default_data, open_dataset
    from training.run_folder import run_folder

    set_up_logging()
    target = convert(run_folder(run, runs), open_dataset(data or default_data()), out, records)
    click.echo(f"wrote {target}")


def main() -> None:
    """Run the command line; errors are one line on stderr and the error's exit code."""
    run_program(cli, "seealoud-convert")


if __name__ == "__main__":
    main()
