"""What every test shares: hypothesis without deadlines, since CI's machine is noisy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("seealoud", deadline=None)
settings.load_profile("seealoud")
