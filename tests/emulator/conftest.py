"""Provides real emulators on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.emulator.state import OAuthClient


@pytest.fixture
def emulate() -> Iterator[Callable[..., EmulatorServer]]:
    """Return a function that starts a server of the test's own."""
    servers: list[EmulatorServer] = []

    def start(**options: Any) -> EmulatorServer:
        server = EmulatorServer(**options)
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def history_server() -> Iterator[EmulatorServer]:
    """The bundled history's last day, in the documented shape, for everybody. Not to be changed."""
    with EmulatorServer() as server:
        yield server


@pytest.fixture(scope="session")
def guarded_server() -> Iterator[EmulatorServer]:
    """One that lets in who has the key ``s3cret`` or a token of its client. Not to be changed."""
    with EmulatorServer(api_key="s3cret", oauth=OAuthClient("me", "pw+1")) as server:
        yield server


@pytest.fixture(scope="session")
def _four_models() -> Iterator[EmulatorServer]:
    records = [{"model_id": str(number), "name": f"m{number}"} for number in range(4)]
    with EmulatorServer(catalogue=FixedCatalogue(records)) as server:
        yield server


@pytest.fixture
def four_models(_four_models: EmulatorServer) -> Iterator[EmulatorServer]:
    """The models m0 to m3, for ordering faults."""
    yield _four_models
    _four_models.state.reset()
