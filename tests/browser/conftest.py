"""Provides Chromium, a real Airflow with the page, and a guard against forbidden requests and errors."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from io_intelligence_provider.cli.standalone import Standalone, airflow_environment
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

sys.path.insert(0, str(Path(__file__).parent))

from chromium import PATIENCE, chromium, until_drawn
from server import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, Response

TESTS = Path(__file__).parents[1]
HERE = ("127.0.0.1", "localhost")
TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


class Guard:
    """Collects what no page of ours may do: errors, violations of its policy, dialogs, foreign requests.

    Airflow's own pages around it may do as they like; only what comes from ours counts.
    """

    def __init__(self, page: Page) -> None:
        self.problems: list[str] = []
        self._expected: list[str] = []
        page.add_init_script(TELL_VIOLATIONS)
        page.on("console", self._console)
        page.on("pageerror", self._error)
        page.on("request", self._request)
        page.on("response", self._response)
        page.on(
            "dialog", lambda dialog: (self.problems.append(f"dialog: {dialog.message}"), dialog.dismiss())
        )

    def expect(self, pattern: str) -> None:
        """Let one kind of problem pass: the test is about it."""
        self._expected.append(pattern)

    def unexpected(self) -> list[str]:
        """Return what nobody said would happen."""
        return [
            problem
            for problem in self.problems
            if not any(re.search(pattern, problem) for pattern in self._expected)
        ]

    def _console(self, message: ConsoleMessage) -> None:
        where = message.location["url"]
        if message.type == "error" and "/io-intelligence" in where:
            self.problems.append(f"console: {message.text} ({where})")

    def _error(self, error: Error) -> None:
        if "/io-intelligence/" in (error.stack or ""):
            self.problems.append(f"error: {error.stack}")

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        elsewhere = address.scheme in ("http", "https", "ws", "wss") and address.hostname not in HERE
        if elsewhere and "/io-intelligence/" in request.frame.url:
            self.problems.append(f"foreign request: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 500 and "/io-intelligence/" in response.url:
            self.problems.append(f"answer {response.status}: {response.url}")


@pytest.fixture
def guards() -> Iterator[list[Guard]]:
    """The guards of the pages of a test; what they saw fails the test at its end."""
    made: list[Guard] = []
    yield made
    assert [problem for guard in made for problem in guard.unexpected()] == []


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Return a function that serves the page over a root until the test is over, and gives its URL."""
    with ExitStack() as running:
        yield lambda root: running.enter_context(served(root, tmp_path / "log"))


@pytest.fixture
def new_page(
    browser: Browser, guards: list[Guard], serve: Callable[[Path], str]
) -> Iterator[Callable[..., Page]]:
    """Return a function that opens an empty, guarded page in a profile of its own.

    The pages are closed before the servers of ``serve`` go: what they still fetch would fail.

    ``theme``: what the system prefers; ``width``, ``height``: CSS pixels; the rest goes to the context.
    """
    contexts = []

    def make(*, theme: str = "light", width: int = 1376, height: int = 900, **options: Any) -> Page:
        size: Any = {"width": width, "height": height}
        given: Any = {"color_scheme": theme, "viewport": size} | options
        context = browser.new_context(accept_downloads=True, **given)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        guards.append(Guard(page))
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def serve_all(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], AbstractContextManager[str]]:
    """Return what serves the page over a root for the tests of a file or of the session."""
    return lambda root: served(root, tmp_path_factory.mktemp("serve") / "log")


@pytest.fixture(scope="session")
def bare(serve_all: Callable[[Path], AbstractContextManager[str]], recorded_store: Path) -> Iterator[str]:
    """URL of the page over the recorded history, without Airflow."""
    with serve_all(recorded_store) as url:
        yield url


@pytest.fixture
def show(new_page: Callable[..., Page], bare: str) -> Callable[..., Page]:
    """Return a function that opens an address of the page and waits until it is drawn."""

    def open_view(address: str = "#/overview", **options: Any) -> Page:
        page = new_page(**options)
        page.goto(bare + address)
        until_drawn(page)
        return page

    return open_view


@pytest.fixture(scope="session")
def airflow(recorded_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """A real Airflow behind a base URL with a path, with the page over a copy of the recorded history.

    A copy: its daily Dag files a snapshot of today.
    """
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    dags.mkdir()
    store = shutil.copytree(recorded_store, home / "store")
    for name in ("io_intelligence_daily_pricing.py", "io_intelligence_settings.py"):
        shutil.copy(TESTS.parent / "dags" / name, dags)
    with EmulatorServer(catalogue=PriceHistory.load()) as server:
        environment = airflow_environment(home, dags, store, server.url) | {"TMPDIR": str(home)}
        users = {"ada": "admin", "vera": "viewer"}
        with Standalone(home, environment, users, path="/team/airflow") as running:
            yield running
