"""``python -m seealoud.convert.recover BUNDLE``: a run's weights from its bundle, if they are lost.

The bundle holds the weights rounded to int8, with every BatchNormalization folded into its
convolution. Which of the decoder's tensors is which weight is found by a probe: the same decoder
with random weights is exported by the same code, and each weight is looked for among the tensors.
Invariant: what was recovered, exported again, is what the bundle holds; else it is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seealoud.training.command_line import run_program, runs_option, set_up_logging

if TYPE_CHECKING:
    from seealoud.convert.stored_weights import Constants, Floats, Place
    from seealoud.device.vision.bundle import Bundle
    from seealoud.training.config import RunConfig
    from seealoud.training.decoders import KerasDecoder
    from seealoud.training.run_folder import RunFolder

_SEED = 5
_PROBE_MEAN, _PROBE_STDDEV = 0.5, 0.2  # a bias that is the same everywhere could not be found
# Of the recovered decoder's tensors and the bundle's, as a share of the largest number: rounded
# twice, a weight may land on the next of 127 levels.
_LARGEST_DIFFERENCE = 1.01 / 127


def recover(bundle_path: Path, folder: RunFolder) -> RunConfig:
    """Write a bundle's weights into a run's folder as its best ones; return the run's settings.

    Raises:
        BundleError: there is no such bundle.
        TrainingError: the folder holds a run already, or the bundle was exported by other code or
            with another pretrained encoder than today's.
    """
    from seealoud.device.vision.bundle import load_bundle
    from seealoud.training.config import config_of_facts
    from seealoud.training.model import build_captioner
    from seealoud.training.run_folder import EpochResult

    bundle = load_bundle(bundle_path)
    _refuse_to_overwrite(folder)
    config = config_of_facts(bundle.manifest.training)
    built = build_captioner(config, bundle.vocabulary)
    _recover_decoder(built.model.decoder, bundle)
    if built.model.tail is not None:
        from seealoud.convert.stored_weights import recover_tail

        recover_tail(built.model.tail, bundle.encoder)
    folder.prepare(config, bundle.vocabulary)
    built.model.save_weights(folder.best_weights)
    unknown = float("nan")
    folder.write_history([EpochResult(1, unknown, unknown, _dev_cider(bundle), 0.0, 0.0)])
    folder.recovered.write_text(f"{bundle.manifest.name}\n", encoding="utf-8")
    return config


def _refuse_to_overwrite(folder: RunFolder) -> None:
    from seealoud.training.errors import CheckpointError

    for path in (folder.best_weights, folder.checkpoints):
        if path.exists():
            raise CheckpointError(f"{folder.path} holds a run already: delete that folder first")


def _dev_cider(bundle: Bundle) -> float:
    """Return the bundle's own CIDEr on dev; no number where it was not scored."""
    scores = bundle.manifest.metrics.get("scores", {})
    return float(scores.get("int8", {}).get("dev", {}).get("cider", "nan"))


def _recover_decoder(decoder: KerasDecoder, bundle: Bundle) -> None:
    import numpy as np

    from seealoud.convert.stored_weights import constants_of, place_of

    rng = np.random.default_rng(_SEED)
    weights = [
        rng.normal(_PROBE_MEAN, _PROBE_STDDEV, weight.shape).astype(np.float32)
        for weight in decoder.get_weights()
    ]
    stored = constants_of(bundle.decoder.read_bytes())
    probe = _exported(decoder, weights, bundle)
    _require_same(probe, stored, bundle.decoder)
    places = [place_of(weight, probe) for weight in weights]
    found = _weights_at(places, [weight.shape for weight in weights], stored, bundle.decoder)
    again = _exported(decoder, found, bundle)
    for key, constant in stored.items():
        allowed = _LARGEST_DIFFERENCE * np.abs(constant).max()
        if np.abs(again[key] - constant).max() > allowed:
            raise _other_code(bundle.decoder)


def _exported(decoder: KerasDecoder, weights: Sequence[Floats], bundle: Bundle) -> Constants:
    """Put weights into a decoder; return the tensors of its int8 export."""
    from seealoud.convert.export import export_decoder
    from seealoud.convert.stored_weights import constants_of

    decoder.set_weights(weights)
    beam_width = bundle.manifest.search.beam_width
    return constants_of(export_decoder(decoder, beam_width, is_quantized=True))


def _require_same(probe: Constants, stored: Constants, path: Path) -> None:
    """Refuse a model whose stored tensors have other shapes than today's export has."""
    if {k: v.shape for k, v in probe.items()} != {k: v.shape for k, v in stored.items()}:
        raise _other_code(path)


def _weights_at(
    places: Sequence[Place | None],
    shapes: Sequence[tuple[int, ...]],
    stored: Constants,
    path: Path,
) -> list[Floats]:
    found = []
    for place, shape in zip(places, shapes, strict=True):
        if place is None:
            raise _other_code(path)
        tensor = stored[place.tensor]
        found.append((tensor.T if place.is_transposed else tensor).reshape(shape) / place.factor)
    return found


def _other_code(path: Path) -> Exception:
    from seealoud.training.errors import TrainingError

    return TrainingError(
        f"{path} was exported by other code than today's: recover its weights with the commit that "
        "its manifest names, or train the run anew"
    )


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@runs_option
def cli(bundle: Path, runs: Path | None) -> None:
    """Recover the weights of BUNDLE (a folder, or a shipped name) into the folder of its run.

    Other runs can then start from it; the run itself cannot be trained further.
    """
    set_up_logging()
    from seealoud.device.vision.bundle import find_bundle, load_bundle
    from seealoud.training.run_folder import run_folder

    path = find_bundle(str(bundle))
    folder = run_folder(load_bundle(path).manifest.name, runs)
    recover(path, folder)
    click.echo(f"weights: {folder.best_weights}")


def main() -> None:
    """Run the command line; errors are one line on stderr and the error's exit code."""
    run_program(cli, "recover")


if __name__ == "__main__":
    main()
