"""Debian's Chromium for tests of the page: what it must not do is watched on every page."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

DEADLINE_MS = 30_000
_FLAGS = (
    "--no-sandbox",  # the tests may run as root, and open nothing but the page under test
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_STANDARDS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]
# The visible elements that Tab must reach.
_REACHABLE = """() => [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, textarea, summary')]
  .filter(x => x.checkVisibility() && !x.disabled).length"""
_FOCUSED = """() => {
  const x = document.activeElement;
  if (!x || x === document.body) return null;
  const style = getComputedStyle(x), box = x.getBoundingClientRect();
  return {
    name: `${x.tagName} ${x.id || x.name || ''} ${(x.labels?.[0] || x).textContent.trim()}`,
    isOutlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    isInView: box.bottom > 0 && box.right > 0
      && box.top < innerHeight && box.left < innerWidth && box.width > 0,
  };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="the extra dev is not installed")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page of a browser, and what it did that it must not do.

    Attributes:
        page: Playwright's.
        wrong: errors on the console, and requests to other hosts.
        allowed: parts of messages that the test causes on purpose.
    """

    page: Any
    wrong: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def violations(self) -> list[str]:
        """Return what axe-core finds wrong with the page as it is now."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, options={"runOnly": _STANDARDS}).response
        assert found["passes"], "axe-core checked nothing"
        return [
            f"{self.page.url} {x['id']}: {node['target']} {node.get('failureSummary')}"
            for x in found["violations"]
            for node in x["nodes"]
        ]

    def too_wide_px(self) -> int:
        """Return by how much the page is wider than its window."""
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(width))

    def tab_stops(self) -> list[dict[str, Any]]:
        """Return what Tab reaches, from the beginning of the page to its end."""
        self.page.evaluate("document.activeElement.blur()")
        stops = []
        for _ in range(1 + int(self.page.evaluate(_REACHABLE))):
            self.page.keyboard.press("Tab")
            focused = self.page.evaluate(_FOCUSED)
            # After the last one the browser itself has the focus, or the first one again.
            if focused is None or (stops and focused["name"] == stops[0]["name"]):
                break
            stops.append(focused)
        return stops

    def n_reachable(self) -> int:
        """Return how many visible elements Tab must reach."""
        return int(self.page.evaluate(_REACHABLE))

    def tab_to(self, locator: Any) -> None:
        """Move the focus to an element by the Tab key alone."""
        for _ in range(60):
            if locator.evaluate("x => x === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {locator}")


@contextlib.contextmanager
def watched(context: Any, base: str) -> Iterator[Watched]:
    """Give a new page of a context; fail if it did what no page of ours may do.

    Args:
        context: Playwright's.
        base: address of the pages, without a slash at the end.
    """
    page = context.new_page()
    page.set_default_timeout(DEADLINE_MS)
    found = Watched(page)

    def note(text: str) -> None:
        if not any(part in text for part in found.allowed):
            found.wrong.append(text)

    page.on("console", lambda x: note(x.text) if x.type in ("error", "warning") else None)
    page.on("pageerror", lambda x: note(str(x)))
    page.on(
        "request", lambda x: None if x.url.startswith(f"{base}/") else note(f"asked for {x.url}")
    )
    yield found
    page.close()
    assert found.wrong == [], found.wrong
