"""Starts broker, Home Assistant and daemon, uses every entity over Home Assistant's REST API.

    python -m tools.home_assistant_lab ROOT TRANSCRIPT
    python -m tools.home_assistant_lab ROOT --fleet      # only the check with 100 devices

Called by ``tools/home-assistant-lab``, which has built ROOT. Only the camera (pictures by HTTP) is
simulated, and there is no loudspeaker.
"""

from __future__ import annotations

import datetime
import sys
import tempfile
import time
from pathlib import Path

from tools.home_assistant.camera_checks import describe_cameras
from tools.home_assistant.checks import (
    break_everything,
    rest,
    sign_in,
    update_model,
    use_everything,
    watch_a_rule,
)
from tools.home_assistant.fleet import announce_many
from tools.home_assistant.parts import Lab
from tools.home_assistant.transcript import Transcript

# A heartbeat of the narration; one row would be 320 a day.
_REST_MIN = 4.5


def main(arguments: list[str]) -> int:
    """Run the lab; return 0 if every check passed."""
    root, page = map(Path, arguments)
    transcript = Transcript()
    if arguments[1] == "--fleet":
        return _try_the_fleet(root, transcript)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="seealoud-lab-") as name:
        lab = Lab(root, Path(name))
        try:
            use_everything(lab, transcript)
            describe_cameras(lab, transcript)
            picture = page.parent / "figures" / "home-assistant-device.png"
            if not lab.home.take_picture(picture):
                transcript.say("       no picture of the device's page: there is no chromedriver")
            watch_a_rule(lab, transcript)
            rest(lab, transcript, _REST_MIN)
            update_model(lab, transcript)
            announce_many(lab, transcript)
            break_everything(lab, transcript)
        finally:
            lab.close()
    passed = sum(line.startswith("ok") for line in transcript.lines)
    page.write_text(
        "# In a real Home Assistant\n\n"
        "The output of the last run of `sudo ./tools/home-assistant-lab`. It starts a Home "
        "Assistant, a Mosquitto and the real\n`seealoud run`, and uses them over Home Assistant's "
        "REST API.\n\n"
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {time.monotonic() - began_s:.0f} s: "
        f"{passed} checks passed, {transcript.failed} failed.\n\n"
        "```\n" + "\n".join(transcript.lines) + "\n```\n",
        encoding="utf-8",
    )
    return 1 if transcript.failed else 0


def _try_the_fleet(root: Path, transcript: Transcript) -> int:
    with tempfile.TemporaryDirectory(prefix="seealoud-lab-") as name:
        lab = Lab(root, Path(name))
        try:
            sign_in(lab, transcript)
            announce_many(lab, transcript)
        finally:
            lab.close()
    return 1 if transcript.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
