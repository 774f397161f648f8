"""What the page says of a store that is missing, empty, half-written, damaged or out of reach."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from helpers.stores import model_row, nth_day, refused_record
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.plugin.cache import Cache
from io_intelligence_provider.plugin.listing import take_listing
from io_intelligence_provider.plugin.reader import Reader
from io_intelligence_provider.store.layout import changes_path, models_path

ROUTES = {
    "overview": {},
    "models": {},
    "model": {"model": "a"},
    "history": {"models": "a", "fields": "output_token_price"},
    "changes": {},
    "changes/days": {},
    "quality": {},
    "quarantine": {},
}


def everything(page: Any, **changed: Any) -> dict[str, Any]:
    """Ask every route; return status by route. No answer may hold a trace."""
    found = {}
    for route, params in ROUTES.items():
        answer = page.get(f"api/{route}", params | changed.get(route.replace("/", "_"), {}))
        assert "Traceback" not in answer.text
        found[route] = answer
    return found


@pytest.mark.long
@pytest.mark.parametrize("exists", [True, False])
def test_an_empty_store(tmp_path: Path, serve: Any, exists: bool) -> None:
    root = tmp_path / "store"
    if exists:
        root.mkdir()
    page = serve(root)
    status = page.api("status")
    assert status["state"] == "empty"
    assert status["dates"] == status["unreadable"] == status["warnings"] == []
    nothing = ("latest", "latest_on_file", "snapshot_id", "fetched_at", "age_hours", "models", "changes")
    assert [status[key] for key in nothing] == [None] * len(nothing)
    assert status["stale"] is False
    assert status["root"] == str(root)
    assert (status["dag_id"], status["conn_id"]) == (
        "io_intelligence_daily_pricing",
        "io_intelligence_default",
    )
    assert {column["name"]: column["unit"] for column in status["columns"]}["output_token_price"] == (
        "USD per million tokens"
    )
    codes = {route: answer.status for route, answer in everything(page).items()}
    fine = {"changes/days": 200, "quality": 200, "quarantine": 200}
    assert codes == dict.fromkeys(ROUTES, 404) | fine


@pytest.mark.long
def test_folders_without_a_file_are_half_a_write_and_no_snapshot(builder: Any, serve: Any) -> None:
    for part in ("models", "changes", "quality", "quarantine"):
        (builder.root / part / f"snapshot_date={nth_day(9)}").mkdir(parents=True)
        (builder.root / part / "of another kind").mkdir()
    page = serve(builder.root)
    assert page.api("status")["state"] == "empty"
    builder.file(0, model_row("a"), changes=True)
    status = page.api("status")
    assert (status["state"], status["dates"]) == ("ok", [nth_day(0).isoformat()])
    assert {answer.status for answer in everything(page).values()} == {200}


def test_a_root_that_is_a_file(tmp_path: Path, serve: Any) -> None:
    root = tmp_path / "store"
    root.write_text("x")
    page = serve(root)
    for route in ("status", *ROUTES):
        status, error = page.problem(route, **ROUTES.get(route, {}))
        assert (status, error["kind"]) == (503, "unreachable")
        assert str(root) in error["message"]
        assert error["action"]


@pytest.mark.long
def test_a_store_out_of_reach_is_asked_once_for_many(serve: Any) -> None:
    asked = []

    def refuse() -> SnapshotStore:
        asked.append(1)
        return SnapshotStore(
            "s3://bucket/prices",
            storage_options={
                "key": "hush-key",
                "secret": "hush-secret",
                "endpoint_url": "http://127.0.0.1:9",
                "config_kwargs": {"connect_timeout": 1, "retries": {"max_attempts": 0}},
            },
        )

    page = serve(refuse, seconds=60)
    for route in ("status", "overview", "models"):
        status, error = page.problem(route)
        assert (status, error["kind"]) == (503, "unreachable")
        assert "hush" not in str(error)
        assert "bucket/prices" in error["message"]
    assert len(asked) == 1


def test_a_storage_that_refuses(serve: Any, builder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    builder.file(0, model_row("a"))
    page = serve(builder.root)
    real = os.listdir

    def denied(path: Any) -> Any:
        if str(path) == str(builder.root / "models"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    # The test may run as root, to whom nothing is denied.
    monkeypatch.setattr("io_intelligence_provider.storage.filesystem.os.listdir", denied)
    status, error = page.problem("status")
    assert (status, error["kind"]) == (503, "unreachable")
    assert "Permission denied" in error["message"]
    monkeypatch.undo()
    assert page.api("status")["state"] == "ok"


def test_a_connection_that_is_missing(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from io_intelligence_provider.plugin.airflow_app import open_configured_store

    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", "s3://bucket/prices")
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__STORAGE_CONN_ID", "no_such_connection")
    status, error = serve(open_configured_store).problem("status")
    assert (status, error["kind"]) == (503, "configuration")
    assert "no_such_connection" in error["message"]


@pytest.mark.long
def test_a_file_system_that_is_not_installed(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from io_intelligence_provider.plugin.airflow_app import open_configured_store

    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", "gs://bucket/prices")
    status, error = serve(open_configured_store).problem("overview")
    assert (status, error["kind"]) == (503, "configuration")
    assert "gs://bucket/prices" in error["message"]


@pytest.mark.long
@pytest.mark.parametrize(
    "root", ["s3://user:hush@bucket/prices", "sftp://hush@host/prices", "s3://bucket/prices?token=hush"]
)
def test_a_root_with_credentials_is_refused_and_not_shown(
    serve: Any, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    from io_intelligence_provider.plugin.airflow_app import open_configured_store

    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", root)
    page = serve(open_configured_store)
    for route in ("status", "overview", "quality"):
        status, error = page.problem(route)
        assert (status, error["kind"]) == (503, "configuration")
        assert "storage_conn_id" in error["message"]
        assert "hush" not in str(error)


@pytest.mark.long
def test_a_damaged_latest_day_falls_back_on_the_one_before(builder: Any, serve: Any) -> None:
    for number in range(3):
        builder.file(number, model_row("a", output_token_price=str(number + 1)), changes=True)
    builder.damage(builder.models_file(2))
    page = serve(builder.root)
    status = page.api("status")
    assert (status["state"], status["latest"], status["latest_on_file"]) == (
        "partial",
        nth_day(1).isoformat(),
        nth_day(2).isoformat(),
    )
    assert [row["date"] for row in status["unreadable"]] == [nth_day(2).isoformat()]
    assert "models.parquet" in status["unreadable"][0]["message"]
    answers = everything(page)
    assert {answer.status for answer in answers.values()} == {200}
    assert answers["overview"].json()["date"] == answers["models"].json()["date"] == nth_day(1).isoformat()
    assert answers["overview"].json()["medians"]["output"] == "2"
    code, error = page.problem("models", date=nth_day(2).isoformat())
    assert (code, error["kind"]) == (503, "damaged")
    builder.file(2, model_row("a", output_token_price="9"))
    assert page.api("status")["state"] == "ok"
    assert page.api("overview")["medians"]["output"] == "9"


@pytest.mark.long
def test_a_damaged_older_day_is_a_gap_that_is_named(builder: Any, serve: Any) -> None:
    for number in range(5):
        builder.file(number, model_row("a", output_token_price="1"), changes=True)
    builder.damage(builder.models_file(1))
    builder.models_file(3).write_bytes(b"")
    page = serve(builder.root)
    assert page.api("status")["state"] == "ok"  # the newest is fine
    answers = everything(page)
    assert {answer.status for answer in answers.values()} == {200}
    for route in ("overview", "models", "model", "history"):
        (warning,) = answers[route].json()["warnings"]
        assert nth_day(1).isoformat() in warning
        assert nth_day(3).isoformat() in warning
    (series,) = answers["history"].json()["series"]
    assert series["steps"] == [
        [nth_day(0).isoformat(), "1", True],
        [nth_day(1).isoformat(), None, False],
        [nth_day(2).isoformat(), "1", True],
        [nth_day(3).isoformat(), None, False],
        [nth_day(4).isoformat(), "1", True],
    ]
    assert answers["overview"].json()["previous_date"] == nth_day(2).isoformat()
    index = answers["overview"].json()["price_index"]["output"]["series"]
    assert index == [
        [nth_day(0).isoformat(), 100],
        [nth_day(4).isoformat(), 100],
    ]  # the readable days are chained
    assert page.api("status")["warnings"]  # said once the history was read
    assert page.problem("overview", date=nth_day(1).isoformat())[1]["kind"] == "damaged"


def test_a_day_that_is_damaged_for_some_fields_only_is_named(builder: Any, serve: Any) -> None:
    """A file without digests, as older versions wrote them, is damaged where one of its columns is."""
    for number in range(3):
        builder.file(number, model_row("a", output_token_price="1", chat_daily_quota_tier_1=1))
    path, column = builder.models_file(1), "chat_daily_quota_tier_1"
    pq.write_table(pq.read_table(path, partitioning=None), path)
    group = pq.read_metadata(path).row_group(0)
    chunks = (group.column(number) for number in range(group.num_columns))
    chunk = next(chunk for chunk in chunks if chunk.path_in_schema == column)
    data, start = bytearray(path.read_bytes()), chunk.dictionary_page_offset or chunk.data_page_offset
    data[start : start + chunk.total_compressed_size] = b"\xa5" * chunk.total_compressed_size
    path.write_bytes(data)
    page = serve(builder.root)
    for fields in (["output_token_price", column], [column, "output_token_price"]):
        found = page.api("history", models="a", fields=fields)
        gaps = {one["field"]: not all(step[2] for step in one["steps"]) for one in found["series"]}
        assert gaps == {"output_token_price": False, column: True}
        (warning,) = found["warnings"]
        assert nth_day(1).isoformat() in warning


@pytest.mark.long
def test_no_day_can_be_read(builder: Any, serve: Any) -> None:
    for number in range(9):
        builder.file(number, model_row("a"))
        builder.damage(builder.models_file(number))
    page = serve(builder.root)
    status = page.api("status")
    assert (status["state"], status["latest"]) == ("partial", None)
    assert len(status["unreadable"]) == 7
    for route in ("overview", "models", "model", "history"):
        code, error = page.problem(route, **ROUTES[route])
        assert (code, error["kind"]) == (503, "damaged"), route


@pytest.mark.long
def test_a_damaged_changes_file_makes_its_part_null(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a", output_token_price="1"), changes=True)
    builder.file(1, model_row("a", output_token_price="2"), changes=True)
    builder.file(2, model_row("a", output_token_price="3"), changes=True)
    builder.damage(builder.root / changes_path(nth_day(2)))
    page = serve(builder.root)
    answers = everything(page)
    assert {answer.status for answer in answers.values()} == {200}
    overview = answers["overview"].json()
    assert overview["price_changes"] is None
    assert overview["medians"]["output"] == "3"
    assert [row["date"] for row in overview["per_day"]] == [nth_day(0).isoformat(), nth_day(1).isoformat()]
    for route in ("overview", "changes", "changes/days", "model"):
        assert any(nth_day(2).isoformat() in text for text in answers[route].json()["warnings"]), route
    assert [item["date"] for item in answers["changes"].json()["items"]] == [nth_day(1).isoformat()]


@pytest.mark.long
def test_a_missing_report_makes_its_part_null(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a"))
    run = builder.file(1, model_row("a"))
    (builder.root / f"quality/snapshot_date={nth_day(1)}/{run}.json").write_text("{}")
    page = serve(builder.root)
    overview, quality = page.api("overview"), page.api("quality")
    assert overview["quality"] is None
    assert quality["report"] is None
    assert overview["warnings"]
    assert quality["warnings"]
    assert quality["history"]["scores"] == [1.0, None]
    assert page.api("quality", date=nth_day(0).isoformat())["report"]["outcome"] == "passed"


def test_a_missing_quarantine_is_said(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a"), refused=[refused_record("x", "{}")])
    run = builder.file(1, model_row("a"), refused=[refused_record("y", "{}")])
    (builder.root / f"quarantine/snapshot_date={nth_day(1)}/{run}.parquet").unlink()
    page = serve(builder.root)
    found = page.api("quarantine")
    assert [item["name"] for item in found["items"]] == ["x"]
    assert any(nth_day(1).isoformat() in text for text in found["warnings"])
    assert page.problem("quarantine", date=nth_day(1).isoformat())[1]["kind"] == "damaged"


def test_records_are_never_taken_for_those_of_a_run_that_was_just_replaced(
    builder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.file(0, model_row("a"), refused=[refused_record("x", "{}")])
    reader = Reader(take_listing(builder.store), Cache())
    read = SnapshotStore.quarantine

    def replaced_meanwhile(*asked: Any) -> Any:
        monkeypatch.undo()
        runs.append(builder.file(0, model_row("a"), refused=[refused_record("y", "{}")]))
        return read(*asked)

    runs: list[str] = []
    monkeypatch.setattr(SnapshotStore, "quarantine", replaced_meanwhile)
    with pytest.raises(StorageError, match="just replaced"):
        reader.quarantine(nth_day(0))
    found = reader.quarantine(nth_day(0))
    assert (found.run_id, found.rows["name"].to_list()) == (runs[0], ["y"])


@pytest.mark.long
def test_damage_that_went_away_without_a_change_is_not_kept_for_ever(
    builder: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("io_intelligence_provider.plugin.reader.DAMAGE_SECONDS", 0.0)
    monkeypatch.setattr("io_intelligence_provider.plugin.http.DAMAGE_SECONDS", 0.0)
    builder.file(0, model_row("a"))
    builder.file(1, model_row("a"))
    page = serve(builder.root)
    real = SnapshotStore.history_frame

    def broken(self: Any, start: Any = None, end: Any = None, **options: Any) -> Any:
        from io_intelligence_provider.errors import StorageError

        if start == self.dates()[0]:
            raise StorageError("the storage was away for a moment")
        return real(self, start, end, **options)

    monkeypatch.setattr(SnapshotStore, "history_frame", broken)
    first = page.get("api/models")
    assert "away for a moment" in first.text
    monkeypatch.setattr(SnapshotStore, "history_frame", real)
    again = page.get("api/models", If_None_Match=first.headers["etag"])
    assert again.status == 200
    assert again.json()["warnings"] == []


@pytest.mark.long
def test_a_day_that_the_history_lacks_is_compared_with_nothing(
    builder: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every model would be removed, a doubtful 0 free, and the index unchanged."""
    monkeypatch.setattr("io_intelligence_provider.plugin.reader.DAMAGE_SECONDS", 0.0)
    for number, price in enumerate(("5", "0")):
        builder.file(number, model_row("a", input_token_price=price), model_row("b", input_token_price="1"))
    page, real = serve(builder.root), SnapshotStore.history_frame

    def broken(self: Any, start: Any = None, end: Any = None, **options: Any) -> Any:
        if end == nth_day(1):
            raise StorageError("away for a moment")
        return real(self, start, end, **options)

    traffic = {"traffic": [{"model": "b", "input": 1}]}
    with monkeypatch.context() as away:
        away.setattr(SnapshotStore, "history_frame", broken)
        for route, params in (("overview", {}), ("models", {}), ("model", {"model": "a"})):
            code, error = page.problem(route, **params)
            assert (code, error["kind"], error["message"]) == (503, "damaged", "away for a moment")
            assert page.get(f"api/{route}", params | {"date": nth_day(0).isoformat()}).status == 200
        assert page.post("costs", traffic).status == 503
    assert page.api("models")["items"][0]["doubtful"] == ["input_token_price"]
    assert page.post("costs", traffic).status == 200


