"""``seealoud-train``: train a run, score a model or a bundle, write the report."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from training.command_line import (
    DataFolders,
    data_options,
    import_tensorflow,
    run_program,
    set_up_logging,
)
from training.command_line import data_option as _data
from training.command_line import runs_option as _runs

if TYPE_CHECKING:
    from training.data.dataset import Split
    from training.records.run import Metrics

_docs = click.option(
    "--docs",
    type=click.Path(path_type=Path),
    default=Path(__file__).resolve().parent.parent / "docs",
    show_default="docs/",
    help="Folder of the documentation, with the records in runs/.",
)


@click.group()
@click.option("--verbose", "-v", is_flag=True, help="Log debug messages as well.")
def cli(verbose: bool) -> None:
    """Train and score SeeAloud's captioner."""
    set_up_logging(logging.DEBUG if verbose else logging.INFO)


@cli.command()
@click.argument("config_name", metavar="CONFIG")
@data_options
@_runs
@click.option(
    "--weights", type=click.Path(path_type=Path), help="File of the encoder's ImageNet weights."
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting, as in optimiser.epochs=3; may be repeated (docs/run-settings.md).",
)
def run(
    config_name: str,
    data: DataFolders,
    runs: Path | None,
    weights: Path | None,
    changes: tuple[str, ...],
) -> None:
    """Train or continue the run CONFIG (a TOML file, or a name from training/configs)."""
    from training.config import read_run_config

    config = read_run_config(config_name, changes)
    import_tensorflow()
    from training.run_folder import run_folder
    from training.train import train

    folder = run_folder(config.name, runs)
    config = folder.with_weights(config, weights)
    history = train(config, data.open(), folder)
    best = max(history, key=lambda result: result.merit)
    has_pictures = math.isfinite(best.dev_cider)
    score = f"CIDEr {best.dev_cider:.1f}" if has_pictures else f"loss {best.dev_loss:.3f}"
    click.echo(f"{config.name}: best dev {score} in epoch {best.epoch}")
    click.echo(f"weights: {folder.best_weights}")


@cli.command()
def settings() -> None:
    """Print all settings of a run as Markdown (docs/run-settings.md)."""
    from device.settings.keys import tables_of
    from training.changed_settings import settings_reference
    from training.config import RunConfig

    click.echo(settings_reference(tables_of(RunConfig)), nl=False)


@cli.command()
@click.argument("model", metavar="RUN|BUNDLE")
@click.option("--split", type=click.Choice(["dev", "test"]), default="dev", show_default=True)
@_data
@_runs
@click.option(
    "--no-meteor",
    is_flag=True,
    help="Do not compute METEOR, which takes half a minute and needs Java.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Score also pictures that the model was trained on; the score is marked contaminated.",
)
def evaluate(
    model: str, split: Split, data: Path | None, runs: Path | None, no_meteor: bool, force: bool
) -> None:
    """Score a Keras run (by name) or a bundle (by folder or shipped name) on a split.

    Pictures that the model was trained on are refused, since their score says nothing.
    """
    import_tensorflow()
    from training.data.readers import default_data, open_dataset
    from training.evaluate import Scored, score_captions

    scored = Scored.find(model, runs)
    pictures = open_dataset(data or default_data()).split(split)
    remark = scored.contamination(pictures, is_forced=force)
    captions = scored.caption(pictures)
    _, metrics = score_captions(captions, pictures, with_meteor=not no_meteor)
    click.echo(f"{scored.name} on the {len(pictures)} pictures of {split}:")
    if remark:
        click.echo(f"CONTAMINATED, not a score: {remark}")
    click.echo(describe_metrics(metrics))


