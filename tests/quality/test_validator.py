"""Missing and further columns, wrong types, checks that raise: said of the data set, none hidden."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pandas as pd
import pandera.pandas
import pandera.polars as pa
import polars as pl
import pyarrow as arrow
import pytest

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality import batches

FRAME = pl.DataFrame({"a": [1, -1], "b": ["x", "y"]})


def test_every_finding_of_the_columns_is_reported(
    write: Callable[..., str], check: Callable[..., Any]
) -> None:
    schema = pa.DataFrameSchema(
        {"c": pa.Column(int, pa.Check.ge(0)), "d": pa.Column(int), "a": pa.Column(int, pa.Check.ge(0))},
        strict=True,
        ordered=True,
    )
    frame = FRAME.with_columns(z=pl.lit(1), y=pl.lit(2))
    checked = check(write(frame), schema)
    assert checked.stopped is not None
    assert checked.valid is None
    assert checked.result("column_in_dataframe", "c").failed == 1
    assert checked.result("column_in_dataframe", "d").failed == 1
    extras = checked.result("column_in_schema").examples
    assert {example["column"] for example in extras} == {"b", "y", "z"}
    assert checked.failures == {(1, "a", "greater_than_or_equal_to")}
    assert checked.result("greater_than_or_equal_to", "c").evaluated == 0


def test_a_wrong_type_stops_and_what_could_not_be_evaluated_says_so(
    write: Callable[..., str], check: Callable[..., Any]
) -> None:
    schema = pa.DataFrameSchema({"b": pa.Column(int, pa.Check.ge(0)), "a": pa.Column(int, pa.Check.ge(0))})
    checked = check(write(FRAME), schema)
    assert checked.stopped is not None
    assert (
        checked.result("dtype", "b").examples[0]["message"]
        == "expected column 'b' to have type Int64, got String"
    )
    raised = checked.result("greater_than_or_equal_to", "b")
    assert (raised.level, raised.failed) == ("dataset", 1)
    assert "could not be evaluated" in raised.examples[0]["message"]
    assert checked.failures == {(1, "a", "greater_than_or_equal_to")}


def test_a_failing_row_and_a_failing_whole_of_one_column(
    write: Callable[..., str], check: Callable[..., Any]
) -> None:
    """pandera's own report raises on that (0.35)."""
    mean = pa.Check(lambda data: bool(data.lazyframe.collect()[data.key].mean() > 100), name="mean")
    schema = pa.DataFrameSchema({"a": pa.Column(int, [pa.Check.ge(0), mean])})
    checked = check(write(FRAME), schema)
    assert checked.result("mean", "a").level == "dataset"
    assert checked.failures == {(1, "a", "greater_than_or_equal_to")}


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_check_that_raises_is_a_finding(
    write: Callable[..., str], check: Callable[..., Any], kind: str
) -> None:
    def broken(_: Any) -> Any:
        raise ZeroDivisionError("oh")

    backend: Any = pa if kind == "polars" else pandera.pandas
    schema = backend.DataFrameSchema(
        {"a": backend.Column(int, [backend.Check(broken, name="broken"), backend.Check.ge(0)])}
    )
    checked = check(write(FRAME), schema)
    assert checked.stopped is not None
    assert "ZeroDivisionError" in checked.result("broken", "a").examples[0]["message"]
    assert checked.failures == {(1, "a", "greater_than_or_equal_to")}


def test_a_parser_that_raises_is_a_finding(write: Callable[..., str], check: Callable[..., Any]) -> None:
    def broken(_: Any) -> Any:
        raise ValueError("oh")

    schema = pandera.pandas.DataFrameSchema(
        {"a": pandera.pandas.Column(int)}, parsers=pandera.pandas.Parser(broken)
    )
    checked = check(write(FRAME), schema)
    assert "ValueError: oh" in checked.result("validate").examples[0]["message"]


