"""A real emulator on loopback, and a plain client that hides nothing."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.emulator.tokens import OAuthClient

MODELS = "/api/v1/models"


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    server: EmulatorServer,
    path: str = MODELS,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    timeout: float = 10,
) -> Answer:
    sent = dict(headers or {})
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
        sent["content-type"] = "application/json"
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=timeout)
    with closing(connection):
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        with answer:
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())


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
    _four_models.state.settle()


@pytest.fixture(name="ask")
def ask_fixture() -> Callable[..., Answer]:
    return ask
