"""The things and rooms of homes and streets, for the reward of captions only.

Reports use ``lexicon``, whose four kinds do not include kitchens. The rules are
the same: a class is a set of words that mean the same to a listener, and narrower classes confirm
it too. Animals that ``lexicon`` already distinguishes are left out, so that nothing counts twice.
Words that mean another thing as often ("glasses", "range", "camera" in "looks at the camera") are
left out as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from seealoud.training.metrics.lexicon import Lexicon, noun_forms
from seealoud.training.metrics.mentions import right_and_wrong

WrongThings = Literal["all", "rooms", "none"]
"""What counts as wrong when no reference names it: all things, as with several captions of people;
kinds of rooms only, where references were made of a label and name few things; nothing."""

# Nouns by class; "_" joins the words of a name.
_THINGS = {
    # Kitchen and bathroom.
    "oven": "oven stove stovetop cooker",
    "microwave": "microwave microwave_oven",
    "refrigerator": "refrigerator refridgerator fridge freezer",
    "dishwasher": "dishwasher",
    "toaster": "toaster toaster_oven",
    "kettle": "kettle teapot",
    "sink": "sink basin washbasin",
    "faucet": "faucet tap",
    "cup": "cup mug teacup",
    "wine glass": "wine_glass",
    "bottle": "bottle",
    "bowl": "bowl",
    "plate": "plate saucer",
    "fork": "fork",
    "knife": "knife",
    "spoon": "spoon",
    "pan": "pan frying_pan skillet saucepan wok",
    "pot": "pot",
    "toilet": "toilet",
    "bathtub": "bathtub bath_tub tub",
    "towel": "towel",
    "toothbrush": "toothbrush",
    "hair dryer": "hair_dryer hair_drier",
    # Furniture.
    "table": "table dining_table coffee_table picnic_table",
    "desk": "desk",
    "counter": "counter countertop counter_top",
    "chair": "chair armchair high_chair rocking_chair recliner lawn_chair",
    "stool": "stool barstool",
    "couch": "couch sofa loveseat",
    "bench": "bench park_bench",
    "bed": "bed bunk_bed crib",
    "cabinet": "cabinet cupboard",
    "dresser": "dresser chest_of_drawers",
    "nightstand": "nightstand night_stand bedside_table",
    "shelf": "shelf bookshelf bookcase",
    "wardrobe": "wardrobe closet",
    "mirror": "mirror",
    "lamp": "lamp floor_lamp table_lamp",
    "chandelier": "chandelier",
    "curtain": "curtain drape",
    "rug": "rug carpet",
    "pillow": "pillow cushion",
    "blanket": "blanket comforter bedspread",
    "fireplace": "fireplace",
    # Other things indoors.
    "vase": "vase",
    "clock": "clock",
    "book": "book",
    "umbrella": "umbrella parasol",
    "suitcase": "suitcase",
    "backpack": "backpack rucksack",
    "teddy bear": "teddy_bear stuffed_bear teddy",
    "piano": "piano",
    "guitar": "guitar",
    # Electronics.
    "screen": "screen monitor television tv television_set tv_set flat_screen",
    "computer": "computer desktop_computer",
    "laptop": "laptop laptop_computer",
    "keyboard": "keyboard",
    "computer mouse": "computer_mouse",
    "phone": "phone telephone cellphone cell_phone smartphone mobile_phone",
    "printer": "printer",
    "remote control": "remote_control game_controller controller",
    # Traffic.
    "car": "car automobile suv sedan taxi cab race_car sports_car police_car",
    "bus": "bus",
    "truck": "truck lorry pickup_truck fire_truck",
    "van": "van minivan",
    "train": "train locomotive tram trolley",
    "motorcycle": "motorcycle motorbike moped dirt_bike",
    "bicycle": "bicycle mountain_bike",
    "bike": "bike",
    "boat": "boat ship canoe kayak sailboat raft yacht ferry",
    "airplane": "airplane plane aeroplane jet aircraft",
    "helicopter": "helicopter",
    "vehicle": "vehicle",
    "traffic light": "traffic_light traffic_signal stoplight",
    "stop sign": "stop_sign",
    "fire hydrant": "fire_hydrant hydrant",
    "parking meter": "parking_meter",
    # Animals that are all "animal" to ``lexicon``.
    "elephant": "elephant",
    "bear": "bear polar_bear",
    "zebra": "zebra",
    "giraffe": "giraffe",
    "monkey": "monkey ape gorilla",
    "deer": "deer",
    "squirrel": "squirrel",
    "rabbit": "rabbit",
    "fish": "goldfish",
    # Food.
    "pizza": "pizza",
    "sandwich": "sandwich",
    "burger": "burger hamburger cheeseburger",
    "hot dog": "hot_dog hotdog",
    "cake": "cake cupcake birthday_cake",
    "pie": "pie",
    "donut": "donut doughnut",
    "cookie": "cookie",
    "bread": "bread toast loaf",
    "banana": "banana",
    "apple": "apple",
    "strawberry": "strawberry",
    "carrot": "carrot",
    "broccoli": "broccoli",
    "tomato": "tomato",
    "potato": "potato",
    "french fries": "french_fry fry",
    "salad": "salad",
    "soup": "soup stew",
    "noodles": "noodle pasta spaghetti",
    "rice": "rice",
    "meat": "meat steak bacon sausage",
    "cheese": "cheese",
    "egg": "egg",
    "ice cream": "ice_cream ice_cream_cone",
    "coffee": "coffee",
    "wine": "wine",
    "beer": "beer",
    "fruit": "fruit",
    "vegetable": "vegetable veggie",
    "food": "food meal dinner lunch breakfast snack dessert dish",
}
_ROOMS = {
    "kitchen": "kitchen",
    "bathroom": "bathroom restroom washroom",
    "bedroom": "bedroom hotel_room",
    "living room": "living_room lounge family_room",
    "dining room": "dining_room",
    "hall": "hall hallway corridor entrance_hall entryway foyer",
    "office": "office",
    "classroom": "classroom",
    "garage": "garage",
    "basement": "basement",
    "laundry room": "laundry_room",
    "restaurant": "restaurant cafe diner",
    "store": "store shop supermarket",
}
_IRREGULAR = {
    "knives": "knife",
    "shelves": "shelf",
    "bookshelves": "shelf",
    "loaves": "bread",
    "tomatoes": "tomato",
    "potatoes": "potato",
    "oranges": "fruit",
    "berries": "fruit",
}
# Forms made by rule that are verbs.
_NOT_THINGS = frozenset(("fry", "toasts"))
_MEALS = (
    "pizza sandwich burger cake pie donut cookie bread salad soup noodles rice meat cheese egg "
    "banana apple strawberry carrot broccoli tomato potato fruit vegetable"
)
_NARROWER = {
    "table": ("desk", "counter", "nightstand"),
    "chair": ("stool",),
    "cabinet": ("dresser", "wardrobe", "nightstand"),
    "computer": ("laptop",),
    "screen": ("laptop", "computer"),
    "oven": ("microwave",),
    "pan": ("pot",),
    "pot": ("pan",),
    "food": (*_MEALS.split(), "hot dog", "french fries", "ice cream"),
    "fruit": ("banana", "apple", "strawberry"),
    "vegetable": ("carrot", "broccoli", "tomato", "potato", "salad"),
    "vehicle": ("car", "bus", "truck", "van", "motorcycle", "bike", "train", "boat"),
    "car": ("van",),
    "van": ("bus",),
    "bike": ("bicycle", "motorcycle"),
    "bicycle": ("bike",),
    "motorcycle": ("bike",),
}


def _class_of(classes: Mapping[str, str]) -> dict[str, str]:
    return {
        form: name
        for name, words in classes.items()
        for word in words.split()
        for form in noun_forms(word)
        if form not in _NOT_THINGS
    }


LEXICON = Lexicon(
    {**_class_of(_THINGS), **_class_of(_ROOMS), **_IRREGULAR},
    {name: frozenset(others) for name, others in _NARROWER.items()},
)
ROOMS = frozenset(_ROOMS)
_LONGEST_NAME = 1 + max(word.count("_") for word in LEXICON.class_of)


def joined(tokens: Sequence[str]) -> Iterator[str]:
    """Yield tokens, those of a name of several words as one: "hot dog" is no dog."""
    start = 0
    while start < len(tokens):
        for length in range(_LONGEST_NAME, 1, -1):
            name = "_".join(tokens[start : start + length])
            if name in LEXICON.class_of:
                break
        else:
            name, length = tokens[start], 1
        yield name
        start += length


def things_of(tokens: Sequence[str]) -> frozenset[str]:
    """Return the things and rooms that a caption's tokens name."""
    return LEXICON.mentions(joined(tokens))


