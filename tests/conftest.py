"""What every test shares: hypothesis without deadlines, one tiny trained and converted run."""

from __future__ import annotations

import signal

from hypothesis import settings
from support.smoke import converted, killed, smoke, trained

__all__ = ["converted", "killed", "smoke", "trained"]

# CI's machine is noisy.
settings.register_profile("seealoud", deadline=None)
settings.load_profile("seealoud")

# A shell starts what runs in its background with SIGINT ignored, and every process that a test
# starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
