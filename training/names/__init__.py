"""Everyday names for what the captioner's encoder sees, from ImageNet's classes.

The modules from the bottom up: ``everyday`` (the reviewed names; ``make`` writes their table),
``teacher`` (probabilities of the 1000 classes for pictures), ``student`` (the layer that computes
them from the captioner's features), ``judge`` (what captions confirm), ``calibrate`` (calibrated
probabilities) and ``fit`` (all of it for a bundle).
"""
