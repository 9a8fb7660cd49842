"""Measures how far a bundle's captions can be trusted, through the device's own code."""
