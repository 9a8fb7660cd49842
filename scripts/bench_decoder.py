"""Writes docs/decoder-choice.json: the decoder's number formats, their quality and their speed.

    .venv/bin/python scripts/bench_decoder.py RUN [--data DIR] [--rounds N] [--json FILE]

Every format sees what the shipped encoder sees, through the device's own code. Which one ships is
chosen on dev; test is reported.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from bench_report import machine_facts
from decoder_times import Bench, Grid, times_of
from litert_profiler import ProfiledModel
from op_time import count_nodes, operator_figures

from convert.decoder_variants import FORMATS, SHIPPED, Format, convert_apart
from convert.verify import agreement
from device.errors import InferenceError, SeeAloudError
from device.vision.bundle import Bundle, find_bundle, load_bundle
from device.vision.runtime import Decoder, Encoder
from training.data.dataset import CaptionedPicture, Dataset, Split
from training.data.readers import default_data, open_dataset
from training.errors import TrainingError
from training.evaluate import Captions, score_captions
from training.metrics.bootstrap import interval, paired_bootstrap
from training.metrics.scores import Scores
from training.report.decoder_choice import (
    DECODER_CHOICE,
    DecoderChoice,
    FormatFigures,
    FormatResult,
    FormatScore,
)
from training.report.record import Bounds
from training.run_folder import run_folder

_DOCS = Path(__file__).resolve().parent.parent / "docs"
_SPLITS: tuple[Split, ...] = ("dev", "test")
N_CALIBRATION = 100
_N_TIMED = 40
_SEED = 11
_DECIMALS = 3
_METHOD = (
    "One thread; the formats take turns picture by picture, so that whatever else the machine "
    "does meets all of them alike. Words: preparation and search; caption: with preprocessing and "
    "the shipped int8 encoder before them; a decoder that says less takes fewer steps. int8 "
    "computes in integers between float32 borders, calibrated on every step of the float32 "
    f"decoder's searches over {N_CALIBRATION} training pictures; with the one-hot position mask "
    "and position fit into its 256 levels (convert/one_hot_position.py), the words being the same "
    "in float32, and for both NumPy finds the likeliest words; float16 and float32 are of the "
    "weights, their activations are float32."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the file, and return the exit code."""
    options = _parse(arguments)
    try:
        bundle = load_bundle(find_bundle(options.bundle or options.run))
        dataset = open_dataset(options.data or default_data())
        with tempfile.TemporaryDirectory() as folder:
            result = measure(bundle, options, dataset, Path(folder))
    except (SeeAloudError, RuntimeError) as exc:
        print(f"bench_decoder: {exc}", file=sys.stderr)
        return getattr(exc, "exit_code", 1)
    options.json.write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.json}")
    return 0


def measure(
    bundle: Bundle, options: argparse.Namespace, dataset: Dataset, folder: Path
) -> DecoderChoice:
    """Convert a run's decoder into every format, score and time them."""
    machine, spec, search = machine_facts(), bundle.manifest.input, bundle.manifest.search
    encoder = Encoder(bundle.encoder, mean=spec.mean, scale=spec.scale, threads=1)
    bench = Bench(bundle, encoder, search.options())
    grids = folder / "grids.npy"
    np.save(grids, _calibration(bench, dataset.train))
    paths, failures = _converted(options, grids, folder)
    said, failures = _said(bench, paths, dataset, failures)
    if SHIPPED in failures:
        raise TrainingError(f"nothing to compare with: {SHIPPED}: {failures[SHIPPED]}")
    scores = _scored(said, dataset)
    usable = {name: Decoder(paths[name]) for name in said}
    times = times_of(bench, usable, dataset.dev[:_N_TIMED], options.rounds)
    return DecoderChoice(
        bundle=bundle.name,
        machine=(
            f"one thread of {machine['processor']}, {machine['cores']} cores, load "
            f"{machine['load_before']:.1f} before, {machine['runtime']}"
        ),
        method=_METHOD,
        runs=options.rounds * _N_TIMED,
        formats=tuple(
            FormatResult(
                name=name,
                figures=None
                if name in failures
                else _figures(name, paths[name], said, scores, times[name]),
                failure=failures.get(name),
            )
            for name in FORMATS
        ),
    )


