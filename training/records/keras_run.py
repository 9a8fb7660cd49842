"""The record of a trained run with the scores of its Keras captioner.

The converter uses it for the facts that it records in addition to a bundle's scores.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from training.config import RunConfig, in_training_order
from training.data.dataset import Dataset, Split
from training.encoders import build_encoder
from training.evaluate import caption_with_keras, score_captions
from training.model import BuiltCaptioner
from training.records.run import KERAS_FLOAT32, Metrics, RunRecord
from training.run_folder import RunFolder, load_run, recorded, run_folder, source_commit
from training.trained_on import of_folder, refuse_known

# Paths of the machine that trained, which are meaningless elsewhere.
_LOCAL = {"encoder": {"weights"}}
_WALL_TIME_DECIMALS = 1


def keras_record(
    folder: RunFolder, dataset: Dataset, *, cache_dir: Path | None = None
) -> RunRecord:
    """Return the record of a trained run, dev and test scored with the Keras captioner (minutes).

    Args:
        folder: folder of the trained run.
        dataset: its dev and test are captioned.
        cache_dir: keeps features and the references' tokens; default: the user's cache folder.

    Raises:
        TrainingError: the run is not trained, it was trained on pictures of dev or test, or Java
            failed.
    """
    refuse_known(of_folder(folder.path), (*dataset.dev, *dataset.test), folder.path.name)
    config, built = load_run(folder)
    history = folder.read_history()
    return RunRecord(
        name=config.name,
        config=recorded_config(config),
        seed=config.seed,
        git_commit=source_commit(),
        measured=KERAS_FLOAT32,
        dev=_metrics(config, built, dataset, "dev", cache_dir),
        test=_metrics(config, built, dataset, "test", cache_dir),
        wall_time_s=wall_time_s(folder),
        chain_wall_time_s=chain_wall_time_s(folder),
        parameters=_parameters(built),
        history=recorded(history),
        note=config.note,
    )


def _metrics(
    config: RunConfig,
    built: BuiltCaptioner,
    dataset: Dataset,
    split: Split,
    cache_dir: Path | None,
) -> Metrics:
    pictures = dataset.split(split)
    captions = caption_with_keras(config, built, pictures, cache_dir)
    _, metrics = score_captions(captions, pictures, cache_dir=cache_dir)
    return metrics


def _parameters(built: BuiltCaptioner) -> int:
    """Return the weights of the whole encoder, of which the captioner may hold but the tail."""
    source = built.source
    encoder = build_encoder(source.encoder, input_size_px=source.input_size_px, weights=None)
    return int(encoder.count_params() + built.model.decoder.count_params())


def recorded_config(config: RunConfig) -> dict[str, JsonValue]:
    """Return the run's settings as records and manifests state them."""
    return config.model_dump(mode="json", exclude=_LOCAL)


def wall_time_s(folder: RunFolder) -> float:
    """Return how many seconds a run's epochs took together."""
    seconds = sum(result.seconds for result in folder.read_history())
    return round(seconds, _WALL_TIME_DECIMALS)


def chain_wall_time_s(folder: RunFolder) -> float | None:
    """Return the seconds of a run and of all that it needed (``earlier_runs``), each run once.

    None where it needed none, or where an earlier run's folder is gone.

    Raises:
        CheckpointError: a run's settings cannot be read.
    """
    root = folder.path.parent

    def earlier(name: str) -> RunConfig:
        found = run_folder(name, root)
        if not found.history.is_file():
            raise LookupError(name)
        return found.read_config()

    try:
        *before, _ = in_training_order(folder.read_config(), earlier)
    except LookupError:
        return None
    if not before:
        return None
    folders = [folder, *(run_folder(config.name, root) for config in before)]
    return round(sum(map(wall_time_s, folders)), _WALL_TIME_DECIMALS)
