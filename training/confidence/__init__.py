"""Measures and calibrates the confidence of a bundle's captions with the device's own code."""
