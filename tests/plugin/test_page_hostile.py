"""A catalogue that means harm goes through every route as it is: JSON text, never markup, never an error."""

from __future__ import annotations

from typing import Any

import pytest

from io_intelligence_provider.quality.contract import PRICE_COLUMNS, QUOTA_COLUMNS

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
def page(world: Any, model: Any, serve: Any, refusal: Any, hostile: str) -> Any:
    def row(price: str, **more: Any) -> dict[str, Any]:
        texts = ("description", "developer", "version", "license", "precision", "image_url", "status")
        return (
            model(hostile, output_token_price=price, tags=[hostile], **dict.fromkeys(texts, hostile)) | more
        )

    world.file(0, row("1"), changes=True)
    refused = [refusal(hostile, hostile, value=hostile, message=hostile, column=hostile)]
    world.file(1, row("2", description=f"{hostile}!"), refused=refused)
    world.file(2, row("3", description=f"{hostile}?"), model("new"), changes=True)
    return serve(world.root)


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
        assert len(answer.data) < 2_000
