"""Provides a scripted server, a shared emulator, and clients that do not wait."""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helpers.records import numbered_models
from helpers.scripted_server import Authority, Reply, Script, ScriptedServer, as_script, make_authority
from io_intelligence_provider import IOIntelligenceClient
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.emulator.state import ServerQuirks


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """Return a function that starts a server with a script: a function from a request to its answer.

    An answer, or a list of them (the last one repeats), is a script as well.
    """
    with contextlib.ExitStack() as stack:

        def start(
            script: Script | Reply | list[Reply],
            *,
            host: str = "127.0.0.1",
            tls: ssl.SSLContext | None = None,
        ) -> ScriptedServer:
            server = ScriptedServer(as_script(script), host, tls)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def connect() -> Iterator[Callable[..., IOIntelligenceClient]]:
    """Return a function that makes a client which waits next to nothing between tries."""
    with contextlib.ExitStack() as stack:

        def make(url: str, **settings: Any) -> IOIntelligenceClient:
            client = IOIntelligenceClient(url, **{"backoff": 0.001, "deadline": 30.0, **settings})
            return stack.enter_context(client)

        yield make


@pytest.fixture(scope="session")
def _emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(catalogue=FixedCatalogue(numbered_models(7))) as server:
        yield server


@pytest.fixture
def emulator(_emulator: EmulatorServer) -> Iterator[EmulatorServer]:
    """The models m0 to m6, documented shape."""
    yield _emulator
    _emulator.state.reset()
    _emulator.state.quirks = ServerQuirks()
    _emulator.state.catalogue = FixedCatalogue(numbered_models(7))
    _emulator.state.shape = "documented"


@pytest.fixture
def emulator_pages(emulator: EmulatorServer) -> Callable[[], list[int]]:
    """Return a function that tells which pages this test asked for, in order."""
    emulator.state._log.clear()
    return lambda: [int(entry["page"]) for entry in emulator.state.requests() if entry["page"]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("other-ca"))


@pytest.fixture
def tls(authority: Authority) -> ssl.SSLContext:
    return authority.server


@pytest.fixture
def ca(authority: Authority) -> str:
    return authority.path


@pytest.fixture
def all_logs(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All that the client and the libraries below it log."""
    with caplog.at_level(logging.DEBUG):
        for name in ("urllib3", "http", "asyncio", "concurrent", "tenacity", "io_intelligence_provider"):
            caplog.set_level(logging.DEBUG, logger=name)
        yield caplog
