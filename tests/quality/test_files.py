"""Empty files, many files, partitions, links, outputs: what a data set may look like."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pandera.pandas
import pandera.polars as pa
import polars as pl
import pyarrow as arrow
import pyarrow.parquet as pq
import pytest

from io_intelligence_provider.errors import ConfigurationError, NotOnFileError, StorageError
from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.quality.run import check_dataset

POSITIVE = pa.DataFrameSchema({"a": pa.Column(int, pa.Check.ge(0))})


@pytest.mark.parametrize("groups", [0, 1])
def test_an_empty_file_is_judged_by_its_columns(
    write: Callable[..., str], check: Callable[..., Any], groups: int, tmp_path: Path
) -> None:
    path = tmp_path / "empty.parquet"
    schema = arrow.schema([("a", arrow.int64())])
    with pq.ParquetWriter(path, schema) as writer:
        if groups:
            writer.write_table(schema.empty_table())
    checked = check(str(path), POSITIVE)
    assert (checked.run.rows, checked.run.outcome, checked.run.score) == (0, "passed", 1.0)
    assert checked.valid.schema.names == ["a"]
    missing = check(str(path), pa.DataFrameSchema({"b": pa.Column(int)}))
    assert missing.result("column_in_dataframe", "b").failed == 1
    assert missing.stopped is not None


def test_partitions_become_columns(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path
) -> None:
    for day, region, value in (("2026-01-01", "eu", 1), ("2026-01-02", "a%20b", -1)):
        write(pl.DataFrame({"a": [value]}), f"set/day={day}/region={region}/hour=7/x.parquet")
    (tmp_path / "set" / "day=2026-01-02" / "_SUCCESS").write_text("")
    write(pl.DataFrame({"a": [-9]}), "set/_temporary/x.parquet")
    schema = POSITIVE.add_columns(
        {
            "day": pa.Column(pl.Date),
            "region": pa.Column(str, pa.Check.isin(["eu", "a b"])),
            "hour": pa.Column(int),
        }
    )
    for path in (str(tmp_path / "set"), f"{tmp_path}/set/day=*/*/*/*.parquet", f"{tmp_path}/set/day=2026*"):
        checked = check(path, schema)
        assert (checked.run.rows, checked.run.files, checked.run.quarantined) == (2, 2, 1), path
        assert json.loads(checked.refused[0]["record"]) == {
            "a": -1,
            "day": "2026-01-02",
            "region": "a b",
            "hour": 7,
        }
        assert checked.refused[0]["file"].endswith("day=2026-01-02/region=a%20b/hour=7/x.parquet")


def test_one_file_of_a_partition_has_no_partition_columns(
    write: Callable[..., str], check: Callable[..., Any]
) -> None:
    path = write(pl.DataFrame({"a": [1]}), "day=1/x.parquet")
    assert check(path, POSITIVE).valid.column_names == ["a"]


def test_files_that_differ_are_brought_together_and_named(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path
) -> None:
    write(pl.DataFrame({"a": [1]}, schema={"a": pl.Int32}), "in/1.parquet")
    write(pl.DataFrame({"a": [2**40], "b": ["x"]}), "in/2.parquet")
    schema = POSITIVE.add_columns({"b": pa.Column(str)})
    checked = check(str(tmp_path / "in"), schema)
    assert checked.failures == {(0, "b", "not_nullable")}
    finding = checked.result("same_columns")
    assert (finding.severity, finding.failed) == ("warn", 1)
    assert finding.examples[0]["message"] == "has the further column b"
    strict = check(str(tmp_path / "in"), schema, severity={"same_columns": "error"})
    assert strict.stopped is not None


def test_files_may_have_their_columns_in_another_order(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path
) -> None:
    write(pl.DataFrame({"a": [1], "b": ["x"]}), "in/1.parquet")
    write(pl.DataFrame({"b": ["y"], "a": [-1]}), "in/2.parquet")
    checked = check(str(tmp_path / "in"), POSITIVE)
    assert checked.valid.to_pydict() == {"a": [1], "b": ["x"]}
    assert json.loads(checked.refused[0]["record"]) == {"a": -1, "b": "y"}


def test_decimals_that_have_no_common_type_are_refused(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path
) -> None:
    for number, scale in enumerate((0, 20)):
        value = arrow.array([Decimal(1)], arrow.decimal128(38, scale))
        write(arrow.table({"a": value}), f"in/{number}.parquet")
    with pytest.raises(ConfigurationError, match=r"'a' of the type decimal256\(58, 20\)"):
        check(str(tmp_path / "in"), pa.DataFrameSchema({"a": pa.Column()}))


def test_files_that_cannot_be_brought_together_are_refused(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path
) -> None:
    write(pl.DataFrame({"a": [1]}), "in/1.parquet")
    write(pl.DataFrame({"a": ["x"]}), "in/2.parquet")
    with pytest.raises(StorageError, match=r"2\.parquet differs"):
        check(str(tmp_path / "in"), POSITIVE)


@pytest.mark.parametrize("path", ["nothing.parquet", "nothing/*.parquet", "empty"])
def test_a_path_that_matches_nothing(check: Callable[..., Any], tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotOnFileError, match="matches no Parquet file"):
        check(str(tmp_path / path), POSITIVE)


def test_a_file_that_is_no_parquet(check: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_text("no")
    with pytest.raises(StorageError, match=r"x\.parquet"):
        check(str(path), POSITIVE)


def test_another_storage(write: Callable[..., str]) -> None:
    files: Any = fsspec.filesystem("memory")
    with open(write(pl.DataFrame({"a": [1, -1]})), "rb") as local:  # noqa: PTH123
        files.pipe_file("/bucket/in/day=3/x.parquet", local.read())
    options = CheckOptions(
        quarantine_path="memory://bucket/refused",
        valid_path="memory://bucket/valid.parquet",
        max_quarantine_share=1,
    )
    run = check_dataset("memory://bucket/in", POSITIVE, options)
    assert run.quarantine_path == f"memory:///bucket/refused/{run.run_id}.parquet"
    with files.open(run.valid_path) as file:
        assert pq.read_table(file).to_pylist() == [{"a": 1, "day": 3}]
    with files.open(run.quarantine_path) as file:
        assert pq.read_table(file)["file"].to_pylist() == ["memory:///bucket/in/day=3/x.parquet"]
    files.rm("/bucket", recursive=True)


@pytest.mark.parametrize("name", ["quarantine_path", "valid_path"])
@pytest.mark.parametrize("target", ["in", "in/refused.parquet", "in/1.parquet"])
def test_an_output_among_the_input_is_refused(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path, name: str, target: str
) -> None:
    write(pl.DataFrame({"a": [1]}), "in/1.parquet")
    with pytest.raises(ConfigurationError, match=name):
        check(str(tmp_path / "in"), POSITIVE, **{name: str(tmp_path / target)})


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("link", "in/valid.parquet"),
        ("in", "link/valid.parquet"),
        ("link/*", "in/valid.parquet"),
        ("file.parquet", "in/1.parquet"),
    ],
)
def test_an_output_that_links_lead_to_the_input_is_refused(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path, path: str, target: str
) -> None:
    write(pl.DataFrame({"a": [1]}), "in/1.parquet")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path / "file.parquet").symlink_to(tmp_path / "in" / "1.parquet")
    with pytest.raises(ConfigurationError, match="lies in what is checked"):
        check(str(tmp_path / path), POSITIVE, valid_path=str(tmp_path / target))


@pytest.mark.parametrize("valid", ["in/../out.parquet", "link/out.parquet"])
def test_refused_and_valid_rows_have_a_file_each(
    write: Callable[..., str], tmp_path: Path, valid: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    outputs = {"quarantine_path": f"{tmp_path}/out.parquet", "valid_path": f"{tmp_path}/{valid}"}
    options = CheckOptions(**outputs, max_quarantine_share=1)
    with pytest.raises(ConfigurationError, match="are one file"):
        check_dataset(write(pl.DataFrame({"a": [1, -1]})), POSITIVE, options)


@pytest.mark.parametrize(
    ("path", "output", "target"),
    [
        ("in/*/*.parquet", "quarantine_path", "in/refused"),
        ("in/**/*.parquet", "valid_path", "in/valid.parquet"),
        ("in/day?", "valid_path", "in/day1/valid.parquet"),
        ("in/*", "valid_path", "in/day1/deeper/valid.parquet"),
    ],
)
def test_an_output_that_a_glob_would_match_is_refused(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path, path: str, output: str, target: str
) -> None:
    write(pl.DataFrame({"a": [1]}), "in/day1/1.parquet")
    with pytest.raises(ConfigurationError, match=output):
        check(str(tmp_path / path), POSITIVE, **{output: str(tmp_path / target)})


@pytest.mark.parametrize("target", ["in/day1/out/valid.parquet", "in/day1/_valid.parquet"])
def test_an_output_that_a_glob_would_not_match_is_none_of_the_input(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path, target: str
) -> None:
    write(pl.DataFrame({"a": [1]}), "in/day1/1.parquet")
    for _ in range(2):
        run = check(f"{tmp_path}/in/*/*.parquet", POSITIVE, valid_path=str(tmp_path / target)).run
        assert (run.rows, run.files) == (1, 1)


def test_a_glob_matches_no_unfinished_file_unless_it_asks_for_one(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path
) -> None:
    for name in ("day/1", "_temporary/1", ".spark/1", "day/_2"):
        write(pl.DataFrame({"a": [1]}), f"_in/{name}.parquet")
    for path in ("_in/*", "_in/**/*.parquet", "_in/day/*.parquet", "_in/_*", "_in/d*/_*.parquet"):
        assert check(str(tmp_path / path), POSITIVE).run.files == 1, path


def test_what_is_there_stays_when_a_run_is_stopped(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path
) -> None:
    check(write(pl.DataFrame({"a": [1]})), POSITIVE)
    stopped = check(write(pl.DataFrame({"a": [-1]})), POSITIVE, max_quarantine_share=0)
    assert stopped.stopped is not None
    assert pq.read_table(tmp_path / "out" / "valid.parquet")["a"].to_pylist() == [1]
    assert [path.name for path in (tmp_path / "out").iterdir() if "tmp" in path.name] == []


@pytest.mark.parametrize(
    ("mark", "name"),
    [
        ("_delta_log/00000000000000000000.json", "Delta Lake"),
        (".hoodie/hoodie.properties", "Apache Hudi"),
        ("metadata/v1.metadata.json", "Apache Iceberg"),
    ],
)
def test_a_table_format_is_refused_by_name(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path, mark: str, name: str
) -> None:
    write(pl.DataFrame({"a": [1]}), "in/data/1.parquet")
    (tmp_path / "in" / mark).parent.mkdir()
    (tmp_path / "in" / mark).write_text("{}")
    with pytest.raises(ConfigurationError, match=name):
        check(str(tmp_path / "in"), POSITIVE)


@pytest.mark.parametrize("backend", ["polars", "pandas"])
def test_damaged_data_is_named_by_file_row_group_and_column(
    write: Callable[..., str], check: Callable[..., Any], backend: str
) -> None:
    table = arrow.table({"a": list(range(1_000)), "b": list(range(1_000))})
    path = Path(
        write(table, "in/damaged.parquet", row_group_size=500, use_dictionary=False, compression="zstd")
    )
    column = pq.read_metadata(path).row_group(1).column(1)
    data = bytearray(path.read_bytes())
    start = column.data_page_offset
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    library: Any = pa if backend == "polars" else pandera.pandas
    with pytest.raises(StorageError, match=r"damaged\.parquet.* row group 1, column 'b'"):
        check(str(path), library.DataFrameSchema({"a": library.Column(int), "b": library.Column(int)}))


@pytest.mark.parametrize("name", ["x" * 300, "é" * 130])
def test_a_name_that_is_too_long_for_a_file_is_a_typed_error(
    write: Callable[..., str], tmp_path: Path, name: str
) -> None:
    path = write(arrow.table({"a": [1]}))
    with pytest.raises(StorageError, match="File name too long"):
        check_dataset(path, POSITIVE, CheckOptions(valid_path=f"{tmp_path}/{name}.parquet"))


def test_a_file_may_have_the_longest_name(write: Callable[..., str], tmp_path: Path) -> None:
    valid = f"{tmp_path}/{'x' * 247}.parquet"
    check_dataset(write(arrow.table({"a": [1]})), POSITIVE, CheckOptions(valid_path=valid))
    assert pq.read_table(valid)["a"].to_pylist() == [1]
