"""The photographs of the demo and the benchmark: ordinary ones that come inside scikit-image."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from seealoud.device.errors import PictureError


@dataclass(frozen=True, slots=True)
class Sample:
    """A photograph.

    Attributes:
        name: its file.
        shows: what a person sees.
        is_usual: whether the device was made for such a picture.
    """

    name: str
    shows: str
    is_usual: bool = True


# From a man on a lawn, much like the training pictures, to a rocket, which they do not contain.
SAMPLES = (
    Sample("camera.png", "a man on a lawn behind a camera on a tripod"),
    Sample("motorcycle_left.png", "a motorcycle in a garage; nobody is on it"),
    Sample("chelsea.png", "a cat's face"),
    Sample("coffee.png", "a cup of coffee on a saucer, with a spoon"),
    Sample("astronaut.png", "a woman in an orange space suit", is_usual=False),
    Sample("rocket.jpg", "a rocket on its launch pad at dusk", is_usual=False),
)


def sample_pictures() -> list[Path]:
    """Return the photographs' files.

    Raises:
        PictureError: scikit-image is missing, or no longer has them.
    """
    # Found and not imported: that would load SciPy.
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise PictureError("no sample photographs: scikit-image is missing, run scripts/setup demo")
    folder = Path(package.origin).parent / "data"
    paths = [folder / sample.name for sample in SAMPLES]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise PictureError(
            f"this scikit-image has no {', '.join(missing)} in {folder}; give pictures of your own"
        )
    return paths