def describe_metrics(metrics: Metrics) -> str:
    """Return the scores as lines of text, CIDEr first, with their 95 % intervals."""
    lines = []
    for name in ("cider", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l"):
        bounds = getattr(metrics, name)
        lines.append(f"{name:18}{bounds.estimate:7.2f}  ({bounds.low:.2f} to {bounds.high:.2f})")
    meteor = "not measured" if metrics.meteor is None else f"{metrics.meteor:7.2f}"
    lines.append(f"{'meteor':18}{meteor}")
    for name in ("distinct_words", "distinct_captions", "mean_length_words"):
        lines.append(f"{name:18}{getattr(metrics, name):7g}")
    for kind, tally in metrics.precision.items():
        share = "-" if tally.precision is None else f"{tally.precision:.3f}"
        lines.append(f"precision {kind:8}{share:>7}  ({tally.right} of {tally.mentioned})")
    return "\n".join(lines)


@cli.command()
@click.argument("run_name", metavar="RUN")
@_data
@_runs
@_docs
@click.option(
    "--force", is_flag=True, help="Replace the record even if it is that of an int8 bundle."
)
def record(run_name: str, data: Path | None, runs: Path | None, docs: Path, force: bool) -> None:
    """Score a trained run in Keras on dev and test and write its record (takes minutes)."""
    from training.records.run import refuse_to_hide_a_bundle, write_record
    from training.run_folder import run_folder

    if not force:
        refuse_to_hide_a_bundle(run_name, docs / "runs")
    import_tensorflow()
    from training.data.readers import default_data, open_dataset
    from training.records.keras_run import keras_record

    made = keras_record(run_folder(run_name, runs), open_dataset(data or default_data()))
    click.echo(f"wrote {write_record(made, docs / 'runs')}")


@cli.command()
@click.argument("bundle", metavar="BUNDLE")
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Also write the scores to this JSON file."
)
@click.option(
    "--show",
    is_flag=True,
    help="Print each picture's sentence and its wrong names instead of the scores.",
)
def homes(bundle: str, folder: Path, out: Path | None, show: bool) -> None:
    """Score BUNDLE's sentences for the photographs in FOLDER, which needs a captions.tsv.

    The sentences are made by the device's own code, with caption, detector and names. This takes
    minutes.
    """
    import json

    from device.vision.bundle import find_bundle, load_bundle
    from training.data.extra import open_extra
    from training.homes import scores_of, speak

    loaded = load_bundle(find_bundle(bundle))
    pictures = open_extra(folder, plain_sentences=False)
    if show:
        for one in speak(loaded, pictures):
            wrong = ", ".join(name for name, is_right in one.sure.items() if not is_right)
            click.echo(f"{one.picture.name}: {one.sentence}{f' [{wrong}]' if wrong else ''}")
        return
    scores = {name: found.model_dump() for name, found in scores_of(loaded, pictures).items()}
    text = json.dumps({"bundle": loaded.name, "folder": folder.name, **scores}, indent=1)
    if out is not None:
        out.write_text(f"{text}\n", encoding="utf-8")
    click.echo(text)


@cli.command()
@click.argument("benchmark", type=click.Path(path_type=Path), metavar="BENCHMARK.json")
@_docs
def latency(benchmark: Path, docs: Path) -> None:
    """Copy the caption time that scripts/benchmark --json measured into its bundle's record."""
    from training.records.latency import record_latency

    click.echo(f"wrote {record_latency(benchmark, docs / 'runs')}")


@cli.command()
@_data
@_docs
def baselines(data: Path | None, docs: Path) -> None:
    """Write the records of the constant caption and of people's captions (takes minutes).

    Each caption that a person wrote is scored against the others of its picture.
    """
    from training.data.readers import default_data, open_dataset
    from training.encoders import default_cache_dir
    from training.records.baselines import floor_record, human_record
    from training.records.run import write_record
    from training.run_folder import source_commit

    dataset = open_dataset(data or default_data())
    dev, test = (
        {picture.name: picture.captions for picture in dataset.split(split)}
        for split in ("dev", "test")
    )
    for make in (floor_record, human_record):
        made = make(dev, test, git_commit=source_commit(), cache_dir=default_cache_dir() / "tokens")
        click.echo(f"wrote {write_record(made, docs / 'runs')}")


@cli.command()
@_docs
def report(docs: Path) -> None:
    """Write docs/results.md, its figure and README's generated rows from the records."""
    from training.report.page import write_report

    click.echo(f"wrote {write_report(docs)}")


def main() -> None:
    """Run the command line; errors are one line on stderr and the error's exit code."""
    run_program(cli, "seealoud-train")


if __name__ == "__main__":
    main()
