"""Which folder is which package: ``device/`` is ``seealoud.device``; all else is in pyproject.toml.

The links in ``seealoud/`` say the same, but pip and uv turn them into text files when they unpack a
ZIP archive of the repository. A Raspberry Pi gets ``device`` and ``models`` only.
"""

from pathlib import Path

from setuptools import find_packages, setup

FOLDERS = [name for name in ("device", "training", "convert") if Path(name).is_dir()]

setup(
    packages=[
        "seealoud",
        "seealoud.models",
        *(f"seealoud.{folder}" for folder in FOLDERS),
        *(f"seealoud.{folder}.{name}" for folder in FOLDERS for name in find_packages(folder)),
    ],
    package_dir={
        "seealoud": "seealoud",
        "seealoud.models": "models",
        **{f"seealoud.{folder}": folder for folder in FOLDERS},
    },
)
