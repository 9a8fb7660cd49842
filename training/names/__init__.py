"""Everyday names for what the captioner's encoder sees, from ImageNet's classes.

The modules from the bottom up: ``wordnet`` and ``imagenet`` (what the 1000 classes are), ``table``
(the reviewed names), ``pictures`` and ``teacher`` (probabilities of the 1000 classes), ``student``
(the layer that gives them from the captioner's features), ``judge`` (what captions confirm) and
``calibrate`` (probabilities that can be believed).
"""
