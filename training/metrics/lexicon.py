"""The words by which precision by kind is judged: subjects, counts, colours and activities.

A class is a set of words that mean the same to a listener ("man", "guy", "gentleman"). A class
may also be confirmed by narrower ones: "a person" does not mislead a listener when it was a boy,
but "a boy" is not confirmed by "a person". The words are those that Flickr8k's training captions
use often; "wearing" is no activity here, and "pair" no count ("a pair of jeans").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SUBJECT, COUNT, COLOUR, ACTIVITY = KINDS = ("subject", "count", "colour", "activity")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The classes of one kind.

    Attributes:
        class_of: class by word, lower-case.
        narrower: by class, those other classes that confirm it too.
    """

    class_of: Mapping[str, str]
    narrower: Mapping[str, frozenset[str]]

    def mentions(self, tokens: Iterable[str]) -> frozenset[str]:
        """Return the classes that a caption's tokens mention."""
        return frozenset(self.class_of[token] for token in tokens if token in self.class_of)

    def mentions_of_any(self, sentences: Iterable[Iterable[str]]) -> frozenset[str]:
        """Return the classes that at least one of several captions' tokens mentions."""
        return frozenset[str]().union(*map(self.mentions, sentences))

    def confirms(self, mentioned: str, seen: frozenset[str]) -> bool:
        """Return whether the classes ``seen`` in the references confirm a mentioned one."""
        return mentioned in seen or not seen.isdisjoint(self.narrower.get(mentioned, ()))


def noun_forms(noun: str) -> tuple[str, str]:
    """Return a noun and its regular plural."""
    if re.search(r"(?:s|x|ch|sh)$", noun):
        return noun, f"{noun}es"
    if re.search(r"[^aeiou]y$", noun):
        return noun, f"{noun[:-1]}ies"
    return noun, f"{noun}s"


