"""Values and frames of every type: checked, written and quarantined as they are, or refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas
import pandera.polars as pa
import polars as pl
import pyarrow as arrow
import pyarrow.parquet as pq
import pytest

from io_intelligence_provider.errors import ConfigurationError, QualityError
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