def test_an_old_date_is_stale_however_lately_it_was_fetched(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a"), fetched_at=datetime.now(UTC))
    status = serve(builder.root).api("status")
    assert (status["stale"], status["age_hours"] < 1) == (True, True)


def test_a_stale_snapshot_is_called_so(builder: Any, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    builder.file(now.date(), model_row("a"), fetched_at=now)
    page = serve(builder.root)
    fresh = page.get("api/status")
    assert (fresh.json()["stale"], fresh.json()["age_hours"] < 1) == (False, True)

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz or UTC) + timedelta(hours=37)

    monkeypatch.setattr("io_intelligence_provider.plugin.api.status.datetime", Later)
    later = page.get("api/status", If_None_Match=fresh.headers["etag"])
    assert later.status == 200  # nothing changed but the time, and it says so
    assert later.json()["stale"] is True
    assert later.json()["age_hours"] == pytest.approx(37, abs=0.5)


@pytest.mark.long
def test_a_new_snapshot_is_seen(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a", output_token_price="1"))
    page = serve(builder.root)
    assert page.api("overview")["date"] == nth_day(0).isoformat()
    builder.file(1, model_row("a", output_token_price="2"))
    assert page.api("overview")["date"] == nth_day(1).isoformat()
    builder.file(1, model_row("a", output_token_price="3"))
    assert page.api("overview")["medians"]["output"] == "3"


@pytest.mark.long
def test_an_object_store(serve: Any, builder: Any) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    fs, root = MemoryFileSystem(), f"/page-{os.getpid()}"
    store = SnapshotStore(f"memory:/{root}")
    page = serve(lambda: SnapshotStore(f"memory:/{root}"))
    try:
        assert page.api("status")["state"] == "empty"
        builder.file(0, model_row("a", output_token_price="1"), changes=True)
        for path in sorted(builder.root.rglob("*")):
            if path.is_file():
                store.files.put(path.relative_to(builder.root).as_posix(), path.read_bytes())
        assert page.api("overview")["medians"]["output"] == "1"
        assert {answer.status for answer in everything(page).values()} == {200}
        before = page.get("api/models").headers["etag"]
        builder.file(0, model_row("a", output_token_price="25"))
        store.files.put(models_path(nth_day(0)), builder.models_file(0).read_bytes())
        assert page.get("api/models").headers["etag"] != before
        assert page.api("models")["items"][0]["prices"]["output_token_price"] == "25"
    finally:
        if fs.exists(root):
            fs.rm(root, recursive=True)


@pytest.mark.long
def test_a_read_that_does_not_come_back_is_left_alone(
    builder: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system that hangs: no thread of the page, and no server that stops, waits for it."""
    builder.file(0, model_row("a"), changes=True)
    monkeypatch.setattr("io_intelligence_provider.plugin.cache.STUCK_SECONDS", 1.0)
    hangs, released = threading.Event(), threading.Event()
    hangs.set()
    real = SnapshotStore.info

    def info(self: SnapshotStore, when: Any = "latest") -> Any:
        if hangs.is_set():
            assert released.wait(60)
        return real(self, when)

    monkeypatch.setattr(SnapshotStore, "info", info)
    page = serve(builder.root)
    try:
        for _ in range(2):  # the second one does not wait for the first
            for route in ("status", "models"):
                status, error = page.problem(route)
                assert (status, error["kind"]) == (503, "unreachable")
                assert "did not answer" in error["message"]
        hangs.clear()
        # As often as a busy machine is too slow for so short a time; what was read by then stays.
        assert any(page.get("api/quality").status == 200 for _ in range(100))
    finally:
        released.set()
