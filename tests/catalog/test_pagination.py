"""Tests the walk over all pages, and that an inconsistent walk is repeated."""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from typing import Any

import pytest

from helpers.records import names_of, numbered_models
from helpers.scripted_server import Reply, page_reply
from io_intelligence_provider.catalog import pagination
from io_intelligence_provider.catalog.pagination import Catalogue, Spool, walk_catalogue
from io_intelligence_provider.catalog.retry import Deadline
from io_intelligence_provider.catalog.wire import Page, WireShape
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.emulator.state import ServerQuirks
from io_intelligence_provider.errors import (
    NotFoundError,
    PaginationError,
    ResponseError,
    ServerError,
    TransportError,
)

ALL = [f"m{number}" for number in range(7)]


def test_each_page_is_asked_for_once(emulator: Any, connect: Any, emulator_pages: Any) -> None:
    assert names_of(connect(emulator.url, page_size=2).iter_models()) == ALL
    assert sorted(emulator_pages()) == [1, 2, 3, 4]


def test_one_page_needs_no_thread_and_no_second_request(
    emulator: Any, connect: Any, emulator_pages: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise AssertionError("a thread was started")

    monkeypatch.setattr("io_intelligence_provider.catalog.pagination.ThreadPoolExecutor", refuse)
    assert len(list(connect(emulator.url).iter_models())) == 7
    assert emulator_pages() == [1]


def test_an_empty_catalogue_is_a_consistent_one(emulator: Any, connect: Any) -> None:
    emulator.state.catalogue = FixedCatalogue([])
    assert list(connect(emulator.url).iter_models()) == []


def test_the_search_term_goes_with_every_page(emulator: Any, connect: Any, emulator_pages: Any) -> None:
    client = connect(emulator.url)
    assert [record["name"] for record in client.iter_models(q="m5", page_size=1)] == ["m5"]
    assert len(list(client.iter_models(q="  ", page_size=3))) == 7
    assert sorted(emulator_pages()) == [1, 1, 2, 3]
    assert {entry["q"] for entry in emulator.state.requests()} == {"m5", None}


@pytest.mark.parametrize(
    "quirks",
    [
        ServerQuirks(page_size_cap=2),
        ServerQuirks(page_size_cap=1, total_pages=1),
        ServerQuirks(total_pages=999),
        ServerQuirks(total_pages=0),
        ServerQuirks(page_size_cap=3, total_pages=-1),
    ],
)
def test_a_cap_and_lies_about_pages_change_nothing(emulator: Any, connect: Any, quirks: ServerQuirks) -> None:
    emulator.state.quirks = quirks
    assert names_of(connect(emulator.url).iter_models()) == ALL


@pytest.mark.long
@pytest.mark.parametrize("how", ["remove_first", "insert_first", "swap"])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_catalogue_that_moves_once_is_walked_again(
    emulator: Any, connect: Any, emulator_pages: Any, how: Any, after: int
) -> None:
    emulator.faults.add(Fault(kind="drift", how=how, page=after))
    # One page at a time, so that the change falls between two pages for certain.
    found = names_of(connect(emulator.url, page_size=2, concurrency=1).iter_models())
    expected = {
        "remove_first": ALL[1:],
        "insert_first": ["emulator/newcomer-1", *ALL],
        "swap": [ALL[6], *ALL[1:6], ALL[0]],
    }[how]
    assert found == expected
    assert Counter(emulator_pages())[1] == 2


@pytest.mark.long
def test_one_that_keeps_moving_is_given_up(
    emulator: Any, connect: Any, emulator_pages: Any, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.faults.add(Fault(kind="drift", how="insert_first", page=1, times=None))
    with caplog.at_level(logging.WARNING), pytest.raises(PaginationError, match="total went from 10 to 11"):
        list(connect(emulator.url, page_size=4, concurrency=1).iter_models())
    assert Counter(emulator_pages())[1] == 4
    told = [record.getMessage().rpartition(". ")[2] for record in caplog.records]
    assert told == ["Starting over."] * 3 + ["Giving up."]


def test_a_wrong_total_twice_is_the_catalogues_own_state(
    emulator: Any, connect: Any, emulator_pages: Any
) -> None:
    emulator.state.quirks = ServerQuirks(total=9)
    with connect(emulator.url, page_size=3).fetch_catalogue() as catalogue:
        assert (catalogue.received, catalogue.total) == (7, 9)
        assert "7 records came where the total is 9" in str(catalogue.inconsistency)
    assert sorted(emulator_pages()) == [1, 1, 2, 2, 3, 3]


def test_an_id_on_two_pages_in_two_walks_is_the_catalogues_own_state_and_incomplete(
    emulator: Any, connect: Any
) -> None:
    records = [*numbered_models(5), {"model_id": "ID-0", "name": "another"}, numbered_models(5)[4]]
    emulator.state.catalogue = FixedCatalogue(records)
    with connect(emulator.url, page_size=2).fetch_catalogue() as catalogue:
        assert (catalogue.received, catalogue.total) == (5, 7)
        assert catalogue.repeated == {"id-0", "id-4"}
        assert catalogue.on_two_pages == ("id-0", "id-4")
        assert not catalogue.is_complete


def test_an_id_twice_on_one_page_needs_no_second_walk(
    emulator: Any, connect: Any, emulator_pages: Any
) -> None:
    emulator.state.catalogue = FixedCatalogue(
        [*numbered_models(2), *numbered_models(2), *numbered_models(4)[2:]]
    )
    with connect(emulator.url, page_size=4).fetch_catalogue() as catalogue:
        assert (catalogue.received, catalogue.total) == (6, 6)
        assert catalogue.repeated == {"id-0", "id-1"}
        assert catalogue.inconsistency is None
        assert catalogue.is_complete
    assert sorted(emulator_pages()) == [1, 2]


@pytest.mark.long
def test_an_endless_has_next_is_not_believed(emulator: Any, connect: Any, emulator_pages: Any) -> None:
    emulator.state.quirks = ServerQuirks(endless=True)
    with pytest.raises(PaginationError, match=r"has_next is still true|empty although more follows"):
        list(connect(emulator.url, page_size=3).iter_models())
    assert len(emulator_pages()) <= 4 * (3 + 4 + 1)


# From here on the pages come from a function: the server's side is covered above.

Pages = list[tuple[list[str], int | None, bool]]


def documented(names: list[str], total: int | None, has_next: bool = False) -> Page:
    return Page(
        WireShape.DOCUMENTED, [f'{{"model_id":"{name}"}}'.encode() for name in names], total, has_next
    )


def walk(*walks: Pages, concurrency: int = 2) -> tuple[Catalogue, list[int]]:
    """Walk over pages given as (names, total, has_next); the last walk repeats."""
    asked: list[int] = []

    def fetch(number: int, _: Deadline) -> Page:
        asked.append(number)
        current = walks[min(asked.count(1), len(walks)) - 1]
        return documented(*current[min(number, len(current)) - 1])

    return walk_catalogue(fetch, concurrency=concurrency, deadline=Deadline(60)), asked


GOOD: Pages = [(["a", "b"], 4, True), (["c", "d"], 4, False)]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ([(["a", "b"], 4, True), (["c", "d"], 5, False)], "total went from 4 to 5"),
        ([(["a", "b"], 4, True), (["b", "a"], 4, False)], "id 'b' came again"),
        ([(["a", "b"], 4, True), (["a", "c"], 4, False)], "id 'a' came again"),
        ([(["a", "b"], 4, True), ([], 4, True), (["c", "d"], 4, False)], "page 2 is empty"),
        ([(["a", "b"], 4, True), (["c"], 4, False)], "3 records came where the total is 4"),
        ([(["a", "b"], 3, True), (["c", "d"], 3, False)], "4 records came where the total is 3"),
        ([([], 2, True), (["a", "b"], 2, False)], "page 1 is empty"),
        ([(["a"], 2, True), (["b"], 2, True), (["c"], 2, True)], "came again|has_next"),
    ],
)
def test_each_inconsistency_starts_the_walk_over(
    bad: Pages, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue, asked = walk(bad, GOOD)
    with catalogue:
        assert catalogue.inconsistency is None
        assert list(catalogue.pages()) == [documented(names, 4).records for names, *_ in GOOD]
    assert asked.count(1) == 2
    assert any(re.search(problem, record.getMessage()) for record in caplog.records)


def test_the_last_page_may_be_empty() -> None:
    catalogue, asked = walk([*GOOD[:1], (["c", "d"], 4, True), ([], 4, False)])
    with catalogue:
        assert catalogue.inconsistency is None
    assert asked.count(1) == 1


def test_two_alike_are_accepted_only_in_succession() -> None:
    odd: Pages = [(["a", "b"], 3, False)]
    other: Pages = [(["a", "c"], 3, False)]
    catalogue, asked = walk(odd, other, odd, odd)
    with catalogue:
        assert catalogue.inconsistency
    assert asked.count(1) == 4
    with pytest.raises(PaginationError, match="4 walks"):
        walk(odd, other, odd, other)


def test_totals_that_differ_are_accepted_by_no_second_walk() -> None:
    odd: Pages = [(["a", "b"], 4, True), (["c"], 3, False)]
    with pytest.raises(PaginationError, match="total went from 4 to 3"):
        walk(odd)


def test_the_order_of_identical_records_does_not_matter() -> None:
    catalogue, asked = walk([(["a", "b"], 3, False)], [(["b", "a"], 3, False)])
    with catalogue:
        assert catalogue.received == 2
    assert asked.count(1) == 2


def test_the_fourth_walk_may_be_the_good_one() -> None:
    walks: list[Pages] = [[([name], 2, False)] for name in "abc"]
    catalogue, asked = walk(*walks, GOOD)
    with catalogue:
        assert catalogue.received == 4
    assert asked.count(1) == 4


@pytest.mark.parametrize("total", [4, 10**9, 10**1000])
def test_a_server_that_ignores_the_page_number_ends(total: int) -> None:
    asked = []

    def fetch(number: int, _: Deadline) -> Page:
        asked.append(number)
        return documented(["a", "b"], total, has_next=True)

    with pytest.raises(PaginationError):
        walk_catalogue(fetch, concurrency=4, deadline=Deadline(60))
    assert len(asked) < 4 * 110


def test_one_that_invents_models_for_ever_ends() -> None:
    def fetch(number: int, _: Deadline) -> Page:
        return documented([f"m{number}"], 3, has_next=True)

    with pytest.raises(PaginationError, match="has_next is still true on page 107 of 3"):
        walk_catalogue(fetch, concurrency=4, deadline=Deadline(60))


def test_one_that_announces_an_endless_catalogue_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "_MOST_PAGES", 20)
    asked: list[int] = []

    def fetch(number: int, _: Deadline) -> Page:
        asked.append(number)
        if number > 100:
            raise TransportError("The deadline has passed.")
        return documented([f"m{number}"], 10**12, has_next=True)

    with pytest.raises(PaginationError, match="has_next is still true on page 20 of 1000000000000"):
        walk_catalogue(fetch, concurrency=4, deadline=Deadline(60))
    assert max(asked) < 20 + 4


