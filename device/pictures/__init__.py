"""Where frames come from when they are asked for one at a time: files, addresses, cameras.

Invariant: a source is read only when asked, and one that fails says so without stopping the others.
"""

from device.pictures.expand import Source, expand_sources

__all__ = ["Source", "expand_sources"]
