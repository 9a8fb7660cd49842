"""Opens a page of Home Assistant in a headless Chromium, by the WebDriver protocol.

Source: W3C WebDriver (https://www.w3.org/TR/webdriver2/).
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.error
import urllib.request
from types import TracebackType
from typing import Any, Self

_HOST, _PORT = "127.0.0.1", 18897
_SIZE_PX = "1150,2900"
_TIMEOUT_S = 120.0
# The page is there before its cards and their pictures are.
_CARDS_S = 15.0
# The frontend shows "Loading data" until it has these.
_IS_LOADED = """\
const hass = document.querySelector("home-assistant")?.hass;
return Boolean(hass?.states && hass.config && hass.services);
"""


class Browser:
    """A headless Chromium for the length of a ``with`` block.

    Args:
        program: path of chromedriver.
    """

    def __init__(self, program: str) -> None:
        self._driver = subprocess.Popen([program, f"--port={_PORT}"], stdout=subprocess.DEVNULL)
        self._session = f"http://{_HOST}:{_PORT}/session"

    def __enter__(self) -> Self:
        """Open a window."""
        flags = ["--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={_SIZE_PX}"]
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": flags}}}}
        until_s = time.monotonic() + _TIMEOUT_S
        while True:
            try:
                session = self._ask("", wanted)["sessionId"]
                break
            except urllib.error.URLError:  # chromedriver itself starts
                if time.monotonic() > until_s:
                    raise
                time.sleep(0.2)
        self._session += f"/{session}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End browser and driver; the driver alone would leave the browser behind."""
        try:
            self._ask("", method="DELETE")
        finally:
            self._driver.terminate()
            self._driver.wait(30)

    def photograph(self, address: str) -> bytes:
        """Return a page of Home Assistant as PNG, once all of it is there.

        Raises:
            TimeoutError: the frontend never got its data.
        """
        self._ask("/url", {"url": address})
        until_s = time.monotonic() + _TIMEOUT_S
        while not self._ask("/execute/sync", {"script": _IS_LOADED, "args": []}):
            if time.monotonic() > until_s:
                raise TimeoutError(
                    f'{address} stays at "Loading data": see the log of Home Assistant'
                )
            time.sleep(0.5)
        time.sleep(_CARDS_S)
        return base64.b64decode(self._ask("/screenshot"))

    def _ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """Return the value of an answer; POST where there is a body and no other method."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._session + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            return json.loads(answer.read())["value"]