def test_a_null_among_integers_refuses_that_row_only(
    write: Callable[..., str], check: Callable[..., Any]
) -> None:
    """To pandas one null makes floats of all integers; the others are integers all the same."""
    frame = pl.DataFrame({"a": [1, None, 3], "f": [1, None, 3]})
    schema = pandera.pandas.DataFrameSchema(
        {"a": pandera.pandas.Column(int), "f": pandera.pandas.Column(float, nullable=True)}
    )
    checked = check(write(frame), schema)
    assert {row for row, *_ in checked.failures} == {1}
    assert checked.result("dtype", "f").failed == 0
    assert checked.stopped is None


def test_pandera_switched_off_is_switched_on_here(
    write: Callable[..., str], check: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pandera.config import CONFIG, ValidationDepth, config_context

    path, schema = write(FRAME), pa.DataFrameSchema({"a": pa.Column(int, pa.Check.ge(0))})
    monkeypatch.setattr(CONFIG, "validation_enabled", False)
    monkeypatch.setattr(CONFIG, "validation_depth", ValidationDepth.SCHEMA_ONLY)
    assert check(path, schema).run.quarantined == 1
    for off in ({"validation_enabled": False}, {"validation_depth": ValidationDepth.SCHEMA_ONLY}):
        with config_context(**off):
            assert check(path, schema).run.quarantined == 1


@pytest.mark.parametrize("kind", ["unique", "unique labels", "repeated labels"])
def test_an_index_is_judged(write: Callable[..., str], check: Callable[..., Any], kind: str) -> None:
    labels = {"unique": ["x", "y"], "unique labels": ["x", "yy"], "repeated labels": ["yy", "yy"]}[kind]
    frame = pd.DataFrame({"a": [1, -1]}, index=pd.Index(labels, name="key"))
    schema = pandera.pandas.DataFrameSchema(
        {"a": pandera.pandas.Column(int, pandera.pandas.Check.ge(0))},
        index=pandera.pandas.Index(str, pandera.pandas.Check.str_length(max_value=1), name="key"),
    )
    checked = check(write(frame), schema)
    assert checked.run.mode == "whole"
    expected = {(row, "key") for row, label in enumerate(labels) if len(label) > 1} | {(1, "a")}
    assert {(row, column) for row, column, _ in checked.failures} == expected


def test_a_schema_that_needs_all_rows_must_fit(write: Callable[..., str], check: Callable[..., Any]) -> None:
    mean = pa.Check(
        lambda data: data.lazyframe.select(pl.col(data.key) < pl.col(data.key).max()), name="below top"
    )
    with pytest.raises(ConfigurationError) as caught:
        check(write(FRAME), pa.DataFrameSchema({"a": pa.Column(int, mean)}), memory_limit=10)
    message = str(caught.value)
    assert "'below top' of column 'a'" in message
    assert "element_wise" in message
    assert "memory_limit" in message


@pytest.mark.parametrize("kind", [arrow.timestamp("us"), arrow.duration("us")], ids=["timestamp", "duration"])
def test_times_are_read_as_text_all_at_once(
    write: Callable[..., str], check: Callable[..., Any], kind: Any, tmp_path: Any
) -> None:
    """pandas writes a midnight without its time of day where there are only midnights."""
    day = 86_400_000_000
    for number, values in enumerate([[day, 2 * day], [day, day + 1_000_000]]):
        write(arrow.table({"a": arrow.array(values, kind)}), f"in/{number}.parquet")
    schema = pandera.pandas.DataFrameSchema({"a": pandera.pandas.Column(str, coerce=True, unique=True)})
    checked = check(str(tmp_path / "in"), schema)
    assert checked.run.mode == "whole"
    assert checked.failures == {(0, "a", "field_uniqueness")}
    assert {len(row["failures"]) for row in checked.refused} == {1}
    assert checked.run.quarantined == 2


@pytest.mark.parametrize("others", [[], [1]], ids=["alone", "beside a failure"])
@pytest.mark.parametrize("element_wise", [False, True])
@pytest.mark.parametrize("of_frame", [False, True])
def test_a_null_of_integers_fails_the_checks_that_do_not_ignore_it(
    write: Callable[..., str],
    check: Callable[..., Any],
    others: list[int],
    *,
    element_wise: bool,
    of_frame: bool,
) -> None:
    pandas = pandera.pandas
    if of_frame:
        above = pandas.Check(lambda found: found["a"] > 2, name="above", element_wise=element_wise)
    else:
        above = pandas.Check(
            lambda found: found > 2, name="above", element_wise=element_wise, ignore_na=False
        )
    column = pandas.Column(int, None if of_frame else above, nullable=True)
    schema = pandas.DataFrameSchema({"a": column}, checks=above if of_frame else None)
    values = [5, None, *others]
    checked = check(write(arrow.table({"a": arrow.array(values), "b": ["x"] * len(values)})), schema)
    assert checked.stopped is None
    assert {row for row, *_ in checked.failures} == {1, *range(2, 2 + len(others))}


def test_a_hypothesis_looks_at_all_rows(write: Callable[..., str], check: Callable[..., Any]) -> None:
    def above(limit: float) -> Any:
        return pandera.pandas.Hypothesis(
            test=lambda values: (values.mean(), 0.01),
            relationship=lambda statistic, p, alpha=0.05: p < alpha and statistic > limit,
            error=f"mean above {limit:g}",
        )

    path = write(pl.DataFrame({"a": [1.0, 2.0, 6.0]}))
    for limit, failed in ((2.0, 0), (100.0, 1)):
        checked = check(
            path, pandera.pandas.DataFrameSchema({"a": pandera.pandas.Column(float, above(limit))})
        )
        assert checked.run.mode == "whole"
        assert checked.result(f"mean above {limit:g}", "a").failed == failed
        assert checked.run.quarantined == 0


def test_a_panic_is_a_finding(write: Callable[..., str], check: Callable[..., Any]) -> None:
    def panics(_: Any) -> Any:
        pl.from_arrow(arrow.table({"a": arrow.array([Decimal(1)], arrow.decimal256(50, 10))}))

    checked = check(write(FRAME), pa.DataFrameSchema({"a": pa.Column(int, pa.Check(panics, name="panics"))}))
    assert "PanicException" in checked.result("validate").examples[0]["message"]
    assert checked.stopped is not None


@pytest.mark.parametrize("ignore_na", [True, False])
@pytest.mark.parametrize("backend", [pandera.pandas, pa], ids=["pandas", "polars"])
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_a_missing_answer_of_a_check_is_the_same_in_every_batch(
    write: Callable[..., str],
    check: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    backend: Any,
    ignore_na: bool,
) -> None:
    """It passes, as in pandera, unless the check has ``ignore_na=False``, and whether another row fails."""
    monkeypatch.setattr(batches, "_MOST_ROWS", rows)
    monkeypatch.setattr(batches, "_FEWEST_ROWS", 1)
    answers = {"yes": True, "no": False}

    def answer(text: str) -> bool | None:
        return answers.get(text)

    known = backend.Check(answer, element_wise=True, name="known", ignore_na=ignore_na)
    schema = backend.DataFrameSchema({"a": backend.Column(str, known)})
    checked = check(write(pl.DataFrame({"a": ["yes", "no", "maybe", "yes"]})), schema)
    refused = {1} if ignore_na else {1, 2}
    assert checked.failures == {(row, "a", "known") for row in refused}


FIRST = """
import json
import pandera.pandas, pandera.polars
from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.quality.run import check_frame
import polars as pl

counts = []
for backend in (pandera.pandas, pandera.polars):
    small = backend.Check.lt(5, ignore_na=False)
    for schema in (
        backend.DataFrameSchema({"a": backend.Column(float, small, nullable=True)}),
        backend.DataFrameSchema({"a": backend.Column(float)}, checks=backend.Check.lt(5)),
    ):
        run = check_frame(pl.DataFrame({"a": [1.0, 7.0]}), schema, CheckOptions(max_quarantine_share=1.0))
        counts += [(one.evaluated, one.failed) for one in run.checks if one.check == "less_than"]
print(json.dumps(counts))
"""


def test_the_first_check_of_a_process_is_evaluated() -> None:
    """pandera gets its functions for a library with the first frame of it, after the schema was prepared."""
    done = subprocess.run([sys.executable, "-c", FIRST], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [[2, 1]] * 4
