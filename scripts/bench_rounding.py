"""Writes docs/rounding-choice.json: what rounding the encoder to int8 costs, one way and another.

    .venv/bin/python scripts/bench_rounding.py RUN... [--data DIR] [--json FILE]

The decoder is the one that ships in all cases, and everything runs through the device's own code.
On dev alone, since a choice is made. About four minutes a run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from decoder_times import say
from tqdm import tqdm

from convert.decoder import export_decoder
from convert.encoder import calibration_pictures, float_encoder, int8_encoder, whole_encoder
from convert.rounding import round_pointwise
from convert.verify import agreement
from device.errors import SeeAloudError
from device.vision.preprocess import preprocess
from device.vision.runtime import Decoder, Encoder
from training.config import RunConfig
from training.data.dataset import CaptionedPicture, Dataset
from training.data.readers import default_data, open_dataset
from training.evaluate import Captions, score_captions, search_options
from training.features import read_picture
from training.metrics.bootstrap import interval, paired_bootstrap
from training.model import BuiltCaptioner
from training.report.record import Bounds
from training.report.rounding_choice import (
    ROUNDING_CHOICE,
    RoundedRun,
    RoundingChoice,
    RoundingScore,
)
from training.run_folder import load_run, run_folder

_DOCS = Path(__file__).resolve().parent.parent / "docs"
_FLOAT, _NEAREST, _BY_OUTPUTS = "float32", "each weight to its nearest level", "by outputs (GPTQ)"
_DECIMALS = 4
_METHOD = (
    "Its 1x1 convolutions are rounded by what comes out of them (`convert/rounding.py`; Frantar et "
    "al. 2022, arXiv 2210.17323) instead of each weight by itself, where that brings the grids "
    "of training pictures clearly nearer to float32's. On dev, with each run's own "
    "search and the int8 decoder throughout; changes are against the float32 encoder, paired over "
    "the pictures, with their 95 % interval. Made by `scripts/bench_rounding.py`. Bundles and "
    "records from before 2026-11-25 15:00 have the nearest levels."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the file, and return the exit code."""
    options = _parse(arguments)
    try:
        dataset = open_dataset(options.data or default_data())
        runs = tuple(_measured(name, options.runs, dataset) for name in options.run)
    except SeeAloudError as exc:
        print(f"bench_rounding: {exc}", file=sys.stderr)
        return exc.exit_code
    found = RoundingChoice(method=_METHOD, runs=runs)
    options.json.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.json}")
    return 0


def _measured(name: str, runs: Path | None, dataset: Dataset) -> RoundedRun:
    config, built = load_run(run_folder(name, runs))
    with tempfile.TemporaryDirectory() as folder:
        encoders, decoder = _exported(config, built, dataset.train, Path(folder))
        said, errors = _looked_at(config, built, encoders, decoder, dataset.dev)
    scores = {
        way: score_captions(captions, dataset.dev, with_meteor=False)[0]
        for way, captions in said.items()
    }
    return RoundedRun(
        run=name,
        cider=Bounds.of(interval(scores[_FLOAT])),
        roundings=tuple(
            RoundingScore(
                name=way,
                grid_error=round(errors[way], _DECIMALS),
                cider_change=Bounds.of(paired_bootstrap(scores[way], scores[_FLOAT])),
                bleu_4_change=Bounds.of(
                    paired_bootstrap(scores[way], scores[_FLOAT], metric="bleu_4")
                ),
                same_words=round(agreement(said[_FLOAT], said[way]), _DECIMALS),
            )
            for way in (_NEAREST, _BY_OUTPUTS)
        ),
    )


def _exported(
    config: RunConfig, built: BuiltCaptioner, train: Sequence[CaptionedPicture], folder: Path
) -> tuple[dict[str, Encoder], Decoder]:
    """Write and open the encoder in all ways, and the decoder that ships."""
    calibration = calibration_pictures(train, built.spec)
    whole, rounded = whole_encoder(built), whole_encoder(built)
    round_pointwise(rounded, calibration)
    contents = {
        _FLOAT: float_encoder(whole),
        _NEAREST: int8_encoder(whole, calibration),
        _BY_OUTPUTS: int8_encoder(rounded, calibration),
    }
    encoders = {}
    for number, (way, content) in enumerate(contents.items()):
        path = folder / f"{number}.tflite"
        path.write_bytes(content)
        encoders[way] = Encoder(path, mean=built.spec.mean, scale=built.spec.scale, threads=1)
    path = folder / "decoder.tflite"
    width = config.search.beam_width
    path.write_bytes(export_decoder(built.model.decoder, width, is_quantized=True))
    return encoders, Decoder(path)


def _looked_at(
    config: RunConfig,
    built: BuiltCaptioner,
    encoders: Mapping[str, Encoder],
    decoder: Decoder,
    pictures: Sequence[CaptionedPicture],
) -> tuple[dict[str, Captions], dict[str, float]]:
    """Return every encoder's captions, and how far its grids are from the float32 ones."""
    options = search_options(config)
    said: dict[str, Captions] = {way: {} for way in encoders}
    squares = dict.fromkeys(encoders, 0.0)
    whole = 0.0
    for picture in tqdm(pictures, desc=config.name, unit="picture"):
        square_hwc = preprocess(read_picture(picture.path), built.spec.input_size_px)
        grids = {
            way: encoder.encode(square_hwc, mirrored=config.search.mirrored)
            for way, encoder in encoders.items()
        }
        whole += _sum_of_squares(grids[_FLOAT])
        for way, grid_nd in grids.items():
            squares[way] += _sum_of_squares(grid_nd - grids[_FLOAT])
            said[way][picture.name] = say(decoder, grid_nd, options, built.vocabulary)
    return said, {way: float(np.sqrt(square / whole)) for way, square in squares.items()}


def _sum_of_squares(grid_nd: npt.NDArray[np.float32]) -> float:
    return float(np.square(grid_nd, dtype=np.float64).sum())


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench_rounding.py", description="What rounding the encoder to int8 costs."
    )
    parser.add_argument(
        "run", nargs="+", metavar="RUN", help="a trained run, as seealoud-convert takes it"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="the data set")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="where the runs' folders are")
    parser.add_argument(
        "--json", type=Path, default=_DOCS / ROUNDING_CHOICE, metavar="FILE", help="[docs/]"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