def test_the_shape_must_not_change_within_a_walk() -> None:
    def fetch(number: int, _: Deadline) -> Page:
        return documented(["a"], 2, has_next=True) if number == 1 else Page(WireShape.OPENAI, [b"{}"])

    with pytest.raises(ResponseError, match="Page 2 came in the openai shape"):
        walk_catalogue(fetch, concurrency=1, deadline=Deadline(60))


def test_an_endless_id_does_not_fill_the_message() -> None:
    with pytest.raises(PaginationError) as caught:
        walk(*[[([name * 5_000], 2, True), ([name * 5_000], 2, False)] for name in "abcd"])
    assert len(str(caught.value)) < 600


def test_no_more_pages_are_under_way_than_allowed() -> None:
    lock, now, most, gate = threading.Lock(), 0, 0, threading.Barrier(3)
    taken = 0

    def fetch(number: int, _: Deadline) -> Page:
        nonlocal now, most, taken
        with lock:
            now += 1
            most = max(most, now)
        if 2 <= number <= 19:
            gate.wait(20)  # 18 pages in six threes: at least three are under way
        with lock:
            now -= 1
            taken += 1
        return documented([f"m{number}"], 19, has_next=number < 19)

    with walk_catalogue(fetch, concurrency=3, deadline=Deadline(60)) as catalogue:
        assert [len(page) for page in catalogue.pages()] == [1] * 19
    assert (most, taken) == (3, 19)


