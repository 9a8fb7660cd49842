"""Broader words and the narrower ones that they stand for, as "animal" for "cat"; pure.

One reviewed table for the rules of the narration; ``docs/daily-use.md`` lists it, and a test
compares the two. Words that captions use more often for something else are left out: "boxer" (a
sport), "bat", "mouse", "chest", "coach", "pitcher", "group" and "couple" (of dogs).
"""

from __future__ import annotations

from collections.abc import Mapping

from device.english import singulars, word_set

# In the singular; "people" and "geese" are found by ``device.english.singulars``.
_PEOPLE = """person man woman boy girl child kid baby toddler infant lady guy gentleman fellow male
female adult teenager teen youth someone somebody human crowd audience family friend spectator
onlooker individual bride groom mother mom father dad parent son daughter brother sister wife
husband player rider skier surfer snowboarder skateboarder skater biker cyclist bicyclist
motorcyclist climber hiker backpacker racer runner jogger swimmer diver wrestler dancer performer
musician singer guitarist drummer actor clown athlete gymnast golfer goalie footballer cricketer
batsman referee umpire cheerleader worker officer policeman policewoman firefighter fireman soldier
sailor cowboy fisherman farmer chef waiter waitress doctor nurse teacher student artist photographer
cameraman businessman vendor customer shopper tourist passenger pedestrian driver guest"""
_ANIMALS = """animal creature pet dog puppy pup hound terrier retriever shepherd labrador collie
poodle husky beagle bulldog greyhound dachshund dalmatian pug corgi spaniel doberman rottweiler
chihuahua cat kitten kitty bird duck goose swan chicken hen rooster pigeon seagull gull parrot owl
eagle hawk crow penguin flamingo pelican peacock horse pony foal donkey mule zebra cow bull cattle
ox buffalo bison sheep lamb goat pig deer moose elk antelope camel llama elephant giraffe hippo
rhino lion tiger leopard bear panda wolf fox monkey ape gorilla kangaroo koala sloth otter ferret
meerkat rabbit bunny squirrel hamster hedgehog rat turtle tortoise lizard snake frog crocodile
alligator fish shark whale dolphin seal octopus jellyfish crab lobster starfish snail insect bee
ant beetle ladybug butterfly dragonfly grasshopper spider"""
_VEHICLES = """vehicle car automobile truck firetruck pickup lorry bus van minivan taxi suv jeep
limousine limo ambulance camper rv tractor forklift bulldozer train locomotive tram trolley
motorcycle motorbike moped scooter atv kart snowmobile bicycle bike tricycle boat ship sailboat
rowboat motorboat canoe kayak ferry yacht plane airplane aircraft airliner jet helicopter"""
_FURNITURE = """furniture chair armchair recliner stool bench couch sofa loveseat ottoman futon bed
crib cot table desk nightstand sideboard shelf bookshelf bookcase cabinet cupboard dresser
wardrobe"""

HYPERNYMS: Mapping[str, frozenset[str]] = {
    "person": word_set(_PEOPLE),
    "animal": word_set(_ANIMALS),
    "vehicle": word_set(_VEHICLES),
    "furniture": word_set(_FURNITURE),
}
# Other words for the same.
_SAME = {
    "someone": "person",
    "somebody": "person",
    "anyone": "person",
    "anybody": "person",
    "human": "person",
    "creature": "animal",
}


def hyponyms(word: str) -> frozenset[str]:
    """Return the words that a broader word stands for, itself among them; empty for other words.

    Args:
        word: lower-case, in singular or plural.
    """
    found = (HYPERNYMS.get(_SAME.get(one, one), frozenset[str]()) for one in singulars(word))
    return frozenset[str]().union(*found)
