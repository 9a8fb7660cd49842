"""The words for things that a caption may name, for judging whether it names them rightly.

It is made of the reviewed names (``training/names/names.txt``) and the detector's table
(``device/vision/thing_words.py``), so names beside a caption and in it are judged by the same
words. Subjects, counts, colours and activities are judged by ``training.metrics.lexicon``, which is
fixed as the protocol of the scores.

The three tables of words for things stay separate, because published figures depend on each. The
detector's table accepts loose evidence ("driver" for a person, "catcher" for a glove); names.txt
has a hierarchy of ImageNet's classes; ``training.metrics.things`` leaves out ambiguous words, since
rewards would teach them. Joining them would change docs/homes.json, docs/names.json and the
rewards with which the shipped captioner was trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from seealoud.device.english import plural
from seealoud.device.vision.thing_words import ANIMALS, PERSON, THINGS
from seealoud.training.metrics.lexicon import LEXICONS, Lexicon
from seealoud.training.names.everyday import NO_PLURAL, Rules, read_rules

THING = "thing"
RIGHT_MEANS = (
    "a caption is right when it mentions at least one subject, count, colour or activity of "
    "training/metrics/lexicon.py or thing of training/confidence/thing_lexicon.py, and at least "
    "one of the picture's references confirms each one that it mentions"
)
# Where something is, as captions say it in one word.
PLACES = {
    "kitchen": "kitchen",
    "bathroom": "bathroom restroom washroom",
    "bedroom": "bedroom",
    "room": "room rooms lobby hallway hall",
    "office": "office",
    "street": "street streets road roads sidewalk crosswalk intersection",
    "field": "field fields grass lawn meadow pasture grassy",
    "water": "water ocean sea river lake pool pond waves wave",
    "snow": "snow snowy",
    "park": "park playground",
}


@cache
def confidence_lexicons() -> Mapping[str, Lexicon]:
    """Return the lexicons of the scores' protocol and, besides, that of things."""
    return {**LEXICONS, THING: thing_lexicon(read_rules())}


def thing_lexicon(rules: Rules) -> Lexicon:
    """Return the words of single things that are no subject of the scores' protocol."""
    # A colour, an activity ("ride", "swing") or a subject is judged as that.
    judged_already = {word for lexicon in LEXICONS.values() for word in lexicon.class_of}
    class_of = {word: place for place, words in PLACES.items() for word in words.split()}
    for form, name in _forms(rules):
        if " " not in form and form not in judged_already:
            class_of.setdefault(form, name)
    known = set(class_of.values())
    narrower = {
        name: frozenset(below) & known - {name}
        for name in known & set(rules.names)
        if len(below := rules.narrower(name)) > 1
    }
    narrower["room"] = frozenset(("kitchen", "bathroom", "bedroom", "office")) & known
    return Lexicon(class_of, narrower)


def _forms(rules: Rules) -> Iterator[tuple[str, str]]:
    """Yield every word, singular and plural, with the name of what it means."""
    for name, found in rules.names.items():
        for word in found.words:
            singular = word.removesuffix(NO_PLURAL)
            yield singular, name
            yield plural(singular), name
    for thing in THINGS.values():
        if thing.one not in {PERSON, *ANIMALS}:
            yield thing.one, thing.one
            yield thing.several, thing.one