def _calibration(bench: Bench, train: Sequence[CaptionedPicture]) -> Grid:
    chosen = np.random.default_rng(_SEED).permutation(len(train))[:N_CALIBRATION]
    return np.stack([bench.grid(bench.square(train[i])) for i in chosen])


def _converted(
    options: argparse.Namespace, grids: Path, folder: Path
) -> tuple[dict[Format, Path], dict[Format, str]]:
    paths: dict[Format, Path] = {}
    failures: dict[Format, str] = {}
    for name in FORMATS:
        path = folder / f"{name.replace(' ', '-')}.tflite"
        try:
            convert_apart(run_folder(options.run, options.runs), name, grids, path)
        except TrainingError as exc:
            failures[name] = str(exc)
        else:
            paths[name] = path
    return paths, failures


def _said(
    bench: Bench,
    paths: Mapping[Format, Path],
    dataset: Dataset,
    failures: Mapping[Format, str],
) -> tuple[dict[Format, dict[Split, Captions]], dict[Format, str]]:
    """Return every format's captions, each picture encoded once for all of them."""
    decoders = {name: Decoder(path) for name, path in paths.items()}
    said: dict[Format, dict[Split, Captions]] = {n: {s: {} for s in _SPLITS} for n in decoders}
    failed = dict(failures)
    for split in _SPLITS:
        for picture in dataset.split(split):
            grid = bench.grid(bench.square(picture))
            for name in list(said):
                try:
                    said[name][split][picture.name] = bench.say(decoders[name], grid)
                except InferenceError as exc:
                    failed[name] = f"{exc}; first on {split}'s {picture.name}"
                    del said[name]
    return said, failed


def _scored(
    said: Mapping[Format, Mapping[Split, Captions]], dataset: Dataset
) -> dict[Format, dict[Split, Scores]]:
    return {
        name: {
            split: score_captions(captions, dataset.split(split), with_meteor=False)[0]
            for split, captions in of_format.items()
        }
        for name, of_format in said.items()
    }


def _figures(
    name: Format,
    path: Path,
    said: Mapping[Format, Mapping[Split, Captions]],
    scores: Mapping[Format, Mapping[Split, Scores]],
    times: Mapping[str, float],
) -> FormatFigures:
    nodes, delegated = _nodes(path)
    by_split = {
        split: FormatScore(
            cider=Bounds.of(interval(scores[name][split])),
            change=Bounds.of(paired_bootstrap(scores[name][split], scores[SHIPPED][split])),
            same_words=round(agreement(said[SHIPPED][split], said[name][split]), _DECIMALS),
        )
        for split in _SPLITS
    }
    return FormatFigures(
        bytes=path.stat().st_size,
        nodes=nodes,
        delegated_nodes=delegated,
        dev=by_split["dev"],
        test=by_split["test"],
        **times,
    )


def _nodes(path: Path) -> tuple[int, int]:
    """Return how many operators both signatures have, and how many of them XNNPACK runs."""
    model, counts = ProfiledModel(path), count_nodes(path)
    delegated = [
        operator_figures([model.runner(index)()], counts[name])["delegated_nodes"]
        for index, name in enumerate(model.signatures())
    ]
    return sum(counts.values()), sum(delegated)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench_decoder.py",
        description="Scores and times the decoder's number formats.",
    )
    parser.add_argument("run", metavar="RUN", help="a trained run, as seealoud-convert takes it")
    parser.add_argument("--bundle", metavar="NAME|PATH", help="whose encoder sees; default: RUN's")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the data set")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="where the runs' folders are")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of timing [5]")
    parser.add_argument(
        "--json", type=Path, default=_DOCS / DECODER_CHOICE, metavar="FILE", help="[docs/]"
    )
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
