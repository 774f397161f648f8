"""The same verdicts on a real Spark: result, quarantine and valid rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pyarrow.parquet as pq
import pytest

from helpers.schema_cases import PANDAS, POLARS
from io_intelligence_provider.errors import ConfigurationError, NotOnFileError, QualityError, StorageError
from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.quality.run import check_dataset
from io_intelligence_provider.quality.spark import check_on_spark

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore")]

CASES = [
    pytest.param(case, id=f"{kind}-{case.name}")
    for kind, cases in (("polars", POLARS), ("pandas", PANDAS))
    for case in cases
]
ROW_WISE = [item for item in CASES if item.values[0].rows]
OTHERS = [item for item in CASES if not item.values[0].rows]


def both(path: str, schema: Any, spark: Any, folder: Path, **options: Any) -> list[Any]:
    """Check on both engines: (run, refused rows, valid rows) of each, in an order of their own."""
    found = []
    for engine in ("local", "spark"):
        arguments = CheckOptions(
            **{
                "quarantine_path": str(folder / f"{engine}.parquet"),
                "valid_path": str(folder / engine),
                "max_quarantine_share": 1.0,
                "profile": True,
            }
            | options
        )
        try:
            if engine == "local":
                run = check_dataset(path, schema, arguments)
            else:
                run = check_on_spark(path, schema, arguments, spark=spark)
        except QualityError as error:
            run = error.report
        refused = pq.read_table(str(run.quarantine_path)).select(["record", "failures", "file"]).to_pylist()
        valid = pq.read_table(run.valid_path).to_pylist() if run.valid_path else None
        found.append((run, sorted(refused, key=str), valid and sorted(valid, key=str)))
    return found


def plain(run: Any) -> dict[str, Any]:
    """What both engines have to agree on."""
    data = run.to_dict()
    for check in data["checks"]:
        for example in check["examples"]:
            example.pop("row", None)
            example.pop("file", None)
        check["examples"].sort(key=str)
        if check["failed"] > len(check["examples"]):
            check["examples"] = []  # some of them: which, the order of the rows decides
    checks = {(check["check"], check["column"]): check for check in data["checks"]}
    checks.pop(("same_columns", None), None)  # Spark merges the columns and does not tell
    return {name: data[name] for name in ("outcome", "score", "rows", "files")} | {"checks": checks}


@pytest.mark.parametrize("case", ROW_WISE)
def test_the_same_verdicts(case: Any, spark: Any, tmp_path: Path) -> None:
    schema, frame = case.make()
    (tmp_path / "in").mkdir()
    frame = frame if isinstance(frame, pl.DataFrame) else pl.from_pandas(frame)
    for part, rows in enumerate((frame[:3], frame[3:])):
        rows.write_parquet(tmp_path / "in" / f"{part}.parquet")
    local, there = both(str(tmp_path / "in"), schema, spark, tmp_path)
    assert there[0].engine == "spark"
    assert plain(there[0]) == plain(local[0])
    assert there[1] == local[1]
    assert there[2] == local[2]


def test_partitions_uniqueness_over_files_and_profiles(spark: Any, tmp_path: Path) -> None:
    for day in (1, 2):
        folder = tmp_path / "in" / f"day={day}" / "kind=a%20b"
        folder.mkdir(parents=True)
        pl.DataFrame({"a": [day, 7, None], "b": ["x", "y", "y"]}).write_parquet(folder / "x.parquet")
    schema = pa.DataFrameSchema(
        {"a": pa.Column(int, unique=True, nullable=True), "day": pa.Column(int), "kind": pa.Column(str)},
        unique=["a", "b"],
    )
    local, there = both(str(tmp_path / "in"), schema, spark, tmp_path)
    assert local[0].quarantined == 4
    assert plain(there[0]) == plain(local[0])
    assert there[1:] == local[1:]
    assert [item.to_dict() for item in there[0].profile] == [item.to_dict() for item in local[0].profile]
    assert there[0].columns[0] == ("a", "int64")


@pytest.mark.parametrize("report", ["exclude_first", "exclude_last"])
def test_one_occurrence_may_stay(spark: Any, tmp_path: Path, report: str) -> None:
    import pandera.pandas

    pl.DataFrame({"a": [1, 1, 1, 2]}).write_parquet(tmp_path / "x.parquet")
    schema = pandera.pandas.DataFrameSchema(
        {"a": pandera.pandas.Column(int, unique=True, report_duplicates=report)}
    )
    local, there = both(str(tmp_path / "x.parquet"), schema, spark, tmp_path)
    assert local[0].quarantined == there[0].quarantined == 2


@pytest.mark.parametrize("case", OTHERS)
def test_what_looks_at_all_rows_is_refused_by_name(case: Any, spark: Any, tmp_path: Path) -> None:
    schema, frame = case.make()
    pl.DataFrame(frame).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(ConfigurationError, match="may look at all rows"):
        check_on_spark(str(tmp_path / "x.parquet"), schema, spark=spark)


def test_keys_that_the_schema_changes_are_refused(spark: Any, tmp_path: Path) -> None:
    pl.DataFrame({"a": ["1", "01"]}).write_parquet(tmp_path / "x.parquet")
    schema = pa.DataFrameSchema({"a": pa.Column(int, coerce=True, unique=True)})
    with pytest.raises(ConfigurationError, match="wants a unique after"):
        check_on_spark(str(tmp_path / "x.parquet"), schema, spark=spark)


def test_no_row_at_all(spark: Any, tmp_path: Path) -> None:
    pl.DataFrame({"a": []}, schema={"a": pl.Int64}).write_parquet(tmp_path / "x.parquet")
    local, there = both(
        str(tmp_path / "x.parquet"), pa.DataFrameSchema({"b": pa.Column(int)}), spark, tmp_path
    )
    assert plain(there[0]) == plain(local[0])
    assert there[0].outcome == "failed"


def test_timestamps_are_judged_in_utc_whatever_the_session(spark: Any, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    frame = pl.DataFrame({"t": [datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]})
    frame.write_parquet(tmp_path / "x.parquet")
    column = pa.Column(pl.Datetime("us", "UTC"), pa.Check.lt(datetime(2026, 6, 1, tzinfo=UTC)))
    local, there = both(str(tmp_path / "x.parquet"), pa.DataFrameSchema({"t": column}), spark, tmp_path)
    assert plain(there[0]) == plain(local[0])
    assert there[1] == local[1]


@pytest.mark.parametrize("name", ["a.b", "`", "_metadata", "__file", "__repeated_0"])
def test_a_column_may_have_any_name(spark: Any, tmp_path: Path, name: str) -> None:
    pl.DataFrame({"k": [1, 2, 3, 4], name: [5, 5, 6, 7]}).write_parquet(tmp_path / "x.parquet")
    schema = pa.DataFrameSchema({"k": pa.Column(int, pa.Check.le(3)), name: pa.Column(int, unique=True)})
    local, there = both(str(tmp_path / "x.parquet"), schema, spark, tmp_path)
    assert plain(local[0]) == plain(there[0])
    assert local[1:] == there[1:]
    assert there[2] == [{"k": 3, name: 6}]


def test_partitions_that_a_glob_matches_are_columns(spark: Any, tmp_path: Path) -> None:
    for day in (1, 2):
        (tmp_path / f"in/day={day}").mkdir(parents=True)
        pl.DataFrame({"a": [day]}).write_parquet(tmp_path / f"in/day={day}/x.parquet")
    schema = pa.DataFrameSchema({"a": pa.Column(int), "day": pa.Column(int, pa.Check.le(1))})
    for path in ("in/*", "in/day=*/*.parquet"):
        local, there = both(str(tmp_path / path), schema, spark, tmp_path)
        assert plain(local[0]) == plain(there[0])
        assert local[2] == there[2] == [{"a": 1, "day": 1}]


def test_a_file_that_is_no_parquet(spark: Any, tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and nothing of the kind")
    with pytest.raises(StorageError, match=r"Spark could not read .*x\.parquet: .*FAILED_READ_FILE"):
        check_on_spark(str(tmp_path / "x.parquet"), pa.DataFrameSchema({"a": pa.Column(int)}), spark=spark)


def test_a_path_that_matches_nothing(spark: Any, tmp_path: Path) -> None:
    with pytest.raises(NotOnFileError):
        check_on_spark(str(tmp_path / "nothing"), pa.DataFrameSchema({"a": pa.Column(int)}), spark=spark)


def test_the_operator_runs_on_the_active_session(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", str(tmp_path / "root"))
    from io_intelligence_provider.operators.pandera import PanderaCheckOperator

    pl.DataFrame({"a": [1, -1]}).write_parquet(tmp_path / "x.parquet")
    make: Callable[..., Any] = PanderaCheckOperator
    operator = make(
        task_id="check",
        path=str(tmp_path / "x.parquet"),
        schema=pa.DataFrameSchema({"a": pa.Column(int, pa.Check.ge(0))}),
        max_quarantine_share=0.5,
        engine="spark",
    )
    summary = operator.execute({"outlet_events": {}})
    assert (summary["engine"], summary["rows"], summary["quarantined"]) == ("spark", 2, 1)
