"""SeeAloud from Python: pictures in, descriptions out.

    import seealoud

    with seealoud.load() as describer:
        print(describer.describe("photo.jpg").text)

The names of ``__all__`` are the API; it is documented in ``docs/python.md``. Everything in
``seealoud.device``, ``seealoud.training`` and ``seealoud.convert`` may change at any time.

Invariant: importing this package imports nothing else, not even ``typing``, because the program
``seealoud`` imports it before it handles signals.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

    from seealoud.describer import Describer, Picture
    from seealoud.device import __version__
    from seealoud.device.errors import BundleError, PictureError, SeeAloudError
    from seealoud.device.records import Caption, Description, Side, Thing, Timings

__all__ = [
    "BundleError",
    "Caption",
    "Describer",
    "Description",
    "Picture",
    "PictureError",
    "SeeAloudError",
    "Side",
    "Thing",
    "Timings",
    "__version__",
    "load",
]

_PLACES = {
    "seealoud.describer": ("Describer", "Picture"),
    "seealoud.device": ("__version__",),
    "seealoud.device.errors": ("BundleError", "PictureError", "SeeAloudError"),
    "seealoud.device.records": ("Caption", "Description", "Side", "Thing", "Timings"),
}


def load(bundle: str | os.PathLike[str] | None = None, *, threads: int | None = None) -> Describer:
    """Return what describes pictures; close it, or use it in a ``with`` statement.

    Loading takes about half a second on a desktop computer. Keep the describer.

    Args:
        bundle: folder of a bundle, or the name of a shipped one; None takes ``$SEEALOUD_BUNDLE``,
            else the one that comes with SeeAloud.
        threads: threads of the encoder; None means one for each core.

    Raises:
        BundleError: there is no such bundle, or it is broken.
        ConfigError: ``threads`` is less than 1.
    """
    from seealoud.describer import open_describer

    return open_describer(bundle, threads)


if not TYPE_CHECKING:  # a type checker would accept any name

    def __getattr__(name: str) -> object:
        import importlib

        for module, names in _PLACES.items():
            if name in names:
                return getattr(importlib.import_module(module), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
