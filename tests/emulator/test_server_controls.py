"""Tests the served day, the request log, the token endpoint, and access to the controls."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from helpers.http_clients import ask
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.emulator.server import EmulatorServer, create_app
from io_intelligence_provider.emulator.state import OAuthClient
from io_intelligence_provider.errors import ConfigurationError

MODELS = "/api/v1/models"
FIRST = date(2026, 2, 13)
Start = Callable[..., EmulatorServer]
GRANT = "grant_type=client_credentials&scope=models"


def total(server: EmulatorServer) -> int:
    return int(ask(server).json()["pagination"]["total"])


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def test_the_day_can_be_moved(emulate: Start) -> None:
    server = emulate(as_of=FIRST)
    assert total(server) == 9
    server.set_as_of(date(2026, 3, 10))
    assert total(server) == 10
    server.set_as_of(None)
    assert total(server) == len(PriceHistory.load().records())


def test_the_day_can_be_moved_by_request(emulate: Start) -> None:
    server = emulate()
    server.faults.add(Fault(kind="drift", how="remove_first"))
    ask(server)
    moved = ask(server, "/emulator/as-of", method="PUT", body={"as_of": "2026-02-13"})
    assert (moved.status, moved.json()) == (200, {"as_of": "2026-02-13"})
    assert total(server) == 9, "a new day knows nothing of the drift"
    refused = ask(server, "/emulator/as-of", method="PUT", body={"as_of": "2026-01-01"})
    assert refused.status == 400
    assert "begins on 2026-02-13" in refused.json()["detail"]
    assert server.state.as_of == FIRST


def test_an_emulator_before_the_history_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="begins on"):
        EmulatorServer(as_of=date(2026, 1, 1))


def test_the_log_knows_what_was_asked_and_no_credential(emulate: Start) -> None:
    server = emulate(api_key="s3cret")
    headers = {"Authorization": "Bearer s3cret", "X-Guest-Session-ID": "guest-7", "User-Agent": "me/1"}
    ask(server, f"{MODELS}?page=2&page_size=5&q=", headers=headers)
    server.faults.add(Fault(kind="status", status=500))
    ask(server)
    ask(server, "/nothing")
    answer = ask(server, "/emulator/requests")
    first, second, third = answer.json()
    assert first == {
        "method": "GET",
        "path": MODELS,
        "page": "2",
        "page_size": "5",
        "q": "",
        "authorization": True,
        "guest_session": True,
        "headers": ["accept-encoding", "authorization", "host", "user-agent", "x-guest-session-id"],
        "user_agent": "me/1",
        "fault": None,
    }
    assert (second["page"], second["authorization"], second["fault"]) == (None, False, "status")
    assert third["path"] == "/nothing"
    assert not any(secret in answer.body for secret in (b"s3cret", b"guest-7"))


def test_tokens_are_issued_accepted_and_revoked(emulate: Start) -> None:
    server = emulate(oauth=OAuthClient("me", "p:w%", expires_in=60))
    answer = ask(server, "/oauth/token", method="POST", body=GRANT, headers=basic("me", "p:w%"))
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    token = answer.json()
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 60)
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    assert ask(server).status == 401
    assert ask(server, headers=bearer).status == 200
    server.state.tokens.revoke()
    assert ask(server, headers=bearer).status == 401
    assert server.state.tokens.issued == 1


@pytest.mark.parametrize(
    ("headers", "form", "status", "error"),
    [
        (basic("me", "no"), GRANT, 401, "invalid_client"),
        (basic("you", "pw+1"), GRANT, 401, "invalid_client"),
        ({}, GRANT, 401, "invalid_client"),
        ({"Authorization": "Basic ###"}, GRANT, 401, "invalid_client"),
        ({"Authorization": "Basic é"}, GRANT, 401, "invalid_client"),
        ({"Authorization": "Bearer bWU6cHcrMQ=="}, GRANT, 401, "invalid_client"),
        (basic("me", "pw+1"), "grant_type=password", 400, "unsupported_grant_type"),
        (basic("me", "pw+1"), "", 400, "unsupported_grant_type"),
        (basic("me", "pw%2B1"), GRANT, 200, None),
    ],
)
def test_token_requests(
    guarded_server: EmulatorServer, headers: dict[str, str], form: str, status: int, error: str | None
) -> None:
    answer = ask(guarded_server, "/oauth/token", method="POST", body=form, headers=headers)
    assert (answer.status, answer.json().get("error")) == (status, error)


def test_the_secret_is_not_in_the_repr() -> None:
    assert "pw" not in repr(OAuthClient("me", "pw"))


@pytest.mark.parametrize(
    ("peer", "status"),
    [
        ("127.0.0.9", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("::ffff:192.0.2.1", 403),
        ("192.0.2.1", 403),
        ("unknown", 403),
    ],
)
def test_controls_are_for_this_machine_only(peer: str, status: int) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/emulator/requests",
        "query_string": b"",
        "headers": [(b"x-forwarded-for", b"127.0.0.1")],
        "client": (peer, 1234),
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(create_app()(scope, receive, send))
    assert sent[0]["status"] == status
    assert isinstance(json.loads(sent[1]["body"]), list if status == 200 else dict)


@pytest.mark.long
def test_a_stopped_server_lets_its_port_go() -> None:
    with EmulatorServer() as server:
        port = int(server.url.rpartition(":")[2])
        assert ask(server).status == 200
    with EmulatorServer(port=port) as again:
        assert ask(again).status == 200
    with pytest.raises(ConnectionRefusedError):
        ask(again)


def test_a_taken_port_is_an_error() -> None:
    with EmulatorServer() as server, pytest.raises(OSError, match=r"Port [0-9]+ of 127.0.0.1 is taken"):
        EmulatorServer(port=int(server.url.rpartition(":")[2])).start()


def test_a_host_that_cannot_be_encoded_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="is no name or address"):
        EmulatorServer(host="é" * 64).start()
