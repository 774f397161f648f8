"""Bounds of the parameters: out of them is 422 with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.stores import model_row

LONG = "x" * 513
HISTORY = {"models": "a", "fields": "output_token_price"}


@pytest.fixture
def page(builder: Any, serve: Any) -> Any:
    builder.file(0, model_row("a", output_token_price="1"), changes=True)
    return serve(builder.root)


@pytest.mark.long
@pytest.mark.parametrize(
    ("route", "params", "word"),
    [
        ("overview", {"days": 2}, "days"),
        ("overview", {"days": "7.0"}, "days"),
        ("overview", {"days": "9" * 5000}, "days"),
        ("overview", {"date": "1700000000"}, "YYYY-MM-DD"),
        ("overview", {"date": "2026-02-30"}, "date"),
        ("overview", {"date": "2026-1-1"}, "YYYY-MM-DD"),
        ("overview", {"date": ""}, "YYYY-MM-DD"),
        ("overview", {"date": "latest"}, "YYYY-MM-DD"),
        ("models", {"limit": 0}, "limit"),
        ("models", {"limit": 10_001}, "limit"),
        ("models", {"limit": "all"}, "limit"),
        ("models", {"offset": -1}, "offset"),
        ("models", {"offset": 10**12}, "offset"),
        ("model", {}, "model"),
        ("model", {"model": ""}, "model"),
        ("model", {"model": LONG}, "512"),
        ("history", {"models": "a"}, "fields"),
        ("history", {"fields": "output_token_price"}, "models"),
        ("history", {"models": ["a"] * 11, "fields": "output_token_price"}, "10"),
        ("history", {"models": "a", "fields": ["output_token_price"] * 11}, "10"),
        ("history", {"models": "a", "fields": "name"}, "output_token_price"),
        ("history", HISTORY | {"start": "2026-03-02", "end": "2026-03-01"}, "after"),
        ("changes", {"kinds": "price"}, "price_changed"),
        ("changes", {"fields": "price"}, "output_token_price"),
        ("changes", {"q": "x" * 201}, "200"),
        ("changes", {"min_pct": -1}, "min_pct"),
        ("changes", {"min_pct": "nan"}, "min_pct"),
        ("changes", {"min_pct": 1e7}, "min_pct"),
        ("changes", {"direction": "sideways"}, "direction"),
        ("changes", {"limit": 5_001}, "limit"),
        ("quarantine", {"limit": 201}, "limit"),
        ("quality", {"date": "2026-03-01T00:00:00"}, "YYYY-MM-DD"),
    ],
)
def test_out_of_bounds(page: Any, route: str, params: Any, word: str) -> None:
    answer = page.get(f"api/{route}", params)
    assert answer.status == 422, answer.text[:500]
    error = answer.json()["error"]
    assert error["kind"] == "invalid"
    assert word in error["message"]
    assert error["title"]
    assert error["action"]
    (detail, *_) = answer.json()["detail"]
    assert detail["loc"][0] == "query"
    assert detail["msg"]
    assert len(answer.body) < 5_000
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.long
@pytest.mark.parametrize(
    ("route", "params"),
    [
        ("overview", {"date": "2026-03-05"}),
        ("models", {"date": "0001-01-01"}),
        ("model", {"model": "b"}),
        ("model", {"model": "a'; drop"}),
        ("history", {"models": ["a", "b"], "fields": "output_token_price"}),
        ("quality", {"date": "9999-12-31"}),
        ("quarantine", {"date": "2026-03-05"}),
    ],
)
def test_not_on_file(page: Any, route: str, params: Any) -> None:
    status, error = page.problem(route, **params)
    assert (status, error["kind"]) == (404, "not_on_file")
    asked = params.get("date") or params.get("model") or "b"
    assert asked in error["message"]


@pytest.mark.long
def test_edges_are_within(page: Any) -> None:
    assert page.api("models", limit=10_000)["total"] == 1
    assert page.api("models", offset=1_000_000_000)["items"] == []
    assert page.get("api/changes", {"start": "0001-01-01", "end": "9999-12-31"}).status == 200
    assert page.get("api/changes", {"end": "0001-01-01"}).status == 200
    found = page.api("history", **HISTORY, start="2026-03-01", end="2026-03-01")
    assert found["series"][0]["steps"] == [["2026-03-01", "1", True]]
    assert page.api("history", **HISTORY, start="0001-01-01")["start"] == "0001-01-01"
    later = page.api("history", **HISTORY, start="2027-01-01")
    assert (later["dates"], later["series"][0]["steps"]) == ([], [])
    assert later["series"][0]["before"] == ["2026-03-01", "1", True]


def test_of_one_given_twice_the_last_counts(page: Any) -> None:
    answer = page.get("api/models?limit=0&limit=5&unknown=1")
    assert answer.status == 200


def test_a_model_asked_for_twice_is_told_once(page: Any) -> None:
    assert len(page.api("history", models=["a", "a"], fields="output_token_price")["series"]) == 1
