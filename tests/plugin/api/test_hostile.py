"""A catalogue that means harm goes through every route as it is: JSON text, never markup, never an error."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.stores import model_row, nth_day, refused_record
from io_intelligence_provider.contract.columns import PRICE_COLUMNS, QUOTA_COLUMNS

pytestmark = pytest.mark.long

NAMES = {
    "markup": "<img src=x onerror=alert(1)>",
    "script": "</script><script>alert(1)</script>",
    "formula": '=HYPERLINK("http://evil.test","x")',
    "long": "n" * 10_000,
    "right-to-left": "\u202egnp.exe/\u05d0\u05d1\u05d2",
    "control": "a\u0000b\u0007c\r\nd\u001b[31m\u2028e",
    "quotes": "a'b\"c`d\\e${f}{{g}}%s{0}",
    "emoji": "👩‍👩‍👧/🧪",
    "slashes": "../../etc/passwd",
    "blank": " ",
    "query": "a&b=c#d?e+f%20g",
}
ROUTES = ("overview", "models", "changes", "changes/days", "quality", "quarantine", "status")


@pytest.fixture(params=NAMES)
def hostile(request: pytest.FixtureRequest) -> str:
    return NAMES[request.param]


@pytest.fixture
def page(builder: Any, serve: Any, hostile: str) -> Any:
    def row(price: str, **more: Any) -> dict[str, Any]:
        texts = ("description", "developer", "version", "license", "precision", "image_url", "status")
        return (
            model_row(hostile, output_token_price=price, tags=[hostile], **dict.fromkeys(texts, hostile))
            | more
        )

    builder.file(0, row("1"), changes=True)
    refused = [refused_record(hostile, hostile, value=hostile, message=hostile, column=hostile)]
    builder.file(1, row("2", description=f"{hostile}!"), refused=refused)
    builder.file(2, row("3", description=f"{hostile}?"), model_row("new"), changes=True)
    return serve(builder.root)


def test_every_route_gives_it_back_as_text(page: Any, hostile: str) -> None:
    for route in ROUTES:
        answer = page.get(f"api/{route}")
        assert answer.status == 200, (route, answer.text[:300])
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert hostile in [item["name"] for item in page.api("models")["items"]]
    assert hostile in [item["name"] for item in page.api("changes")["items"]]
    (refused,) = page.api("quarantine")["items"]
    assert (refused["name"], refused["record"]) == (hostile, hostile)
    assert refused["failures"][0]["message"] == hostile
    assert page.api("overview")["largest"]["name"] == hostile


def test_it_can_be_asked_for(page: Any, hostile: str) -> None:
    if len(hostile) > 512:
        assert page.problem("model", model=hostile)[0] == 422
        hostile = next(item["model_id"] for item in page.api("models")["items"] if item["name"] == hostile)
    found = page.api("model", model=hostile)
    facts = {fact["column"]: fact["value"] for fact in found["model"]["facts"]}
    assert facts["tags"] == [found["model"]["name"]]
    fields = [*PRICE_COLUMNS, *QUOTA_COLUMNS]
    assert len(page.api("history", models=hostile, fields=fields)["series"]) == 9
    assert page.api("changes", model=hostile)["total"] > 0
    assert page.api("changes", q=hostile[:200])["total"] > 0


def test_who_is_not_on_file_is_told_so_in_short(page: Any, hostile: str) -> None:
    asked = f"{hostile[:400]}, or not"
    for route, params in (
        ("model", {"model": asked}),
        ("history", {"models": asked, "fields": PRICE_COLUMNS[0]}),
    ):
        answer = page.get(f"api/{route}", params)
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/json"
        assert len(answer.body) < 2_000


@pytest.mark.parametrize("claimed", ["../../../victim", "/etc/passwd", "a/b", ""])
def test_an_id_that_leads_elsewhere_is_never_followed(builder: Any, serve: Any, claimed: str) -> None:
    """The newest file claims an id that leads to a report outside; the page shows the day before."""
    import pyarrow.parquet as pq

    for number in range(2):
        builder.file(
            number, model_row("a", output_token_price="1"), refused=[refused_record("b", "{}")], changes=True
        )
    path = builder.models_file(1)
    report = next((builder.root / "quality" / f"snapshot_date={nth_day(1)}").glob("*.json")).read_text()
    for part in ("quality", "quarantine"):
        victim = builder.root / part / f"snapshot_date={nth_day(1)}" / "../../../victim.json"
        victim.write_text(report.replace("http://example.test", "http://stolen.test"))
    table = pq.read_table(path, partitioning=None)
    pq.write_table(
        table.replace_schema_metadata({**table.schema.metadata, b"io_intelligence.snapshot_id": claimed}),
        path,
    )
    page = serve(builder.root)
    status = page.api("status")
    assert (status["state"], status["latest"]) == ("partial", nth_day(0).isoformat())
    for route in ROUTES:
        for params in ({}, {"date": nth_day(1).isoformat()}):
            answer = page.get(f"api/{route}", params)
            assert answer.status in (200, 503), answer.text
            assert "stolen" not in answer.text
    code, error = page.problem("quarantine", date=nth_day(1).isoformat())
    assert (code, error["kind"]) == (503, "damaged")
    assert f"snapshot_date={nth_day(1)}/models.parquet" in error["message"]


def test_an_id_or_a_date_in_a_request_is_no_path(page: Any) -> None:
    for date in ("../../etc/passwd", "2026-03-01/../../x", "2026-03-01%2f..", "/", "..", "latest"):
        for route in ("overview", "models", "quality", "quarantine"):
            assert page.get(f"api/{route}", {"date": date}).status == 422
    for name in ("../../../victim", "/etc/passwd", "..\\x"):
        assert page.get("api/model", {"model": name}).status == 404
        assert page.get("api/history", {"models": name, "fields": "output_token_price"}).status in (200, 404)
    for path in ("static/../app.py", "static/..%2fapp.py", "static/%2e%2e/app.py", "static//etc/passwd"):
        assert page.get(path).status == 404


@pytest.mark.parametrize("old", [{0}, {1}, {0, 2}, {2}])
def test_files_of_several_versions_side_by_side(builder: Any, serve: Any, old: set[int]) -> None:
    """Some files lack columns, the others have one more than this version knows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    late = ["tags", "precision", "cache_read_token_price", "context_window", "chat_daily_quota_tier_1"]
    for number in range(3):
        row = model_row("a", output_token_price=str(number + 1), cache_read_token_price="1", precision="fp8")
        builder.file(number, row, model_row("b", context_window=7, tags=["x"]))
        path = builder.models_file(number)
        table = pq.read_table(path, partitioning=None)
        if number in old:
            table = table.drop_columns(late)
        else:
            table = table.append_column("from_the_future", pa.array([1, 2]))
        pq.write_table(table, path)
    from io_intelligence_provider.changes.detect import detect_changes

    for number in range(3):
        detect_changes(builder.store, nth_day(number))
    page = serve(builder.root)
    assert page.api("status")["state"] == "ok"
    for number in range(3):
        (first, _) = page.api("models", date=nth_day(number).isoformat())["items"]
        assert first["name"] == "a"
        for route in ("overview", "quality", "quarantine"):
            assert page.api(route, date=nth_day(number).isoformat())["warnings"] == []
        assert page.get("api/model", {"model": "b", "date": nth_day(number).isoformat()}).status == 200
    assert {item["field"] for item in page.api("changes")["items"]} == {"output_token_price"}
    fields = ["cache_read_token_price", "chat_daily_quota_tier_1"]
    assert page.get("api/history", {"models": ["a", "b"], "fields": fields}).status == 200