class ThingCounts:
    """Counts the things that captions name rightly and wrongly.

    Args:
        references: tokens of each reference by picture name.
        wrong: what counts as wrong.
    """

    def __init__(
        self, references: Mapping[str, Iterable[Sequence[str]]], wrong: WrongThings = "all"
    ) -> None:
        self._wrong = wrong
        self._seen = {
            name: frozenset[str]().union(*map(things_of, sentences))
            for name, sentences in references.items()
        }

    def counts(
        self, names: Sequence[str], hypotheses: Sequence[Sequence[str]]
    ) -> npt.NDArray[np.int64]:
        """Return how many things of each caption are right and wrong, int64 [captions, 2]."""
        return right_and_wrong(self._count, names, hypotheses)

    def _count(self, name: str, words: Sequence[str]) -> tuple[int, int]:
        named, seen = things_of(words), self._seen[name]
        right = frozenset(thing for thing in named if LEXICON.confirms(thing, seen))
        return len(right), len((named - right) & self._judged(seen, named))

    def _judged(self, seen: frozenset[str], named: frozenset[str]) -> frozenset[str]:
        """Return those of the named things that are wrong if nothing confirms them."""
        if self._wrong == "all":
            return named
        # If no reference names the kind of a room, it may be of any kind.
        return ROOMS if self._wrong == "rooms" and not seen.isdisjoint(ROOMS) else frozenset()
