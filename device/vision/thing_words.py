"""What the detector's classes are called in speech, and the words by which captions confirm them.

COCO's names are an annotator's ("potted plant", "cell phone", "sports ball"). People say "plant",
"phone", "ball". "tv" stands for every screen, a monitor's too, and is spoken as that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class ThingWords:
    """How a thing is spoken of.

    Attributes:
        one: its name in speech, without an article; "scissors" and "skis" are plural by nature.
        several: the plural.
        confirming: further words and phrases by which a caption confirms it, singular and plural.
        unless_behind: words behind which none of these names it, as in "hot dog".
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


def _thing(
    one: str, several: str, confirming: str = "", unless_behind: tuple[str, ...] = ()
) -> ThingWords:
    """Return a row of the table; the confirming words are parted by commas."""
    words = tuple(word.strip() for word in confirming.split(",") if word)
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
    "person": _thing("person", "people", _PERSON),
    "bicycle": _thing("bicycle", "bicycles", "bike, bikes, cyclist, cyclists, bicyclist, cycling"),
    "car": _thing("car", "cars", "vehicle, vehicles, suv, van, vans, taxi, taxis, traffic, jeep"),
    "motorcycle": _thing(
        "motorcycle",
        "motorcycles",
        "motorbike, motorbikes, bike, bikes, scooter, scooters, moped, motorcyclist, harley",
    ),
    "airplane": _thing(
        "plane",
        "planes",
        "airplane, airplanes, aeroplane, jet, jets, aircraft, airliner, biplane, jetliner",
    ),
    "bus": _thing("bus", "buses", "busses, double decker, double-decker, trolley, coach"),
    "train": _thing(
        "train", "trains", "locomotive, locomotives, railcar, tram, trams, subway, trolley, engine"
    ),
    "truck": _thing("truck", "trucks", "pickup, lorry, semi, trailer, van, fire engine, vehicle"),
    "boat": _thing(
        "boat",
        "boats",
        "ship, ships, sailboat, sailboats, canoe, canoes, kayak, kayaks, ferry, yacht, raft",
    ),
    "traffic light": _thing(
        "traffic light",
        "traffic lights",
        "stoplight, stoplights, stop light, stop lights, traffic signal, traffic signals, "
        "street light, street lights, signal light, red light, green light, signal, signals",
    ),
    "fire hydrant": _thing("fire hydrant", "fire hydrants", "hydrant, hydrants"),
    "stop sign": _thing("stop sign", "stop signs", "street sign, road sign"),
    "parking meter": _thing("parking meter", "parking meters", "meter, meters"),
    "bench": _thing("bench", "benches"),
    "bird": _thing(
        "bird",
        "birds",
        "duck, ducks, goose, geese, seagull, seagulls, gull, gulls, pigeon, pigeons, parrot, "
        "parrots, owl, swan, swans, chicken, chickens, hen, rooster, turkey, eagle, hawk, pelican, "
        "peacock, flamingo, flamingos, ostrich, penguin, penguins, crow, canary, parakeet, heron",
    ),
    "cat": _thing("cat", "cats", "kitten, kittens, kitty, feline"),
    "dog": _thing(
        "dog",
        "dogs",
        "puppy, puppies, pup, canine, poodle, terrier, bulldog, retriever, labrador, hound, husky, "
        "shepherd, pug, corgi, chihuahua, dachshund, collie, beagle",
        unless_behind=("hot", "prairie"),
    ),
    "horse": _thing("horse", "horses", "pony, ponies, foal, stallion, mare, colt, horseback"),
    "sheep": _thing("sheep", "sheep", "lamb, lambs, ram, rams, ewe, goat, goats"),
    "cow": _thing("cow", "cows", "cattle, bull, bulls, calf, calves, ox, oxen, steer, bovine"),
    "elephant": _thing("elephant", "elephants"),
    "bear": _thing(
        "bear",
        "bears",
        "cub, cubs, grizzly, panda, pandas",
        unless_behind=("teddy", "stuffed", "toy"),
    ),
    "zebra": _thing("zebra", "zebras"),
    "giraffe": _thing("giraffe", "giraffes"),
    "backpack": _thing("backpack", "backpacks", "back pack, bag, bags, pack, knapsack, rucksack"),
    "umbrella": _thing("umbrella", "umbrellas", "parasol, parasols"),
    "handbag": _thing("bag", "bags", "handbag, handbags, purse, purses, tote, satchel"),
    "tie": _thing("tie", "ties", "necktie, bow tie, bowtie, neck tie, suit and tie"),
    "suitcase": _thing(
        "suitcase", "suitcases", "luggage, suit case, baggage, briefcase, bag, bags, trunk"
    ),
    "frisbee": _thing("frisbee", "frisbees", "disc, disk, frizbee"),
    "skis": _thing("skis", "skis", "ski, skiing, skier, skiers, skies, skiis"),
    "snowboard": _thing("snowboard", "snowboards", "snowboarding, snowboarder, snow board"),
    "sports ball": _thing(
        "ball",
        "balls",
        "baseball, basketball, football, soccer, volleyball, softball, tennis",
    ),
    "kite": _thing("kite", "kites", "parasail"),
    "baseball bat": _thing("baseball bat", "baseball bats", "bat, bats, batter, batting"),
    "baseball glove": _thing("baseball glove", "baseball gloves", "mitt, glove, gloves, catcher"),
    "skateboard": _thing(
        "skateboard",
        "skateboards",
        "skate board, skateboarding, skateboarder, skateboarders, skateboarder's, skating",
    ),
    "surfboard": _thing(
        "surfboard",
        "surfboards",
        "surf board, surf boards, surfer, surfers, surfing, board, paddle board, boogie board",
    ),
    "tennis racket": _thing(
        "tennis racket",
        "tennis rackets",
        "racket, rackets, racquet, racquets, tennis racquet, tennis player, playing tennis",
    ),
    "bottle": _thing("bottle", "bottles", "bottled, beer, wine, water bottle, shampoo, ketchup"),
    "wine glass": _thing(
        "wine glass", "wine glasses", "glass, glasses, wine, goblet, champagne, wineglass"
    ),
    "cup": _thing(
        "cup",
        "cups",
        "mug, mugs, coffee, tea, drink, drinks, beverage, glass, glasses, teacup",
    ),
    "fork": _thing("fork", "forks", "silverware, utensil, utensils, cutlery"),
    "knife": _thing("knife", "knives", "silverware, utensil, utensils, cutlery, blade"),
    "spoon": _thing("spoon", "spoons", "silverware, utensil, utensils, cutlery, ladle"),
    "bowl": _thing("bowl", "bowls", "dish, dishes, basin, soup, salad, cereal, container"),
    "banana": _thing("banana", "bananas", "plantain, plantains"),
    "apple": _thing("apple", "apples"),
    "sandwich": _thing(
        "sandwich", "sandwiches", "burger, burgers, hamburger, sub, panini, wrap, toast, bagel, blt"
    ),
    "orange": _thing("orange", "oranges", "tangerine, tangerines, citrus, clementine, mandarin"),
    "broccoli": _thing("broccoli", "broccoli", "brocolli, broccolli, vegetables, veggies"),
    "carrot": _thing("carrot", "carrots", "vegetables, veggies"),
    "hot dog": _thing("hot dog", "hot dogs", "hotdog, hotdogs, sausage, sausages, bratwurst"),
    "pizza": _thing("pizza", "pizzas", "pepperoni, flatbread"),
    "donut": _thing("donut", "donuts", "doughnut, doughnuts, pastry, pastries, bagel"),
    "cake": _thing(
        "cake",
        "cakes",
        "cupcake, cupcakes, dessert, desserts, pastry, pastries, pie, cheesecake, birthday cake, "
        "wedding cake, brownie, muffin, muffins",
    ),
    "chair": _thing(
        "chair", "chairs", "seat, seats, stool, stools, armchair, recliner, seating, wheelchair"
    ),
    "couch": _thing("couch", "couches", "sofa, sofas, loveseat, love seat, futon, sectional"),
    "potted plant": _thing("plant", "plants", _PLANT),
    "bed": _thing("bed", "beds", "bedroom, mattress, bunk, bunks, bedspread, crib, hotel room"),
    "dining table": _thing("table", "tables", _TABLE),
    "toilet": _thing("toilet", "toilets", "urinal, urinals, commode, restroom"),
    "tv": _thing("screen", "screens", _TV),
    "laptop": _thing("laptop", "laptops", "computer, computers, notebook, macbook, lap top"),
    "mouse": _thing("computer mouse", "computer mice", "mouse, mice"),
    "remote": _thing(
        "remote control", "remote controls", "remote, remotes, controller, controllers, wii"
    ),
    "keyboard": _thing("keyboard", "keyboards", "key board"),
    "cell phone": _thing(
        "phone",
        "phones",
        "cell phone, cell phones, cellphone, cellphones, smartphone, smartphones, telephone, "
        "iphone, mobile, cell, flip phone",
    ),
    "microwave": _thing("microwave", "microwaves", "microwave oven"),
    "oven": _thing("oven", "ovens", "stove, stoves, stovetop, range, cooker"),
    "toaster": _thing("toaster", "toasters", "toaster oven"),
    "sink": _thing("sink", "sinks", "basin, washbasin, faucet, vanity"),
    "refrigerator": _thing(
        "fridge", "fridges", "refrigerator, refrigerators, freezer, icebox, refrigerated"
    ),
    "book": _thing(
        "book",
        "books",
        "notebook, magazine, magazines, bookshelf, bookcase, bookshelves, novel",
    ),
    "clock": _thing("clock", "clocks", "clocktower, clock tower, watch"),
    "vase": _thing("vase", "vases", "vases, urn, flower pot, jar"),
    "scissors": _thing("scissors", "scissors", "shears, scissor"),
    "teddy bear": _thing(
        "teddy bear",
        "teddy bears",
        "teddy, teddies, stuffed animal, stuffed animals, stuffed bear, stuffed bears, plush, "
        "stuffed toy, toy bear, toy",
    ),
    "hair drier": _thing("hair dryer", "hair dryers", "hair drier, blow dryer, hairdryer"),
    "toothbrush": _thing("toothbrush", "toothbrushes", "tooth brush, brushing"),
}


def confirmed(name: str, captions: tuple[str, ...]) -> bool:
    """Return whether at least one caption of a picture names a thing of class ``name``."""
    words = THINGS[name]
    return any(words.is_in(caption) for caption in captions)
