"""Captions of a split and their scores, from a Keras run or from a bundle.

A bundle is captioned through the device's own code, so its scores are those of what ships.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from device.bundle import load_bundle
from device.captioner import Captioner
from device.decoding import SearchOptions
from device.records import Caption, Frame
from training.config import RunConfig
from training.data.dataset import CaptionedPicture
from training.encoders import default_cache_dir
from training.features import load_features, read_picture
from training.metrics.scores import Scores, score
from training.model import BuiltCaptioner
from training.search import caption_features

Captions = dict[str, str]


def caption_with_bundle(path: Path, pictures: Sequence[CaptionedPicture]) -> list[Caption]:
    """Return the device's caption of each picture.

    Raises:
        BundleError: the bundle is missing, broken or fails its self-test.
        DatasetError: a picture cannot be read.
    """
    with Captioner(load_bundle(path)) as captioner:
        return [
            captioner.caption(Frame.now(read_picture(picture.path), picture.name))
            for picture in tqdm(pictures, desc=path.name, unit="picture")
        ]


def texts(captions: Sequence[Caption]) -> Captions:
    """Return the best text by picture name."""
    return {caption.frame_source: caption.text for caption in captions}


def caption_with_keras(
    config: RunConfig,
    built: BuiltCaptioner,
    pictures: Sequence[CaptionedPicture],
    cache_dir: Path | None = None,
) -> Captions:
    """Return a Keras captioner's caption of each picture, from cached features."""
    features = load_features(built.source, pictures, cache_dir=cache_dir)
    found = caption_features(built.model, features, search_options(config))
    return {
        picture.name: built.vocabulary.decode(best[0].ids)
        for picture, best in zip(pictures, found, strict=True)
    }


def search_options(config: RunConfig) -> SearchOptions:
    """Return the search that a run's settings name."""
    search = config.search
    return SearchOptions(search.beam_width, config.text.max_words, search.length_penalty)


def score_captions(
    captions: Captions,
    pictures: Sequence[CaptionedPicture],
    *,
    cache_dir: Path | None = None,
    with_meteor: bool = True,
) -> Scores:
    """Return the protocol's scores of captions against the pictures' references."""
    references = {picture.name: picture.captions for picture in pictures}
    cache = (cache_dir or default_cache_dir()) / "tokens"
    return score(captions, references, cache_dir=cache, with_meteor=with_meteor)
