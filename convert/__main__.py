"""``seealoud-convert``: from a trained run to a verified bundle."""

from __future__ import annotations

from pathlib import Path

import click

from training.command_line import (
    DataFolders,
    data_options,
    detector_option,
    run_program,
    runs_option,
    set_up_logging,
)

_PROJECT = Path(__file__).resolve().parent.parent


@click.command()
@click.argument("run")
@data_options
@runs_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=_PROJECT / "models",
    show_default="models/",
    help="Folder that the bundle's folder is written to.",
)
@click.option(
    "--records",
    type=click.Path(path_type=Path),
    default=_PROJECT / "docs" / "runs",
    show_default="docs/runs/",
    help="Folder that the run's record is written to, for seealoud-train report.",
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="Only calibrate the confidence of RUN's bundle in --out again (takes minutes).",
)
@detector_option
def cli(  # noqa: PLR0913 - a command's options
    run: str,
    data: DataFolders,
    runs: Path | None,
    out: Path,
    records: Path,
    calibrate: bool,
    with_detector: bool,
) -> None:
    """Export RUN, verify it against Keras and write its bundle; fail if the captions differ."""
    set_up_logging()
    dataset = data.open()
    if calibrate:
        from convert.bundle_folder import changed_folder
        from convert.parts import add_confidence

        target = out / run
        with changed_folder(target) as copy:
            add_confidence(copy, dataset, records)
    else:
        from convert.parts import make_bundle
        from training.run_folder import run_folder

        folder = run_folder(run, runs)
        target = make_bundle(folder, dataset, out, records, with_detector=with_detector)
    click.echo(f"wrote {target}")


def main() -> None:
    """Run the command line; errors are one line on stderr and the error's exit code."""
    run_program(cli, "seealoud-convert")


if __name__ == "__main__":
    main()
