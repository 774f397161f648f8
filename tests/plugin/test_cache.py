"""The cache keeps what fits, makes each thing once, and never serves what another state of the files gave."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.responses import Response

from helpers.stores import model_row, nth_day
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.contract.columns import PRICE_COLUMNS, QUOTA_COLUMNS
from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.plugin.api.changes import ChangesParameters, get_changes
from io_intelligence_provider.plugin.cache import Cache, CacheEntry
from io_intelligence_provider.plugin.http import Page
from io_intelligence_provider.plugin.listing import StoreSource, take_listing
from io_intelligence_provider.plugin.reader import Reader, read_skipping_damaged
from io_intelligence_provider.storage.local import FolderNames
from io_intelligence_provider.store.layout import changes_path


def test_the_least_recently_used_goes_first() -> None:
    cache, made = Cache(30), []

    def get(key: str, size: int = 10) -> str:
        def make() -> CacheEntry[str]:
            made.append(key)
            return CacheEntry(key.upper(), size)

        return cache.get(key, make)

    assert [get(key) for key in "abc"] == ["A", "B", "C"]
    get("a")
    get("d")  # b goes
    assert cache.size == 30
    assert [cache.peek(key) for key in "abcd"] == ["A", None, "C", "D"]
    get("huge", 31)  # never kept, and nothing goes for it
    assert cache.peek("huge") is None
    assert cache.size == 30
    get("b")
    assert made == ["a", "b", "c", "d", "huge", "b"]


def test_the_bound_holds_under_many_threads() -> None:
    cache = Cache(1_000)

    def work(seed: int) -> int:
        most = 0
        for number in range(300):
            key = (seed * 7 + number * 13) % 50
            assert cache.get(key, lambda key=key: CacheEntry(key, 100 + key)) == key  # type: ignore[misc]
            most = max(most, cache.size)
        return most

    with ThreadPoolExecutor(8) as threads:
        assert max(threads.map(work, range(8))) <= 1_000
    assert 0 < cache.size <= 1_000
    assert cache.size == sum(entry.size for entry in cache._entries.values())
    assert not cache._loads


def test_many_that_want_the_same_wait_for_one() -> None:
    cache, made, gate = Cache(), [], threading.Event()

    def make() -> CacheEntry[int]:
        made.append(1)
        assert gate.wait(30)
        return CacheEntry(7, 1)

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(cache.get, "key", make) for _ in range(8)]
        gate.set()
        assert [one.result(30) for one in asked] == [7] * 8
    assert made == [1]


def test_a_failure_is_not_kept() -> None:
    cache = Cache()

    def fail() -> CacheEntry[int]:
        raise StorageError("no")

    for number in range(3):
        with pytest.raises(StorageError):
            cache.get(number, fail)
    assert not cache._entries  # a thousand failures leave nothing behind
    assert not cache._loads
    with pytest.raises(StorageError):
        cache.get("key", fail)
    assert cache.get("key", lambda: CacheEntry(1, 1)) == 1
    assert cache.size == 1


def test_what_is_kept_for_a_time_is_made_again() -> None:
    cache = Cache()
    assert cache.get("key", lambda: CacheEntry(1, 5, seconds=0.0)) == 1
    assert cache.peek("key") is None
    assert cache.get("key", lambda: CacheEntry(2, 7)) == 2
    assert cache.size == 7


def test_the_store_is_listed_once_for_those_who_come_together(builder: Any) -> None:
    builder.file(0, model_row("a"))
    opened = []

    def open_store() -> SnapshotStore:
        opened.append(1)
        return SnapshotStore(builder.root)

    source = StoreSource(open_store, seconds=60)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: source.listing(), range(16)))
    assert all(one is found[0] for one in found)
    assert opened == [1]


def test_a_listing_is_not_kept_longer_than_said(builder: Any) -> None:
    source = StoreSource(lambda: SnapshotStore(builder.root), seconds=0)
    assert source.listing().dates == ()
    builder.file(0, model_row("a"))
    assert len(source.listing().dates) == 1


def test_a_failure_is_shared_and_then_tried_again(builder: Any) -> None:
    broken = [True, False]

    def open_store() -> SnapshotStore:
        if broken.pop(0):
            raise RuntimeError("secrets backend away")
        return SnapshotStore(builder.root)

    source = StoreSource(open_store, seconds=0)
    with pytest.raises(Exception, match="secrets backend away"):
        source.listing()
    assert source.listing().dates == ()


@pytest.mark.parametrize("what", ["rewritten", "touched", "truncated", "removed", "added", "denied"])
def test_every_change_of_a_file_changes_the_fingerprint(builder: Any, what: str) -> None:
    builder.file(0, model_row("a"), changes=True)
    builder.file(1, model_row("a"), changes=True)
    path = builder.root / changes_path(nth_day(1))
    for folder in path.parents[1].iterdir():
        os.utime(folder, (1, 1))  # long unchanged, so that its names are remembered
    known = FolderNames()
    before = take_listing(builder.store, known)
    assert take_listing(builder.store, known).tag == take_listing(builder.store).tag == before.tag
    if what == "rewritten":
        data = path.read_bytes()
        path.write_bytes(data[:-1] + b"x")  # the same size
    elif what == "touched":
        os.utime(path, (1, 1))
    elif what == "truncated":
        path.write_bytes(b"")
    elif what == "removed":
        path.unlink()
    elif what == "denied":
        path.chmod(0)
    else:
        (path.parent / "other.parquet").write_bytes(b"")
    after = take_listing(builder.store, known)
    assert after.tag == take_listing(builder.store).tag != before.tag
    assert after.tag_of(("models",)) == before.tag_of(("models",))
    assert after.tag_of(("changes",), [nth_day(0)]) == before.tag_of(("changes",), [nth_day(0)])
    assert after.tag_of(("changes",), [nth_day(1)]) != before.tag_of(("changes",), [nth_day(1)])


def test_one_day_of_changes_is_read_alone_unless_all_are_cached(
    builder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        builder.file(number, model_row("a", output_token_price=str(number + 1)), changes=True)
    builder.damage(builder.root / changes_path(nth_day(2)))
    asked: list[Any] = []
    real = SnapshotStore.changes_frame

    def changes(self: Any, start: Any = None, end: Any = None) -> Any:
        asked.append((start, end))
        return real(self, start, end)

    monkeypatch.setattr(SnapshotStore, "changes_frame", changes)
    reader = Reader(take_listing(builder.store), Cache())
    assert reader.changes(nth_day(1), nth_day(1)).rows.height == 1
    assert asked == [(nth_day(1), nth_day(1))]
    found = reader.changes()
    assert asked[1] == (nth_day(0), nth_day(3))
    assert found.rows["snapshot_date"].to_list() == [nth_day(1), nth_day(3)]
    assert list(found.damaged) == [nth_day(2)]
    asked.clear()
    days = [reader.changes(nth_day(number), nth_day(number)) for number in range(4)]
    assert asked == []
    assert [(day.rows.height, list(day.damaged)) for day in days] == [
        (0, []),
        (1, []),
        (0, [nth_day(2)]),
        (1, []),
    ]
    assert [day.counted["number"].sum() for day in days] == [0, 1, 0, 1]


def test_the_newest_days_are_read_first(builder: Any) -> None:
    asked: list[Any] = []

    def read(start: Any, end: Any) -> Any:
        asked.append((start, end))
        if start <= 50:
            raise StorageError("no")
        return start

    frames, damaged = read_skipping_damaged(list(range(64)), read)  # type: ignore[arg-type]
    assert asked[:2] == [(0, 63), (32, 63)]
    assert frames == sorted(frames)  # type: ignore[type-var]
    assert list(damaged) == list(range(51))


def test_what_is_read_ahead_may_fail(builder: Any) -> None:
    builder.file(0, model_row("a"))
    reader = Reader(take_listing(builder.store), Cache())

    def fail() -> None:
        raise StorageError("away for a moment")

    with reader.prefetch(fail):
        assert reader.timeline().dates


def test_a_request_that_is_cancelled_when_its_read_is_done_counts_no_stuck_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def awaited(done: Any, _: float) -> Any:
        """Do as Python does from 3.12 on: the task may be cancelled while what it awaits is done."""
        done.add_done_callback(lambda _: request.cancel())
        return await done

    monkeypatch.setattr(asyncio, "wait_for", awaited)

    async def main() -> int:
        nonlocal request
        page = Page(StoreSource(lambda: SnapshotStore("/nowhere")))
        request = asyncio.create_task(page.run(Response))
        with pytest.raises(asyncio.CancelledError):
            await request
        return page._stuck

    request: asyncio.Task[Response]
    assert asyncio.run(main()) == 0


def test_ranges_of_changes_are_cut_at_the_day(builder: Any) -> None:
    for number in range(4):
        builder.file(number, model_row("a", output_token_price=str(number + 1)), changes=True)
    reader = Reader(take_listing(builder.store), Cache())
    for first, last in ((0, 3), (1, 2), (3, 3), (0, 0)):
        found = reader.changes(nth_day(first), nth_day(last)).rows["snapshot_date"].to_list()
        assert found == [nth_day(number) for number in range(max(first, 1), last + 1)]


def test_changes_that_are_filed_after_the_listing_wait_for_the_next_one(builder: Any) -> None:
    for number in range(3):
        builder.file(number, model_row("a", output_token_price=str(number + 1)), changes=True)
    path = builder.root / changes_path(nth_day(1))
    data = path.read_bytes()
    path.unlink()
    cache, listing = Cache(), take_listing(builder.store)
    path.write_bytes(data)
    for found, days in ((listing, (2, 0)), (take_listing(builder.store), (2, 1, 0))):
        answer = get_changes(Reader(found, cache), ChangesParameters.model_validate({}))
        assert [day["date"] for day in answer["days"]] == [nth_day(day) for day in days]
        assert answer["total"] == len(days) - 1  # the first day has none


@pytest.mark.long
def test_the_whole_history_fits_the_bound_many_times(recorded_store: Any) -> None:
    cache = Cache()
    reader = Reader(take_listing(SnapshotStore(recorded_store)), cache)
    timeline = reader.timeline()
    assert 0 < timeline.size < 2_000_000
    assert cache.size == timeline.size
    rows = reader.store.history().num_rows
    quotas = reader.timeline(QUOTA_COLUMNS)
    assert set(timeline.steps) == set(PRICE_COLUMNS)
    assert set(quotas.steps) == set(QUOTA_COLUMNS)
    assert quotas.model_keys == timeline.model_keys
    assert sum(frame.height for frame in timeline.steps.values()) < rows * len(timeline.steps) / 3
