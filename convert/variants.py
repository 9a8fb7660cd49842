"""A run's models as two bundle folders: float32 to compare with, int8 to ship.

Each manifest gets a self-test: the generated picture whose words are most certain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seealoud.convert.export import export_decoder, float_encoder, whole_encoder
from seealoud.convert.rounding import best_int8_encoder
from seealoud.device.vision.beam_search import search
from seealoud.device.vision.bundle import N_PATTERNS, checksum, file_entry, pattern
from seealoud.device.vision.manifest import (
    CHECKSUM,
    DECODER,
    ENCODER,
    HASHED_FILES,
    MANIFEST,
    SCHEMA,
    VOCABULARY,
    InputSpec,
    Manifest,
    SearchSpec,
    SelfTest,
)
from seealoud.device.vision.preprocess import preprocess
from seealoud.device.vision.runtime import Decoder, Encoder
from seealoud.training.config import RunConfig
from seealoud.training.model import BuiltCaptioner
from seealoud.training.records.keras_run import recorded_config
from seealoud.training.run_folder import source_commit
from seealoud.training.trained_on import TRAINED_ON

DATA_LICENCE = (
    "Trained on Flickr8k (Hodosh, Young and Hockenmaier 2013), which is for non-commercial "
    "research and education; the encoder starts from ImageNet weights (EfficientNet-Lite and "
    "InceptionV3: Apache-2.0). No picture and no caption of the data set is part of the bundle."
)
_PARTS = ("confidence", "detector", "names", "things", "said")  # of the manifest, which may be None


@dataclass(frozen=True, slots=True)
class Variant:
    """A folder in the bundle's form.

    Attributes:
        path: the folder.
        manifest: its manifest, as written.
    """

    path: Path
    manifest: Manifest

    @property
    def bytes(self) -> int:
        """Size of what the device loads."""
        return models_bytes(self.manifest)

    def write(self) -> None:
        """Write the manifest and its hash; parts that the bundle does not have are left out."""
        absent = {part for part in _PARTS if getattr(self.manifest, part) is None}
        text = self.manifest.model_dump_json(indent=2, exclude=absent) + "\n"
        content = text.encode()
        (self.path / MANIFEST).write_bytes(content)
        (self.path / CHECKSUM).write_bytes(checksum(content))


def models_bytes(manifest: Manifest) -> int:
    """Return the size of what the device loads: all files but the hashes of training pictures."""
    return sum(entry.bytes for name, entry in manifest.files.items() if name != TRAINED_ON)


def export_variant(
    config: RunConfig,
    built: BuiltCaptioner,
    folder: Path,
    calibration: Sequence[npt.NDArray[np.float32]] | None,
) -> Variant:
    """Write a run's models, words and manifest to a folder.

    Args:
        config: the run's settings.
        built: the captioner with its trained weights.
        folder: where to; made if missing.
        calibration: normalised training pictures for int8; None exports float32.
    """
    folder.mkdir(parents=True, exist_ok=True)
    is_quantized = calibration is not None
    if calibration is None:
        content = float_encoder(whole_encoder(built))
    else:
        content = best_int8_encoder(built, calibration)
    (folder / ENCODER).write_bytes(content)
    width = config.search.beam_width
    (folder / DECODER).write_bytes(
        export_decoder(built.model.decoder, width, is_quantized=is_quantized)
    )
    built.vocabulary.write(folder / VOCABULARY)
    variant = Variant(folder, _manifest(config, built, folder))
    variant.write()
    return variant


def _manifest(config: RunConfig, built: BuiltCaptioner, folder: Path) -> Manifest:
    spec = InputSpec(
        size_px=built.spec.input_size_px,
        mean=built.spec.mean,
        scale=built.spec.scale,
        mirrored=config.search.mirrored,
    )
    search = SearchSpec(
        beam_width=config.search.beam_width,
        max_words=config.text.max_words,
        length_penalty=config.search.length_penalty,
    )
    return Manifest(
        schema_version=SCHEMA,
        name=config.name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        source_commit=source_commit(),
        data_licence=DATA_LICENCE,
        input=spec,
        search=search,
        files={name: file_entry(folder / name) for name in HASHED_FILES},
        self_test=choose_self_test(folder, spec, search),
        training=training_facts(config),
        metrics={},
    )


def training_facts(config: RunConfig) -> dict[str, Any]:
    """Return the run's settings as the manifest and the records state them."""
    return recorded_config(config)


def choose_self_test(folder: Path, spec: InputSpec, search_spec: SearchSpec) -> SelfTest:
    """Return the self-test of the models in a folder.

    Among the generated pictures the one is taken whose best caption leads the second by most: the
    device compares how likely it finds these words, and a clear case moves least with rounding.
    """
    encoder = Encoder(folder / ENCODER, mean=spec.mean, scale=spec.scale, threads=1)
    decoder = Decoder(folder / DECODER)
    options = search_spec.options()
    candidates = []
    for number in range(N_PATTERNS):
        square_hwc = preprocess(pattern(number), encoder.size_px)
        decoder.prepare(encoder.encode(square_hwc, mirrored=spec.mirrored))
        found = search(decoder.step, decoder.initial_state(options.beam_width), options)[0]
        lead = found[0].score - found[1].score if len(found) > 1 else np.inf
        candidates.append((lead, number, found[0]))
    _, number, best = max(candidates, key=lambda candidate: candidate[0])
    return SelfTest(pattern=number, ids=list(best.ids), log_probability=best.log_probability)
