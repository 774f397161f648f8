"""Tests many days as one table: the same result as file by file, whatever else is in the folder."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.records import model_record, three_models
from helpers.stores import file_records
from io_intelligence_provider.contract.columns import arrow_schema
from io_intelligence_provider.errors import ConfigurationError, StorageError
from io_intelligence_provider.storage.digest import with_digests
from io_intelligence_provider.storage.parquet import read_parquet
from io_intelligence_provider.storage.prefetch import prefetch
from io_intelligence_provider.store import reading
from io_intelligence_provider.store.layout import models_path
from io_intelligence_provider.store.models_file import MODELS_KIND
from io_intelligence_provider.store.reading import read_days
from io_intelligence_provider.store.store import SnapshotStore

FIRST = date(2026, 1, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(5)]


@pytest.fixture(params=["local", "memory"], scope="module")
def filed(request, tmp_path_factory):
    """Five days of three models."""
    root = tmp_path_factory.mktemp("env=prod") / "a store [1]"
    store = SnapshotStore(root if request.param == "local" else f"memory:/{root}")
    for number, day in enumerate(DAYS):
        file_records(store, three_models(number), day)
    return store


def one_by_one(store, columns=None):
    """Join the days with pyarrow alone."""
    whole = reading.dated(
        ((day, read_parquet(store.files, models_path(day), MODELS_KIND)) for day in DAYS), arrow_schema()
    )
    return whole if columns is None else whole.select(["snapshot_date", *columns])


@pytest.mark.parametrize("columns", [None, ["output_token_price", "name"], ["tags"], []])
def test_the_same_table_as_file_by_file(filed, columns):
    table = filed.history(columns=columns)
    expected = one_by_one(filed, columns)
    assert table.schema.equals(expected.schema, check_metadata=True)
    assert table.equals(expected)
    assert table.num_rows == 15


@pytest.mark.parametrize("models", [None, ["a"]])
@pytest.mark.parametrize("columns", [None, ["precision", "name"], []])
def test_nothing_is_read_file_by_file_that_a_scan_can_read(filed, monkeypatch, models, columns):
    """The slow way gives the same answers: without this nobody would notice that it is the only one."""
    older = pa.BufferOutputStream()
    pq.write_table(filed.read(DAYS[0]).drop_columns(["precision"]), older)
    path = models_path(DAYS[0] - timedelta(days=1))
    filed.files.put(path, with_digests(older.getvalue()))
    monkeypatch.setattr(reading, "read_parquet", lambda *_: pytest.fail("read file by file"))
    try:
        assert filed.history(models=models, columns=columns).num_rows == (18 if models is None else 6)
    finally:
        filed.files.delete_tree(path.rpartition("/")[0])


def test_a_file_without_digests_is_read_by_itself_and_the_others_are_scanned(filed, monkeypatch):
    path, before = models_path(DAYS[2]), filed.history()
    digested = filed.files.read(path)
    bare = pa.BufferOutputStream()
    pq.write_table(filed.read(DAYS[2]), bare)
    filed.files.put(path, bare.getvalue().to_pybytes())
    scanned, by_itself = [], []
    scan, read = reading.scan_days, reading.read_parquet
    monkeypatch.setattr(
        reading, "scan_days", lambda items, *rest: scanned.append(len(items)) or scan(items, *rest)
    )
    monkeypatch.setattr(
        reading, "read_parquet", lambda files, path, *rest: by_itself.append(path) or read(files, path, *rest)
    )
    try:
        assert filed.history().equals(before)
    finally:
        filed.files.put(path, digested)
    assert (scanned, by_itself) == ([2, 2], [path])


@pytest.mark.long
@pytest.mark.parametrize("batch", [1, 512])
@pytest.mark.parametrize("models", [None, ["a"], ["nobody"]])
def test_frames_are_the_same_in_polars(filed, monkeypatch, models, batch):
    import polars as pl

    monkeypatch.setattr(reading, "_BATCH_FILES", batch)
    for ends in [(None, None), (DAYS[1], DAYS[2]), (date(2000, 1, 1), date(2000, 1, 2))]:
        frame = filed.history_frame(*ends, models=models)
        assert frame.schema == pl.DataFrame(filed.history(*ends, models=models)).schema
        assert frame.equals(pl.DataFrame(filed.history(*ends, models=models)))
        assert filed.changes_frame(*ends).equals(pl.DataFrame(filed.changes(*ends)))


def test_a_null_where_there_must_be_none_is_named(store):

    file_records(store, [model_record("a")], DAYS[0])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"name": ["a", None]}), sink)
    damage(store, DAYS[1], sink.getvalue().to_pybytes())
    for read in (
        lambda: store.history(columns=["name"]),
        lambda: store.history_frame(columns=["name"]),
        lambda: store.read(DAYS[1], columns=["name"]),
    ):
        with pytest.raises(StorageError, match=f"{DAYS[1]}/models.parquet is no file of this store"):
            read()


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_batches_change_nothing(filed, monkeypatch, batch):
    whole = filed.history()
    monkeypatch.setattr(reading, "_BATCH_FILES", batch)
    assert filed.history().equals(whole)
    monkeypatch.setattr(reading, "_BATCH_BYTES", 1)
    assert filed.history().equals(whole)


@pytest.mark.long
@pytest.mark.parametrize("statistics", [0, 1 << 40])
def test_models_by_name_and_id(filed, monkeypatch, statistics):
    monkeypatch.setattr(reading, "_STATISTICS_FROM", statistics)
    strange = "00000000-0000-4000-8000-000000000000"
    for wanted, names in [
        (["a"], ["a"]),
        ([model_record("a")["model_id"]], ["a"]),
        ([strange], [strange]),
        (["zai-org/GLM", model_record("a")["model_id"], "nobody"], ["a", "zai-org/GLM"]),
        ("a", ["a"]),
        (["A"], []),
        ([], []),
    ]:
        table = filed.history(models=wanted, columns=["name"])
        assert table["name"].to_pylist() == names * 5
        assert table.column_names == ["snapshot_date", "name"]
    prices = filed.history(models=["zai-org/GLM"], columns=["input_token_price"])
    assert prices["input_token_price"].to_pylist() == [Decimal(f"{n}.000000000000000001") for n in range(5)]
    assert prices["snapshot_date"].to_pylist() == DAYS


def test_a_column_asked_for_twice_is_refused(filed):
    with pytest.raises(ConfigurationError, match="'name' is asked for twice"):
        filed.history(columns=["name", "tags", "name"])


def damage(store, day, data):
    store.files.put(models_path(day), data)


@pytest.mark.long
@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all"])
@pytest.mark.parametrize("models", [None, ["a"]])
def test_a_damaged_day_is_named(store, content, models):
    for day in DAYS:
        file_records(store, [model_record("a")], day)
    damage(store, DAYS[2], content)
    with pytest.raises(StorageError, match=f"snapshot_date={DAYS[2]}/models.parquet is no readable"):
        store.history(models=models)
    assert store.history(end=DAYS[1]).num_rows == 2


def test_a_file_of_another_schema_is_named(store):

    file_records(store, [model_record("a")], DAYS[0])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"name": ["a"], "input_token_price": ["cheap"]}), sink)
    damage(store, DAYS[1], sink.getvalue().to_pybytes())
    with pytest.raises(StorageError, match=f"{DAYS[1]}/models.parquet is no file of this store"):
        store.history(columns=["input_token_price"])
    assert store.history(end=DAYS[0], columns=["name"])["name"].to_pylist() == ["a"]


@pytest.mark.long
def test_no_column_but_the_date(store, monkeypatch):
    for day in DAYS[:2]:
        file_records(store, [model_record("a"), model_record("b")], day)
    expected = [DAYS[0], DAYS[0], DAYS[1], DAYS[1]]
    assert store.history(columns=[])["snapshot_date"].to_pylist() == expected
    assert store.history(columns=[], models=["b"])["snapshot_date"].to_pylist() == DAYS[:2]
    monkeypatch.setattr(reading, "scan_days", lambda *_: None)
    assert store.history(columns=[])["snapshot_date"].to_pylist() == expected


def test_an_integer_column_that_was_narrower_is_widened(store):
    """Another writer's int32 is no damage: the file is read by itself and cast."""

    file_records(store, [model_record("a", {"max_tokens": 7})], DAYS[0])
    table = store.read()
    place = table.schema.get_field_index("max_tokens")
    narrow = table.set_column(place, "max_tokens", table["max_tokens"].cast(pa.int32()))
    sink = pa.BufferOutputStream()
    pq.write_table(narrow, sink)
    damage(store, DAYS[1], sink.getvalue().to_pybytes())
    for models in (None, ["a"]):
        found = store.history(columns=["max_tokens"], models=models)
        assert found["max_tokens"].to_pylist() == [7, 7]
        assert found.schema.field("max_tokens").type == pa.int64()