@pytest.mark.long
def test_pages_that_wait_for_a_slow_one_do_not_pile_up() -> None:
    asked: list[int] = []
    ahead: list[int] = []
    too_far = threading.Event()

    def fetch(number: int, _: Deadline) -> Page:
        asked.append(number)
        if number > 5:
            too_far.set()
        if number == 2:
            too_far.wait(0.3)  # time enough for the others to run ahead, as far as they may
            ahead.extend(asked)
        return documented([f"m{number}"], 50, has_next=number < 50)

    with walk_catalogue(fetch, concurrency=4, deadline=Deadline(60)):
        assert sorted(ahead) == [1, 2, 3, 4, 5]


def test_the_end_of_a_walk_ends_the_waits_of_its_other_pages(scripted: Any, connect: Any) -> None:
    third = threading.Event()

    def script(asked: Any) -> Any:
        if asked.page == 3:
            third.set()
            return Reply(503, headers={"Retry-After": "2"})
        if asked.page == 2:
            third.wait(20)
            return Reply(404)
        return page_reply([{"model_id": "a"}], total=3, has_next=True)

    server = scripted(script)
    with pytest.raises(NotFoundError, match="page=2"):
        list(connect(server.url).iter_models())
    assert sorted(server.pages()) == [1, 2, 3]


