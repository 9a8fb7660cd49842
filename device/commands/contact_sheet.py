"""The page of ``seealoud describe --contact-sheet``: small pictures, each with what is said of it.

One HTML file without scripts that refers to nothing outside. It is written beside its final place
and moved there when it is complete, so that a page is never half a page.
"""

from __future__ import annotations

import base64
import html
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from seealoud.device.commands.report import one_line, write_error
from seealoud.device.english import counted
from seealoud.device.errors import ConfigError, OutputError

# The longest side of a small picture: sharp on a screen with two pixels for each.
LONGEST_PX = 640
_JPEG_QUALITY = 80
_MARK = '<meta name="generator" content="SeeAloud">'
_HEAD = f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{_MARK}
<title>What SeeAloud says of these pictures</title>
<style>
:root {{ color-scheme: light dark;
  --card: #fff; --page: #eef0f3; --text: #1c1f24; --quiet: #5a626e; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --card: #23262b; --page: #16181b; --text: #eceef1; --quiet: #a3abb6; }}
}}
* {{ box-sizing: border-box; }}
body {{ margin: 0; padding: 2rem clamp(1rem, 4vw, 3rem); background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }}
h1 {{ margin: 0; font-size: 1.6rem; line-height: 1.2; }}
.count {{ margin: .3rem 0 1.5rem; color: var(--quiet); }}
ol {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1.25rem;
  margin: 0; padding: 0; list-style: none; }}
figure {{ display: flex; flex-direction: column; height: 100%; margin: 0; overflow: hidden;
  background: var(--card); border-radius: .6rem; box-shadow: 0 1px 4px rgb(0 0 0 / 18%); }}
img {{ display: block; width: 100%; height: 14rem; object-fit: contain; background: #0c0d0f; }}
.unread {{ height: 14rem; display: grid; place-items: center; padding: 1rem; text-align: center;
  background: #0c0d0f; color: #d7dbe0; }}
figcaption {{ padding: .75rem 1rem 1rem; }}
.said {{ margin: 0; font-weight: 600; }}
.name {{ margin: .35rem 0 0; color: var(--quiet); font-size: .82rem; overflow-wrap: anywhere; }}
@media print {{ body {{ background: none; }} li {{ break-inside: avoid; }} }}
</style>
</head>
<body>
<main>
<h1>What SeeAloud says of these pictures</h1>
<p class="count">Captions are often wrong: “I think” and “Maybe” show how sure each one is.</p>
<ol>
"""


def thumbnail(image_hwc: npt.NDArray[np.uint8]) -> bytes:
    """Return a picture as a small JPEG with the same aspect; a smaller one is not enlarged.

    Args:
        image_hwc: uint8 [height, width, 3], RGB.
    """
    height, width = image_hwc.shape[:2]
    factor = min(1.0, LONGEST_PX / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small_hwc = cv2.resize(image_hwc, size, interpolation=cv2.INTER_AREA)
    bgr_hwc = cv2.cvtColor(small_hwc, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr_hwc, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return data.tobytes()


class ContactSheet:
    """Writes the page picture by picture.

    Args:
        path: where the page will be; an older page there is replaced at the end.
    """

    def __init__(self, path: Path) -> None:
        """Begin the page.

        Raises:
            ConfigError: its name is not that of a page, or another file has it.
            OutputError: it cannot be written there.
        """
        if path.suffix.lower() not in (".html", ".htm"):
            raise ConfigError(f"--contact-sheet {path}: the suffix must be .html")
        self._path = path
        self._check_old_page()
        self._unfinished = path.with_name(f".{path.name}.unfinished")
        self._n_pictures = 0
        try:
            self._file = self._unfinished.open("w", encoding="utf-8")
        except OSError as exc:
            raise self._error(exc) from exc
        self._write(_HEAD)

    def _check_old_page(self) -> None:
        try:
            with self._path.open("rb") as file:
                beginning = file.read(len(_HEAD))
        except FileNotFoundError:
            return
        except OSError as exc:
            raise self._error(exc) from exc
        if _MARK.encode() not in beginning:
            raise ConfigError(
                f"{self._path} is a page that SeeAloud has not made, and is left as it is: name "
                "another file, or delete it"
            )

    def add(self, name: str, text: str, jpeg: bytes) -> None:
        """Add a picture with what is said of it.

        Raises:
            OutputError: the page cannot be written.
        """
        said = html.escape(one_line(text))
        picture = base64.b64encode(jpeg).decode("ascii")
        # The sentence is the picture's alternative text, and would be read twice.
        self._add_figure(
            f'<img src="data:image/jpeg;base64,{picture}" alt="{said}" loading="lazy">',
            f'<p class="said" aria-hidden="true">{said}</p>',
            name,
        )

    def add_unreadable(self, name: str, reason: str) -> None:
        """Add a picture that could not be described.

        Raises:
            OutputError: the page cannot be written.
        """
        why = html.escape(one_line(reason))
        self._add_figure(f'<p class="unread">{why}</p>', "", name)

    def finish(self) -> None:
        """Put the page in its place.

        Raises:
            OutputError: it cannot be written.
        """
        self._write(
            f"</ol>\n<p>{counted(self._n_pictures, 'picture')}.</p>\n</main>\n</body>\n</html>\n"
        )
        try:
            self._file.close()
            self._unfinished.replace(self._path)
        except OSError as exc:
            raise self._error(exc) from exc

    def close(self) -> None:
        """Remove what was not finished; may be called again."""
        with suppress(OSError):
            self._file.close()
        self._unfinished.unlink(missing_ok=True)

    def _add_figure(self, picture: str, said: str, name: str) -> None:
        self._n_pictures += 1
        named = f'<p class="name">{html.escape(one_line(name))}</p>'
        self._write(
            f"<li><figure>\n{picture}\n<figcaption>{said}{named}</figcaption>\n</figure></li>\n"
        )

    def _write(self, text: str) -> None:
        try:
            self._file.write(text)
        except OSError as exc:
            raise self._error(exc) from exc

    def _error(self, exc: OSError) -> OutputError:
        return write_error(f"the contact sheet {self._path} cannot be written", exc)
