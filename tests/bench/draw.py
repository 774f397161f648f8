"""Measures drawing the page: ``python tests/bench/draw.py [ROOT] [ROUNDS] [VIEWS]`` prints a line per view.

Measured from within the page, from the navigation on, in a Chromium without a debugger: an attached one,
such as playwright, slows scripts down. ``figures`` is when the view stands with its numbers and tables,
``charts`` when each of its charts is drawn too. The medians of ROUNDS (5) are of

* a new server: it was asked for nothing but its icon, by Airflow's side bar, five seconds before, and the
  browser never saw the page;
* a new browser: it never saw the page, and the server has answered before;
* both known: what whoever comes back gets.

ROOT is a store that ``tests/bench/page.py`` made; without it one of 500 models and 1,095 days is made. VIEWS
are some of the views, with commas. Trust the ratios: the machine's other work is in the figures.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "browser"))

from chromium import FLAGS, find_chromium  # noqa: E402 - the browser tests' own

VIEWS: Final = "overview,models,prices,quotas,changes,quality"
MOMENTS: Final = ("figures", "charts")
PATIENCE: Final = 120.0
"""Seconds until a view that does not get drawn ends the run."""


class Server:
    """The page's own server in a process of its own, and what browsers tell it.

    :param root: the store.
    """

    def __init__(self, root: Path) -> None:
        command = [sys.executable, str(TESTS / "bench" / "watched.py"), str(root)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._port = self._told()

    def _told(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError(
                f"Not drawn within {PATIENCE:.0f} s, or the server went away: what it printed is above."
            )
        return line

    def draw(self, profile: str, view: str) -> dict[str, float]:
        """Open a view in a browser with that profile.

        :returns: by moment, seconds since the navigation.
        """
        url = f"http://127.0.0.1:{self._port}/start#/{view}"
        command = [find_chromium(), "--headless=new", *FLAGS, f"--user-data-dir={profile}", url]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = threading.Timer(PATIENCE, self._process.kill)
        limit.start()
        try:
            told = json.loads(self._told())
        finally:
            limit.cancel()
            browser.terminate()
            browser.wait()
        return {moment: told[moment] / 1000 for moment in MOMENTS}

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()


@contextlib.contextmanager
def profile() -> Iterator[str]:
    """Give a browser's profile that knows nothing."""
    folder = tempfile.mkdtemp()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # the browser may still write into it


def visits(root: Path, view: str) -> list[dict[str, float]]:
    """Return the moments of the three kinds of visits."""
    with contextlib.closing(Server(root)) as server:
        with profile() as first:
            new_server = server.draw(first, view)
        with profile() as second:
            new_browser = server.draw(second, view)
            server.draw(second, view)  # from its second visit on the browser keeps the compiled scripts
            return [new_server, new_browser, server.draw(second, view)]


def measure(root: Path, rounds: int, views: list[str]) -> None:
    """Print a line per view."""
    print(f"{'seconds':10}{'new server':>22}{'new browser':>22}{'both known':>22}")
    print(f"{'':10}" + "".join(f"{moment:>11}" for moment in MOMENTS) * 3)
    for view in views:
        rows = [visits(root, view) for _ in range(rounds)]
        middles = [
            statistics.median(row[kind][moment] for row in rows) for kind in range(3) for moment in MOMENTS
        ]
        print(f"{view:10}" + "".join(f"{middle:11.2f}" for middle in middles), flush=True)


def main(root: Path | None, rounds: int, views: list[str]) -> None:
    """Make the store if need be, and measure."""
    with tempfile.TemporaryDirectory() as folder:
        if root is None:
            from page import fill

            root = Path(folder) / "store"
            fill(root, 500, 1_095)
        measure(root, rounds, views)


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else None,
        int(sys.argv[2]) if len(sys.argv) > 2 else 5,
        (sys.argv[3] if len(sys.argv) > 3 else VIEWS).split(","),
    )