def test_an_error_ends_the_walk_its_threads_and_its_file(
    emulator: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    original = Spool.close
    monkeypatch.setattr(Spool, "close", lambda spool: (closed.append(spool), original(spool))[1])
    emulator.faults.add(Fault(kind="status", status=500, page=3, times=None))
    before = threading.active_count()
    with pytest.raises(ServerError, match="page=3"):
        list(connect(emulator.url, page_size=1, max_retries=1).iter_models())
    assert threading.active_count() == before
    assert len(closed) == 1


def test_a_consumer_that_stops_early_leaves_nothing_behind(emulator: Any, connect: Any) -> None:
    before = threading.active_count()
    records = connect(emulator.url, page_size=2).iter_models()
    assert next(records)["name"] == "m0"
    records.close()
    assert threading.active_count() == before


def test_nothing_is_yielded_before_the_walk_has_proved_consistent(emulator: Any, connect: Any) -> None:
    emulator.faults.add(Fault(kind="status", status=404, page=4))
    records = connect(emulator.url, page_size=2).iter_models()
    seen = []
    with pytest.raises(Exception, match="404"):
        seen.extend(records)
    assert seen == []


def test_threads_may_share_a_client(emulator: Any, connect: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = connect(emulator.url, page_size=1, concurrency=3)
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(len(list(client.iter_models())))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [7] * 6
    assert caplog.records == []  # a pool that is too small says so


def test_a_closed_client_opens_again(emulator: Any, connect: Any) -> None:
    client = connect(emulator.url)
    client.fetch_page()
    client.close()
    assert len(client.fetch_page().records) == 7


def test_the_catalogue_can_be_read_more_than_once_and_side_by_side(emulator: Any, connect: Any) -> None:
    with connect(emulator.url, page_size=2).fetch_catalogue() as catalogue:
        once = list(catalogue.pages())
        assert list(zip(catalogue.pages(), catalogue.pages(), strict=True)) == [(page, page) for page in once]
    assert sum(map(len, once)) == 7
