"""Every kind of file of a store, damaged in every way: it costs its own day, and nothing else.

A day of March is damaged; the run of the next day, its changes and alerts, every route of the page and every
command go on, and what they say names the file.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from helpers.http_clients import ROUTES, ask_in_process
from helpers.stores import file_every_kind
from io_intelligence_provider import SnapshotStore, detect_changes
from io_intelligence_provider.alerts.evaluate import evaluate
from io_intelligence_provider.cli import main
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import UnreadableFileError
from io_intelligence_provider.quality.results_store import ResultHistory

pytestmark = pytest.mark.long

HURT, LATEST, NEXT = date(2026, 3, 3), date(2026, 3, 4), date(2026, 3, 5)
RULE = [{"name": "r", "changes": ["price_changed"], "baseline": "last_alert"}]
FILES = {
    "the latest snapshot": [f"models/snapshot_date={LATEST}/models.parquet"],
    "older files": [
        "compacted/models/2026-02-*.parquet",
        "quarantine/*2026-03-01/*.parquet",
        "quality/*2026-03-01/*.json",
        "quality/*2026-03-01/*.html",
        "changes/*2026-03-02/changes.parquet",
        "alerts/*2026-03-02/*.json",
        f"models/snapshot_date={HURT}/models.parquet",
        "results/dataset_id=*/*.parquet",
    ],
}
"""Of every kind one, on different days where one would hide the other."""


# The ways -------------------------------------------------------------------------------------------------


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def half(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def noise(path: Path) -> None:
    path.write_bytes(b"PAR1" + bytes(range(256)) * 20 + b"\xff\xff\xff\x7fPAR1")


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(40, len(data) - 8, 41):
        data[at] ^= 0xFF
    path.write_bytes(data)


def flipped_pages(path: Path) -> None:
    """Leave the footer: it promises what the pages do not hold."""
    data = bytearray(path.read_bytes())
    end = len(data) - 8 - int.from_bytes(data[-8:-4], "little") if data[-4:] == b"PAR1" else len(data) // 2
    data[4:end] = b"\xa5" * (end - 4)
    path.write_bytes(data)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def another_kind(path: Path) -> None:
    root = next(parent for parent in path.parents if parent.name == "store")
    others = ("quarantine/snapshot_date=2026-03-02", "changes/snapshot_date=2026-03-02", "quality/*03-02")
    if path.suffix == ".json":
        other = next(
            root.glob("alerts/*03-02/*.json" if "quality" in path.parts else "quality/*03-02/*.json")
        )
    else:
        other = next(root.glob(f"{others['quarantine' in path.parts]}/*.parquet"))
    path.write_bytes(other.read_bytes())


def nested(path: Path) -> None:
    if path.suffix == ".json":
        content = json.loads(path.read_bytes())
        for key in ("checks", "told"):
            if key in content:
                text = json.dumps(content | {key: "@"})
                path.write_text(text.replace('"@"', "[" * 200_000 + "]" * 200_000))
        return
    rewritten(path, lambda table: with_column(table, 0, [[[[1]]]] * table.num_rows))


def rows_without_end(path: Path) -> None:
    """As small as it is, and a million rows."""
    import pyarrow as pa

    rewritten(path, lambda table: table.take(pa.array([0] * 1_000_000)))


def texts_without_end(path: Path) -> None:
    """A text of a megabyte that a dictionary repeats: nothing in the file, gigabytes in memory."""
    import pyarrow as pa

    def change(table: Any) -> Any:
        at = next(number for number, field in enumerate(table.schema) if field.type == pa.string())
        rows = table.take(pa.array([0] * 5_000))
        text = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), ["x" * 1_000_000])
        return rows.set_column(at, pa.field(rows.schema.names[at], text.type), text)

    rewritten(path, change)


def zeros_without_end(path: Path) -> None:
    """Texts that unpack to a hundred megabytes."""
    rewritten(path, lambda table: with_column(table.slice(0, 1), 0, ["\0" * 100_000_000]))


def a_float(path: Path) -> None:
    rewritten(path, lambda table: with_column(table, -1, [0.30000000000000004] * table.num_rows))


def a_binary(path: Path) -> None:
    rewritten(path, lambda table: with_column(table, 0, [b"\xff\xfe"] * table.num_rows))


def a_wide_decimal(path: Path) -> None:
    import pyarrow as pa

    kind = pa.decimal256(60, 18)
    rewritten(path, lambda table: with_column(table, -1, pa.array([Decimal(1)] * table.num_rows, kind)))


def a_doubled_column(path: Path) -> None:
    rewritten(path, lambda table: table.append_column(table.schema.field(0), table.column(0)))


def a_renamed_column(path: Path) -> None:
    rewritten(path, lambda table: table.rename_columns([f"x{name}" for name in table.schema.names]))


def no_utf8(path: Path) -> None:
    import pyarrow as pa

    def change(table: Any) -> Any:
        at = next(number for number, field in enumerate(table.schema) if field.type == pa.string())
        data = pa.array([b"\xff\xfe"] * table.num_rows, pa.binary())
        raw = pa.Array.from_buffers(pa.string(), len(data), data.buffers())
        return table.set_column(at, table.schema.field(at), raw)

    rewritten(path, change)


def far_times(path: Path) -> None:
    import pyarrow as pa

    def change(table: Any) -> Any:
        for number, field in enumerate(table.schema):
            if pa.types.is_timestamp(field.type) or pa.types.is_date(field.type):
                far = pa.array(
                    [2**31 - 1] * table.num_rows, pa.int32() if field.type == pa.date32() else None
                )
                far = far if field.type == pa.date32() else pa.array([2**62] * table.num_rows, pa.int64())
                table = table.set_column(number, field, far.cast(field.type))
        return table

    rewritten(path, change)


def no_metadata(path: Path) -> None:
    rewritten(path, lambda table: table.replace_schema_metadata(None))


def hostile_metadata(path: Path) -> None:
    said = {
        "snapshot_id": "../../x",
        "fetched_at": "0001-01-01T00:00:00+14:00",
        "wire_shape": "documented",
        "source_url": "http://[",
        "query": "",
        "provider_version": "x" * 100_000,
    }
    metadata = {f"io_intelligence.{key}": value for key, value in said.items()} | {b"\xff": b"\xff"}
    rewritten(path, lambda table: table.replace_schema_metadata(metadata))


def null_fields(path: Path) -> None:
    rewritten(path, lambda table: with_nulls(table, "field", "name", "failures", "checks", "model_id"))


def wrong_values(path: Path) -> None:
    if path.suffix == ".json":
        content = json.loads(path.read_bytes())
        for key, value in {
            "fetched_at": "2026-03-03T00:00:00", "score": 10**400, "told": [{"model_id": None}], "rows": []
        }.items():  # fmt: skip
            if key in content:
                content[key] = value
        path.write_text(json.dumps(content))


ANY = (cut_short, half, empty, noise, flipped, flipped_pages, a_pipe, a_loop, a_folder, another_kind, nested)
PARQUET = (
    rows_without_end, texts_without_end, zeros_without_end, a_float, a_binary, a_wide_decimal,
    a_doubled_column, a_renamed_column, no_utf8, far_times, no_metadata, hostile_metadata, null_fields,
)  # fmt: skip
JSON = (wrong_values,)


def damage(root: Path, which: str, way: Callable[[Path], None]) -> list[Path]:
    """Damage files in a way that their kind can be; return which."""
    suffixes = (
        {".parquet"} if way in PARQUET else {".json"} if way in JSON else {".parquet", ".json", ".html"}
    )
    if way in (another_kind, nested):
        suffixes.discard(".html")
    found = [max(root.glob(pattern)) for pattern in FILES[which]]
    found = [path for path in found if path.suffix in suffixes]
    for path in found:
        way(path)
    return found


def rewritten(path: Path, change: Callable[[Any], Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(path.read_bytes()))
    sink = io.BytesIO()
    changed = change(table)
    pq.write_table(changed, sink, compression="zstd")
    path.write_bytes(sink.getvalue())


def with_column(table: Any, at: int, values: Any) -> Any:
    import pyarrow as pa

    at %= table.num_columns
    return table.set_column(
        at, table.schema.names[at], values if isinstance(values, pa.Array) else pa.array(values)
    )


def with_nulls(table: Any, *names: str) -> Any:
    import pyarrow as pa

    for at, field in enumerate(table.schema):
        if field.name in names:
            nullable = pa.field(field.name, field.type)
            table = table.set_column(at, nullable, pa.nulls(table.num_rows, field.type))
    return table


# What goes on ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def api() -> Iterator[EmulatorServer]:
    """The endpoint, which serves the two models of the store at another price."""
    quotas = ("chat", "api_completions", "embeddings", "audio_transcriptions", "audio_speech")
    records = [
        {
            "model_id": f"00000000-0000-4000-8000-00000000000{number}",
            "name": name,
            "status": "active",
            **{f"{quota}_daily_quota_tier_1": 1 for quota in quotas},
            "metadata": {"output_token_price": "9"},
            "created_at": "2025-01-02T03:04:05Z",
            "updated_at": "2025-01-02T03:04:05Z",
        }
        for number, name in enumerate("ab")
    ]
    with EmulatorServer(catalogue=FixedCatalogue(records)) as server:
        yield server


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("base") / "store"
    file_every_kind(root)
    return root


@pytest.fixture
def copied(base: Path, tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "store"
    shutil.copytree(base, root, copy_function=shutil.copy2)
    yield root
    shutil.rmtree(root)


@pytest.mark.parametrize("way", [*ANY, *PARQUET, *JSON], ids=lambda way: way.__name__)
@pytest.mark.parametrize("which", FILES)
def test_a_damaged_file_costs_its_own_day(
    copied: Path,
    api: EmulatorServer,
    which: str,
    way: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    damaged = damage(copied, which, way)
    store = SnapshotStore(copied)
    told = ask_in_process(store, ROUTES)
    assert {route: status for route, (status, _) in told.items()} == dict.fromkeys(ROUTES, 200), told
    for day in told["status"][1]["unreadable"]:
        assert str(damaged[0]) in day["message"]
    rules = copied.parent / "rules.json"
    rules.write_text(json.dumps(RULE), "utf-8")
    for command in ("show --json", "changes --json", f"alert --dry-run --rules {rules}"):
        code = main([*command.split(), "--root", str(copied)])
        said = capsys.readouterr().err
        assert code == 0 or (LATEST.isoformat() in said and str(damaged[0]) in said), (command, said)
    assert store.dates()[-1] == LATEST
    assert len(ResultHistory(copied).runs()) >= 2
    assert store.history(end="2026-02-28").num_rows == 16
    snapshot = ["snapshot", "--url", api.url, "--root", str(copied), "--date"]
    assert main([*snapshot, str(NEXT)]) == 0
    assert store.read(NEXT).num_rows == 2
    assert detect_changes(store, NEXT).snapshot_date == NEXT
    assert evaluate(store, RULE, NEXT, "n").groups
    for path in damaged:
        if path.name != "models.parquet" or way is a_folder:  # which no file can replace
            continue
        day = LATEST if which == "the latest snapshot" else HURT
        with suppress(UnreadableFileError):  # of that day itself, and nothing else
            detect_changes(store, day)
        assert main([*snapshot, str(day)]) == 0
        assert store.read(day).num_rows == 2
        assert detect_changes(store, day).snapshot_date == day
