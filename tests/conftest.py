"""What every test shares: hypothesis without deadlines, and one tiny trained and converted run."""

from __future__ import annotations

from hypothesis import settings
from support.smoke import converted, killed, smoke, trained

__all__ = ["converted", "killed", "smoke", "trained"]

# CI's machine is noisy.
settings.register_profile("seealoud", deadline=None)
settings.load_profile("seealoud")
