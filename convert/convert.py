"""Makes a bundle of a trained run: exports both variants, verifies, scores and writes it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from seealoud.convert.export import calibration_pictures, whole_encoder
from seealoud.convert.model_card import earlier_runs, with_origin, write_manifest_and_card
from seealoud.convert.trained_on import put_trained_on
from seealoud.convert.variants import Variant, export_variant, training_facts
from seealoud.convert.verify import (
    Verification,
    agreement,
    check_signatures,
    count_mistakes,
    require,
)
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.manifest import HASHED_FILES, Manifest
from seealoud.training.config import RunConfig
from seealoud.training.data.dataset import Dataset, Split
from seealoud.training.evaluate import (
    Captions,
    caption_with_bundle,
    caption_with_keras,
    require_words,
    score_captions,
)
from seealoud.training.metrics.bootstrap import paired_bootstrap
from seealoud.training.model import BuiltCaptioner
from seealoud.training.records.keras_run import chain_wall_time_s, wall_time_s
from seealoud.training.records.run import INT8_BUNDLE, Bounds, Quantization, RunRecord, write_record
from seealoud.training.run_folder import RunFolder, load_run, recorded
from seealoud.training.trained_on import of_folder, refuse_known

_LOGGER = logging.getLogger(__name__)
_SCORED: tuple[Split, ...] = ("dev", "test")
_FLOAT_FOLDER = "float32"
_INT8_FOLDER = "int8"


def convert(folder: RunFolder, dataset: Dataset, out: Path, records: Path | None = None) -> Path:
    """Export, verify and write a run's bundle; return its folder below ``out``.

    The variants stay in the run's folder: the float32 one is for benchmarks and never ships.

    Args:
        folder: folder of the trained run.
        dataset: calibrated on train, verified on dev, reported on test.
        out: folder that the bundle's folder is written to.
        records: folder that the run's record is written to; None writes no record.

    Raises:
        TrainingError: the run is not trained, it was trained on pictures of dev or test, it says
            nothing, the settings of a run that it came from are gone, or the verification fails.
    """
    trained_on = of_folder(folder.path)
    refuse_known(trained_on, (*dataset.dev, *dataset.test), f"run {folder.path.name}")
    config, built = load_run(folder)
    earlier = earlier_runs(folder)
    said = {split: caption_with_keras(config, built, dataset.split(split)) for split in _SCORED}
    require_words(f"run {folder.path.name}", said["dev"])
    calibration = calibration_pictures(dataset.train, built.spec)
    floating = export_variant(config, built, folder.path / _FLOAT_FOLDER, None)
    quantized = export_variant(config, built, folder.path / _INT8_FOLDER, calibration)
    _LOGGER.info("float32 %d bytes, int8 %d bytes", floating.bytes, quantized.bytes)
    verification = _verify(built, (floating, quantized), dataset, said)
    _LOGGER.info("verification: %s", verification.facts())
    require(verification)
    if records is not None:
        write_record(_record(config, built, folder, quantized, verification), records)
    target = _write(with_origin(quantized.manifest, earlier), quantized, verification, out)
    if trained_on is not None:
        put_trained_on(target, load_bundle(target).manifest, trained_on)
    return target


def _verify(
    built: BuiltCaptioner,
    variants: tuple[Variant, Variant],
    dataset: Dataset,
    keras: dict[Split, Captions],
) -> Verification:
    floating, quantized = variants
    signatures = check_signatures(built, floating, quantized, dataset.dev)
    said: dict[str, dict[Split, Captions]] = {"keras": keras, "float": {}, "int8": {}}
    for split in _SCORED:
        pictures = dataset.split(split)
        said["float"][split] = caption_with_bundle(floating.path, pictures)
        said["int8"][split] = caption_with_bundle(quantized.path, pictures)
    scored = {
        variant: {
            split: score_captions(captions, dataset.split(split))
            for split, captions in of_split.items()
        }
        for variant, of_split in said.items()
    }
    return Verification(
        signatures=signatures,
        float_agreement=agreement(said["keras"]["dev"], said["float"]["dev"]),
        int8_agreement=agreement(said["float"]["dev"], said["int8"]["dev"]),
        metrics={
            variant: {split: metrics for split, (_, metrics) in of_split.items()}
            for variant, of_split in scored.items()
        },
        int8_change={
            split: Bounds.of(paired_bootstrap(scored["int8"][split][0], scored["float"][split][0]))
            for split in _SCORED
        },
        mistakes=count_mistakes(said["int8"]["test"], dataset),
    )


def _record(
    config: RunConfig,
    built: BuiltCaptioner,
    folder: RunFolder,
    quantized: Variant,
    verification: Verification,
) -> RunRecord:
    """Return the run's record; its scores are the int8 bundle's, through the device's code."""
    return RunRecord(
        name=config.name,
        config=training_facts(config),
        seed=config.seed,
        git_commit=quantized.manifest.source_commit,
        measured=INT8_BUNDLE,
        dev=verification.metrics["int8"]["dev"],
        test=verification.metrics["int8"]["test"],
        wall_time_s=wall_time_s(folder),
        chain_wall_time_s=chain_wall_time_s(folder),
        parameters=whole_encoder(built).count_params() + built.model.decoder.count_params(),
        bundle_bytes=quantized.bytes,
        quantization=Quantization(
            float32=verification.metrics["float"]["test"].without_pictures(),
            int8=verification.metrics["int8"]["test"].without_pictures(),
            cider_change=verification.int8_change["test"],
        ),
        reliability=verification.mistakes.reliability if verification.mistakes else None,
        history=recorded(folder.read_history()),
        note=config.note,
    )


def _write(manifest: Manifest, quantized: Variant, verification: Verification, out: Path) -> Path:
    """Copy the verified variant to ``out``, with its metrics and its card."""
    manifest = manifest.model_copy(update={"metrics": verification.facts()})
    target = out / manifest.name
    target.mkdir(parents=True, exist_ok=True)
    for name in HASHED_FILES:
        shutil.copyfile(quantized.path / name, target / name)
    write_manifest_and_card(target, manifest)
    return target
