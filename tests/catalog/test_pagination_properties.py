"""Tests the walk with any catalogue, page size and server: each record once, in the served order."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from io_intelligence_provider import IOIntelligenceClient
from io_intelligence_provider.catalog.pagination import walk_catalogue
from io_intelligence_provider.catalog.retry import Deadline
from io_intelligence_provider.catalog.wire import Page, WireShape
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.state import ServerQuirks
from io_intelligence_provider.errors import PaginationError

pytestmark = pytest.mark.long

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=[]), max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=0, places=None)
records = st.fixed_dictionaries(
    {"model_id": st.text(st.characters(codec="ascii", categories=["Ll", "Nd"]), min_size=1, max_size=6)},
    optional={"name": st.text(max_size=5), "price": numbers, "odd": json_values},
)
catalogues = st.lists(records, max_size=25, unique_by=lambda record: record["model_id"])
quirk = st.builds(
    ServerQuirks,
    page_size_cap=st.none() | st.integers(1, 10),
    total_pages=st.none() | st.integers(-1, 10**20),
)


def plain(value: Any) -> Any:
    """Return a record with its numbers as text, so that 1.0 and 1.00 differ."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return ("number", str(value)) if isinstance(value, (int, Decimal)) else value


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(catalogues, st.integers(1, 100), st.integers(1, 8), quirk)
def test_each_record_comes_once_and_in_order(
    emulator: Any, catalogue: list[Any], page_size: int, concurrency: int, quirks: ServerQuirks
) -> None:
    emulator.state.catalogue = FixedCatalogue(catalogue)
    emulator.state.quirks = quirks
    with IOIntelligenceClient(emulator.url, page_size=page_size, concurrency=concurrency) as client:
        assert [plain(record) for record in client.iter_models()] == [plain(record) for record in catalogue]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(json_values | records, max_size=12), st.integers(1, 5), st.sampled_from(["documented", "openai"])
)
def test_records_of_any_kind_come_as_served(
    emulator: Any, catalogue: list[Any], page_size: int, shape: Any
) -> None:
    """Ids may repeat or be missing here; only one that comes on two pages is refused."""
    emulator.state.catalogue = FixedCatalogue(catalogue)
    emulator.state.shape = shape
    with IOIntelligenceClient(emulator.url, page_size=page_size) as client:
        if shape == "documented" and on_two_pages(catalogue, page_size):
            with pytest.raises(PaginationError, match="came again on page"):
                list(client.iter_models())
            return
        assert [plain(record) for record in client.iter_models()] == [plain(record) for record in catalogue]


def on_two_pages(catalogue: list[Any], page_size: int) -> bool:
    pages: dict[str, set[int]] = defaultdict(set)
    for position, record in enumerate(catalogue):
        identity = record.get("model_id") if isinstance(record, dict) else None
        if isinstance(identity, str):
            pages[identity.lower()].add(position // page_size)
    return any(len(found) > 1 for found in pages.values())


@settings(max_examples=80)
@given(st.data())
def test_a_walk_over_a_moving_catalogue_is_right_or_refused(data: st.DataObject) -> None:
    """Models come and go between any two requests; an accepted walk is a state the catalogue was in."""
    current = [f"m{number}" for number in range(data.draw(st.integers(1, 8)))]
    states = [tuple(current)]
    size, fresh = data.draw(st.integers(1, 4)), 0
    kinds = st.sampled_from(["none", "none", "none", "add", "remove"])
    changes = iter(data.draw(st.lists(st.tuples(kinds, st.integers(0, 9)), max_size=30)))

    def fetch(number: int, _: Deadline) -> Page:
        nonlocal fresh
        shown = current[(number - 1) * size : number * size]
        page = Page(
            WireShape.DOCUMENTED,
            [json.dumps({"model_id": name}).encode() for name in shown],
            len(current),
            number * size < len(current),
        )
        change, where = next(changes, ("none", 0))
        if change == "add":
            fresh += 1
            current.insert(where % (len(current) + 1), f"new{fresh}")
        elif change == "remove" and current:
            current.pop(where % len(current))
        states.append(tuple(current))
        return page

    try:
        catalogue = walk_catalogue(fetch, concurrency=1, deadline=Deadline(60))
    except PaginationError:
        return
    with catalogue:
        found = tuple(json.loads(raw)["model_id"] for page in catalogue.pages() for raw in page)
        assert not catalogue.is_complete or found in states


FAULTS = st.sampled_from(["none", "none", "first page", "page before", "empty", "cut", "total", "has_next"])


@settings(max_examples=200)
@given(
    count=st.integers(1, 9),
    size=st.integers(1, 4),
    faults=st.lists(FAULTS, min_size=1, max_size=6),
    shape=st.sampled_from(list(WireShape)),
    promises=st.booleans(),
    as_in_every_walk=st.booleans(),
)
def test_a_walk_over_a_lying_server_is_whole_or_refused(
    count: int, size: int, faults: list[str], shape: WireShape, promises: bool, as_in_every_walk: bool
) -> None:
    """Every page of every walk may repeat another, come empty or cut, or name a wrong total or end.

    In the observed shape without a promise, a page that brings nothing new is the end by definition, and
    in the documented one a total that is wrong on each page of two walks: neither is drawn.
    """
    whole = [f"m{number}" for number in range(count)]
    last = -(-count // size)
    asked = 0

    def shown(number: int) -> list[str]:
        return whole[(number - 1) * size : number * size]

    def fetch(number: int, _: Deadline) -> Page:
        nonlocal asked
        fault = faults[(number if as_in_every_walk else asked) % len(faults)]
        asked += 1
        names = {
            "first page": shown(1),
            "page before": shown(max(1, number - 1)),
            "empty": [],
            "cut": shown(number)[:-1],
        }.get(fault, shown(number))
        total, has_next = count, number < last
        if fault == "total" and (number > 1 or last > 1):
            total += 1 if number % 2 else -1
        if fault == "has_next":
            has_next = not has_next
        if shape is WireShape.DOCUMENTED:
            return Page(shape, [json.dumps({"model_id": name}).encode() for name in names], total, has_next)
        return Page(
            shape,
            [json.dumps({"id": name, "permission": asked}).encode() for name in names],
            count if promises else None,
            has_next and promises,
        )

    try:
        catalogue = walk_catalogue(fetch, concurrency=1, deadline=Deadline(60))
    except PaginationError:
        return
    with catalogue:
        found = {identity for page in catalogue.pages() for raw in page if (identity := name_of(raw))}
        by_definition = shape is WireShape.OPENAI and not promises
        assert not catalogue.is_complete or by_definition or found == set(whole)


def name_of(raw: bytes) -> str:
    record = json.loads(raw)
    return str(record.get("model_id", record.get("id")))
