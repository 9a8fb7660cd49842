"""How far a caption can be trusted: its probability of being right, and how it is worded."""

from device.confidence.honesty import BundleHonesty

__all__ = ["BundleHonesty"]
