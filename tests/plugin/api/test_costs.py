"""Tests what traffic costs: exact, compared with the store's own cost, and silent about what was sent."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any, Final

import pytest

from helpers.http_clients import PageClient, serve_page
from helpers.records import uuid_of
from helpers.stores import StoreBuilder, model_row, nth_day, refused_record
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.alerts.evaluate import evaluate
from io_intelligence_provider.alerts.rules import AlertRule
from io_intelligence_provider.errors import ConfigurationError, NotOnFileError

TRAFFIC: Final = [
    {"model": "openai/gpt-oss-120b", "input": "1000000007", "output": 200_000_003},
    {"model": "deepseek-ai/DeepSeek-V4-Pro", "input": 7, "output": "11", "cache_read": 13},
    {"model": "zai-org/GLM-4.5-Air", "input": 5_000_000, "output": 3_333_333},
]
LAST: Final = date(2026, 6, 30)


def bills_of(page: PageClient, traffic: list[dict[str, Any]], **more: Any) -> Any:
    answer = page.post("costs", {"traffic": traffic} | more)
    assert answer.status == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def cost_in(store: SnapshotStore, line: dict[str, Any], day: date) -> Decimal | None:
    tokens = {f"{kind}_tokens": int(count) for kind, count in line.items() if kind != "model"}
    try:
        return store.cost(line["model"], when=day, **tokens)
    except NotOnFileError:
        return None


@pytest.mark.parametrize("day", [LAST, date(2026, 5, 27), date(2026, 5, 1)])
def test_every_bill_is_that_of_the_store(real: PageClient, recorded_store: Path, day: date) -> None:
    store = SnapshotStore(recorded_store)
    found = bills_of(real, TRAFFIC, date=day.isoformat())
    assert [bill["days"] for bill in found["bills"]] == [0, 30, 90]
    for place, bill in enumerate(found["bills"]):
        held = [one for one in store.dates() if one <= day - timedelta(days=bill["days"])]
        assert bill["date"] == (held[-1].isoformat() if held else None)
        for line, asked in zip(found["lines"], TRAFFIC, strict=True):
            total = line["totals"][place]
            expected = cost_in(store, asked, held[-1]) if held else None
            if expected is not None:
                assert Decimal(total["total"]) == expected
            assert total["complete"] == (expected is not None)
        known = [Decimal(line["totals"][place]["total"] or 0) for line in found["lines"]]
        assert Decimal(bill["total"] or 0) == sum(known)


def test_the_parts_of_a_change_add_up_to_it(real: PageClient) -> None:
    now, *earlier = bills_of(real, TRAFFIC)["bills"]
    for bill in earlier:
        change = {key: Decimal(value) for key, value in bill["change"].items()}
        assert change["price"] + change["models"] == change["total"]
        assert Decimal(bill["total"]) + change["total"] == Decimal(now["total"])


def test_the_bill_of_every_day_is_in_the_series(real: PageClient, recorded_store: Path) -> None:
    store, line = SnapshotStore(recorded_store), TRAFFIC[0]
    series = bills_of(real, [line])["series"]
    for day in store.dates():
        total, unknown = next((now, left) for at, now, left in reversed(series) if at <= day.isoformat())
        expected = cost_in(store, line, day)
        if unknown == 0:
            assert Decimal(total) == expected
        else:
            assert expected is None


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    return StoreBuilder(tmp_path / "store")


def two_days(builder: StoreBuilder) -> None:
    """File a price that moves, one that comes, one that goes, a model that comes, a doubtful 0."""
    before = [
        model_row("moves", input_token_price="1"),
        model_row("comes", input_token_price=None),
        model_row("goes", input_token_price="3"),
        model_row("falls", input_token_price="5", status="active"),
        model_row("free", input_token_price="0"),
    ]
    after = [
        model_row("moves", input_token_price="1.5", context_window=128_000, supports_reasoning=True),
        model_row("comes", input_token_price="2"),
        model_row("goes", input_token_price=None),
        model_row("falls", input_token_price="0", status="active", context_window=1_000_000),
        model_row("free", input_token_price="0", context_window=200_000),
        model_row("new", input_token_price="7", context_window=128_000),
        model_row("idle", input_token_price="0.1", status="inactive", context_window=128_000),
    ]
    builder.file(0, *before)
    builder.file(30, *after, changes=True)


def test_the_split_by_hand(builder: StoreBuilder) -> None:
    two_days(builder)
    names = ["moves", "comes", "goes", "falls", "new", "nobody"]
    with serve_page(builder.root) as page:
        found = bills_of(page, [{"model": name, "input": 2_000_000} for name in names])
    now, then, oldest = found["bills"]
    assert (now["total"], then["total"], oldest["total"]) == ("21", "18", None)
    assert (oldest["date"], oldest["change"]) == (None, None)
    # Only "moves" is known on both days, and only "new" was added; the doubtful 0 of "falls" is no saving.
    assert then["change"] == {"total": "15", "price": "1", "models": "14"}
    assert [(one["model"], one["reason"]) for one in now["unknown"]] == [
        ("goes", "not published"),
        ("falls", "a doubtful 0"),
        ("nobody", "not in the catalogue"),
    ]
    assert [(one["model"], one["reason"]) for one in then["unknown"]] == [
        ("comes", "not published"),
        ("new", "not in the catalogue"),
        ("nobody", "not in the catalogue"),
    ]
    first, last = nth_day(0).isoformat(), nth_day(30).isoformat()
    assert found["series"] == [[first, "18", 3], [last, "21", 3]]


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_model_in_quarantine_is_neither_removed_nor_added(builder: StoreBuilder, is_damaged: bool) -> None:
    both = [model_row("kept", input_token_price="1"), model_row("hidden", input_token_price="5")]
    builder.file(0, *both)
    builder.file(30, both[0], refused=[refused_record("hidden")])
    builder.file(60, *both)
    if is_damaged:
        (path,) = builder.root.glob(f"quarantine/*{nth_day(30)}/*.parquet")
        builder.damage(path)
    lines = [{"model": name, "input": 1_000_000} for name in ("kept", "hidden", "nobody")]
    nothing = {"total": "0", "price": "0", "models": "0"}
    with serve_page(builder.root) as page:
        for number in (30, 60):
            found = bills_of(page, lines, date=nth_day(number).isoformat())["bills"]
            assert found[1]["change"] == nothing
            reasons = [one["reason"] for one in found[number == 60]["unknown"]]
            expected = "not in the snapshot, perhaps in quarantine" if is_damaged else "in quarantine"
            assert reasons == [expected, "not in the catalogue"]


def test_of_two_models_of_one_name_the_refused_record_is_the_one_with_its_id(builder: StoreBuilder) -> None:
    refused, gone = (model_row("twin", model_id=uuid_of(key), input_token_price="5") for key in ("1", "2"))
    builder.file(0, model_row("kept"), refused, gone)
    builder.file(30, model_row("kept"), refused=[refused_record("twin", model_id=refused["model_id"])])
    lines = [{"model": row["model_id"], "input": 1_000_000} for row in (refused, gone)]
    with serve_page(builder.root) as page:
        now, then, _ = bills_of(page, lines)["bills"]
    assert [one["reason"] for one in now["unknown"]] == ["in quarantine", "not in the catalogue"]
    assert then["change"] == {"total": "-5", "price": "0", "models": "-5"}


def test_a_model_that_was_refused_ever_since_it_came_is_in_quarantine(builder: StoreBuilder) -> None:
    builder.file(0, model_row("kept"))
    builder.file(1, model_row("kept"), refused=[refused_record("new", model_id=uuid_of("new"))])
    lines = [{"model": model, "input": 1} for model in ("new", uuid_of("new"), "nobody")]
    with serve_page(builder.root) as page:
        now = bills_of(page, lines)["bills"][0]
    reasons = [one["reason"] for one in now["unknown"]]
    assert reasons == ["in quarantine", "in quarantine", "not in the catalogue"]


def test_no_tokens_cost_nothing(builder: StoreBuilder) -> None:
    builder.file(0, model_row("a", input_token_price="2"))
    idle = {"model": "a", "input": 0}
    with serve_page(builder.root) as page:
        alone, both = bills_of(page, [idle]), bills_of(page, [idle, {"model": "a", "input": 1_000_000}])
    assert [bill["total"] for bill in alone["bills"]] == ["0", None, None]
    assert alone["series"] == [[nth_day(0).isoformat(), "0", 0]]
    assert [line["totals"][0] for line in both["lines"]] == [
        {"total": "0", "complete": True},
        {"total": "2", "complete": True},
    ]


def test_the_part_of_prices_is_what_an_alert_says(builder: StoreBuilder) -> None:
    two_days(builder)
    traffic = {name: {"input": 2_000_000} for name in ("moves", "comes", "goes", "falls")}
    rule = AlertRule("all", changes=("price_changed",))
    digest = evaluate(builder.store, [rule], nth_day(30), traffic=traffic)
    with serve_page(builder.root) as page:
        then = bills_of(page, [{"model": name, **tokens} for name, tokens in traffic.items()])["bills"][1]
    assert digest.bill
    assert Decimal(then["change"]["price"]) == digest.bill.total


def test_candidates_satisfy_the_needs_and_are_priced(builder: StoreBuilder) -> None:
    two_days(builder)
    with serve_page(builder.root) as page:

        def candidates(**needs: Any) -> list[tuple[str, str, str]]:
            (line,) = bills_of(page, [{"model": "new", "input": 1_000_000}], **needs)["lines"]
            return [(one["name"], one["cost"], one["difference"]) for one in line["candidates"]]

        # Neither the doubtful 0 of "falls", nor "idle", nor an unknown price.
        assert candidates() == [("free", "0", "-7"), ("moves", "1.5", "-5.5"), ("comes", "2", "-5")]
        assert candidates(context_window=128_000) == [("free", "0", "-7"), ("moves", "1.5", "-5.5")]
        assert candidates(context_window=128_001) == [("free", "0", "-7")]
        assert candidates(capabilities=["reasoning"]) == [("moves", "1.5", "-5.5")]
        assert candidates(capabilities=["reasoning", "tools"]) == []
        (line,) = bills_of(page, [{"model": "new", "input": 1}])["lines"]
        assert (line["suitable"], line["unpriced"]) == (5, 2)


def test_no_digit_is_lost(builder: StoreBuilder) -> None:
    price, most = "12345678901234567890.123456789012345678", 10**30 - 1
    builder.file(0, model_row("a", **dict.fromkeys(PRICES, price)), model_row("b", input_token_price="0.1"))
    line = {"model": "a"} | dict.fromkeys(("input", "output", "cache_read", "cache_write"), str(most))
    with serve_page(builder.root) as page:
        found = bills_of(page, [line, {"model": "b", "input": 1}])
    kinds = {f"{kind}_tokens": most for kind in ("input", "output", "cache_read", "cache_write")}
    expected = builder.store.cost("a", when=nth_day(0), **kinds)
    assert found["lines"][0]["totals"][0]["total"] == f"{expected:f}"
    with localcontext(prec=200):
        assert Decimal(found["bills"][0]["total"]) == expected + Decimal("0.0000001")


PRICES: Final = (
    "input_token_price",
    "output_token_price",
    "cache_read_token_price",
    "cache_write_token_price",
)
SECRET: Final = "a-model-nobody-may-know"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 422, "Invalid JSON"),
        (b'{"' + SECRET.encode(), 422, "Invalid JSON"),
        (b"[" * 100_000, 422, "Invalid JSON"),
        ([SECRET], 422, "the body: Input should be"),
        ({}, 422, "traffic: Field required"),
        ({"traffic": []}, 422, "traffic: List should have at least 1 item"),
        ({"traffic": [{"model": SECRET}] * 201}, 422, "at most 200 items"),
        ({"traffic": [{"model": SECRET * 30}]}, 422, "line 1, model: String should have at most 512"),
        ({"traffic": [{"model": "x", SECRET: 1}]}, 422, "line 1, a key: Extra inputs are not permitted"),
        ({"traffic": [{"model": "x", "input": SECRET}]}, 422, "line 1, input: is no whole number"),
        ({"traffic": [{"model": "x"}, {"model": "x", "output": -1}]}, 422, "line 2, output: "),
        ({"traffic": [{"model": "x", "input": 10**30}]}, 422, "line 1, input: "),
        ({"traffic": [{"model": "x", "input": "9" * 5000}]}, 422, "line 1, input: "),
        ({"traffic": [{"model": "x", "input": 1.5}]}, 422, "line 1, input: is no whole number"),
        ({"traffic": [{"model": "x", "input": True}]}, 422, "line 1, input: is no whole number"),
        ({"traffic": [{"model": "x"}], "capabilities": [SECRET]}, 422, "capabilities, line 1: is none of"),
        ({"traffic": [{"model": "x"}], "context_window": 0}, 422, "context_window: "),
        ({"traffic": [{"model": "x"}], "date": SECRET}, 422, "date: a date is written YYYY-MM-DD"),
        (SECRET.encode() * 20_000, 413, "more than 262144 bytes"),
    ],
)
def test_errors_name_the_place_and_quote_nothing(
    builder: StoreBuilder, body: Any, status: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    builder.file(0, model_row("a"))
    with serve_page(builder.root) as page:
        answer = page.post("costs", body)
    assert answer.status == status, answer.text
    error = answer.json()["error"]
    assert said in error["message"], error["message"]
    assert (error["kind"], answer.headers["cache-control"]) == ("invalid", "no-store")
    assert SECRET not in answer.text + caplog.text


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_of_another_site_is_refused(builder: StoreBuilder, kind: str) -> None:
    builder.file(0, model_row("a"))
    with serve_page(builder.root) as page:
        answer = page.post("costs", {"traffic": [{"model": "a"}]}, content_type=kind)
    assert answer.status == 415
    assert answer.json()["error"]["title"] == "This bill cannot be computed"


def test_the_configured_traffic(builder: StoreBuilder) -> None:
    def refuse() -> Any:
        raise ConfigurationError("Traffic of 'a': unknown key 'inputs'.")

    builder.file(0, model_row("a"))
    with serve_page(builder.root) as page:
        assert page.api("traffic") == {"lines": None, "warnings": []}
    with serve_page(builder.root, traffic=lambda: lambda: {"a": {"input": 10**20}}) as page:
        (line,) = page.api("traffic")["lines"]
        assert line == {
            "model": "a",
            "input": "1" + "0" * 20,
            "output": "0",
            "cache_read": "0",
            "cache_write": "0",
        }
        assert json.loads(page.post("costs", {"traffic": [line]}).body)["lines"][0]["name"] == "a"
    with serve_page(builder.root, traffic=lambda: refuse) as page:
        found = page.api("traffic")
    assert found["lines"] is None
    assert found["warnings"] == [
        "The Variable io_intelligence_traffic cannot be used: Traffic of 'a': unknown key 'inputs'."
    ]
