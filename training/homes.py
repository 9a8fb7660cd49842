"""What the device says about ordinary photographs, judged by people's captions of them.

Everything runs through the device's own code, from the picture's file to the spoken sentence. A
name is right when a caption confirms it; captions leave much out, so precision is a lower bound.
Unconfirmed names are also counted by kind of thing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from tqdm import tqdm

from seealoud.device.records import Description, Frame, Hypothesis, Thing
from seealoud.device.vision.bundle import Bundle
from seealoud.device.vision.captioner import CaptionOptions
from seealoud.device.vision.describe import open_describer
from seealoud.device.vision.sentences import NOBODY
from seealoud.device.vision.thing_words import ANIMALS, PEOPLE_CLASSES
from seealoud.training.confidence.nobody import names_person
from seealoud.training.confidence.thing_lexicon import PLACES, THING, confidence_lexicons
from seealoud.training.confidence.things import ThingConfirmation
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.evaluate import caption_with_bundle, score_captions
from seealoud.training.features import read_picture
from seealoud.training.metrics.lexicon import LEXICONS, SUBJECT
from seealoud.training.names.everyday import read_rules
from seealoud.training.records.homes import HomeFigures, KindCounts
from seealoud.training.text import words_of

_HEDGED = "Maybe "
_NAMING = (SUBJECT, THING)
# A picture is of an indoor scene when at least two of its captions use one of these words.
_INDOOR_WORDS = frozenset((
    "kitchen", "bathroom", "bedroom", "room", "indoor", "indoors", "desk", "bed", "couch", "sofa",
    "sink", "toilet", "oven", "refrigerator", "fridge", "counter", "office", "table", "laptop",
    "plate", "restaurant", "shelf", "tv", "television", "bowl", "pan", "store",
))  # fmt: skip
_LEAST_INDOOR = 2

PEOPLE, ANIMAL, PLACE, OTHER = "people", "animals", "places", "other things"
N_NAMES = 5  # with more, the rare ones are noise


@dataclass(frozen=True, slots=True)
class Spoken:
    """The device's sentence for one picture, judged.

    Attributes:
        picture: the picture.
        sentence: the whole spoken sentence.
        caption: the caption's words in it; "" where it is withheld.
        bare: the captioner's words, spoken or not; "" if the picture was not captioned.
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
        """Whether nothing is named."""
        return not self.sure and not self.maybe


def speak(bundle: Bundle, pictures: Sequence[CaptionedPicture]) -> Iterator[Spoken]:
    """Yield the device's sentence for each picture, judged.

    Raises:
        BundleError: the bundle fails its self-test.
        DatasetError: a picture cannot be read.
    """
    sight = open_describer(bundle, CaptionOptions(threads=1))
    confirmation = ThingConfirmation(bundle.manifest.names)
    try:
        for picture in tqdm(pictures, desc="describing", unit="picture"):
            frame = Frame.now(read_picture(picture.path), picture.name)
            found = sight.look(frame)
            yield judged(picture, found, confirmation)
    finally:
        sight.close()


def judged(
    picture: CaptionedPicture, found: Description, confirmation: ThingConfirmation
) -> Spoken:
    """Return a picture's description, judged by the picture's captions."""
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
    """Return whether people's captions describe an indoor scene."""
    speaking = [not _INDOOR_WORDS.isdisjoint(words_of(one)) for one in picture.captions]
    return sum(speaking) >= _LEAST_INDOOR


def scores_of(bundle: Bundle, pictures: Sequence[CaptionedPicture]) -> dict[str, HomeFigures]:
    """Return the scores of all pictures and of the indoor ones; CIDEr over all.

    Raises:
        BundleError: the bundle fails its self-test.
        DatasetError: a picture cannot be read.
        TrainingError: Java failed.
    """
    spoken = list(speak(bundle, pictures))
    # The picture gate or the features may stop the device before it captions; CIDEr is over all.
    uncaptioned = [one.picture for one in spoken if not one.bare]
    captioned = caption_with_bundle(bundle.path, uncaptioned) if uncaptioned else {}
    bare = {
        name: captioned.get(name) or Hypothesis(one.bare, 0.0, 0.0)
        for one in spoken
        for name in [one.picture.name]
    }
    _, metrics = score_captions(bare, pictures, with_meteor=False)
    words = {word for one in bare.values() for word in one.text.split()}
    return {
        "all": score(spoken).model_copy(
            update={"cider": round(metrics.cider.estimate, 2), "distinct_words": len(words)}
        ),
        "indoor": score([one for one in spoken if is_indoor(one.picture)]),
    }


def score(spoken: Sequence[Spoken]) -> HomeFigures:
    """Return the scores of the sentences for pictures."""
    sure = [is_right for one in spoken for is_right in one.sure.values()]
    nobody = [one for one in spoken if one.says_nobody]
    empty = [not names_person(one.picture.captions) for one in nobody]
    words = {word for one in spoken for word in one.bare.split()}
    return HomeFigures(
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


def count_kinds(said: Iterable[Mapping[str, bool]]) -> dict[str, KindCounts]:
    """Return the counts by kind.

    Args:
        said: for each picture its names, and whether a caption confirms each.
    """
    times: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for names in said:
        times.update(names.keys())
        wrong.update(name for name, is_right in names.items() if not is_right)
    kinds: dict[str, KindCounts] = {}
    for kind in (PEOPLE, ANIMAL, PLACE, OTHER):
        own = [name for name in times if kind_of(name) == kind]
        worst = sorted((name for name in own if wrong[name]), key=lambda name: (-wrong[name], name))
        kinds[kind] = KindCounts(
            said=sum(times[name] for name in own),
            wrong=sum(wrong[name] for name in own),
            names={name: (wrong[name], times[name]) for name in worst[:N_NAMES]},
        )
    return kinds


def kind_of(name: str) -> str:
    """Return the kind of a name or of a caption's class."""
    if name in PEOPLE_CLASSES:
        return PEOPLE
    if name in _animals():
        return ANIMAL
    return PLACE if name in PLACES else OTHER


@cache
def _animals() -> frozenset[str]:
    subjects = frozenset(LEXICONS[SUBJECT].class_of.values()) - PEOPLE_CLASSES
    rules = read_rules()
    known = rules.narrower("animal") if "animal" in rules.names else ()
    return frozenset((*ANIMALS, *subjects, *known))
