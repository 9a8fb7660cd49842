"""What the device says of ordinary photographs, judged by people's captions of them.

Everything goes through the device's own code, from the picture's file to the spoken sentence. A
name is right when a caption confirms it; captions leave much out, so precision is a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from tqdm import tqdm

from device.records import Description, Frame, Hypothesis, Thing
from device.vision.bundle import Bundle
from device.vision.captioner import CaptionOptions
from device.vision.describe import open_describer
from device.vision.sentences import NOBODY
from training.confidence.thing_lexicon import THING, confidence_lexicons
from training.confidence.things import Confirmation, names_person
from training.data.dataset import CaptionedPicture
from training.evaluate import caption_with_bundle, score_captions
from training.features import read_picture
from training.home_failures import NamedKind, count_kinds
from training.metrics.lexicon import SUBJECT
from training.text import words_of

_HEDGED = "Maybe "
_NAMING = (SUBJECT, THING)
# A picture is of an indoor scene when at least two of its captions use one of these words.
_INDOOR_WORDS = frozenset((
    "kitchen", "bathroom", "bedroom", "room", "indoor", "indoors", "desk", "bed", "couch", "sofa",
    "sink", "toilet", "oven", "refrigerator", "fridge", "counter", "office", "table", "laptop",
    "plate", "restaurant", "shelf", "tv", "television", "bowl", "pan", "store",
))  # fmt: skip
_LEAST_INDOOR = 2


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is said of one picture.

    Attributes:
        picture: the picture.
        sentence: all that is spoken.
        caption: the caption's words in it; "" where it is withheld.
        bare: the captioner's words, said or not; "" where the picture was not captioned.
        things: named beside the caption.
        sure: names said without "maybe", and whether a caption confirms each.
        maybe: names said with "maybe", likewise.
        says_nobody: whether it says that nobody is in view.
    """

    picture: CaptionedPicture
    sentence: str
    caption: str
    bare: str
    things: tuple[Thing, ...]
    sure: dict[str, bool]
    maybe: dict[str, bool]
    says_nobody: bool

    @property
    def is_refusal(self) -> bool:
        """Whether nothing at all is named."""
        return not self.sure and not self.maybe


@dataclass(frozen=True, slots=True)
class HomeScores:
    """Shares 0..1 of the pictures, or of the names said, and counts.

    Attributes:
        pictures: how many there are.
        right_sure: share of them of which something right is said without "maybe".
        right: share of which something right is said, with or without.
        precision_sure: of the names said without "maybe", the share that captions confirm.
        names_sure: how many names those are.
        only_wrong: share of the pictures of which only unconfirmed names are said without "maybe".
        refused: share of which nothing is named.
        nobody_said: in how many pictures it is said that nobody is in view.
        nobody_right: of these, the share in which no caption names a person.
        distinct_words: how many different words the captions have.
        cider: of the captioner's words by themselves, said or not; None where not measured.
        kinds: what was named without "maybe", and what of it is unconfirmed, by kind.
    """

    pictures: int
    right_sure: float
    right: float
    precision_sure: float
    names_sure: int
    only_wrong: float
    refused: float
    nobody_said: int
    nobody_right: float | None
    distinct_words: int
    cider: float | None = None
    kinds: Mapping[str, NamedKind] = field(default_factory=dict)


def speak(bundle: Bundle, pictures: Sequence[CaptionedPicture]) -> Iterator[Spoken]:
    """Yield what the device says of each picture.

    Raises:
        BundleError: the bundle fails its self-test.
        DatasetError: a picture cannot be read.
    """
    sight = open_describer(bundle, CaptionOptions(threads=1))
    confirmation = Confirmation(bundle.manifest.names)
    try:
        for picture in tqdm(pictures, desc="describing", unit="picture"):
            frame = Frame.now(read_picture(picture.path), picture.name)
            found = sight.look(frame)
            yield judged(picture, found, confirmation)
    finally:
        sight.close()


def judged(picture: CaptionedPicture, found: Description, confirmation: Confirmation) -> Spoken:
    """Return what is said of a picture, judged by its captions."""
    sentence = found.text
    caption = found.words
    sure: dict[str, bool] = {}
    maybe: dict[str, bool] = {}
    for thing in found.things:
        named = sure if thing.is_sure else maybe
        named[thing.name] = confirmation.is_right(thing.name, picture.captions)
    hedged = maybe if found.caption is not None and sentence.startswith(_HEDGED) else sure
    for name, is_right in _mentioned(caption, picture).items():
        hedged.setdefault(name, is_right)
    return Spoken(
        picture,
        sentence,
        caption,
        "" if found.caption is None else found.caption.n_best[0].text,
        found.things,
        sure,
        maybe,
        NOBODY in sentence,
    )


def _mentioned(caption: str, picture: CaptionedPicture) -> dict[str, bool]:
    """Return the subjects and things that a caption names, and whether each is confirmed."""
    references = [words_of(reference) for reference in picture.captions]
    found: dict[str, bool] = {}
    for kind in _NAMING:
        lexicon = confidence_lexicons()[kind]
        seen = lexicon.mentions_of_any(references)
        for name in lexicon.mentions(caption.split()):
            found[name] = lexicon.confirms(name, seen)
    return found


def is_indoor(picture: CaptionedPicture) -> bool:
    """Return whether people's captions speak of an indoor scene."""
    speaking = [not _INDOOR_WORDS.isdisjoint(words_of(one)) for one in picture.captions]
    return sum(speaking) >= _LEAST_INDOOR


def scores_of(bundle: Bundle, pictures: Sequence[CaptionedPicture]) -> dict[str, HomeScores]:
    """Return the scores of all pictures and of the indoor ones; CIDEr over all.

    Raises:
        BundleError: the bundle fails its self-test.
        DatasetError: a picture cannot be read.
        TrainingError: Java failed.
    """
    spoken = list(speak(bundle, pictures))
    bare = caption_with_bundle(bundle.path, pictures)
    # As the device chose them, where it went that far.
    chosen = {one.picture.name: Hypothesis(one.bare, 0.0, 0.0) for one in spoken if one.bare}
    bare = {**bare, **chosen}
    _, metrics = score_captions(bare, pictures, with_meteor=False)
    words = {word for one in bare.values() for word in one.text.split()}
    return {
        "all": replace(
            score(spoken), cider=round(metrics.cider.estimate, 2), distinct_words=len(words)
        ),
        "indoor": score([one for one in spoken if is_indoor(one.picture)]),
    }


def score(spoken: Sequence[Spoken]) -> HomeScores:
    """Return the scores of what was said of pictures."""
    sure = [is_right for one in spoken for is_right in one.sure.values()]
    nobody = [one for one in spoken if one.says_nobody]
    empty = [not names_person(one.picture.captions) for one in nobody]
    words = {word for one in spoken for word in one.bare.split()}
    return HomeScores(
        pictures=len(spoken),
        right_sure=_share([any(one.sure.values()) for one in spoken]),
        right=_share([any((*one.sure.values(), *one.maybe.values())) for one in spoken]),
        precision_sure=_share(sure),
        names_sure=len(sure),
        only_wrong=_share([bool(one.sure) and not any(one.sure.values()) for one in spoken]),
        refused=_share([one.is_refusal for one in spoken]),
        nobody_said=len(nobody),
        nobody_right=_share(empty) if empty else None,
        distinct_words=len(words),
        kinds=count_kinds(one.sure for one in spoken),
    )


def _share(values: Sequence[bool]) -> float:
    return round(float(np.mean(values)), 4) if len(values) else 0.0
