"""The words for things that a caption may name, for judging whether it names them rightly.

Made of the reviewed names (``training/names/names.txt``) and the detector's table, so that what is
named beside a caption and what is named in it are judged by the same words. Subjects, counts,
colours and activities are judged by ``training.metrics.lexicon``, the protocol of the scores, which
stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from device.vision.everyday import ANIMALS, PERSON
from device.vision.noun_phrases import plural
from device.vision.thing_words import THINGS
from training.metrics.lexicon import LEXICONS, Lexicon
from training.names.everyday import Rules, read_rules

THING = "thing"
# Where something is, as captions say it in one word.
_PLACES = {
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
    class_of: dict[str, str] = {}
    for place, words in _PLACES.items():
        for word in words.split():
            class_of.setdefault(word, place)
    for name, found in rules.names.items():
        for word in found.words:
            for form in (word.removesuffix("!"), plural(word.removesuffix("!"))):
                if " " not in form and form not in judged_already:
                    class_of.setdefault(form, name)
    for thing in THINGS.values():
        if thing.one in {PERSON, *ANIMALS} or " " in thing.one:
            continue
        for form in (thing.one, thing.several):
            if form not in judged_already:
                class_of.setdefault(form, thing.one)
    known = set(class_of.values())
    narrower = {
        name: frozenset(below) & known - {name}
        for name in known & set(rules.names)
        if len(below := rules.narrower(name)) > 1
    }
    narrower["room"] = frozenset(("kitchen", "bathroom", "bedroom", "office")) & known
    return Lexicon(class_of, narrower)
