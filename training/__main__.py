"""``seealoud-train``: train a run, score a model or a bundle, write the report."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from device.errors import SeeAloudError

if TYPE_CHECKING:
    from training.data.dataset import Split
    from training.report.record import Metrics

# TensorFlow prints its CPU features and missing GPUs to stderr unless told before its import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_DATA_HELP = (
    "Folder of Flickr8k (original or Kaggle form, or COCO caption JSON). "
    "Default: $SEEALOUD_FLICKR8K or ../shared/flickr8k."
)


_data = click.option("--data", type=click.Path(path_type=Path), default=None, help=_DATA_HELP)
_runs = click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of the runs. Default: $SEEALOUD_CACHE/runs or ~/.cache/seealoud/runs.",
)
_docs = click.option(
    "--docs",
    type=click.Path(path_type=Path),
    default=Path(__file__).resolve().parent.parent / "docs",
    show_default="docs/",
    help="Folder of the documentation.",
)


@click.group()
@click.option("--verbose", "-v", is_flag=True, help="Log more.")
def cli(verbose: bool) -> None:
    """Train and score SeeAloud's captioner."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for noisy in ("absl", "matplotlib", "tensorflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@cli.command()
@click.argument("config_name", metavar="CONFIG")
@_data
@_runs
@click.option("--weights", type=click.Path(path_type=Path), help="The encoder's ImageNet weights.")
def run(config_name: str, data: Path | None, runs: Path | None, weights: Path | None) -> None:
    """Train the run CONFIG (a TOML file, or a name from training/configs); resumes by itself."""
    from training.config import read_run_config
    from training.data.readers import default_data, open_dataset
    from training.run_folder import run_folder
    from training.train import train

    config = read_run_config(config_name)
    if weights is not None:
        encoder = config.encoder.model_copy(update={"weights": weights})
        config = config.model_copy(update={"encoder": encoder})
    folder = run_folder(config.name, runs)
    history = train(config, open_dataset(data or default_data()), folder)
    best = max(history, key=lambda result: result.dev_cider)
    click.echo(f"{config.name}: best dev CIDEr {best.dev_cider:.1f} in epoch {best.epoch}")
    click.echo(f"weights: {folder.best_weights}")


@cli.command()
@click.argument("model", metavar="RUN|BUNDLE")
@click.option("--split", type=click.Choice(["dev", "test"]), default="dev", show_default=True)
@_data
@_runs
@click.option("--no-meteor", is_flag=True, help="Leave out METEOR (half a minute, needs Java).")
def evaluate(
    model: str, split: Split, data: Path | None, runs: Path | None, no_meteor: bool
) -> None:
    """Score a Keras run (by name) or a bundle (by folder or shipped name) on a split."""
    from device.bundle import find_bundle
    from training.data.readers import default_data, open_dataset
    from training.evaluate import caption_with_bundle, caption_with_keras, score_captions
    from training.run_folder import load_run, run_folder

    pictures = open_dataset(data or default_data()).split(split)
    folder = run_folder(model, runs)
    if folder.best_weights.is_file() and not Path(model).is_dir():
        captions = caption_with_keras(*load_run(folder), pictures)
        what = f"Keras run {model}"
    else:
        path = find_bundle(model)
        captions = caption_with_bundle(path, pictures)
        what = f"bundle {path}"
    _, metrics = score_captions(captions, pictures, with_meteor=not no_meteor)
    click.echo(f"{what} on the {len(pictures)} pictures of {split}:")
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
def sweep(run_name: str, data: Path | None, runs: Path | None) -> None:
    """Score beam widths and length penalties on dev; put the best into the run's config."""
    from training.data.readers import default_data, open_dataset
    from training.run_folder import load_run, run_folder
    from training.sweep import sweep as searches

    config, built = load_run(run_folder(run_name, runs))
    pictures = open_dataset(data or default_data()).dev
    click.echo("beam  length penalty  CIDEr  BLEU-4  ROUGE-L  words")
    for result in searches(config, built, pictures):
        options, scores = result.options, result.scores
        click.echo(
            f"{options.beam_width:4}  {options.length_penalty:14}  {scores.cider:5.1f}  "
            f"{scores.bleu_4:6.1f}  {scores.rouge_l:7.1f}  {scores.mean_length_words:5.1f}"
        )


@cli.command()
@_data
@_docs
def baselines(data: Path | None, docs: Path) -> None:
    """Write the records of the constant caption and of people (leave one out); minutes."""
    from training.data.readers import default_data, open_dataset
    from training.encoders import default_cache_dir
    from training.report.baselines import floor_record, human_record
    from training.report.record import write_record
    from training.source import source_commit

    dataset = open_dataset(data or default_data())
    dev, test = (
        {picture.name: picture.captions for picture in dataset.split(split)}
        for split in ("dev", "test")
    )
    for make in (floor_record, human_record):
        record = make(
            dev, test, git_commit=source_commit(), cache_dir=default_cache_dir() / "tokens"
        )
        click.echo(f"wrote {write_record(record, docs / 'runs')}")


@cli.command()
@_docs
def report(docs: Path) -> None:
    """Write docs/results.md and its figures from the records in docs/runs."""
    from training.report.results import write_report

    click.echo(f"wrote {write_report(docs)}")


def main() -> None:
    """Run the command line; errors are one line on stderr and the error's exit code."""
    try:
        cli.main(standalone_mode=False)
    except SeeAloudError as exc:
        click.echo(f"seealoud-train: {exc}", err=True)
        sys.exit(exc.exit_code)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)


if __name__ == "__main__":
    main()
