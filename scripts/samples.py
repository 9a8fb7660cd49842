"""The photographs of the demo and the benchmark: ordinary ones that come inside scikit-image."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from device.errors import PictureError

# From a man on a lawn, much like the training pictures, to a rocket, of which there is none.
_NAMES = (
    *("camera.png", "motorcycle_left.png", "chelsea.png"),
    *("coffee.png", "astronaut.png", "rocket.jpg"),
)


def sample_pictures() -> list[Path]:
    """Return the photographs' files.

    Raises:
        PictureError: scikit-image is missing, or has them no more.
    """
    # Found and not imported: that would load SciPy.
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise PictureError("no sample photographs: scikit-image is missing, run scripts/setup demo")
    folder = Path(package.origin).parent / "data"
    paths = [folder / name for name in _NAMES]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise PictureError(
            f"this scikit-image has no {', '.join(missing)} in {folder}; give pictures of your own"
        )
    return paths
