"""Nested types, empty files, many files, partitions: what a data set may look like."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pandera.pandas
import pandera.polars as pa
import polars as pl
import pyarrow as arrow
import pyarrow.parquet as pq
import pytest

from io_intelligence_provider.errors import ConfigurationError, NotOnFileError, QualityError, StorageError
from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.quality.run import check_dataset, check_frame

POSITIVE = pa.DataFrameSchema({"a": pa.Column(int, pa.Check.ge(0))})


def test_nested_values_pass_through_and_are_quarantined_whole(
    write: Callable[..., str], check: Callable[..., Any]
) -> None:
    row = {
        "a": -1,
        "list": [1, None],
        "struct": {"x": 1.5, "y": [float("nan"), float("inf")]},
        "decimal": Decimal("12345678901234567890.123456789"),
        "when": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "took": timedelta(seconds=1.5),
        "raw": b"\xff\x00",
        "text": "ü\u2028",
        "kind": "k",
    }
    frame = pl.DataFrame([row, row | {"a": 1}]).with_columns(pl.col("kind").cast(pl.Categorical))
    checked = check(write(frame), POSITIVE)
    text = checked.refused[0]["record"]
    assert text.isascii()
    record = json.loads(text, parse_float=Decimal)
    assert record["struct"] == {"x": Decimal("1.5"), "y": ["NaN", "Infinity"]}
    assert record["decimal"] == row["decimal"]
    assert record["when"] == "2026-01-02T03:04:05.000006+00:00"
    assert (record["day"], record["took"], record["raw"]) == ("2026-01-02", Decimal("1.5"), "/wA=")
    assert (record["text"], record["list"], record["kind"]) == ("ü\u2028", [1, None], "k")
    assert checked.valid.num_rows == 1
    assert pl.from_arrow(checked.valid).drop("kind", "struct").equals(frame[1:].drop("kind", "struct"))


@pytest.mark.parametrize("in_memory", [False, True])
def test_views_are_checked_as_texts_and_bytes(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path, *, in_memory: bool
) -> None:
    texts, some = arrow.array(["x", None, "y"], arrow.string_view()), arrow.array([b"1", None, b"2"])
    table = arrow.table({"a": texts, "b": some.cast(arrow.binary_view())})
    schema = pa.DataFrameSchema({"a": pa.Column(str, unique=True), "b": pa.Column(nullable=True)})
    if in_memory:
        options = CheckOptions(valid_path=str(tmp_path / "valid.parquet"), max_quarantine_share=1)
        run = check_frame(table, schema, options)
        assert (run.valid, run.quarantined) == (2, 1)
        return
    try:
        path = write(table)
    except arrow.ArrowNotImplementedError:
        pytest.skip(f"pyarrow {arrow.__version__} writes no views")
    checked = check(path, schema)
    assert checked.failures == {(1, "a", "not_nullable")}
    assert checked.valid.to_pydict() == {"a": ["x", "y"], "b": [b"1", b"2"]}


@pytest.mark.parametrize("backend", ["polars", "pandas"])
@pytest.mark.parametrize("kind", ["file", "table", "pandas"])
def test_times_of_an_offset_are_checked_in_utc(
    write: Callable[..., str], tmp_path: Path, backend: str, kind: str
) -> None:
    library: Any = pa if backend == "polars" else pandera.pandas
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    times = [one.astimezone(UTC) for one in (noon, noon + timedelta(hours=1), noon)]
    table = arrow.table({"a": [1, 2, -1], "t": arrow.array(times, arrow.timestamp("us", "+05:30"))})
    schema = library.DataFrameSchema(
        {"a": library.Column("int64", library.Check.ge(0)), "t": library.Column(unique=True)}
    )
    options = CheckOptions(valid_path=str(tmp_path / "valid.parquet"), max_quarantine_share=1, profile=True)
    if kind == "file":
        run = check_dataset(write(table), schema, options)
    else:
        run = check_frame(table.to_pandas() if kind == "pandas" else table, schema, options)
    assert (run.valid, run.quarantined) == (1, 2), "the second noon repeats the first"
    assert run.profile[1].min == "2026-01-01T06:30:00+00:00"
    (found,) = pq.read_table(tmp_path / "valid.parquet")["t"].to_pylist()
    assert found == noon + timedelta(hours=1)


def test_nanoseconds_keep_their_digits(write: Callable[..., str], check: Callable[..., Any]) -> None:
    when = arrow.array([1_700_000_000_123_456_789], arrow.timestamp("ns"))
    checked = check(write(arrow.table({"a": [-1], "when": when})), POSITIVE)
    assert json.loads(checked.refused[0]["record"])["when"] == "2023-11-14T22:13:20.123456789"


LONG_AGO = -(2**62)


@pytest.mark.parametrize(
    ("dtype", "value", "shown"),
    [
        (arrow.time64("ns"), 1, "00:00:00.000000001"),
        (arrow.list_(arrow.time64("ns")), [1], ["00:00:00.000000001"]),
        (arrow.list_(arrow.time64("ns"), 1), [1], ["00:00:00.000000001"]),
        (arrow.large_list(arrow.time64("ns")), [1], ["00:00:00.000000001"]),
        (
            arrow.struct({"b": arrow.time64("ns"), "c": arrow.int8()}),
            (1, 2),
            {"b": "00:00:00.000000001", "c": 2},
        ),
        (arrow.map_(arrow.string(), arrow.time64("ns")), [("b", 1)], [["b", "00:00:00.000000001"]]),
        (arrow.duration("ns"), 2**60 + 1, Decimal("1152921504.606846977")),
        (arrow.duration("us"), 1_500_000, Decimal("1.5")),
        (arrow.duration("ms"), 2**60, Decimal("1152921504606846.976")),
        (arrow.timestamp("us"), LONG_AGO, f"<value out of range: {LONG_AGO}>"),
        (arrow.list_(arrow.timestamp("us")), [LONG_AGO], [f"<value out of range: {LONG_AGO}>"]),
        (arrow.timestamp("us", "UTC"), 2**59, "20237-04-25 10:45:03.423488Z"),
        (arrow.date32(), 2**30, f"<value out of range: {2**30}>"),
    ],
)  # fmt: skip
def test_times_that_python_cannot_hold_are_quarantined_whole(
    write: Callable[..., str], check: Callable[..., Any], dtype: Any, value: Any, shown: Any
) -> None:
    at = arrow.array([dict(zip("bc", value, strict=True)) if isinstance(value, tuple) else value] * 2, dtype)
    with localcontext(prec=6):
        checked = check(write(arrow.table({"a": [-1, 1], "at": at})), POSITIVE, profile=True)
    record = json.loads(checked.refused[0]["record"], parse_float=Decimal)
    assert record == {"a": -1, "at": shown}
    assert checked.valid["at"].type == dtype
    assert checked.valid["at"].combine_chunks() == at.slice(1)


@pytest.mark.parametrize(("dtype", "value"), [(arrow.time64("ns"), 1), (arrow.date32(), 2**30)])
def test_times_that_pandas_cannot_hold_are_told(
    write: Callable[..., str], check: Callable[..., Any], dtype: Any, value: Any
) -> None:
    path = write(arrow.table({"at": arrow.array([value], dtype)}))
    with pytest.raises(ConfigurationError, match=r"pandas cannot hold: .*Use a schema of pandera\.polars"):
        check(path, pandera.pandas.DataFrameSchema({}))


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


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "arrow"])
@pytest.mark.parametrize("backend", ["polars", "pandas"])
def test_a_frame_is_judged_whatever_its_kind(tmp_path: Path, kind: str, backend: str) -> None:
    """A LazyFrame too: pandera alone checks no value of one."""
    frame = pl.DataFrame({"a": [1, -1]})
    made: Any = {
        "polars": lambda: frame,
        "lazy": frame.lazy,
        "pandas": frame.to_pandas,
        "arrow": frame.to_arrow,
    }[kind]()
    library: Any = pa if backend == "polars" else pandera.pandas
    schema = library.DataFrameSchema({"a": library.Column(int, library.Check.ge(0))})
    target = str(tmp_path / "valid.parquet")
    with pytest.raises(QualityError):
        check_frame(made, schema, CheckOptions(valid_path=target))
    assert not Path(target).exists()
    run = check_frame(made, schema, CheckOptions(valid_path=target, max_quarantine_share=0.5))
    assert (run.rows, run.valid, run.valid_path) == (2, 1, target)
    assert pq.read_table(target)["a"].to_pylist() == [1]


@pytest.mark.parametrize("made", [[1, 2], None, "text"])
def test_what_is_no_frame_is_refused(tmp_path: Path, made: Any) -> None:
    with pytest.raises(ConfigurationError, match="a pandas or polars frame"):
        check_frame(made, POSITIVE)


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


@pytest.mark.parametrize("first", ["dictionary", "text"])
def test_a_dictionary_beside_texts_is_merged(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path, first: str
) -> None:
    texts = arrow.array(["x", "y", "x"])
    arrays = {"dictionary": texts.dictionary_encode(), "text": texts}
    write(arrow.table({"a": arrays[first]}), "in/1.parquet")
    write(arrow.table({"a": arrays["text" if first == "dictionary" else "dictionary"]}), "in/2.parquet")
    checked = check(str(tmp_path / "in"), pa.DataFrameSchema({"a": pa.Column(str, pa.Check.isin(["x"]))}))
    assert checked.valid["a"].to_pylist() == ["x"] * 4
    assert checked.run.quarantined == 2


HOSTILE_FRAMES: dict[str, tuple[Callable[[], Any], str]] = {
    "two of one name": (lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]), "Duplicate column names"),
    "two of one name, Arrow": (lambda: arrow.table([[1], [2]], names=["a", "a"]), "two columns 'a'"),
    "integer labels": (lambda: pd.DataFrame([[1, 2]]), r"a column 0 \(int\)"),
    "tuple labels": (
        lambda: pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])),
        r"a column \('a', 'b'\) \(tuple\)",
    ),
    "decimal256": (
        lambda: arrow.table({"a": arrow.array([Decimal(1)], arrow.decimal256(50, 10))}),
        r"decimal256\(50, 10\)",
    ),
    "an interval in a list": (
        lambda: arrow.table({"a": arrow.array([[arrow.MonthDayNano([1, 2, 3])]])}),
        "interval",
    ),
    "a time of no known zone": (
        lambda: arrow.table({"a": arrow.array([1], arrow.timestamp("us", "Mars/Olympus"))}),
        "tz=Mars/Olympus",
    ),
    "a zero byte in a name": (lambda: arrow.table({"a": [1], "b\0": [1]}), r"a column 'b\\x00'"),
    "an Object column": (
        lambda: pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)}),
        "Python objects",
    ),
    "a plan that fails": (lambda: pl.LazyFrame({"a": ["x"]}).cast(pl.Int64), "cannot be collected"),
    "several types": (lambda: pd.DataFrame({"a": [1, "x", 2.5]}), "Give each column one type"),
}


@pytest.mark.parametrize("name", HOSTILE_FRAMES)
@pytest.mark.parametrize("backend", ["polars", "pandas"])
def test_a_frame_that_no_file_can_hold_is_refused(name: str, backend: str) -> None:
    make, said = HOSTILE_FRAMES[name]
    library: Any = pa if backend == "polars" else pandera.pandas
    with pytest.raises(ConfigurationError, match=said):
        check_frame(make(), library.DataFrameSchema({"a": library.Column(nullable=True)}))


def test_a_type_that_parquet_does_not_have_is_a_typed_error(tmp_path: Path) -> None:
    table = arrow.table({"a": [1], "b": arrow.array([{}], arrow.struct([]))})
    with pytest.raises(ConfigurationError, match=r"cannot be written to .*valid\.parquet: .*struct"):
        check_frame(table, POSITIVE, CheckOptions(valid_path=str(tmp_path / "valid.parquet")))
    assert list(tmp_path.iterdir()) == []


def test_an_index_without_a_name_is_no_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [3, 1, 2]}).sort_values("a")
    target = str(tmp_path / "valid.parquet")
    check_frame(
        frame,
        pandera.pandas.DataFrameSchema({"a": pandera.pandas.Column(int)}),
        CheckOptions(valid_path=target),
    )
    assert pq.ParquetFile(target).schema_arrow.names == ["a"]


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
