"""Captions of a split and their scores, from a Keras run or from a bundle.

A bundle is captioned by the device's own code, so its scores are those of what ships; a Keras
captioner is searched by the device's own beam search.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from seealoud.device.records import Frame, Hypothesis
from seealoud.device.vision.beam_search import SearchOptions, State, search
from seealoud.device.vision.beam_search import Sequence as BeamSequence
from seealoud.device.vision.bundle import find_bundle, load_bundle
from seealoud.device.vision.captioner import Captioner
from seealoud.training import views
from seealoud.training.config import RunConfig
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.encoders import default_cache_dir
from seealoud.training.errors import DatasetError, TrainingError
from seealoud.training.feature_files import FeatureFiles, Features
from seealoud.training.features import load_features, read_picture
from seealoud.training.metrics.judgement import precision_by_kind
from seealoud.training.metrics.scores import Scores, score_tokens
from seealoud.training.metrics.tokenise import tokenise
from seealoud.training.model import BuiltCaptioner, KerasCaptioner
from seealoud.training.records.run import Metrics
from seealoud.training.run_folder import RunFolder, load_run, run_folder
from seealoud.training.trained_on import TrainedOn, contamination, of_bundle, of_folder

Captions = dict[str, Hypothesis]

_LOGGER = logging.getLogger(__name__)
_PICTURES_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Scored:
    """A model that is scored.

    Attributes:
        model: a Keras run's folder, or a bundle's.
        trained_on: the pictures that it was trained on; None where that was not kept.
    """

    model: RunFolder | Path
    trained_on: TrainedOn | None

    @classmethod
    def find(cls, name: str, runs: Path | None) -> Scored:
        """Return the run of that name if it is trained, else the bundle of that name or folder.

        Raises:
            BundleError: there is neither, or the bundle is broken.
        """
        folder = run_folder(name, runs)
        if folder.best_weights.is_file() and not Path(name).is_dir():
            return cls(folder, of_folder(folder.path))
        path = find_bundle(name)
        return cls(path, of_bundle(path, load_bundle(path).manifest))

    @property
    def name(self) -> str:
        """What it is, for a line of text."""
        if isinstance(self.model, RunFolder):
            return f"Keras run {self.model.path.name}"
        return f"bundle {self.model}"

    def contamination(self, pictures: Sequence[CaptionedPicture], *, is_forced: bool) -> str:
        """Return which of the pictures it was trained on, "" for none.

        Raises:
            DatasetError: it was trained on some of them, and that is not forced.
        """
        if self.trained_on is None:
            _LOGGER.warning(
                "%s does not state which pictures it was trained on: whether it saw these is not "
                "checked; `python -m seealoud.convert.trained_on BUNDLE` adds it to a bundle",
                self.name,
            )
            return ""
        found = self.trained_on.known(pictures)
        if not found:
            return ""
        sentence = contamination(found, len(pictures), self.name)
        if not is_forced:
            raise DatasetError(
                f"{sentence}, so their score would say nothing: give the data set with the split "
                "that it was trained with, or --force for a score that is marked contaminated"
            )
        return sentence

    def caption(self, pictures: Sequence[CaptionedPicture]) -> Captions:
        """Return its best hypothesis by picture name.

        Raises:
            BundleError: the bundle is broken or fails its self-test.
            DatasetError: a picture cannot be read.
        """
        if isinstance(self.model, RunFolder):
            return caption_with_keras(*load_run(self.model), pictures)
        return caption_with_bundle(self.model, pictures)


def caption_with_bundle(path: Path, pictures: Sequence[CaptionedPicture]) -> Captions:
    """Return the device's best hypothesis by picture name.

    Raises:
        BundleError: the bundle is missing, broken or fails its self-test.
        DatasetError: a picture cannot be read.
    """
    with Captioner(load_bundle(path)) as captioner:
        return {
            picture.name: captioner.caption(
                Frame.now(read_picture(picture.path), picture.name)
            ).n_best[0]
            for picture in tqdm(pictures, desc=f"captioning with {path.name}", unit="picture")
        }


def require_words(name: str, captions: Captions) -> None:
    """Refuse a run that says nothing of any picture, before a bundle is made of it.

    Raises:
        TrainingError: all captions are empty.
    """
    if not any(hypothesis.text for hypothesis in captions.values()):
        raise TrainingError(
            f"{name} is trained, but its captions of {len(captions)} dev pictures are all empty, "
            "so no bundle can be made of it: train more epochs or on more captions, or lower "
            "optimiser.learning_rate"
        )


def caption_with_keras(
    config: RunConfig,
    built: BuiltCaptioner,
    pictures: Sequence[CaptionedPicture],
    cache_dir: Path | None = None,
) -> Captions:
    """Return a Keras captioner's best hypothesis by picture name, from cached features."""
    seen = search_features(config, built, pictures, cache_dir)
    return caption_cached(built, pictures, seen, search_options(config))


