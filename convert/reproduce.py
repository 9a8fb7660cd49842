"""``python -m seealoud.convert.reproduce``: makes the shipped bundle from photographs.

Finished stages are skipped, so an interrupted run continues when it is started again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seealoud.training.command_line import (
    DataFolders,
    data_options,
    detector_option,
    duration,
    run_program,
    runs_option,
    set_up_logging,
)

if TYPE_CHECKING:
    from seealoud.convert.stages import Conversion, Recovery, Stage, Training
    from seealoud.device.vision.manifest import Manifest
    from seealoud.training.data.dataset import Dataset

_PROJECT = Path(__file__).resolve().parent.parent
_MODELS = _PROJECT / "models"
_RECORDS = _PROJECT / "docs" / "runs"
# With scores and confidence, of lite2 at 224 px on one core while a training had the other; most of
# it is spent on captioning 2000 pictures three times and encoding 6000.
_CONVERSION_S = 500.0
_RECOVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Planned:
    """A stage and how long it took on two cores, where that is known."""

    stage: Stage
    expected_s: float | None

    @property
    def expected(self) -> str:
        """The time in words."""
        return _duration(self.expected_s)


@click.command()
@click.argument("config_name", metavar="[CONFIG]", required=False)
@data_options
@runs_option
@click.option(
    "--from-bundle",
    type=click.Path(path_type=Path),
    help="Start from the weights in this bundle of an earlier run (a folder, or a shipped name) "
    "instead of training that run and those before it.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("reproduced"),
    show_default=True,
    help="Folder for the new bundle and the run's record; the shipped bundle is not changed.",
)
@detector_option
@click.option("--dry-run", is_flag=True, help="Only list the stages and their expected times.")
def cli(  # noqa: PLR0913 - a command's options
    config_name: str | None,
    data: DataFolders,
    runs: Path | None,
    from_bundle: Path | None,
    out: Path,
    with_detector: bool,
    dry_run: bool,
) -> None:
    """Train CONFIG (default: the shipped bundle's run) and all it starts from, then convert it.

    CONFIG is a TOML file, or a name from training/configs. Started again, it continues.
    """
    set_up_logging()
    bundle, given = _bundle(from_bundle)
    name = config_name or _default_name()
    trainings, conversion = _stages(name, runs, out, given, with_detector=with_detector)
    plan = [Planned(stage, _recorded_s(stage.config.name)) for stage in trainings]
    if bundle is not None and given is not None:
        plan.insert(0, Planned(_recovery(bundle, given, runs), _RECOVERY_S))
    plan.append(Planned(conversion, _CONVERSION_S))
    for line in describe(plan):
        click.echo(line)
    if dry_run:
        return
    dataset = data.open()
    require_data(plan, dataset)
    for line in carry_out(plan, dataset):
        click.echo(line)
    click.echo(f"wrote {conversion.bundle}")
    for line in compare(conversion.bundle, _MODELS / conversion.bundle.name):
        click.echo(line)


def _default_name() -> str:
    return (_MODELS / "DEFAULT").read_text(encoding="utf-8").strip()


def _bundle(name: Path | None) -> tuple[Path | None, str | None]:
    """Return a bundle's folder and the name of its run, if one is given."""
    if name is None:
        return None, None
    from seealoud.device.vision.bundle import find_bundle, load_bundle

    path = find_bundle(str(name))
    return path, load_bundle(path).manifest.name


def _recovery(bundle: Path, run: str, runs: Path | None) -> Recovery:
    from seealoud.convert.stages import Recovery
    from seealoud.training.run_folder import run_folder

    return Recovery(bundle, run_folder(run, runs))


def _stages(
    name: str, runs: Path | None, out: Path, given: str | None, *, with_detector: bool
) -> tuple[list[Training], Conversion]:
    from seealoud.convert.stages import Conversion, Training, chain
    from seealoud.training.run_folder import run_folder

    trainings = []
    for config in chain(name, given):
        folder = run_folder(config.name, runs)
        trainings.append(Training(folder.with_weights(config), folder))
    last = trainings[-1]
    return trainings, Conversion(last.config, last.folder, out, out / "runs", with_detector)


def _recorded_s(name: str) -> float | None:
    """Return how long a run took when its record was made, on two cores."""
    from seealoud.training.records.run import read_record

    path = _RECORDS / f"{name}.json"
    return read_record(path).wall_time_s if path.is_file() else None


def describe(plan: Sequence[Planned]) -> Iterator[str]:
    """Yield a line for each stage: what, how long, whether it is over; then the time of all."""
    yield "stages, and what each took on two cores:"
    for number, planned in enumerate(plan, start=1):
        over = ", over already" if planned.stage.is_over() else ""
        yield f"  {number}. {planned.stage.name}: {planned.expected}{over}"
    known_s = [planned.expected_s for planned in plan if planned.expected_s is not None]
    without = len(plan) - len(known_s)
    yield f"in all {_duration(sum(known_s))}" + (f", {without} not recorded" if without else "")


def require_data(plan: Sequence[Planned], dataset: Dataset) -> None:
    """Refuse a plan that lacks something, before its first stage and not hours later.

    Raises:
        TrainingError: further pictures or a program is missing.
    """
    for planned in plan:
        if not planned.stage.is_over():
            planned.stage.require_data(dataset)


def carry_out(plan: Sequence[Planned], dataset: Dataset) -> Iterator[str]:
    """Do what is left; yield a line when a stage is over, with its time in this process."""
    for planned in plan:
        stage = planned.stage
        if stage.is_over():
            yield f"{stage.name}: over already, skipped"
            continue
        began_s = time.monotonic()
        stage.run(dataset)
        took = _duration(time.monotonic() - began_s)
        yield f"{stage.name}: {took} (expected: {planned.expected})"


def compare(ours: Path, shipped: Path) -> Iterator[str]:
    """Yield a bundle's scores on test, and those of the shipped one of its name."""
    from seealoud.device.vision.bundle import load_bundle
    from seealoud.device.vision.manifest import MANIFEST

    if ours.resolve() == shipped.resolve() or not (shipped / MANIFEST).is_file():
        return
    for what, path in (("reproduced", ours), ("shipped", shipped)):
        yield f"CIDEr on test, {what}: {_cider(load_bundle(path).manifest)}"


def _cider(manifest: Manifest) -> str:
    scores = manifest.metrics["scores"]["int8"]["test"]
    low, high = scores["cider_95"]
    return f"{scores['cider']:.1f} ({low:.1f} to {high:.1f})"


def _duration(seconds: float | None) -> str:
    return "not recorded" if seconds is None else duration(seconds)


def main() -> None:
    """Run the command line; errors are one line on stderr and the error's exit code."""
    run_program(cli, "reproduce")


if __name__ == "__main__":
    main()