@pytest.mark.long
def test_a_day_that_is_pruned_meanwhile_has_no_rows(store, monkeypatch):
    for day in DAYS:
        file_records(store, [model_record("a")], day)
    listed = store.files.folders_with("models.parquet", "models", bool)
    monkeypatch.setattr(store.files, "folders_with", lambda *_: listed)
    store.files.delete(models_path(DAYS[3]))
    expected = [day for day in DAYS if day != DAYS[3]]
    assert store.history()["snapshot_date"].to_pylist() == expected
    for day in DAYS:
        store.files.delete(models_path(day))
    assert store.history().num_rows == 0


@pytest.mark.long
def test_a_day_that_is_pruned_between_look_and_scan(local_store, monkeypatch):
    for day in DAYS:
        file_records(local_store, [model_record("a")], day)
    on_disk = local_store.files.on_disk

    def pruned(paths, folder):
        looked_at = list(on_disk(paths, folder))
        Path(looked_at[1].file).unlink()
        return iter(looked_at)

    monkeypatch.setattr(local_store.files, "on_disk", pruned)
    expected = [day for day in DAYS if day != DAYS[1]]
    assert local_store.history(columns=["name"])["snapshot_date"].to_pylist() == expected
    expected.remove(DAYS[2])
    assert local_store.history(models=["a"])["snapshot_date"].to_pylist() == expected


