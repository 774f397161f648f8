"""Starts headless Chromium, for the browser tests and for the pictures of the documentation."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["FLAGS", "PATIENCE", "chromium", "expect", "find_chromium", "until_drawn"]

PATIENCE: Final = 300_000.0
"""Milliseconds until what holds mostly at once is given up: long, as other work may take the machine."""
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    "--no-sandbox",  # containers rarely permit the sandbox's name spaces
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str:
    """Return the path of the system's Chromium.

    :raises RuntimeError: when there is none.
    """
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        raise RuntimeError("There is no Chromium. As root: make system-deps")
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the system's Chromium, with a fresh profile for each context, while the ``with`` block does.

    :raises RuntimeError: when there is none, or the Python packages are missing.
    """
    path = find_chromium()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise RuntimeError(f"{error}. The target test-browser of the Makefile installs it.") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


def expect(actual: Any) -> Any:
    """Return playwright's assertions, which wait; imported here, so that plain pytest does without."""
    from playwright.sync_api import expect as made

    made.set_options(timeout=PATIENCE)
    return made(actual)


_DRAWN: Final = """() => {
  const view = document.querySelector("#content .view");
  return view && !document.querySelector("[aria-busy=true]") && document.fonts.status === "loaded"
    && [...document.querySelectorAll(".chart")].every((chart) => chart.querySelector(".drawing > *"));
}"""


def until_drawn(page: Page) -> None:
    """Wait until a view stands with all that it fetches, its charts among it."""
    page.wait_for_function(_DRAWN, timeout=PATIENCE)