def search_features(
    config: RunConfig,
    built: BuiltCaptioner,
    pictures: Sequence[CaptionedPicture],
    cache_dir: Path | None = None,
) -> tuple[Features, ...]:
    """Return the features that a run's search uses: the pictures', and maybe the mirrored."""
    wanted = (views.PLAIN, views.MIRRORED) if config.search.mirrored else (views.PLAIN,)
    return tuple(
        load_features(built.source, pictures, view=view, cache_dir=cache_dir) for view in wanted
    )


def caption_cached(
    built: BuiltCaptioner,
    pictures: Sequence[CaptionedPicture],
    seen: tuple[Features, ...],
    options: SearchOptions,
) -> Captions:
    """Return a Keras captioner's best hypothesis by picture name, of ``search_features``."""
    plain, *mirrored = seen
    found = caption_features(TracedCaptioner(built.model), plain, options, *mirrored)
    return {
        picture.name: Hypothesis(
            built.vocabulary.decode(best.ids), best.log_probability, best.score
        )
        for picture, (best, *_) in zip(pictures, found, strict=True)
    }


def search_options(config: RunConfig) -> SearchOptions:
    """Return the search that a run's settings name."""
    search = config.search
    return SearchOptions(search.beam_width, config.text.max_words, search.length_penalty)


def score_captions(
    captions: Mapping[str, Hypothesis],
    pictures: Sequence[CaptionedPicture],
    *,
    cache_dir: Path | None = None,
    with_meteor: bool = True,
) -> tuple[Scores, Metrics]:
    """Return the protocol's scores of captions, picture by picture and as a run record has them.

    Raises:
        TrainingError: a picture has no caption, or Java failed.
    """
    cache = (cache_dir or default_cache_dir()) / "tokens"
    references = tokenise({picture.name: picture.captions for picture in pictures}, cache)
    said = tokenise({name: [hypothesis.text] for name, hypothesis in captions.items()})
    hypotheses = {name: tokens for name, (tokens,) in said.items()}
    scores = score_tokens(hypotheses, references, with_meteor=with_meteor)
    return scores, Metrics.of(scores, precision_by_kind(hypotheses, references))


class TracedCaptioner:
    """A captioner's parts as TensorFlow graphs, which are traced once for all its searches."""

    def __init__(self, model: KerasCaptioner) -> None:
        self.decoder = model.decoder
        self.step = tf.function(model.decoder.step)
        self.prepare = tf.function(model.decoder.prepare)
        self.grid = tf.function(model.grid)


def caption_features(
    model: TracedCaptioner,
    features_nhwc: Features | FeatureFiles,
    options: SearchOptions,
    mirrored_nhwc: Features | None = None,
) -> Iterator[list[BeamSequence]]:
    """Yield each picture's word sequences, best first.

    Args:
        model: the captioner.
        features_nhwc: cached features of the pictures, as the model was trained on.
        options: the search.
        mirrored_nhwc: features of the mirror images, if the mean of both grids is to be captioned.
    """
    for start in range(0, len(features_nhwc), _PICTURES_AT_ONCE):
        part = features_nhwc[start : start + _PICTURES_AT_ONCE]
        grid_nsc = model.grid(tf.constant(part))
        if mirrored_nhwc is not None:
            mirror_nsc = model.grid(tf.constant(mirrored_nhwc[start : start + _PICTURES_AT_ONCE]))
            grid_nsc = (grid_nsc + _turned_back(mirror_nsc)) / 2
        memory = model.prepare(grid_nsc)

        def advance(
            tokens_r: np.ndarray, state: State, memory: tuple[tf.Tensor, ...] = memory
        ) -> tuple[np.ndarray, State]:
            logits_rv, grown = model.step(
                tf.constant(tokens_r), memory, tuple(map(tf.constant, state))
            )
            return logits_rv.numpy(), tuple(array.numpy() for array in grown)

        n_rows = len(part) * options.beam_width
        zeros = tuple(array.numpy() for array in model.decoder.initial_state(n_rows))
        yield from search(advance, zeros, options, n_pictures=len(part))


def _turned_back(mirror_nsc: tf.Tensor) -> tf.Tensor:
    """Return the grids of mirror images with left and right exchanged, as they were."""
    side = round(mirror_nsc.shape[1] ** 0.5)
    square_nhwc = tf.reshape(mirror_nsc, [-1, side, side, mirror_nsc.shape[2]])
    return tf.reshape(tf.reverse(square_nhwc, axis=[2]), tf.shape(mirror_nsc))
