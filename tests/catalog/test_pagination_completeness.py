"""Tests servers that list less than there is: each is detected, and nothing is stored.

The servers answer over HTTP; what a run files is looked at in a store.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from helpers.scripted_server import Reply
from io_intelligence_provider import SnapshotStore, take_snapshot
from io_intelligence_provider.errors import (
    AuthenticationError,
    PaginationError,
    QualityError,
    QuotaError,
    RateLimitError,
    ResponseError,
    ServerError,
    TransportError,
)

Pages = Callable[[int], Any]
"""The body of a page by its number, or a finished answer."""


def documented(numbers: Iterable[int]) -> list[dict[str, Any]]:
    return [
        {
            "model_id": str(uuid5(NAMESPACE_URL, str(number))),
            "name": f"m{number}",
            "status": "active",
            **{
                f"{kind}_daily_quota_tier_1": 1
                for kind in (
                    "chat",
                    "api_completions",
                    "embeddings",
                    "audio_transcriptions",
                    "audio_speech",
                )
            },
            "metadata": {"input_token_price": "1"},
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
        }
        for number in numbers
    ]


_requests = itertools.count()


def observed(numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Records of which everything moves with each request that moves on the live endpoint."""
    now = next(_requests)
    return [
        {
            "id": f"org/m{number}",
            "object": "model",
            "created": 1_789_000_000 + now,
            "name": f"M {number}",
            "permission": [{"id": f"modelperm-{now}-{number}", "created": now}],
            "avg_latency_ms_per_day": 100 + now + number,
            "avg_throughput_per_day": 40.5 + now,
            "input_token_price": 1e-7,
        }
        for number in numbers
    ]


def listing(numbers: Iterable[int], **more: Any) -> dict[str, Any]:
    return {"object": "list", "data": observed(numbers), **more}


def paginated(numbers: Iterable[int], total: int, has_next: bool) -> dict[str, Any]:
    return {"data": documented(numbers), "pagination": {"total": total, "has_next": has_next}}


