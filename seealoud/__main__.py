"""``python -m seealoud``, and the program ``seealoud``."""

from __future__ import annotations

import sys

from seealoud.device.__main__ import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
