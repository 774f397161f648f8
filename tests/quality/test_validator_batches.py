"""A batch is validated and counted: refused rows with their reasons, examples, repeated keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandera import pandas, polars

from io_intelligence_provider.quality.batches import Batch
from io_intelligence_provider.quality.checks import CheckCounts
from io_intelligence_provider.quality.policy import Policy
from io_intelligence_provider.quality.prepare import prepare
from io_intelligence_provider.quality.result import CheckFailure, CheckResult
from io_intelligence_provider.quality.schema import load_schema
from io_intelligence_provider.quality.validator import (
    BatchValidator,
    DuplicateKeys,
    ValidatedBatch,
    validate_batch,
)


class Validation:
    """The validation of batches by one schema, with its counts."""

    def __init__(self, schema: Any, policy: Policy | None = None, **options: Any) -> None:
        self.prepared = prepare(load_schema(schema))
        self.validator = BatchValidator(self.prepared)
        self.counts = CheckCounts(self.prepared.declared, policy, **options)

    def of(self, table: pa.Table, *repeats: CheckFailure | None, first: int = 0) -> ValidatedBatch:
        return validate_batch(self.validator, self.counts, Batch(table, "x.parquet", first, 100), repeats)

    def results(self) -> Mapping[tuple[str, str | None, str], CheckResult]:
        found = self.counts.results([])
        return {(one.check, one.column, one.level): one for one in found if one.failed}


def positive(*names: str, **options: Any) -> Any:
    """Return a schema whose columns are positive integers."""
    columns = {name: polars.Column(int, polars.Check.gt(0, error="is not positive")) for name in names}
    return polars.DataFrameSchema(columns, **options)


TABLE = pa.table({"a": [1, -1, -2, 3], "b": [1, -1, 1, 1], "t": ["w", "x", "y", "z"]})


def test_refused_rows_have_all_their_reasons_and_their_place() -> None:
    validated = Validation(positive("a", "b")).of(TABLE, first=40)
    assert validated.valid.to_list() == [True, False, False, True]
    ((first, second),) = validated.refused_rows()
    of_a = CheckFailure("greater_than", "a", None, "is not positive", "-1")
    of_b = CheckFailure("greater_than", "b", None, "is not positive", "-1")
    assert (first.failures, first.file, first.row) == ((of_a, of_b), "x.parquet", 41)
    assert json.loads(first.record) == {"a": -1, "b": -1, "t": "x"}
    assert [one.value for one in second.failures] == ["-2"]
    assert (second.file, second.row) == ("x.parquet", 42)


def test_a_reason_that_is_of_no_column_has_no_value() -> None:
    rows = polars.Check(lambda data: data.lazyframe.select(pl.col("a") > 0), error="is not right")
    ((refused, _),) = Validation(polars.DataFrameSchema(checks=rows)).of(TABLE).refused_rows()
    assert refused.failures == (CheckFailure("is not right", None, None, "is not right", None),)


def test_a_batch_without_refused_rows() -> None:
    validated = Validation(positive("a")).of(TABLE.slice(3))
    assert list(validated.refused_rows()) == []
    assert validated.valid.to_list() == [True]
    assert Validation(positive("a")).of(TABLE[:0]).valid.to_list() == []


def test_refused_rows_are_yielded_ten_thousand_at_a_time() -> None:
    table = pa.table({"a": pa.repeat(pa.scalar(-1, pa.int64()), 10_001)})
    chunks = list(Validation(positive("a")).of(table).refused_rows())
    assert [len(chunk) for chunk in chunks] == [10_000, 1]
    assert [row.row for chunk in chunks for row in chunk] == list(range(10_001))


def test_rows_and_refused_rows_are_counted_over_batches() -> None:
    validation = Validation(positive("a", "b"))
    for first in (0, 2):
        validation.of(TABLE[first : first + 2], first=first)
    counts = validation.counts
    assert (counts.rows, counts.quarantined, counts.governed) == (4, 2, 2)
    assert list(counts.columns) == ["a", "b", "t"]
    assert validation.results() == {
        ("greater_than", "a", "row"): CheckResult(
            "greater_than",
            "a",
            "row",
            "error",
            4,
            2,
            [
                {"file": "x.parquet", "row": 1, "value": "-1", "message": "is not positive"},
                {"file": "x.parquet", "row": 2, "value": "-2", "message": "is not positive"},
            ],
        ),
        ("greater_than", "b", "row"): CheckResult(
            "greater_than",
            "b",
            "row",
            "error",
            4,
            1,
            [{"file": "x.parquet", "row": 1, "value": "-1", "message": "is not positive"}],
        ),
    }


@pytest.mark.parametrize(
    ("policy", "valid", "governed"),
    [
        (Policy(severity={"greater_than": "warn"}), [True] * 4, 0),
        (Policy(severity={"a.greater_than": "warn"}), [True, False, True, True], 1),
        (Policy(thresholds={"greater_than": 2}), [True, False, False, True], 0),
        (Policy(thresholds={"a.greater_than": 0}), [True, False, False, True], 1),
        (Policy(thresholds={"b.greater_than": 0.5}), [True, False, False, True], 2),
    ],
)
def test_warnings_refuse_no_row_and_thresholds_govern_their_own(
    policy: Policy, valid: list[bool], governed: int
) -> None:
    validation = Validation(positive("a", "b"), policy)
    assert validation.of(TABLE).valid.to_list() == valid
    counts = validation.counts
    assert (counts.quarantined, counts.governed) == (valid.count(False), governed)
    assert {key: one.failed for key, one in validation.results().items()} == {
        ("greater_than", "a", "row"): 2,
        ("greater_than", "b", "row"): 1,
    }


def test_failures_of_the_data_set_refuse_no_row() -> None:
    validation = Validation(positive("missing"))
    validated = validation.of(TABLE)
    assert validated.valid.all()
    result = validation.results()["column_in_dataframe", "missing", "dataset"]
    assert result.examples == [{"file": "x.parquet", "message": "is missing"}]
    in_memory = Validation(positive("missing"))
    validate_batch(in_memory.validator, in_memory.counts, Batch(TABLE, "", 0, 0), ())
    result = in_memory.results()["column_in_dataframe", "missing", "dataset"]
    assert result.examples == [{"message": "is missing"}]


def test_a_check_that_raised_was_evaluated_on_no_row_of_the_batch() -> None:
    def raising(number: int) -> bool:
        if number == 3:
            raise ValueError("no threes")
        return number > 0

    check = pandas.Check(raising, element_wise=True, name="raising")
    validation = Validation(pandas.DataFrameSchema({"a": pandas.Column(int, check)}))
    validation.of(TABLE[:3])
    validation.of(TABLE[3:])
    validation.of(TABLE[:1])
    results = {(one.check, one.level): one for one in validation.counts.results(["a"])}
    assert (results["raising", "row"].evaluated, results["raising", "row"].failed) == (4, 2)
    assert (results["raising", "dataset"].evaluated, results["raising", "dataset"].failed) == (1, 1)


@pytest.mark.parametrize("most", [0, 1, 3])
def test_so_many_failing_rows_are_examples_as_are_wanted(most: int) -> None:
    validation = Validation(positive("a", "b"), examples=most)
    validation.of(TABLE)
    examples = validation.results()["greater_than", "a", "row"].examples
    assert [example["row"] for example in examples] == [1, 2][:most]


def test_examples_of_rows_without_a_place_or_a_column() -> None:
    rows = polars.Check(lambda data: data.lazyframe.select(pl.col("a") > 0), name="rows")
    validation = Validation(polars.DataFrameSchema(checks=rows))
    validate_batch(validation.validator, validation.counts, Batch(TABLE, "", -1, 0), ())
    example = {"value": None, "message": "fails rows"}
    assert validation.results()["rows", None, "row"].examples == [example, example]


def test_examples_and_reasons_of_an_index_have_its_values() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=[5, -5])
    schema = pandas.DataFrameSchema(
        {"a": pandas.Column(int)}, index=pandas.Index(int, pandas.Check.gt(0, error="is not positive"))
    )
    validation = Validation(schema)
    ((refused,),) = validation.of(pa.Table.from_pandas(frame)).refused_rows()
    assert refused.failures == (CheckFailure("greater_than", "index", None, "is not positive", "-5"),)
    (example,) = validation.results()["greater_than", "index", "row"].examples
    assert (example["row"], example["value"]) == (1, "-5")


def test_the_value_of_an_added_column_is_not_in_the_data() -> None:
    column = polars.Column(int, polars.Check.gt(9), default=7)
    validation = Validation(polars.DataFrameSchema({"new": column}, add_missing_columns=True))
    ((first, *_),) = validation.of(TABLE).refused_rows()
    assert first.failures == (CheckFailure("greater_than", "new", None, "fails greater_than(9)", None),)
    assert set(validation.counts.columns) == {"a", "b", "t", "new"}
    assert validation.results()["greater_than", "new", "row"].examples[0]["value"] is None


def test_repeated_keys_are_failures_of_their_rows() -> None:
    marks = pl.Series([False] * 100 + [True, False, True, False] + [True] * 9)
    one = DuplicateKeys("field_uniqueness", ("a",), marks)
    both = DuplicateKeys("multiple_fields_uniqueness", ("a", "b"), marks)
    batch = Batch(TABLE, "x.parquet", 0, 100)
    assert one.of(batch) == CheckFailure("field_uniqueness", "a", [0, 2], "is not unique")
    assert both.of(batch) == CheckFailure(
        "multiple_fields_uniqueness", None, [0, 2], "the columns a, b are not unique together"
    )
    assert one.of(Batch(TABLE[:2], "x.parquet", 0, 98)) is None
    validation = Validation(positive("a"))
    validated = validation.of(TABLE, None, one.of(batch))
    assert validated.valid.to_list() == [False, False, False, True]
    assert validation.results()["field_uniqueness", "a", "row"].failed == 2
    assert validation.counts.quarantined == 3


def test_a_batch_is_parsed_once_if_it_is_needed_again() -> None:
    validator = Validation(positive("a")).validator
    batch, other = Batch(TABLE, "", 0, 0), Batch(TABLE[:1], "", 0, 0)
    parsed = validator.parse(batch, again=True)
    assert validator.parse(batch, again=True) is parsed
    assert validator.parse(batch) is parsed
    assert validator.parse(batch) is not parsed
    kept = validator.parse(batch, again=True)
    assert len(validator.parse(other).frame) == 1
    assert validator.parse(batch) is not kept


def test_a_frame_that_was_read_is_parsed_as_it_is() -> None:
    frame = pl.DataFrame({"a": [1, -1]})
    batch = Batch.of_frame(frame, pa.schema([("a", pa.int64())]), "x.parquet", 0, 0)
    validation = Validation(positive("a"))
    assert validation.validator.parse(batch).frame is frame
    validated = validate_batch(validation.validator, validation.counts, batch, ())
    assert validated.valid.to_list() == [True, False]


def test_the_output_has_all_rows_as_the_schema_parses_them() -> None:
    columns = {"a": pandas.Column(int, coerce=True), "b": pandas.Column(float, coerce=True)}
    schema = pandas.DataFrameSchema(columns, parsers=pandas.Parser(lambda frame: frame.sort_values("b")))
    validation = Validation(schema)
    table = pa.table({"a": ["3", "x", "1"], "b": ["3", "2", "1"], "t": ["u", "v", "w"]})
    validated = validation.of(table)
    output = validation.validator.output(validated.batch, validated.parsed)
    assert output.to_pydict() == {"a": [3, None, 1], "b": [3.0, 2.0, 1.0], "t": ["u", "v", "w"]}
    assert output.schema.field("a").type == pa.int64()


def test_the_output_of_a_batch_whose_parser_raised_is_the_batch() -> None:
    def broken(_: Any) -> Any:
        raise ValueError("oh")

    validation = Validation(pandas.DataFrameSchema(parsers=pandas.Parser(broken)))
    validated = validation.of(TABLE)
    assert validation.validator.output(validated.batch, validated.parsed) is TABLE
    assert validated.valid.all()


def test_parsed_values_that_are_left_as_they_are_come_from_the_batch() -> None:
    """Integers beyond floats would change on the way through pandas."""
    large = 2**53 + 1
    same = pandas.Parser(lambda frame: frame)
    validation = Validation(pandas.DataFrameSchema({"a": pandas.Column(float, nullable=True)}, parsers=same))
    table = pa.table({"a": [large, None], "b": [large, None]})
    validated = validation.of(table)
    output = validation.validator.output(validated.batch, validated.parsed)
    assert output["b"].to_pylist() == [large, None]
