"""Tests pages, bounds, refusals, guests, filters and both shapes of the emulated endpoint."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest

from helpers.http_clients import ask
from io_intelligence_provider.emulator.catalogue import FixedCatalogue, PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer, create_app
from io_intelligence_provider.emulator.state import ServerQuirks

MODELS = "/api/v1/models"
Start = Callable[..., EmulatorServer]
FIVE = [{"name": f"org/m{number}"} for number in range(5)]


def test_pages_hold_the_whole_catalogue_in_order(history_server: EmulatorServer) -> None:
    expected = [record["name"] for record in PriceHistory.load().records()]
    names, page = [], 1
    while True:
        answer = ask(history_server, f"{MODELS}?page={page}&page_size=10").json()
        names += [record["name"] for record in answer["data"]]
        if not answer["pagination"]["has_next"]:
            break
        page += 1
    assert names == expected
    assert answer["pagination"] == {
        "total": len(expected),
        "page": page,
        "page_size": 10,
        "total_pages": page,
        "has_next": False,
        "has_previous": True,
    }


def test_defaults_are_page_1_of_50(history_server: EmulatorServer) -> None:
    answer = ask(history_server)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    pagination = answer.json()["pagination"]
    assert (pagination["page"], pagination["page_size"], pagination["has_previous"]) == (1, 50, False)


def test_a_page_after_the_last_is_empty(emulate: Start) -> None:
    answer = ask(emulate(catalogue=FixedCatalogue(FIVE)), f"{MODELS}?page=4&page_size=2").json()
    assert answer["data"] == []
    assert answer["pagination"] == {
        "total": 5,
        "page": 4,
        "page_size": 2,
        "total_pages": 3,
        "has_next": False,
        "has_previous": True,
    }


@pytest.mark.parametrize(
    ("query", "loc", "kind"),
    [
        ("page=0", "page", "greater_than_equal"),
        ("page_size=0", "page_size", "greater_than_equal"),
        ("page_size=101", "page_size", "less_than_equal"),
        ("page=two", "page", "int_parsing"),
    ],
)
def test_values_out_of_bounds_are_422(
    history_server: EmulatorServer, query: str, loc: str, kind: str
) -> None:
    answer = ask(history_server, f"{MODELS}?{query}")
    assert answer.status == 422
    (detail,) = answer.json()["detail"]
    assert detail.keys() == {"loc", "msg", "type"}
    assert (detail["loc"], detail["type"]) == (["query", loc], kind)


@pytest.mark.parametrize("query", ["page_size=1", "page_size=100", "page=999999"])
def test_the_bounds_themselves_are_allowed(history_server: EmulatorServer, query: str) -> None:
    assert ask(history_server, f"{MODELS}?{query}").status == 200


def test_unknown_paths_are_404(history_server: EmulatorServer) -> None:
    answer = ask(history_server, "/api/v1/nothing")
    assert (answer.status, answer.json()) == (404, {"detail": "Not Found"})
    assert ask(history_server, "/oauth/token", method="POST").status == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer s3cret"}, 200),
        ({"Authorization": "bearer s3cret"}, 200),
        ({"Authorization": "Bearer wr0ng"}, 401),
        ({"Authorization": "Basic s3cret"}, 401),
        ({"X-Guest-Session-ID": "guest-1"}, 200),
        ({"X-Guest-Session-ID": ""}, 401),
        ({"Authorization": "Bearer wr0ng", "X-Guest-Session-ID": "guest-1"}, 401),
    ],
)
def test_who_is_let_in(guarded_server: EmulatorServer, headers: dict[str, str], status: int) -> None:
    answer = ask(guarded_server, headers=headers)
    assert answer.status == status
    if status == 401:
        assert list(answer.json()) == ["detail"]
        assert not any(secret in answer.body for secret in (b"s3cret", b"wr0ng"))


def test_without_a_key_everybody_is_served(history_server: EmulatorServer) -> None:
    assert ask(history_server, headers={"Authorization": "Bearer anything"}).status == 200


def test_q_looks_into_name_and_description(emulate: Start) -> None:
    records = [
        {"name": "org/Llama", "description": None},
        {"name": "x", "description": "a LLAMA"},
        {"name": "y"},
    ]
    answer = ask(emulate(catalogue=FixedCatalogue(records)), f"{MODELS}?q=lLaMa&page_size=1").json()
    assert answer["data"] == records[:1]
    assert (answer["pagination"]["total"], answer["pagination"]["total_pages"]) == (2, 2)


def test_openai_shape_is_one_list_whatever_the_page(emulate: Start) -> None:
    answer = ask(emulate(shape="openai"), f"{MODELS}?page=2&page_size=1").json()
    assert answer.keys() == {"object", "data"}
    assert answer["object"] == "list"
    assert len(answer["data"]) == len(PriceHistory.load().records())


LIVE = Path(__file__).parents[1] / "data" / "live_body.json"
"""Put together from what public clients of the endpoint declare and publish, 2026-08 and -09."""


def json_types(value: Any) -> Any:
    """Return a value with the names of JSON types in the place of its leaves."""
    if isinstance(value, dict):
        return {key: json_types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [json_types(value[0])] if value else []
    return type(value).__name__


def types_by_key(records: list[Any]) -> dict[str, set[str]]:
    return {
        key: {json.dumps(json_types(record[key])).replace('"int"', '"float"') if key.endswith("_price")
              else json.dumps(json_types(record[key])) for record in records}
        for key in records[0]
    }  # fmt: skip


def test_the_openai_shape_is_that_of_the_live_answer_key_by_key(emulate: Start) -> None:
    live = json.loads(LIVE.read_bytes())
    answer = ask(emulate(shape="openai")).json()
    assert list(answer) == list(live)
    assert {tuple(record) for record in answer["data"]} == {tuple(record) for record in live["data"]}
    found, wanted = types_by_key(answer["data"]), types_by_key(live["data"])
    assert [key for key in wanted if not found[key] <= wanted[key]] == []


@pytest.mark.long
def test_what_moves_from_request_to_request(emulate: Start) -> None:
    server, again = emulate(shape="openai"), emulate(shape="openai")
    first, second = (ask(server).json()["data"] for _ in range(2))
    moving = {key for one, other in zip(first, second, strict=True) for key in one if one[key] != other[key]}
    assert moving == {"created", "permission", "avg_latency_ms_per_day", "avg_throughput_per_day"}
    permissions = [record["permission"][0] for record in (first[0], second[0])]
    assert {key for key in permissions[0] if permissions[0][key] != permissions[1][key]} == {"id", "created"}
    assert [ask(again).json()["data"] for _ in range(2)] == [first, second], "the same in every process"


def test_prices_per_token_are_exact_in_the_text(emulate: Start) -> None:
    server = emulate(shape="openai", as_of=date(2026, 2, 13))
    body = ask(server).body
    parsed = json.loads(body, parse_float=Decimal)["data"]
    documented = PriceHistory.load().records(date(2026, 2, 13))
    for record, original in zip(parsed, documented, strict=True):
        for key in ("input", "output", "cache_read", "cache_write"):
            text = original["metadata"][f"{key}_token_price"]
            assert record[f"{key}_token_price"] * 1_000_000 == Decimal(text)
    assert b'"output_token_price": 3.2E-7' in body


def test_records_go_over_the_wire_as_they_are(emulate: Start) -> None:
    records: list[Any] = [None, 7, {"name": "\ud800"}, b'{"name": NaN, "p": 1.10}', {"p": Decimal("1.10")}]
    body = ask(emulate(catalogue=FixedCatalogue(records))).body
    assert b'[null,7,{"name": "\\ud800"},{"name": NaN, "p": 1.10},{"p": 1.10}]' in body


def test_gzip_only_for_those_who_accept_it(history_server: EmulatorServer) -> None:
    plain = ask(history_server, headers={"Accept-Encoding": "identity"})
    packed = ask(history_server, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


@pytest.mark.long
@pytest.mark.parametrize(
    ("quirks", "said"),
    [
        (ServerQuirks(page_size_cap=2), {"page_size": 2, "total_pages": 3, "has_next": True}),
        (ServerQuirks(total_pages=9), {"total_pages": 9, "has_next": False}),
        (ServerQuirks(total=0), {"total": 0, "total_pages": 1}),
        (ServerQuirks(endless=True), {"has_next": True, "total_pages": 1}),
    ],
)
def test_quirks(emulate: Start, quirks: ServerQuirks, said: dict[str, Any]) -> None:
    answer = ask(emulate(catalogue=FixedCatalogue(FIVE), quirks=quirks), f"{MODELS}?page_size=10").json()
    assert answer["pagination"] | said == answer["pagination"]
    assert len(answer["data"]) == min(5, answer["pagination"]["page_size"])


def _connection(server: EmulatorServer) -> socket.socket:
    url = urlsplit(server.url)
    return socket.create_connection((url.hostname, url.port))


def test_a_server_that_does_not_stop_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    app, entered, release = create_app(), Event(), Event()

    @app.get("/blocks")
    async def blocks() -> None:
        entered.set()
        release.wait()  # and with it the event loop

    with EmulatorServer(app) as server, _connection(server) as client:
        client.sendall(b"GET /blocks HTTP/1.1\r\nHost: x\r\n\r\n")
        assert entered.wait(10)
        with monkeypatch.context() as patch:
            patch.setattr("io_intelligence_provider.emulator.server._TIMEOUT", 0.05)
            with pytest.raises(RuntimeError, match="did not stop within"):
                server.stop()
            raised = KeyError("of the block, which is not replaced")
            server.__exit__(KeyError, raised, None)
        assert "did not stop within" in raised.__notes__[0]
        release.set()