def test_many_row_groups(store):
    """The statistics of a large catalogue skip its row groups; the answer is the same."""

    file_records(store, [model_record(f"m{n:03d}") for n in range(50)], DAYS[0])
    table, sink = store.read(), pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=7)
    data = sink.getvalue().to_pybytes()
    path = models_path(DAYS[0])
    store.files.put(path, data)
    assert store.history().drop_columns(["snapshot_date"]).equals(table)
    assert store.history(models=["m049", "m000"])["name"].to_pylist() == ["m000", "m049"]
    assert read_days(store.files, MODELS_KIND, []).num_rows == 0


class Counting:
    """Reads a bounded number at the same time, and says how many there were."""

    def __init__(self, size):
        import threading

        self.lock, self.size, self.asked, self.taken, self.most = threading.Lock(), size, 0, 0, 0

    def __call__(self, path):
        from io_intelligence_provider.errors import NotOnFileError

        with self.lock:
            self.asked += 1
            self.most = max(self.most, self.asked - self.taken)
        if path == "7":
            raise NotOnFileError(path)
        if path == "1000":
            raise StorageError("the network is gone")
        return bytes(self.size)


@pytest.mark.parametrize(("size", "ahead"), [(10, 17), (40 << 20, 5)])
def test_reading_ahead_is_in_order_and_bounded(size, ahead):
    read = Counting(size)
    paths = []
    for path, data in prefetch(read, (str(number) for number in range(40))):
        paths.append(path)
        read.taken += 1 + (path == "8")
        assert len(data) == size
    assert paths == [str(number) for number in range(40) if number != 7]
    assert read.most <= ahead


def test_reading_ahead_stops_at_a_failure():
    read = Counting(1)
    with pytest.raises(StorageError, match="the network is gone"):
        list(prefetch(read, (str(number) for number in range(990, 5000))))
    assert read.asked < 100
