"""The daemon's camera: opened once, kept open, and opened again when it was lost.

Invariant: outside this package nobody knows what kind of camera it is.
"""
