"""Filing changes: gaps, reruns, late and replaced snapshots, and reading them all."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from io_intelligence_provider.changes import detect
from io_intelligence_provider.changes.detect import compare_days, detect_changes
from io_intelligence_provider.changes.kinds import KINDS
from io_intelligence_provider.errors import ConfigurationError, NotOnFileError, StorageError
from io_intelligence_provider.store.changes_schema import changes_schema
from io_intelligence_provider.store.layout import changes_path, models_path, quarantine_path


def parquet(world, when):
    import pyarrow.parquet as pq

    return pq.ParquetFile(world.store.files.source(changes_path(when)))


def test_the_first_snapshot_has_no_changes_and_a_file(world, model, day):
    world.file(1, model("m"))
    summary = detect_changes(world.store)
    assert summary.to_dict() == {
        "snapshot_date": str(day(1)),
        "previous_date": None,
        "path": world.store.files.url(changes_path(day(1))),
        "counts": dict.fromkeys(KINDS, 0),
    }
    assert parquet(world, day(1)).metadata.num_rows == 0
    assert parquet(world, day(1)).schema_arrow.equals(changes_schema())


def test_a_day_is_compared_with_the_latest_earlier_one_on_file(world, model, day):
    world.file(1, model("m", input_token_price="1"))
    world.file(9, model("m", input_token_price="2"), model("n"))
    summary = detect_changes(world.store, day(9))
    assert summary.previous_date == day(1)
    assert {kind: count for kind, count in summary.counts.items() if count} == {
        "price_changed": 1,
        "model_added": 1,
    }
    assert len(json.dumps(summary.to_dict())) < 2048


def test_file_and_fields_say_what_they_are(world, model, day):
    first = world.file(1, model("m", input_token_price="1"))
    second = world.file(2, model("m", input_token_price="2"))
    detect_changes(world.store)
    schema = parquet(world, day(2)).schema_arrow
    assert schema.metadata[b"io_intelligence.snapshot_id"] == second.encode()
    assert schema.metadata[b"io_intelligence.previous_snapshot_id"] == first.encode()
    assert schema.metadata[b"io_intelligence.previous_date"] == str(day(1)).encode()
    assert all(schema.field(name).metadata[b"description"] for name in schema.names)


def test_a_rerun_files_an_equal_table(world, model, day):
    world.file(1, *(model(f"m{number}", input_token_price="1") for number in range(20)))
    world.file(2, *(model(f"m{number}", input_token_price=str(number)) for number in range(20)))
    detect_changes(world.store)
    before = world.store.changes()
    detect_changes(world.store)
    assert world.store.changes().equals(before)
    assert before.num_rows == 19


@pytest.mark.parametrize("on_file", [True, False], ids=["replaced", "filed late"])
def test_the_next_date_on_file_is_filed_again(world, model, day, on_file):
    world.file(1, model("m", input_token_price="1"))
    if on_file:
        world.file(3, model("m", input_token_price="2"))
    world.file(5, model("m", input_token_price="4"))
    for when in world.store.dates():
        detect_changes(world.store, when)
    world.file(3, model("m", input_token_price="3"))
    summary = detect_changes(world.store, day(3))
    assert summary.snapshot_date == day(3)
    found = [
        tuple(row[key] for key in ("snapshot_date", "previous_date", "old_value", "new_value"))
        for row in world.store.changes().to_pylist()
    ]
    assert found == [(day(3), day(1), "1", "3"), (day(5), day(3), "3", "4")]


def test_dates_that_looked_through_a_quarantine_are_filed_again(world, model, day, uid):
    world.file(1, model("m", input_token_price="1"))
    world.file(2, model("n"), refused=[(uid("m"), "m")])
    world.file(3, model("n"), model("m", input_token_price="3"))
    world.file(4, model("n"), model("m", input_token_price="3"))
    for when in world.store.dates():
        detect_changes(world.store, when)
    world.file(1, model("m", input_token_price="3"))
    detect_changes(world.store, day(1))
    assert "price_changed" not in world.store.changes()["change"].to_pylist()


def test_another_date_writes_nothing(world, model, day):
    world.file(1, model("m", input_token_price="1"))
    world.file(2, model("m", input_token_price="2"))
    world.file(3, model("m", input_token_price="4"))
    summary = detect_changes(world.store, against=day(1))
    assert (summary.previous_date, summary.path, summary.counts["price_changed"]) == (day(1), None, 1)
    assert compare_days(world.store, against=str(day(1))).changes["pct"].to_pylist() == [300.0]
    assert world.store.files.list("changes") == []


@pytest.mark.parametrize(("when", "against"), [(2, 2), (1, 2)])
def test_a_date_that_is_not_before_is_refused(world, model, day, when, against):
    world.file(1, model("m"))
    world.file(2, model("m"))
    with pytest.raises(ConfigurationError, match="before"):
        detect_changes(world.store, day(when), against=day(against))


def test_a_date_without_a_snapshot_is_refused(world, model, day):
    with pytest.raises(NotOnFileError):
        detect_changes(world.store)
    world.file(1, model("m"))
    for arguments in ((day(2),), (day(1), day(0))):
        with pytest.raises(NotOnFileError):
            detect_changes(world.store, *arguments)


def test_without_its_quarantine_a_snapshot_is_not_compared(world, model, day):
    run = world.file(1, model("m"))
    world.file(2, model("m"))
    world.file(0, model("n"))
    world.store.files.delete(quarantine_path(day(1), run))
    with pytest.raises(StorageError, match="quarantine"):
        detect_changes(world.store, day(1))
    assert detect_changes(world.store).previous_date == day(0)


def test_a_snapshot_replaced_while_it_is_compared_is_compared_again(world, model, day, monkeypatch):
    world.file(1, model("m", input_token_price="1"))
    world.file(2, model("m", input_token_price="2"))
    prices = iter(["3"])

    def compare_then_replace(store, when):
        result = compare(store, when)
        for price in prices:
            world.file(2, model("m", input_token_price=price))
        return result

    compare = detect.compare
    monkeypatch.setattr(detect, "compare", compare_then_replace)
    detect_changes(world.store)
    assert world.store.changes()["new_value"].to_pylist() == ["3"]


def test_a_day_that_cannot_be_read_is_passed_over_and_named(world, model, day, caplog):
    """Its own pages among it, which nobody reads before they are compared."""
    world.file(0, model("m", input_token_price="1"))
    world.file(1, model("m", input_token_price="2"))
    world.file(2, model("m", input_token_price="4"))
    path = Path(world.store.files.url(models_path(day(1))))
    data = path.read_bytes()
    for damaged in (b"PAR1", data[:4] + b"\xff" * 2_000 + data[2_004:]):
        path.write_bytes(damaged)
        caplog.clear()
        assert detect_changes(world.store, day(2)).previous_date == day(0)
        assert world.store.changes(day(2))["pct"].to_pylist() == [300.0]
        assert f"{day(1)}/models.parquet" in caplog.text
        said = parquet(world, day(2)).schema_arrow.metadata
        assert said[b"io_intelligence.unreadable_dates"] == str(day(1)).encode()
        with pytest.raises(StorageError, match=f"{day(1)}/models.parquet"):
            detect_changes(world.store, day(1))
        assert detect_changes(world.store, day(0)).previous_date is None  # the day after it is left alone
    path.write_bytes(data)
    assert detect_changes(world.store, day(1)).previous_date == day(0)
    assert world.store.changes(day(2))["pct"].to_pylist() == [100.0]


def test_a_snapshot_of_somebody_else_is_an_error(world, model, day):
    import pyarrow.parquet as pq

    run = world.file(1, model("m"))
    path = models_path(day(1))
    table = pq.read_table(world.store.files.url(path), partitioning=None)
    kept = {b"io_intelligence.snapshot_id": run.encode()}
    pq.write_table(table.replace_schema_metadata(kept), world.store.files.url(path))
    with pytest.raises(StorageError, match="wire_shape"):
        compare_days(world.store)


def test_changes_are_read_by_date_and_foreign_folders_left_alone(world, model, day):
    assert world.store.changes().schema.names[0] == "snapshot_date"
    for when in range(4):
        world.file(when, model("m", input_token_price=str(when)))
        detect_changes(world.store)
    world.store.files.put("changes/notes/readme.txt", b"")
    world.store.files.put(f"changes/snapshot_date={day(9)}/other.parquet", b"")

    def dates(*bounds: date | str | None) -> list[date]:
        return world.store.changes(*bounds)["snapshot_date"].to_pylist()

    assert dates() == [day(1), day(2), day(3)]
    assert dates(day(2), str(day(3))) == [day(2), day(3)]
    assert dates(None, day(1)) == [day(1)]
