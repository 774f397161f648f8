"""Rule ids stay the same when names change, and every check has a dimension of data quality."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from typing import Any

import pandera.pandas
import pandera.polars
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.stores import make_check_run
from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.quality.result import CheckResult, CheckRun
from io_intelligence_provider.quality.results_store import ResultHistory, results_schema
from io_intelligence_provider.quality.run import check_frame

FRAME = pl.DataFrame({"a": [1, 2], "b": [3, 4], "at": ["x", "y"]})
BACKENDS = pytest.mark.parametrize("backend", [pandera.pandas, pandera.polars], ids=["pandas", "polars"])


def even(value: int) -> bool:
    """Return whether a number is even."""
    return value % 2 == 0


def above(value: int, least: int) -> bool:
    """Return whether a number is above another."""
    return value > least


def result_of(check: str, schema: Any, column: str = "a") -> CheckResult:
    run = check_frame(FRAME, schema, CheckOptions(fail_on="never"))
    (found,) = [one for one in run.checks if (one.check, one.column) == (check, column)]
    return found


_OF_COLUMNS = ("not_nullable", "column_in_dataframe")


def column_rule(backend: Any, check: Any, column: str = "a") -> str:
    schema = backend.DataFrameSchema({column: backend.Column(None, check)})
    run = check_frame(FRAME, schema, CheckOptions(fail_on="never"))
    (found,) = [one for one in run.checks if one.column == column and one.check not in _OF_COLUMNS]
    assert found.rule_id is not None
    return found.rule_id


@BACKENDS
def test_a_rule_survives_what_its_check_is_called(backend: Any) -> None:
    rule = partial(column_rule, backend)
    check = backend.Check
    plain = rule(check.ge(0))
    assert plain == rule(check.ge(0, name="not_negative")) == rule(check.ge(0, error="below 0", title="x"))
    assert plain == rule(check.ge(0, raise_warning=True))
    others = [rule(check.ge(1)), rule(check.gt(0)), rule(check.ge(0), "b")]
    assert len({plain, *others}) == 4
    assert rule(check.isin([1, 2])) == rule(check.isin((2, 1), name="known"))
    function = rule(check(even, element_wise=True))
    assert function == rule(check(even, element_wise=True, name="an even number", error="is odd"))
    two = [rule(check(partial(above, least=least), element_wise=True)) for least in (0, 1)]
    assert len({function, *two}) == 3


@BACKENDS
def test_a_rule_survives_the_data_sets_name_and_the_schemas(backend: Any) -> None:
    column = backend.Column(int, backend.Check.ge(0), unique=True)
    rules = []
    for name in ("one", "two"):
        schema = backend.DataFrameSchema({"a": column}, unique=["a", "b"], name=name)
        run = check_frame(FRAME, schema, name=name)
        rules.append([(one.check, one.column, one.rule_id) for one in run.checks])
    assert rules[0] == rules[1]
    assert len({rule for *_, rule in rules[0]}) == len(rules[0])


def test_two_functions_without_a_name_are_two_rules() -> None:
    checks = [
        pandera.pandas.Check(lambda series: series > 0),
        pandera.pandas.Check(lambda series: series > 1),
    ]
    schema = pandera.pandas.DataFrameSchema({"a": pandera.pandas.Column(int, checks)})
    run = check_frame(FRAME, schema, CheckOptions(fail_on="never"))
    found = {one.rule_id for one in run.checks if "lambda" in one.check}
    assert len(found) == 2


def test_methods_of_a_model_are_known_by_their_names() -> None:
    class Model(pandera.pandas.DataFrameModel):
        a: int

        @pandera.pandas.check("a")
        def small(cls, series: Any) -> Any:  # noqa: N805 - pandera makes a class method of it
            return series < 9

        @pandera.pandas.check("a")
        def positive(cls, series: Any) -> Any:  # noqa: N805
            return series > 0

    assert result_of("small", Model).rule_id != result_of("positive", Model).rule_id


def test_a_pattern_has_a_rule_for_each_column() -> None:
    def rule(pattern: str, column: str) -> str | None:
        checked = pandera.polars.Column(int, pandera.polars.Check.ge(0), regex=True)
        schema = pandera.polars.DataFrameSchema({pattern: checked})
        return result_of("greater_than_or_equal_to", schema, column).rule_id

    assert rule("^[ab]$", "a") == rule("^(a|b)$", "a") != rule("^[ab]$", "b")
    named = pandera.polars.DataFrameSchema({"a": pandera.polars.Column(int, pandera.polars.Check.ge(0))})
    assert rule("^[ab]$", "a") == result_of("greater_than_or_equal_to", named).rule_id


def test_rules_are_the_same_in_every_process() -> None:
    code = (
        "import pandera.polars as pa, polars as pl, json\n"
        "from io_intelligence_provider import check_frame\n"
        "schema = pa.DataFrameSchema({'a': pa.Column(str, pa.Check.isin(['x', 'y', 'z']))})\n"
        "run = check_frame(pl.DataFrame({'a': pl.Series([], dtype=pl.String)}), schema)\n"
        "print(json.dumps([one.rule_id for one in run.checks]))"
    )
    found = [subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(2)]
    assert found[0] == found[1]
    assert None not in json.loads(found[0])


def test_every_check_has_a_dimension() -> None:
    wide = pandera.pandas.Check(lambda frame: frame["a"] < frame["b"], name="a below b")
    column = pandera.pandas.Column(int, pandera.pandas.Check.ge(0), unique=True, coerce=True)
    schema = pandera.pandas.DataFrameSchema(
        {"a": column, "b": pandera.pandas.Column(int)}, wide, unique=["a", "b"], strict=True, ordered=True
    )
    run = check_frame(
        FRAME,
        schema,
        CheckOptions(
            fail_on="never",
            min_rows=1,
            history_checks={name: {} for name in ("volume", "null_share", "distinct_share", "numeric_shift")}
            | {"column_drift": {}},
        ),
    )
    assert {(one.check, one.dimension) for one in run.checks} == {
        ("column_in_dataframe", "completeness"), ("not_nullable", "completeness"),
        ("min_rows", "completeness"), ("volume", "completeness"), ("null_share", "completeness"),
        ("field_uniqueness", "uniqueness"), ("multiple_fields_uniqueness", "uniqueness"),
        ("distinct_share", "uniqueness"),
        ("dtype", "validity"), ("coerce_dtype", "validity"), ("greater_than_or_equal_to", "validity"),
        ("quarantine_share", "validity"),
        ("a below b", "consistency"), ("column_in_schema", "consistency"), ("column_ordered", "consistency"),
        ("column_drift", "consistency"), ("numeric_shift", "consistency"),
    }  # fmt: skip


def test_rules_come_back_from_files(tmp_path: Any) -> None:
    check = CheckResult("ge", "a", "row", "error", 2, 0, [], None, "1f2e3d4c", "validity")
    run = make_check_run(check)
    assert CheckRun.from_dict(json.loads(run.to_json())).checks == (check,)
    history = ResultHistory(tmp_path)
    history.add(run)
    assert history.runs()[0].checks == (check,)
    assert history.table("checks").select(["rule_id", "dimension"]).to_pylist() == [
        {"rule_id": "1f2e3d4c", "dimension": "validity"}
    ]


def test_results_without_rules_stay_readable(tmp_path: Any) -> None:
    """Files of the version before, beside new ones."""
    history = ResultHistory(tmp_path)
    old = history.add(
        make_check_run(CheckResult("ge", "a", "row", "error", 2, 0), run_id="20250101T000000Z-0")
    )
    history.add(make_check_run(CheckResult("ge", "a", "row", "error", 2, 0, rule_id="1f2e3d4c")))
    checks = results_schema().field("checks").type.value_type
    fields = [field for field in checks if field.name not in ("rule_id", "dimension")]
    table = pq.read_table(old)
    place = table.schema.get_field_index("checks")
    table = table.set_column(place, "checks", table["checks"].cast(pa.list_(pa.struct(fields))))
    pq.write_table(table, old)
    assert [run.checks[0].rule_id for run in history.runs()] == [None, "1f2e3d4c"]
    assert history.table("checks")["rule_id"].to_pylist() == [None, "1f2e3d4c"]
    data = make_check_run(CheckResult("ge", "a", "row", "error", 2, 0)).to_dict()
    assert "rule_id" not in data["checks"][0]
    assert CheckRun.from_dict(data).checks[0].dimension is None


def test_an_unknown_dimension_is_no_result() -> None:
    data = make_check_run(CheckResult("ge", "a", "row", "error", 2, 0)).to_dict()
    data["checks"][0]["dimension"] = "beauty"
    with pytest.raises(ValueError, match="beauty"):
        CheckRun.from_dict(data)
