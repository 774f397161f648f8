"""Tests the changes files: gaps, reruns, late and replaced snapshots, and reading them all."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from helpers.records import uuid_of
from helpers.stores import model_row, nth_day, refused_record
from io_intelligence_provider.changes import detect
from io_intelligence_provider.changes.detect import compare_days, detect_changes
from io_intelligence_provider.changes.kinds import KINDS
from io_intelligence_provider.errors import ConfigurationError, NotOnFileError, StorageError
from io_intelligence_provider.store.layout import changes_path, changes_schema, models_path, quarantine_path


def parquet(builder, when):
    import pyarrow.parquet as pq

    return pq.ParquetFile(builder.store.files.source(changes_path(when)))


def test_the_first_snapshot_has_no_changes_and_a_file(builder):
    builder.file(1, model_row("m"))
    summary = detect_changes(builder.store)
    assert summary.to_dict() == {
        "snapshot_date": str(nth_day(1)),
        "previous_date": None,
        "path": builder.store.files.url(changes_path(nth_day(1))),
        "counts": dict.fromkeys(KINDS, 0),
    }
    assert parquet(builder, nth_day(1)).metadata.num_rows == 0
    assert parquet(builder, nth_day(1)).schema_arrow.equals(changes_schema())


def test_a_day_is_compared_with_the_latest_earlier_one_on_file(builder):
    builder.file(1, model_row("m", input_token_price="1"))
    builder.file(9, model_row("m", input_token_price="2"), model_row("n"))
    summary = detect_changes(builder.store, nth_day(9))
    assert summary.previous_date == nth_day(1)
    assert {kind: count for kind, count in summary.counts.items() if count} == {
        "price_changed": 1,
        "model_added": 1,
    }
    assert len(json.dumps(summary.to_dict())) < 2048


def test_file_and_fields_say_what_they_are(builder):
    first = builder.file(1, model_row("m", input_token_price="1"))
    second = builder.file(2, model_row("m", input_token_price="2"))
    detect_changes(builder.store)
    schema = parquet(builder, nth_day(2)).schema_arrow
    assert schema.metadata[b"io_intelligence.snapshot_id"] == second.encode()
    assert schema.metadata[b"io_intelligence.previous_snapshot_id"] == first.encode()
    assert schema.metadata[b"io_intelligence.previous_date"] == str(nth_day(1)).encode()
    assert all(schema.field(name).metadata[b"description"] for name in schema.names)


def test_a_rerun_files_an_equal_table(builder):
    builder.file(1, *(model_row(f"m{number}", input_token_price="1") for number in range(20)))
    builder.file(2, *(model_row(f"m{number}", input_token_price=str(number)) for number in range(20)))
    detect_changes(builder.store)
    before = builder.store.changes()
    detect_changes(builder.store)
    assert builder.store.changes().equals(before)
    assert before.num_rows == 19


@pytest.mark.long
@pytest.mark.parametrize("on_file", [True, False], ids=["replaced", "filed late"])
def test_the_next_date_on_file_is_filed_again(builder, on_file):
    builder.file(1, model_row("m", input_token_price="1"))
    if on_file:
        builder.file(3, model_row("m", input_token_price="2"))
    builder.file(5, model_row("m", input_token_price="4"))
    for when in builder.store.dates():
        detect_changes(builder.store, when)
    builder.file(3, model_row("m", input_token_price="3"))
    summary = detect_changes(builder.store, nth_day(3))
    assert summary.snapshot_date == nth_day(3)
    found = [
        tuple(row[key] for key in ("snapshot_date", "previous_date", "old_value", "new_value"))
        for row in builder.store.changes().to_pylist()
    ]
    assert found == [(nth_day(3), nth_day(1), "1", "3"), (nth_day(5), nth_day(3), "3", "4")]


@pytest.mark.long
def test_dates_that_looked_through_a_quarantine_are_filed_again(builder):
    builder.file(1, model_row("m", input_token_price="1"))
    builder.file(2, model_row("n"), refused=[refused_record("m", model_id=uuid_of("m"))])
    builder.file(3, model_row("n"), model_row("m", input_token_price="3"))
    builder.file(4, model_row("n"), model_row("m", input_token_price="3"))
    for when in builder.store.dates():
        detect_changes(builder.store, when)
    builder.file(1, model_row("m", input_token_price="3"))
    detect_changes(builder.store, nth_day(1))
    assert "price_changed" not in builder.store.changes()["change"].to_pylist()


def test_another_date_writes_nothing(builder):
    builder.file(1, model_row("m", input_token_price="1"))
    builder.file(2, model_row("m", input_token_price="2"))
    builder.file(3, model_row("m", input_token_price="4"))
    summary = detect_changes(builder.store, against=nth_day(1))
    assert (summary.previous_date, summary.path, summary.counts["price_changed"]) == (nth_day(1), None, 1)
    assert compare_days(builder.store, against=str(nth_day(1))).changes["pct"].to_pylist() == [300.0]
    assert builder.store.files.list("changes") == []


@pytest.mark.parametrize(("when", "against"), [(2, 2), (1, 2)])
def test_a_date_that_is_not_before_is_refused(builder, when, against):
    builder.file(1, model_row("m"))
    builder.file(2, model_row("m"))
    with pytest.raises(ConfigurationError, match="before"):
        detect_changes(builder.store, nth_day(when), against=nth_day(against))


def test_a_date_without_a_snapshot_is_refused(builder):
    with pytest.raises(NotOnFileError):
        detect_changes(builder.store)
    builder.file(1, model_row("m"))
    for arguments in ((nth_day(2),), (nth_day(1), nth_day(0))):
        with pytest.raises(NotOnFileError):
            detect_changes(builder.store, *arguments)


def test_without_its_quarantine_a_snapshot_is_not_compared(builder):
    run = builder.file(1, model_row("m"))
    builder.file(2, model_row("m"))
    builder.file(0, model_row("n"))
    builder.store.files.delete(quarantine_path(nth_day(1), run))
    with pytest.raises(StorageError, match="quarantine"):
        detect_changes(builder.store, nth_day(1))
    assert detect_changes(builder.store).previous_date == nth_day(0)


def test_a_snapshot_replaced_while_it_is_compared_is_compared_again(builder, monkeypatch):
    builder.file(1, model_row("m", input_token_price="1"))
    builder.file(2, model_row("m", input_token_price="2"))
    prices = iter(["3"])

    def compare_then_replace(store, when):
        result = compare(store, when)
        for price in prices:
            builder.file(2, model_row("m", input_token_price=price))
        return result

    compare = detect.compare
    monkeypatch.setattr(detect, "compare", compare_then_replace)
    detect_changes(builder.store)
    assert builder.store.changes()["new_value"].to_pylist() == ["3"]


@pytest.mark.long
def test_a_day_that_cannot_be_read_is_passed_over_and_named(builder, caplog):
    """Its own pages among it, which nobody reads before they are compared."""
    builder.file(0, model_row("m", input_token_price="1"))
    builder.file(1, model_row("m", input_token_price="2"))
    builder.file(2, model_row("m", input_token_price="4"))
    path = Path(builder.store.files.url(models_path(nth_day(1))))
    data = path.read_bytes()
    for damaged in (b"PAR1", data[:4] + b"\xff" * 2_000 + data[2_004:]):
        path.write_bytes(damaged)
        caplog.clear()
        assert detect_changes(builder.store, nth_day(2)).previous_date == nth_day(0)
        assert builder.store.changes(nth_day(2))["pct"].to_pylist() == [300.0]
        assert f"{nth_day(1)}/models.parquet" in caplog.text
        said = parquet(builder, nth_day(2)).schema_arrow.metadata
        assert said[b"io_intelligence.unreadable_dates"] == str(nth_day(1)).encode()
        with pytest.raises(StorageError, match=f"{nth_day(1)}/models.parquet"):
            detect_changes(builder.store, nth_day(1))
        assert (
            detect_changes(builder.store, nth_day(0)).previous_date is None
        )  # the day after it is left alone
    path.write_bytes(data)
    assert detect_changes(builder.store, nth_day(1)).previous_date == nth_day(0)
    assert builder.store.changes(nth_day(2))["pct"].to_pylist() == [100.0]


def test_a_snapshot_of_somebody_else_is_an_error(builder):
    import pyarrow.parquet as pq

    run = builder.file(1, model_row("m"))
    path = models_path(nth_day(1))
    table = pq.read_table(builder.store.files.url(path), partitioning=None)
    kept = {b"io_intelligence.snapshot_id": run.encode()}
    pq.write_table(table.replace_schema_metadata(kept), builder.store.files.url(path))
    with pytest.raises(StorageError, match="wire_shape"):
        compare_days(builder.store)


def test_changes_are_read_by_date_and_foreign_folders_left_alone(builder):
    assert builder.store.changes().schema.names[0] == "snapshot_date"
    for when in range(4):
        builder.file(when, model_row("m", input_token_price=str(when)))
        detect_changes(builder.store)
    builder.store.files.put("changes/notes/readme.txt", b"")
    builder.store.files.put(f"changes/snapshot_date={nth_day(9)}/other.parquet", b"")

    def dates(*bounds: date | str | None) -> list[date]:
        return builder.store.changes(*bounds)["snapshot_date"].to_pylist()

    assert dates() == [nth_day(1), nth_day(2), nth_day(3)]
    assert dates(nth_day(2), str(nth_day(3))) == [nth_day(2), nth_day(3)]
    assert dates(None, nth_day(1)) == [nth_day(1)]


def test_the_first_date_there_is_has_no_changes(builder):
    builder.file(date.min, model_row("m"))
    assert detect_changes(builder.store).previous_date is None


def test_nearly_equal_changes_can_be_read_again(builder, monkeypatch):
    """They compress so well that a reader would take the file for one that fills the memory."""
    monkeypatch.setattr("io_intelligence_provider.storage.file_kind._UNPACKED_FREE", 1 << 20)
    texts = "a" * 10_000, "b" * 10_000
    for number, text in enumerate(texts):
        builder.file(number, *(model_row(f"m{one}", license=text, version=text) for one in range(90)))
    assert detect_changes(builder.store).counts["attribute_changed"] == 180
    changes = builder.store.changes(nth_day(1), nth_day(1))
    assert {*zip(changes["old_value"].to_pylist(), changes["new_value"].to_pylist(), strict=True)} == {texts}
    metadata = parquet(builder, nth_day(1)).schema_arrow.metadata
    assert metadata[b"io_intelligence.previous_date"] == str(nth_day(0)).encode()
