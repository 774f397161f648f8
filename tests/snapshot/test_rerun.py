"""Tests that a rerun replaces the day, and which artifacts it deletes."""

from __future__ import annotations

import pytest

from helpers.records import model_record
from helpers.stores import file_records, files_below
from io_intelligence_provider.errors import QualityError


@pytest.mark.long
def test_the_same_answer_gives_the_same_table_and_hash(store):
    records = [
        model_record("a"),
        model_record("b", {"tags": "New", "x": [1.5]}),
        model_record("c", status="?"),
    ]
    first = file_records(store, records, max_quarantine_share=1)
    table = store.read().drop(["fetched_at"])
    second = file_records(store, reversed(records), max_quarantine_share=1)
    assert store.read().drop(["fetched_at"]).equals(table)
    assert first.content_hash == second.content_hash
    assert first.snapshot_id != second.snapshot_id


def test_the_artifacts_of_the_superseded_run_goes(local_store, tmp_path):
    file_records(local_store, [model_record()])
    before = len(files_below(tmp_path / "store"))
    second = file_records(local_store, [model_record()])
    files = files_below(tmp_path / "store")
    assert len(files) == before
    assert [name for name in files if "models" not in name and second.snapshot_id not in name] == []
    assert [run.snapshot_id for run in local_store.runs()] == [second.snapshot_id]


@pytest.mark.long
def test_a_failed_rerun_leaves_the_good_snapshot_and_its_artifacts(store):
    good = file_records(store, [model_record("a"), model_record("b", status="?")], max_quarantine_share=1)
    table = store.read()
    with pytest.raises(QualityError) as failed:
        file_records(store, [model_record("a"), model_record("c", status="?")])
    report = failed.value.report
    assert store.info().snapshot_id == good.snapshot_id
    assert store.read().equals(table)
    assert store.quality().snapshot_id == good.snapshot_id
    assert store.quarantine()["name"].to_pylist() == ["b"]
    assert [(run.snapshot_id, run.outcome) for run in store.runs()] == [
        (good.snapshot_id, "warned"),
        (report.snapshot_id, "failed"),
    ]


def test_a_failed_first_run_leaves_artifacts_but_no_snapshot(store):
    with pytest.raises(QualityError):
        file_records(store, [])
    assert store.dates() == []
    assert store.quarantine().num_rows == 0
    assert [run.outcome for run in store.runs()] == ["failed"]


@pytest.mark.long
def test_the_artifacts_of_failed_runs_survives_the_next_commit(store):
    with pytest.raises(QualityError):
        file_records(store, [])
    file_records(store, [model_record()])
    file_records(store, [model_record()])
    assert [run.outcome for run in store.runs()] == ["failed", "passed"]


@pytest.mark.long
def test_a_rerun_of_a_day_compares_with_the_day_before_not_with_itself(store):
    file_records(store, [model_record("a", {"input_token_price": "1"})], "2026-01-01")
    file_records(store, [model_record("a", {"input_token_price": "9"})], "2026-01-02")
    again = file_records(store, [model_record("a", {"input_token_price": "9"})], "2026-01-02")
    assert again.outcome == "warned"
    (move,) = [check for check in store.quality().checks if check.check == "price_move"]
    assert (move.evaluated, move.failed) == (1, 1)


@pytest.mark.long
def test_an_older_day_filed_later_is_compared_with_its_own_predecessor(store):
    file_records(store, [model_record("a", {"input_token_price": "9"})], "2026-01-09")
    assert (
        file_records(store, [model_record("a", {"input_token_price": "1"})], "2026-01-02").outcome == "passed"
    )
    assert (
        file_records(store, [model_record("a", {"input_token_price": "2"})], "2026-01-05").outcome == "passed"
    )


@pytest.mark.long
def test_old_artifacts_that_cannot_be_deleted_does_not_undo_the_commit(store, monkeypatch):
    from io_intelligence_provider.errors import StorageError
    from io_intelligence_provider.storage.filesystem import Files

    file_records(store, [model_record()])

    def refuse(_self, path):
        raise StorageError(f"no right to delete {path}")

    monkeypatch.setattr(Files, "delete", refuse)
    second = file_records(store, [model_record("b")])
    assert store.info().snapshot_id == second.snapshot_id
    assert len(store.runs()) == 2
