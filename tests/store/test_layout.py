"""Tests the paths of the store's files, and their content."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from helpers.records import model_record
from helpers.stores import PreparedClient, file_records, files_below, read_json
from io_intelligence_provider import __version__
from io_intelligence_provider.contract.columns import PRICE_COLUMNS, arrow_schema
from io_intelligence_provider.store.layout import date_of

DAY = "snapshot_date=2026-01-02"


@pytest.fixture
def filed(local_store):
    """A snapshot of two models and one refused record: (store, summary, its models file)."""
    summary = file_records(
        local_store,
        [
            model_record("b"),
            model_record("c", status="?"),
            model_record("a", {"input_token_price": "0.15", "tags": ["x"]}),
        ],
        max_quarantine_share=0.5,
        q="llama",
    )
    import pyarrow.parquet as pq

    with pq.ParquetFile(summary.path) as file:
        yield local_store, summary, file


def test_four_files_and_nothing_else(filed, tmp_path):
    _, summary, _ = filed
    assert files_below(tmp_path / "store") == [
        f"models/{DAY}/models.parquet",
        f"quality/{DAY}/{summary.snapshot_id}.html",
        f"quality/{DAY}/{summary.snapshot_id}.json",
        f"quarantine/{DAY}/{summary.snapshot_id}.parquet",
    ]
    assert summary.path == str(tmp_path / "store" / "models" / DAY / "models.parquet")


def test_the_models_file_has_the_schema_of_the_contract(filed):
    *_, file = filed
    for found, wanted in zip(file.schema_arrow, arrow_schema(), strict=True):
        assert (found.name, found.type, found.nullable) == (wanted.name, wanted.type, wanted.nullable)
        assert found.metadata.items() >= wanted.metadata.items()


def test_the_file_metadata_say_whose_snapshot_it_is(filed):
    _, summary, file = filed
    ours = {
        key.decode().removeprefix("io_intelligence."): value.decode()
        for key, value in file.metadata.metadata.items()
        if key.startswith(b"io_intelligence.")
    }
    fetched_at = ours.pop("fetched_at")
    assert datetime.fromisoformat(ours.pop("written_at")) >= datetime.fromisoformat(fetched_at)
    assert ours == {
        "snapshot_id": summary.snapshot_id,
        "wire_shape": "documented",
        "source_url": "https://host/api/v1/models",
        "query": "llama",
        "provider_version": __version__,
    }
    assert set(file.read()["fetched_at"].to_pylist()) == {datetime.fromisoformat(fetched_at)}
    assert summary.snapshot_id.startswith(f"{datetime.fromisoformat(fetched_at):%Y%m%dT%H%M%SZ}-")


def test_zstd_and_statistics_on_every_column(filed):
    *_, file = filed
    group = file.metadata.row_group(0)
    for number in range(group.num_columns):
        column = group.column(number)
        assert column.compression == "ZSTD"
        assert column.is_stats_set, column.path_in_schema
        distinct = column.path_in_schema in {"model_id", "name", "description", *PRICE_COLUMNS}
        has_none = distinct or column.physical_type == "BOOLEAN"
        assert column.has_dictionary_page != has_none, column.path_in_schema
    prices = group.column(file.schema_arrow.get_field_index("input_token_price"))
    assert (prices.statistics.min, prices.statistics.max) == (Decimal("0.15"), Decimal(1))


def test_the_quarantine_file(filed):
    store, summary, _ = filed
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = f"{store.files.root}/quarantine/{DAY}/{summary.snapshot_id}.parquet"
    table = pq.read_table(path, partitioning=None)
    assert [f"{field.name} {field.type}" for field in table.schema] == [
        "model_id string",
        "name string",
        "record string",
        "failures list<element: struct<check: string, column: string, value: string, message: string>>",
        "snapshot_id string",
        "fetched_at timestamp[us, tz=UTC]",
    ]
    (row,) = table.to_pylist()
    assert row["name"] == "c"
    assert row["snapshot_id"] == summary.snapshot_id
    assert row["failures"] == [
        {
            "check": "allowed_values",
            "column": "status",
            "value": "?",
            "message": "is none of active, inactive",
        }
    ]
    assert isinstance(table, pa.Table)


def test_the_report_names_the_run(filed, tmp_path):
    _, summary, file = filed
    report = read_json(tmp_path / "store" / "quality" / DAY / f"{summary.snapshot_id}.json")
    assert (report["snapshot_id"], report["snapshot_date"]) == (summary.snapshot_id, "2026-01-02")
    assert report["rows"] == {"served": 3, "valid": 2, "quarantined": 1}
    assert report["fetched_at"].encode() == file.metadata.metadata[b"io_intelligence.fetched_at"]


def test_the_rows_are_sorted_by_name_then_id(store):
    names = ["b", "a", "B", "é", "z", "", "a b", "\U0001f600", "\ue000", "a"]
    file_records(
        store,
        [
            model_record(name, model_id=f"{len(names) - n:08d}-0000-0000-0000-000000000000")
            for n, name in enumerate(names)
        ],
    )
    table = store.read()
    rows = list(zip(table["name"].to_pylist(), table["model_id"].to_pylist(), strict=True))
    assert rows == sorted(rows)
    assert sorted(name for name, _ in rows) == sorted(names)


@pytest.mark.parametrize(
    "day",
    [
        "2026-01-02",
        date(2026, 1, 2),
        datetime(2026, 1, 2, 23, 59, tzinfo=UTC),
        datetime(2026, 1, 3, 0, 59, tzinfo=timezone(timedelta(hours=1))),
        datetime(2026, 1, 2, 23, 59),  # noqa: DTZ001 - naive is taken as UTC
    ],
)
def test_a_date_may_be_given_in_any_form(local_store, day):
    assert file_records(local_store, [model_record()], day).snapshot_date == date(2026, 1, 2)
    assert local_store.dates() == [date(2026, 1, 2)]


def test_without_a_date_it_is_today_in_utc(local_store):
    from io_intelligence_provider.snapshot import take_snapshot

    earliest = datetime.now(UTC).date()
    summary = take_snapshot(PreparedClient([model_record()]), local_store)
    assert earliest <= summary.snapshot_date <= datetime.now(UTC).date()


def test_the_summary_is_small_plain_json(local_store):
    import json

    summary = file_records(local_store, [model_record()])
    as_dict = summary.to_dict()
    assert json.loads(json.dumps(as_dict)) == as_dict
    assert list(as_dict) == [
        "snapshot_date",
        "snapshot_id",
        "path",
        "rows",
        "quarantined",
        "outcome",
        "score",
        "wire_shape",
        "content_hash",
    ]
    assert as_dict["snapshot_date"] == "2026-01-02"
    assert len(json.dumps(as_dict)) < 2_000


@pytest.mark.parametrize(
    ("folder", "day"),
    [
        ("snapshot_date=2026-01-02", date(2026, 1, 2)),
        ("snapshot_date=2026-13-02", None),
        ("snapshot_date=2026-01-02.bak", None),
        (".snapshot_date=2026-01-02", None),
        ("snapshot_date=٢٠٢٦-01-02", None),
        ("snapshot_date=__HIVE_DEFAULT_PARTITION__", None),
        ("models", None),
        ("", None),
    ],
)
def test_only_folders_of_the_layout_have_a_date(folder, day):
    assert date_of(folder) == day


def test_nearly_equal_refused_records_can_be_read_again(local_store, monkeypatch):
    """They compress so well that a reader would take the file for one that fills the memory."""
    monkeypatch.setattr("io_intelligence_provider.storage.file_kind._UNPACKED_FREE", 1 << 20)
    text = "long " * 5_000
    records = [model_record(f"m{number}", {"input_token_price": text}) for number in range(1_000)]
    summary = file_records(local_store, [model_record("a"), *records], max_quarantine_share=1)
    refused = local_store.quarantine()
    assert refused.num_rows == summary.quarantined == 1_000
    assert all(text in record for record in refused["record"].to_pylist())
    (path,) = (Path(local_store.files.root) / "quarantine").rglob("*.parquet")
    assert path.stat().st_size > 1_000 * len(text)


def test_an_empty_quarantine_has_a_row_group(local_store):
    """Old versions of pyarrow cannot read a file without one."""
    import pyarrow.parquet as pq

    file_records(local_store, [model_record()])
    (path,) = (Path(local_store.files.root) / "quarantine").rglob("*.parquet")
    metadata = pq.ParquetFile(path).metadata
    assert (metadata.num_row_groups, metadata.num_rows) == (1, 0)
