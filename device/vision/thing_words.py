"""The everyday names of the detector's classes, and the words by which a caption confirms them.

COCO's names are those of annotators ("potted plant", "cell phone", "sports ball"). People say
"plant", "phone", "ball". The class "tv" includes computer monitors, so it is called a screen. A
caption says "man" or "girl" where the detector says "person"; an "animal" is any of its animals.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from seealoud.device.english import is_countable, plural


@dataclass(frozen=True)
class ThingWords:
    """The words for one thing.

    Attributes:
        one: its name in speech, without an article; "scissors" and "skis" have no singular.
        several: the plural.
        confirming: further words and phrases by which a caption confirms it, singular and plural.
        unless_behind: words after which these words mean something else, as in "hot dog".
    """

    one: str
    several: str
    confirming: tuple[str, ...] = ()
    unless_behind: tuple[str, ...] = ()

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        words = sorted({self.one, self.several, *self.confirming}, key=len, reverse=True)
        behind = "".join(rf"(?<!\b{re.escape(word)} )" for word in self.unless_behind)
        return re.compile(rf"\b{behind}(?:{'|'.join(map(re.escape, words))})\b", re.IGNORECASE)

    def is_in(self, text: str) -> bool:
        """Return whether a text names the thing, by any of its words."""
        return self._pattern.search(text) is not None


def _thing(one: str, confirming: str = "", unless_behind: tuple[str, ...] = ()) -> ThingWords:
    """Return a row of the table; commas separate the confirming words."""
    words = tuple(word.strip() for word in confirming.split(",") if word)
    several = plural(one) if is_countable(one) else one
    return ThingWords(one, several, words, unless_behind)


_PERSON = """man, men, woman, women, boy, boys, girl, girls, child, children, kid, kids,
baby, babies, toddler, toddlers, infant, lady, ladies, guy, guys, gentleman, gentlemen, male,
female, adult, adults, teenager, teenagers, teen, teens, someone, somebody, crowd, couple, family,
audience, spectators, spectator, group of friends, friends, team, bride, groom, mother, father, mom,
dad, son, daughter, player, players, batter, pitcher, catcher, umpire, referee, goalie, athlete,
athletes, skier, skiers, snowboarder, snowboarders, skateboarder, skateboarders, skater, skaters,
surfer, surfers, swimmer, swimmers, rider, riders, cyclist, cyclists, bicyclist, bicyclists, biker,
bikers, motorcyclist, motorcyclists, jockey, driver, drivers, passenger, passengers, pedestrian,
pedestrians, officer, officers, policeman, policemen, cop, cops, soldier, soldiers, worker, workers,
chef, cook, waiter, waitress, student, students, tourist, tourists, shoppers, guests, performer,
musician, cowboy, fisherman, farmer, vendor, customers, businessman, he, she, his, her, him, hand,
hands, face, selfie"""
_TV = """tv, tvs, television, televisions, monitor, monitors, computer, computers, desktop,
desktops, flat screen, flatscreen, display"""
_TABLE = """dining table, dining tables, desk, desks, coffee table, counter, countertop, tabletop,
picnic table, kitchen island, workstation"""
_PLANT = """potted plant, potted plants, houseplant, pot of flowers, flower pot, flower pots,
planter, planters, flower, flowers, fern, bouquet, cactus, potted tree, greenery, leafy"""

THINGS: Mapping[str, ThingWords] = {
    "person": _thing("person", _PERSON),
    "bicycle": _thing("bicycle", "bike, bikes, cyclist, cyclists, bicyclist, cycling"),
    "car": _thing("car", "vehicle, vehicles, suv, van, vans, taxi, taxis, traffic, jeep"),
    "motorcycle": _thing(
        "motorcycle",
        "motorbike, motorbikes, bike, bikes, scooter, scooters, moped, motorcyclist, harley",
    ),
    "airplane": _thing(
        "plane",
        "airplane, airplanes, aeroplane, jet, jets, aircraft, airliner, biplane, jetliner",
    ),
    "bus": _thing("bus", "busses, double decker, double-decker, trolley, coach"),
    "train": _thing(
        "train", "locomotive, locomotives, railcar, tram, trams, subway, trolley, engine"
    ),
    "truck": _thing("truck", "pickup, lorry, semi, trailer, van, fire engine, vehicle"),
    "boat": _thing(
        "boat",
        "ship, ships, sailboat, sailboats, canoe, canoes, kayak, kayaks, ferry, yacht, raft",
    ),
    "traffic light": _thing(
        "traffic light",
        "stoplight, stoplights, stop light, stop lights, traffic signal, traffic signals, "
        "street light, street lights, signal light, red light, green light, signal, signals",
    ),
    "fire hydrant": _thing("fire hydrant", "hydrant, hydrants"),
    "stop sign": _thing("stop sign", "street sign, road sign"),
    "parking meter": _thing("parking meter", "meter, meters"),
    "bench": _thing("bench"),
    "bird": _thing(
        "bird",
        "duck, ducks, goose, geese, seagull, seagulls, gull, gulls, pigeon, pigeons, parrot, "
        "parrots, owl, swan, swans, chicken, chickens, hen, rooster, turkey, eagle, hawk, pelican, "
        "peacock, flamingo, flamingos, ostrich, penguin, penguins, crow, canary, parakeet, heron",
    ),
    "cat": _thing("cat", "kitten, kittens, kitty, feline"),
    "dog": _thing(
        "dog",
        "puppy, puppies, pup, canine, poodle, terrier, bulldog, retriever, labrador, hound, husky, "
        "shepherd, pug, corgi, chihuahua, dachshund, collie, beagle",
        unless_behind=("hot", "prairie"),
    ),
    "horse": _thing("horse", "pony, ponies, foal, stallion, mare, colt, horseback"),
    "sheep": _thing("sheep", "lamb, lambs, ram, rams, ewe, goat, goats"),
    "cow": _thing("cow", "cattle, bull, bulls, calf, calves, ox, oxen, steer, bovine"),
    "elephant": _thing("elephant"),
    "bear": _thing(
        "bear",
        "cub, cubs, grizzly, panda, pandas",
        unless_behind=("teddy", "stuffed", "toy"),
    ),
    "zebra": _thing("zebra"),
    "giraffe": _thing("giraffe"),
    "backpack": _thing("backpack", "back pack, bag, bags, pack, knapsack, rucksack"),
    "umbrella": _thing("umbrella", "parasol, parasols"),
    "handbag": _thing("bag", "handbag, handbags, purse, purses, tote, satchel"),
    "tie": _thing("tie", "necktie, bow tie, bowtie, neck tie, suit and tie"),
    "suitcase": _thing("suitcase", "luggage, suit case, baggage, briefcase, bag, bags, trunk"),
    "frisbee": _thing("frisbee", "disc, disk, frizbee"),
    "skis": _thing("skis", "ski, skiing, skier, skiers, skies, skiis"),
    "snowboard": _thing("snowboard", "snowboarding, snowboarder, snow board"),
    "sports ball": _thing(
        "ball",
        "baseball, basketball, football, soccer, volleyball, softball, tennis",
    ),
    "kite": _thing("kite", "parasail"),
    "baseball bat": _thing("baseball bat", "bat, bats, batter, batting"),
    "baseball glove": _thing("baseball glove", "mitt, glove, gloves, catcher"),
    "skateboard": _thing(
        "skateboard",
        "skate board, skateboarding, skateboarder, skateboarders, skateboarder's, skating",
    ),
    "surfboard": _thing(
        "surfboard",
        "surf board, surf boards, surfer, surfers, surfing, board, paddle board, boogie board",
    ),
    "tennis racket": _thing(
        "tennis racket",
        "racket, rackets, racquet, racquets, tennis racquet, tennis player, playing tennis",
    ),
    "bottle": _thing("bottle", "bottled, beer, wine, water bottle, shampoo, ketchup"),
    "wine glass": _thing("wine glass", "glass, glasses, wine, goblet, champagne, wineglass"),
    "cup": _thing(
        "cup",
        "mug, mugs, coffee, tea, drink, drinks, beverage, glass, glasses, teacup",
    ),
    "fork": _thing("fork", "silverware, utensil, utensils, cutlery"),
    "knife": _thing("knife", "silverware, utensil, utensils, cutlery, blade"),
    "spoon": _thing("spoon", "silverware, utensil, utensils, cutlery, ladle"),
    "bowl": _thing("bowl", "dish, dishes, basin, soup, salad, cereal, container"),
    "banana": _thing("banana", "plantain, plantains"),
    "apple": _thing("apple"),
    "sandwich": _thing(
        "sandwich", "burger, burgers, hamburger, sub, panini, wrap, toast, bagel, blt"
    ),
    "orange": _thing("orange", "tangerine, tangerines, citrus, clementine, mandarin"),
    "broccoli": _thing("broccoli", "brocolli, broccolli, vegetables, veggies"),
    "carrot": _thing("carrot", "vegetables, veggies"),
    "hot dog": _thing("hot dog", "hotdog, hotdogs, sausage, sausages, bratwurst"),
    "pizza": _thing("pizza", "pepperoni, flatbread"),
    "donut": _thing("donut", "doughnut, doughnuts, pastry, pastries, bagel"),
    "cake": _thing(
        "cake",
        "cupcake, cupcakes, dessert, desserts, pastry, pastries, pie, cheesecake, birthday cake, "
        "wedding cake, brownie, muffin, muffins",
    ),
    "chair": _thing("chair", "seat, seats, stool, stools, armchair, recliner, seating, wheelchair"),
    "couch": _thing("couch", "sofa, sofas, loveseat, love seat, futon, sectional"),
    "potted plant": _thing("plant", _PLANT),
    "bed": _thing("bed", "bedroom, mattress, bunk, bunks, bedspread, crib, hotel room"),
    "dining table": _thing("table", _TABLE),
    "toilet": _thing("toilet", "urinal, urinals, commode, restroom"),
    "tv": _thing("screen", _TV),
    "laptop": _thing("laptop", "computer, computers, notebook, macbook, lap top"),
    "mouse": _thing("computer mouse", "mouse, mice"),
    "remote": _thing("remote control", "remote, remotes, controller, controllers, wii"),
    "keyboard": _thing("keyboard", "key board"),
    "cell phone": _thing(
        "phone",
        "cell phone, cell phones, cellphone, cellphones, smartphone, smartphones, telephone, "
        "iphone, mobile, cell, flip phone",
    ),
    "microwave": _thing("microwave", "microwave oven"),
    "oven": _thing("oven", "stove, stoves, stovetop, range, cooker"),
    "toaster": _thing("toaster", "toaster oven"),
    "sink": _thing("sink", "basin, washbasin, faucet, vanity"),
    "refrigerator": _thing("fridge", "refrigerator, refrigerators, freezer, icebox, refrigerated"),
    "book": _thing(
        "book",
        "notebook, magazine, magazines, bookshelf, bookcase, bookshelves, novel",
    ),
    "clock": _thing("clock", "clocktower, clock tower, watch"),
    "vase": _thing("vase", "vases, urn, flower pot, jar"),
    "scissors": _thing("scissors", "shears, scissor"),
    "teddy bear": _thing(
        "teddy bear",
        "teddy, teddies, stuffed animal, stuffed animals, stuffed bear, stuffed bears, plush, "
        "stuffed toy, toy bear, toy",
    ),
    "hair drier": _thing("hair dryer", "hair drier, blow dryer, hairdryer"),
    "toothbrush": _thing("toothbrush", "tooth brush, brushing"),
}

PERSON = "person"
ANIMALS = (
    "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe",
)  # fmt: skip
# Classes of caption words that are people.
PEOPLE_CLASSES = frozenset(("person", "man", "woman", "child", "boy", "girl", "baby"))
# COCO's class to its spoken name.
EVERYDAY_NAMES = {name: words.one for name, words in THINGS.items()}
DETECTABLE = frozenset(EVERYDAY_NAMES.values())
_WORDS = {words.one: words for words in THINGS.values()}
_LEAST = 1e-3  # keeps log-odds finite


def detectable_names(class_name: str) -> tuple[str, ...]:
    """Return the detector's names that confirm a class of caption words; () if there are none."""
    if class_name in PEOPLE_CLASSES:
        return (PERSON,)
    if class_name == "animal":
        return ANIMALS
    return (class_name,) if class_name in DETECTABLE else ()


def log_odds(probability: float) -> float:
    """Return the natural log-odds of a probability, finite."""
    inside = min(1.0 - _LEAST, max(_LEAST, probability))
    return math.log(inside / (1.0 - inside))


def is_named(name: str, text: str) -> bool:
    """Return whether a caption names a thing, by any word for it."""
    words = _WORDS.get(name)
    if words is not None:
        return words.is_in(text)
    padded = f" {text} "
    return f" {name} " in padded or f" {plural(name)} " in padded


def mentions_person(text: str) -> bool:
    """Return whether a caption mentions a person."""
    return _WORDS[PERSON].is_in(text)
