"""The page over stores with known content, served by a real server on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from helpers.http_clients import PageClient, serve_page


@pytest.fixture
def serve() -> Iterator[Callable[..., PageClient]]:
    """Return a function that serves the page over a store until the test is over."""
    with ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(serve_page(*arguments, **options))


@pytest.fixture(scope="session")
def real(recorded_store: Path) -> Iterator[PageClient]:
    """The page over the recorded history."""
    with serve_page(recorded_store, seconds=1.0) as client:
        yield client