def verb_forms(stem: str) -> tuple[str, ...]:
    """Return a verb's regular forms: stem, -s, -ing, -ed, -er and -ers.

    The last two name a person by the activity ("a skier"), and so mention the activity. Wrong
    forms of irregular verbs ("runned") do no harm: nobody uses them.
    """
    _, third_person = noun_forms(stem)
    doubled = bool(re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", stem))
    base = stem + stem[-1] if doubled else stem
    dropped = base.removesuffix("e")
    past = re.sub(r"(?<=[^aeiou])y$", "i", dropped)
    return (stem, third_person, f"{dropped}ing", f"{past}ed", f"{past}er", f"{past}ers")


def _split(classes: Mapping[str, str]) -> dict[str, list[str]]:
    return {name: words.split() for name, words in classes.items()}


def _narrower(classes: Mapping[str, str]) -> dict[str, frozenset[str]]:
    return {name: frozenset(words) for name, words in _split(classes).items()}


def _nouns(classes: Mapping[str, str]) -> dict[str, str]:
    listed = _split(classes).items()
    return {form: name for name, words in listed for word in words for form in noun_forms(word)}


def _plain(classes: Mapping[str, str]) -> dict[str, str]:
    return {word: name for name, words in _split(classes).items() for word in words}


def _verbs(classes: Mapping[str, str]) -> dict[str, str]:
    listed = _split(classes).items()
    return {
        form: name
        for name, words in listed
        for word in words
        for form in verb_forms(word)
        if form not in _NOT_ACTIVITIES
    }


_SUBJECTS = {
    "person": "person human someone somebody adult individual crowd family couple team player "
    "rider skier surfer biker cyclist bicyclist motorcyclist climber hiker runner racer swimmer "
    "skater skateboarder snowboarder dancer performer musician worker spectator teenager friend",
    "man": "guy gentleman male fellow dude groom fisherman cowboy",
    "woman": "lady female bride",
    "child": "kid youngster",
    "boy": "boy",
    "girl": "girl",
    "baby": "baby infant toddler",
    "dog": "dog puppy pup hound greyhound poodle terrier retriever collie shepherd labrador lab "
    "bulldog dalmatian rottweiler husky beagle spaniel dachshund doberman pug corgi",
    "cat": "cat kitten",
    "horse": "horse pony",
    "bird": "bird duck seagull swan goose pigeon parrot eagle chicken owl",
    "cow": "cow bull calf ox",
    "sheep": "sheep lamb",
    "goat": "goat",
    "animal": "animal creature monkey elephant deer squirrel rabbit fox lion bear camel",
}
_IRREGULAR_SUBJECTS = {
    "person": "people",
    "man": "man men gentlemen fishermen",
    "woman": "woman women",
    "child": "child children",
    "bird": "geese",
    "cow": "cattle calves",
}
_NARROWER_SUBJECTS = {
    "person": "man woman child boy girl baby",
    "child": "boy girl baby",
    "animal": "dog cat horse bird cow sheep goat",
}

_COUNTS = {
    "two": "two 2 couple both",
    "three": "three 3",
    "four": "four 4",
    "five": "five 5",
    "six": "six 6",
    "seven": "seven 7",
    "eight": "eight 8",
    "nine": "nine 9",
    "ten": "ten 10",
    "many": "many several group groups crowd crowds bunch numerous multiple",
}
# "a group" and "several" are right about three or more.
_NARROWER_COUNTS = {"many": "three four five six seven eight nine ten"}

_COLOURS = {
    "red": "red maroon",
    "orange": "orange",
    "yellow": "yellow",
    "green": "green",
    "blue": "blue navy turquoise teal",
    "purple": "purple violet",
    "pink": "pink",
    "brown": "brown",
    "tan": "tan beige khaki",
    "black": "black",
    "white": "white",
    "gray": "gray grey",
    "blond": "blond blonde blonds blondes",
    "gold": "gold golden",
    "silver": "silver",
}

_ACTIVITIES = {
    "run": "run sprint dash jog",
    "race": "race",
    "chase": "chase",
    "walk": "walk stroll",
    "hike": "hike",
    "march": "march",
    "jump": "jump leap hop",
    "climb": "climb",
    "crawl": "crawl",
    "sit": "sit",
    "stand": "stand",
    "lie": "lie lay",
    "sleep": "sleep nap",
    "kneel": "kneel",
    "crouch": "crouch squat",
    "lean": "lean",
    "swim": "swim",
    "splash": "splash",
    "wade": "wade",
    "dive": "dive",
    "surf": "surf",
    "paddle": "paddle kayak canoe",
    "ski": "ski",
    "snowboard": "snowboard",
    "skateboard": "skateboard",
    "skate": "skate rollerblade rollerskate",
    "sled": "sled",
    "slide": "slide",
    "swing": "swing",
    "hang": "hang dangle",
    "ride": "ride",
    "drive": "drive",
    "fly": "fly",
    "fall": "fall",
    "spin": "spin",
    "balance": "balance",
    "roll": "roll",
    "play": "play",
    "throw": "throw toss",
    "catch": "catch",
    "kick": "kick",
    "fetch": "fetch retrieve",
    "dig": "dig",
    "shake": "shake",
    "bite": "bite",
    "chew": "chew gnaw",
    "lick": "lick",
    "bark": "bark",
    "fight": "fight wrestle spar",
    "tackle": "tackle",
    "hug": "hug embrace",
    "kiss": "kiss",
    "hold": "hold",
    "carry": "carry",
    "pull": "pull tug drag",
    "push": "push",
    "look": "look watch stare gaze observe",
    "smile": "smile grin",
    "laugh": "laugh",
    "talk": "talk speak chat converse",
    "sing": "sing",
    "dance": "dance",
    "perform": "perform",
    "pose": "pose",
    "point": "point",
    "wait": "wait",
    "eat": "eat",
    "drink": "drink",
    "smoke": "smoke",
    "read": "read",
    "write": "write",
    "cook": "cook",
}
# Irregular forms, and activities whose stem is more often a thing (a wave, a row, a fish, a bike).
_IRREGULAR_ACTIVITIES = {
    "run": "ran",
    "jump": "leapt",
    "sit": "sat seated",
    "stand": "stood",
    "lie": "lying laid",
    "sleep": "asleep slept",
    "swim": "swam swum",
    "ski": "skiing",
    "sled": "sledding sledded",
    "slide": "slid",
    "swing": "swung",
    "hang": "hung",
    "ride": "rode ridden",
    "drive": "drove",
    "fall": "fallen fell",
    "throw": "threw thrown",
    "catch": "caught",
    "hold": "held",
    "fight": "fought",
    "cycle": "biking cycling bicycling cyclist cyclists biker bikers bicyclist bicyclists",
    "fish": "fishing fisherman fishermen",
    "paddle": "rowing rafting",
    "wave": "waving waved",
}
# Forms made by rule that mean something else: a dog, a thing with wheels, a man with a tray.
_NOT_ACTIVITIES = frozenset(
    form
    for noun in ("retriever", "stroller", "roller", "waiter", "carrier", "pointer")
    for form in noun_forms(noun)
)
_NARROWER_ACTIVITIES = {
    "run": "race chase",
    "walk": "hike march",
    "lie": "sleep",
    "ride": "cycle",
    "cycle": "ride",
}

LEXICONS: Mapping[str, Lexicon] = {
    SUBJECT: Lexicon(
        {**_nouns(_SUBJECTS), **_plain(_IRREGULAR_SUBJECTS)}, _narrower(_NARROWER_SUBJECTS)
    ),
    COUNT: Lexicon(_plain(_COUNTS), _narrower(_NARROWER_COUNTS)),
    COLOUR: Lexicon(_plain(_COLOURS), {}),
    ACTIVITY: Lexicon(
        {**_verbs(_ACTIVITIES), **_plain(_IRREGULAR_ACTIVITIES)}, _narrower(_NARROWER_ACTIVITIES)
    ),
}
