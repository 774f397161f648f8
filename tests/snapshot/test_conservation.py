"""Tests that valid + quarantined = served, with duplicates counted once, for any catalogue."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.records import model_record
from helpers.stores import PreparedClient, file_records
from io_intelligence_provider import IOIntelligenceClient, take_snapshot
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.errors import NotOnFileError, QualityError, UnreadableFileError
from io_intelligence_provider.store.store import SnapshotStore

texts = st.text(st.characters(categories=["Ll", "Cs", "Nd", "Zs"]), max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
ids = st.integers(0, 3).map(lambda number: str(UUID(int=10**37 + number)))
ids = ids | ids.map(str.upper) | values
names = st.sampled_from(["a", "b"]) | values


@st.composite
def records(draw, shape):
    if shape is WireShape.OPENAI:
        return {"id": draw(names), **draw(st.dictionaries(st.sampled_from(["created", "name", "x"]), values))}
    changes = draw(
        st.dictionaries(st.sampled_from(["status", "metadata", "x", "created_at"]), values, max_size=1)
    )
    return {**model_record(), "model_id": draw(ids), "name": draw(names), **changes}


def run(catalogue, shape):
    """File a catalogue whatever its findings; return (valid, quarantined names and ids, report)."""
    store = SnapshotStore(f"memory://{uuid4()}")
    try:
        take_snapshot(
            PreparedClient(catalogue, shape=shape), store, snapshot_date="2026-01-01", fail_on="never"
        )
        return store.read(), store.quarantine(), store.quality()
    except QualityError as error:
        return None, None, error.report
    finally:
        MemoryFileSystem().rm(store.files.url(""), recursive=True)


@pytest.mark.long
@pytest.mark.parametrize("shape", WireShape)
@given(data=st.data())
@settings(max_examples=25)
def test_nothing_is_lost_and_nothing_counted_twice(shape, data):
    one = values | records(shape)
    distinct = data.draw(st.lists(one, max_size=15))
    repeated = data.draw(st.lists(st.sampled_from(distinct), max_size=5)) if distinct else []
    catalogue = [json.dumps(record).encode() for record in [*distinct, *repeated]]
    served = {json.dumps(record, sort_keys=True) for record in distinct}
    models, quarantine, report = run(catalogue, shape)
    assert report.served == len(served)
    assert report.valid + report.quarantined == report.served
    if models is None:
        assert report.valid == 0
        return
    assert (models.num_rows, quarantine.num_rows) == (report.valid, report.quarantined)
    assert len(set(models["model_id"].to_pylist())) == models.num_rows
    assert all(failures for failures in quarantine["failures"].to_pylist())
    refused = {json.dumps(json.loads(text), sort_keys=True) for text in quarantine["record"].to_pylist()}
    assert refused <= served


def test_identical_repeats_count_once_and_are_complete(store):
    summary = file_records(
        store, [model_record("a"), model_record("b"), model_record("a"), model_record("a")]
    )
    assert (summary.rows, summary.quarantined, summary.outcome) == (2, 0, "passed")
    complete = next(check for check in store.quality().checks if check.check == "complete")
    assert (complete.evaluated, complete.failed) == (1, 0)


@pytest.mark.parametrize("other", [{"status": "inactive"}, {"model_id": "UPPER"}, {"x": 1}])
def test_two_differing_records_of_one_id_are_both_refused(store, other):
    first = model_record("a")
    second = {**first, **other}
    if "model_id" in other:
        second["model_id"] = first["model_id"].upper()
    summary = file_records(store, [first, model_record("b"), second, first], max_quarantine_share=1)
    assert (summary.rows, summary.quarantined) == (1, 2)
    table = store.quarantine()
    assert table["model_id"].to_pylist() == [first["model_id"]] * 2
    for failures in table["failures"].to_pylist():
        assert [(failure["check"], failure["column"]) for failure in failures] == [("unique", "model_id")]


@pytest.mark.long
def test_records_of_one_id_far_apart_are_found(store, monkeypatch):
    monkeypatch.setattr("io_intelligence_provider.snapshot._GROUP", 100)
    records = [model_record(f"m{n}") for n in range(350)]
    summary = file_records(store, [*records, {**records[0], "name": "other"}, records[1]])
    assert (summary.rows, summary.quarantined) == (349, 2)
    assert store.read()["name"].to_pylist() == sorted(f"m{n}" for n in range(1, 350))


@pytest.mark.long
@pytest.mark.parametrize("shape", ["documented", "openai"])
def test_the_whole_chain_on_real_prices(server, store, shape):
    server.state.shape = shape
    try:
        with IOIntelligenceClient(server.url, page_size=7) as client:
            first = take_snapshot(client, store, snapshot_date="2026-06-30")
            again = take_snapshot(client, store, snapshot_date="2026-06-30")
        served = len(server.state.records(None))
    finally:
        server.state.shape = "documented"
    assert first.outcome == "passed"
    assert (first.rows, first.quarantined, first.wire_shape) == (served, 0, shape)
    assert first.content_hash == again.content_hash
    assert store.info().source_url == f"{server.url}/api/v1/models"


@pytest.mark.long
def test_both_shapes_of_one_day_store_the_same_prices(server, store):
    columns = ["name", "input_token_price", "output_token_price", "cache_read_token_price"]
    tables = []
    try:
        for day, shape in (("2026-01-01", "documented"), ("2026-01-02", "openai")):
            server.state.shape = shape
            with IOIntelligenceClient(server.url) as client:
                take_snapshot(client, store, snapshot_date=day)
            tables.append(store.read(day, columns=columns))
    finally:
        server.state.shape = "documented"
    assert tables[0].equals(tables[1])


def test_a_hostile_catalogue_over_the_wire(server, store, monkeypatch):
    name = "<script>alert(1)</script>"
    broken = [
        b"null", b"[]", b'"\\ud800"', b"1" * 3_000, b'{"model_id": "\\udfff"}', b"{}",
        json.dumps(model_record("y", description="\ud800")).encode(),
        json.dumps(model_record("x", {"k\ud800": "\udfff"})).encode(),
        json.dumps(model_record(name, status="\u202e" * 5_000)).encode(),
    ]  # fmt: skip
    monkeypatch.setattr(server.state, "catalogue", FixedCatalogue([*broken, model_record("good")]))
    with IOIntelligenceClient(server.url) as client:
        summary = take_snapshot(client, store, snapshot_date="2026-01-01", max_quarantine_share=1)
    assert (summary.rows, summary.quarantined) == (2, 8)
    assert store.read()["name"].to_pylist() == ["good", "x"]
    quarantine = store.quarantine()
    assert all(record.isascii() for record in quarantine["record"].to_pylist())
    page = store.files.read(f"quality/snapshot_date=2026-01-01/{summary.snapshot_id}.html").decode()
    assert name not in page
    assert "k\\ud800" in page
    assert len(page) < 200_000


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_a_snapshot_with_the_first_or_the_last_moment_can_be_read(tmp_path: Path, moment: str) -> None:
    """The first one is what Go writes for no time."""
    store = SnapshotStore(tmp_path)
    file_records(store, [model_record(created_at=moment, updated_at=moment)])
    for table in (store.read(), store.history()):
        (row,) = table.to_pylist()
        assert row["created_at"] == row["updated_at"] == datetime.fromisoformat(moment)


@pytest.mark.long
def test_a_report_on_any_number_of_unknown_keys_can_be_read(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    keys = {f"{n:05}{'é' * 95}": n for n in range(8_000)}
    file_records(store, [model_record(**keys)])
    report = store.quality()
    (check,) = [check for check in report.checks if check.check == "unknown_fields"]
    assert check.failed == len(keys)
    assert report.unknown_fields == tuple(keys)[:3_000]
    assert {"model_id", "input_token_price"} < set(report.fields)


@pytest.mark.long
def test_a_snapshot_that_would_unpack_to_too_much_is_not_committed(tmp_path: Path) -> None:
    """A dictionary holds a text once; what is read holds it once a model."""
    store, text = SnapshotStore(tmp_path), "licence " * 6_000
    with pytest.raises(UnreadableFileError, match="its texts unpack to"):
        file_records(store, [model_record(f"m{n}", {"license": text}) for n in range(1_500)])
    with pytest.raises(NotOnFileError):
        store.read()
