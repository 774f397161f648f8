"""Tests every fault over a socket."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from helpers.http_clients import ask
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.faults import Fault, Faults
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import ConfigurationError

MODELS = "/api/v1/models"
Start = Callable[..., EmulatorServer]
HTTP_DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


def names(server: EmulatorServer, page: int) -> tuple[list[str], int]:
    answer = ask(server, f"{MODELS}?page={page}&page_size=2").json()
    return [record["name"] for record in answer["data"]], answer["pagination"]["total"]


def test_status_for_its_page_and_as_often_as_ordered(four_models: EmulatorServer) -> None:
    four_models.faults.add(Fault(kind="status", status=503, page=2, times=2, retry_after=1))
    asked = [ask(four_models, f"{MODELS}?page={page}") for page in (1, 2, 2, 2)]
    assert [answer.status for answer in asked] == [200, 503, 503, 200]
    assert asked[1].headers["retry-after"] == "1"
    assert asked[1].json() == {"detail": "Service Unavailable"}
    assert "retry-after" not in asked[3].headers


def test_status_with_a_body_and_a_date(four_models: EmulatorServer) -> None:
    four_models.faults.add(
        Fault(
            kind="status",
            status=429,
            retry_after=HTTP_DATE,
            body="<p>slow down</p>",
            content_type="text/html",
        )
    )
    answer = ask(four_models)
    assert (answer.status, answer.body) == (429, b"<p>slow down</p>")
    assert (answer.headers["retry-after"], answer.headers["content-type"]) == (HTTP_DATE, "text/html")


@pytest.mark.parametrize("status", [204, 304, 299, 599])
def test_unusual_statuses(four_models: EmulatorServer, status: int) -> None:
    four_models.faults.add(Fault(kind="status", status=status))
    assert ask(four_models).status == status


@pytest.mark.parametrize(("status", "served"), [(None, 302), (307, 307)])
def test_redirect(four_models: EmulatorServer, status: int | None, served: int) -> None:
    four_models.faults.add(Fault(kind="redirect", location="http://127.0.0.1:9/x", status=status))
    answer = ask(four_models)
    assert (answer.status, answer.headers["location"]) == (served, "http://127.0.0.1:9/x")


def test_delay_then_the_answer(four_models: EmulatorServer) -> None:
    four_models.faults.add(Fault(kind="delay", seconds=0.1))
    begun = time.monotonic()
    assert ask(four_models).status == 200
    assert time.monotonic() - begun >= 0.1


def test_a_delay_outlasts_the_client_and_the_server_lives_on(four_models: EmulatorServer) -> None:
    four_models.faults.add(Fault(kind="delay", seconds=600))
    with pytest.raises(TimeoutError):
        ask(four_models, timeout=0.05)
    assert ask(four_models).status == 200


def test_reset(four_models: EmulatorServer) -> None:
    four_models.faults.add(Fault(kind="reset"))
    with pytest.raises(ConnectionResetError) as caught:
        ask(four_models)
    # RemoteDisconnected is a ConnectionResetError too, but means a connection that was closed in order.
    assert not isinstance(caught.value, http.client.RemoteDisconnected)
    assert ask(four_models).status == 200


@pytest.mark.long
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_truncate(emulate: Start, encoding: str) -> None:
    server = emulate()
    headers = {"Accept-Encoding": encoding}
    whole = ask(server, headers=headers)
    server.faults.add(Fault(kind="truncate", page=1))
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(server, headers=headers)
    assert len(caught.value.partial) == len(whole.body) // 2
    assert len(caught.value.partial) + (caught.value.expected or 0) == len(whole.body)
    assert ask(server, headers=headers).body == whole.body


@pytest.mark.parametrize(
    ("how", "second_page", "total"),
    [
        ("remove_first", ["m3"], 3),
        ("insert_first", ["m1", "m2"], 5),
        ("swap", ["m2", "m0"], 4),
    ],
)
def test_drift_between_two_pages(
    four_models: EmulatorServer, how: Any, second_page: list[str], total: int
) -> None:
    four_models.faults.add(Fault(kind="drift", how=how, page=1))
    assert names(four_models, 1) == (["m0", "m1"], 4)
    assert names(four_models, 2) == (second_page, total)
    four_models.state.reset()
    assert names(four_models, 2) == (["m2", "m3"], 4)


@pytest.mark.long
@pytest.mark.parametrize("shape", ["documented", "openai"])
def test_newcomers_are_models_of_their_own(emulate: Start, shape: str) -> None:
    server = emulate(shape=shape)
    server.faults.add(Fault(kind="drift", how="insert_first", times=2))
    before, once, twice = (ask(server).json()["data"] for _ in range(3))
    key = "model_id" if shape == "documented" else "id"
    assert [record[key] for record in twice[1:]] == [record[key] for record in once]
    assert [record[key] for record in once[1:]] == [record[key] for record in before]
    if shape == "openai":
        assert once[0]["permission"] == once[1]["permission"] != twice[0]["permission"]
    assert len({record[key] for record in twice}) == len(before) + 2
    assert twice[0].keys() == before[0].keys()


def test_a_broken_catalogue_drifts_too(emulate: Start) -> None:
    server = emulate(catalogue=FixedCatalogue([b"{nonsense", 7]))
    server.faults.add(Fault(kind="drift", how="insert_first"), Fault(kind="drift", how="swap"))
    ask(server)
    ask(server)
    assert ask(server).body.startswith(b'{"data":[7,{nonsense,{"model_id"')


def test_faults_strike_only_the_models_endpoint(four_models: EmulatorServer) -> None:
    four_models.faults.add(Fault(kind="status", status=500))
    assert ask(four_models, "/nothing").status == 404
    assert ask(four_models).status == 500


def test_a_page_that_is_no_number_is_struck_by_faults_for_any_page() -> None:
    faults = Faults([Fault(kind="reset", page=1), Fault(kind="truncate", times=None)])
    assert [faults.take(None), faults.take(7)] == [faults.pending()[1]] * 2
    assert faults.take(1) == Fault(kind="reset", page=1)
    faults.clear()
    assert faults.take(1) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "status=503,page=2,times=3,retry_after=1",
            {"kind": "status", "status": 503, "page": 2, "times": 3, "retry_after": "1"},
        ),
        (
            f"status=429,retry_after={HTTP_DATE},times=forever",
            {"kind": "status", "status": 429, "retry_after": HTTP_DATE, "times": None},
        ),
        ("delay=0.5", {"kind": "delay", "seconds": 0.5}),
        ("reset", {"kind": "reset"}),
        ("truncate,page=1", {"kind": "truncate", "page": 1}),
        ("drift=remove_first,after=1", {"kind": "drift", "how": "remove_first", "page": 1}),
        (
            "redirect=http://h/?a=1,status=307",
            {"kind": "redirect", "location": "http://h/?a=1", "status": 307},
        ),
    ],
)
def test_faults_as_text(text: str, fault: dict[str, Any]) -> None:
    assert Fault.parse(text) == Fault(**fault)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "status",
        "status=99",
        "status=abc",
        "delay=-1",
        "drift=up",
        "reset=1",
        "boom",
        "reset,times=0",
        "delay=1,x=2",
        "status=503,retry_after=€",
        "status=503,content_type=a\nb: c",
        "redirect=http://x/€",
        "status=503,body=\ud800",
    ],
    ids=ascii,
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="Not a fault"):
        Fault.parse(text)


def test_faults_by_the_control_routes(four_models: EmulatorServer) -> None:
    fault = {"kind": "status", "status": 500, "times": None}
    ordered = ask(four_models, "/emulator/faults", method="POST", body=fault)
    assert ordered.status == 201
    assert ask(four_models, "/emulator/faults").json() == [ordered.json()]
    assert ask(four_models).status == 500
    assert ask(four_models, "/emulator/faults", method="DELETE").status == 204
    assert ask(four_models).status == 200
    refused = ask(four_models, "/emulator/faults", method="POST", body={"kind": "delay"})
    assert refused.status == 422
    assert "'seconds'" in json.dumps(refused.json())
    unsendable = {"kind": "status", "status": 500, "body": "\ud800"}
    assert ask(four_models, "/emulator/faults", method="POST", body=unsendable).status == 422
    assert ask(four_models, "/emulator/faults").json() == []