@pytest.fixture
def serve(scripted: Any, connect: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that serves pages and gives a client of that server, and the server."""

    def start(pages: Pages, **settings: Any) -> Any:
        def script(asked: Any) -> Any:
            answer = pages(asked.page)
            return answer if isinstance(answer, Reply) else Reply(body=json.dumps(answer).encode())

        server = scripted(script)
        return connect(server.url, **settings), server

    return start


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "store")


def names(records: Iterable[Any]) -> set[str]:
    return {record.get("id") or record["name"] for record in records}


# The documented shape: the total is what counts.


@pytest.mark.long
@pytest.mark.parametrize(
    ("pages", "received"),
    [
        pytest.param(lambda page: paginated(range(100), 200, page < 2), 100, id="ignores-page"),
        pytest.param(
            lambda page: paginated(
                {1: range(100), 2: range(100), 3: range(200, 230)}[page], 230, page < 3
            ),
            130,
            id="one-page-repeats-another",
        ),
        pytest.param(
            lambda page: paginated({1: range(10), 2: range(9, 20)}[page], 21, page < 2),
            20,
            id="one-id-on-two-pages",
        ),
        pytest.param(
            lambda page: paginated({1: range(10), 2: range(9, 20)}[page], 20, page < 2),
            20,
            id="one-id-on-two-pages-not-counted",
        ),
        pytest.param(lambda _: paginated(range(20), 21, False), 20, id="one-is-missing"),
        pytest.param(lambda _: paginated(range(22), 21, False), 22, id="one-too-many"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("fail_on", ["error", "never"])
def test_a_catalogue_that_is_not_its_total_is_refused(serve, store, pages, received, fail_on) -> None:
    client, _ = serve(pages)
    with pytest.raises(QualityError, match="complete") as caught:
        take_snapshot(client, store, fail_on=fail_on, max_quarantine_share=1.0)
    (complete,) = [check for check in caught.value.report.checks if check.check == "complete"]
    assert complete.examples[0]["received"] == received
    assert store.dates() == []
    with pytest.raises(PaginationError, match=rf"gave {received} models where its total is") as refused:
        list(client.iter_models())
    if "on_two_pages" in complete.examples[0]:
        repeated = complete.examples[0]["on_two_pages"][0]
        assert repeated in str(caught.value)
        assert repeated in str(refused.value)


def test_the_last_of_several_totals_is_not_believed(serve, store) -> None:
    client, server = serve(
        lambda page: paginated(range(10 * page - 10, 10 * page), 30 - 10 * (page == 2), page < 2)
    )
    with pytest.raises(PaginationError, match="the total went from 30 to 20 at page 2"):
        take_snapshot(client, store)
    assert server.pages().count(1) == 4
    assert store.dates() == []


def test_a_record_twice_on_one_page_counts_as_the_api_counts_it(serve, store) -> None:
    client, server = serve(lambda _: paginated([*range(20), 3], 21, has_next=False))
    summary = take_snapshot(client, store)
    assert (summary.rows, summary.quarantined, summary.outcome, summary.score) == (20, 0, "passed", 1)
    assert server.pages() == [1]
    assert len(list(client.iter_models())) == 21


# The observed shape: nothing counts, so page 2 is asked.


@pytest.mark.long
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"has_more": False},
        {"has_next": False},
        {"next": None},
        {"total": 5},
        {"total": 3},
        {"total_pages": 1},
        {"total": "5", "total_pages": 1.0, "has_more": "No", "next": [], "next_cursor": ""},
        {"has_next_page": "FALSE", "next_page": "null", "links": {"next": None}, "meta": {"total": 5}},
        {"links": "https://x", "meta": [], "total": "many"},
    ],
)
def test_a_server_without_pages_is_asked_twice_and_filed_whole(serve, store, more) -> None:
    client, server = serve(lambda _: listing(range(5), **more))
    summary = take_snapshot(client, store)
    assert (summary.rows, summary.outcome, summary.score) == (5, "passed", 1)
    assert server.pages() == [1, 2]
    assert len(list(client.iter_models())) == 5


@pytest.mark.long
@pytest.mark.parametrize(
    "promise",
    [
        pytest.param(lambda _: {}, id="nothing-said"),
        pytest.param(lambda page: {"has_more": page < 3}, id="has_more"),
        pytest.param(lambda page: {"next": f"?page={page + 1}" if page < 3 else None}, id="next"),
        pytest.param(lambda _: {"total": 250}, id="total"),
        pytest.param(lambda _: {"total_pages": 3}, id="total_pages"),
        pytest.param(lambda page: {"total": 250} if page == 1 else {}, id="total-once"),
    ],
)
@pytest.mark.parametrize("beyond", ["empty", "last page again", "not found", "unprocessable", "no list"])
def test_every_page_is_read_while_something_new_comes(serve, store, promise, beyond) -> None:
    def pages(page: int) -> Any:
        if page <= 3:
            return listing(range(100 * page - 100, min(100 * page, 250)), **promise(page))
        return {
            "empty": listing([]),
            "last page again": listing(range(200, 250), **promise(3)),
            "not found": Reply(404),
            "unprocessable": Reply(422),
            "no list": {"error": "no such page"},
        }[beyond]

    client, server = serve(pages)
    summary = take_snapshot(client, store)
    assert (summary.rows, summary.outcome, summary.score) == (250, "passed", 1)
    assert server.pages() == [1, 2, 3, 4]
    assert names(client.iter_models()) == {f"org/m{number}" for number in range(250)}


@pytest.mark.parametrize(
    "promise",
    [
        {"has_more": True},
        {"next": "http://127.0.0.1:9/elsewhere"},
        {"next": 2},
        {"total": 250},
        {"total_pages": 3},
        {"has_next": True},
        {"has_next_page": "true"},
        {"next_page": 2},
        {"next_cursor": "abc"},
        {"links": {"next": "/v1/models?page=2"}},
        {"total": "250"},
        {"total": 250.0},
        {"total_count": 250},
        {"meta": {"total": 250}},
        {"total_pages": "3"},
    ],
)
@pytest.mark.parametrize("beyond", ["the same", "empty"])
def test_a_promise_that_is_not_kept_stores_nothing(serve, store, promise, beyond) -> None:
    client, server = serve(
        lambda page: listing(range(100 if page == 1 or beyond == "the same" else 0), **promise)
    )
    with pytest.raises(PaginationError, match="page 2 brought nothing new although it"):
        take_snapshot(client, store)
    with pytest.raises(PaginationError):
        list(client.iter_models())
    assert store.dates() == []
    assert all("/elsewhere" not in asked.target for asked in server.requests)


@pytest.mark.parametrize("promise", [{"has_more": True}, {"total": 250}, {"total_pages": 3}], ids=str)
@pytest.mark.parametrize("first", [{}, {"total": 50, "total_pages": 1}], ids=["nothing said", "all of them"])
def test_a_promise_of_the_page_without_models_counts_too(serve, store, promise, first) -> None:
    client, _ = serve(lambda page: listing(range(50), **first) if page == 1 else listing([], **promise))
    with pytest.raises(PaginationError, match="page 2 brought nothing new although it"):
        take_snapshot(client, store)
    assert store.dates() == []


def test_an_error_of_a_promised_page_is_an_error(serve, store) -> None:
    client, _ = serve(
        lambda page: listing(range(100), has_more=True) if page == 1 else Reply(500), max_retries=1
    )
    with pytest.raises(ServerError, match="page=2"):
        take_snapshot(client, store)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 503])
def test_any_refusal_of_page_two_ends_a_list_that_promised_none(serve, store, status) -> None:
    client, _ = serve(lambda page: listing(range(5)) if page == 1 else Reply(status), max_retries=1)
    assert take_snapshot(client, store).rows == 5


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, AuthenticationError), (402, QuotaError), (403, AuthenticationError), (429, RateLimitError),
     (500, ServerError)],
)  # fmt: skip
def test_a_full_page_is_not_all_because_the_next_one_fails(serve, store, status, error) -> None:
    client, _ = serve(
        lambda page: listing(range(100)) if page == 1 else Reply(status, body=b"{}"), max_retries=1
    )
    with pytest.raises(error):
        take_snapshot(client, store)
    assert store.dates() == []


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_full_page_is_all_where_there_is_no_next_one(serve, store, status) -> None:
    client, _ = serve(lambda page: listing(range(100)) if page == 1 else Reply(status))
    assert take_snapshot(client, store).rows == 100


_NEXT_PAGE = json.dumps({"object": "list", "data": [{"id": "org/m100"}, {"id": "org/m101"}]}).encode()


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(Reply(body=b"<!doctype html><title>Sign in</title>"), id="login page"),
        pytest.param(Reply(body=_NEXT_PAGE.replace(b'"org/m101"', b"NaN")), id="no JSON"),
        pytest.param(Reply(body=_NEXT_PAGE.replace(b'"object": "list", ', b"")), id="neither shape"),
        pytest.param(Reply(body=_NEXT_PAGE, headers={"Content-Encoding": "br"}), id="encoding"),
        pytest.param(Reply(), id="empty body"),
        pytest.param(Reply(302, headers={"Location": "ftp://127.0.0.1/"}), id="redirect"),
        pytest.param(Reply(304), id="not modified"),
    ],
)
@pytest.mark.parametrize("before", [1, 2])
def test_a_page_that_may_be_damaged_is_no_end(serve, store, damaged, before) -> None:
    size = 100 // before
    client, _ = serve(
        lambda page: listing(range(size * page - size, size * page)) if page <= before else damaged
    )
    with pytest.raises(ResponseError, match=f"page={before + 1}|page {before + 1}"):
        take_snapshot(client, store)
    assert store.dates() == []


@pytest.mark.parametrize("end", [Reply(204), Reply(body=b'{"data": []}'), Reply(body=b"null")])
def test_an_answer_without_models_is_the_end(serve, store, end) -> None:
    client, _ = serve(lambda page: listing(range(100)) if page == 1 else end)
    assert take_snapshot(client, store).rows == 100


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthenticationError), (429, RateLimitError), (500, ServerError)]
)
def test_a_server_with_pages_that_falls_over_on_one_has_not_ended(serve, store, status, error) -> None:
    def pages(page: int) -> Any:
        return listing(range(10 * page - 10, 10 * page)) if page < 3 else Reply(status)

    client, _ = serve(pages, max_retries=1)
    with pytest.raises(error):
        take_snapshot(client, store)
    assert store.dates() == []


def test_no_answer_at_all_is_no_end(serve, store) -> None:
    client, _ = serve(lambda page: listing(range(5)) if page == 1 else Reply(reset=True), max_retries=1)
    with pytest.raises(TransportError):
        take_snapshot(client, store)
    assert store.dates() == []


def test_ids_that_come_on_two_pages_prove_nothing_without_a_total(serve, store) -> None:
    client, server = serve(lambda page: listing(range(5 * page - 5, 5 * page + 1) if page < 4 else []))
    with pytest.raises(PaginationError, match="came again on page 2"):
        take_snapshot(client, store)
    assert server.pages().count(1) == 4


def test_a_record_twice_in_one_answer_is_filed_once_while_its_measurements_move(serve, store) -> None:
    def pages(_: int) -> Any:
        answer = listing(range(5))
        twin = answer["data"][2]
        answer["data"].append(twin | {"avg_latency_ms_per_day": None, "permission": [{"id": "another"}]})
        return answer

    client, server = serve(pages)
    summary = take_snapshot(client, store)
    assert (summary.rows, summary.quarantined, summary.outcome) == (5, 0, "passed")
    assert server.pages() == [1, 2]


def test_two_records_of_one_id_that_are_stored_differently_are_both_refused(serve, store) -> None:
    def pages(_: int) -> Any:
        answer = listing(range(5))
        answer["data"].append(answer["data"][2] | {"input_token_price": 2e-7})
        return answer

    client, _ = serve(pages)
    with pytest.raises(QualityError) as caught:
        take_snapshot(client, store)
    assert caught.value.report.quarantined == 2
    summary = take_snapshot(client, store, max_quarantine_share=0.5)
    assert (summary.rows, summary.quarantined) == (4, 2)


def test_records_without_an_id_that_move_do_not_make_a_list_endless(serve, store) -> None:
    def pages(_: int) -> Any:
        answer = listing(range(5))
        del answer["data"][0]["id"]
        return answer

    client, server = serve(pages)
    summary = take_snapshot(client, store, max_quarantine_share=0.5)
    assert (summary.rows, summary.quarantined) == (4, 1)
    assert server.pages() == [1, 2]
    for record in client.iter_models():
        assert "name" in record


def test_a_moving_record_alone_does_not_hide_that_two_walks_are_alike(serve, store) -> None:
    """A gap in the middle is how this catalogue is: who is listed, and what is stored, is the same twice."""

    def pages(page: int) -> Any:
        answer = paginated({1: range(5), 2: [], 3: range(5, 8)}[page], 8, page < 3)
        for record in answer["data"]:
            record["metadata"]["avg_latency_ms_per_day"] = next(_requests)
        return answer

    client, server = serve(pages)
    assert take_snapshot(client, store).rows == 8
    assert server.pages().count(1) == 2
