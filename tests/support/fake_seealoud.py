"""``python -m support.fake_seealoud …`` is the program with a captioner that needs no bundle.

For real-process tests: arguments, signals, pipes and exit codes are the program's own.
The environment variable SEEALOUD_FAKE_PLAYBACK=endless makes --speak never end.
"""

from __future__ import annotations

import os
import sys

from support.fakes import EndlessPlayback, FakeParts

from seealoud.device.__main__ import main

if __name__ == "__main__":
    fakes = FakeParts()
    if os.environ.get("SEEALOUD_FAKE_PLAYBACK") == "endless":
        fakes.playback = EndlessPlayback()
    sys.exit(main(parts=fakes.parts))
