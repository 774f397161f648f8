"""Both engines, whatever the files look like, against an oracle that loops over the rows.

``EXAMPLES`` sets how many schemas are drawn; ``make test-differential`` draws many.
"""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas
import pandera.polars
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from pandera.engines import pandas_engine

from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.quality.run import check_dataset

EXAMPLES = int(os.environ.get("EXAMPLES", "40"))
PARSERS = ["", "cells", "reverse", "negate"]
if pd.__version__ < "3":  # which maps the cells of integers and booleans with nulls as floats and objects
    PARSERS.remove("cells")

BAD = "bad"
"""A value that its column cannot be read as."""


@dataclass(frozen=True)
class Kind:
    """A type: how schemas and Arrow name it, values of it as text and as Python values, and a default.

    :param polars: how schemas of polars name it, if not as those of pandas.
    """

    dtype: Any
    arrow: pa.DataType
    values: dict[str, Any]
    default: Any
    bad: tuple[str, ...] = ()
    polars: Any = None

    def of(self, backend: Any) -> Any:
        """Return the type for a schema."""
        return self.polars if backend is pandera.polars and self.polars is not None else self.dtype


KINDS = {
    "int": Kind(
        int,
        pa.int64(),
        {"0": 0, "-3": -3, "7": 7, "9007199254740993": 9007199254740993, "12": 12},
        5,
        ("x", "1.5", "9223372036854775808", ""),
    ),
    "float": Kind(
        float, pa.float64(), {"0.5": 0.5, "-2": -2.0, "7": 7.0, "1e3": 1000.0}, 5.0, ("x", "1,5", "")
    ),
    "decimal": Kind(
        pandas_engine.Decimal(10, 2),
        pa.decimal128(10, 2),
        {"0.50": Decimal("0.50"), "-2": Decimal("-2.00"), "12345678.25": Decimal("12345678.25")},
        Decimal("5.00"),
        ("x", "1,5", ""),
        pl.Decimal(10, 2),
    ),
    "str": Kind(str, pa.string(), {"": "", "a": "a", "B": "B", "é": "é"}, "a"),
    "bool": Kind(bool, pa.bool_(), {"true": True, "false": False}, True),
}
NUMBERS = ("int", "float", "decimal")

Test = Callable[[Any], bool]
KNOWN = [0, 7, 9007199254740993]


def even(value: int) -> bool:
    """Return whether a number is even."""
    return value % 2 == 0


def absolute(value: Any) -> Any:
    """Return a number without its sign; columns of Python's objects hand ``None`` to parsers."""
    return value if value is None else abs(value)


CHECKS: dict[str, list[tuple[str, Callable[[Any], Any], Test]]] = {
    "int": [
        ("greater_than", lambda p: p.Check.gt(-1), lambda value: value > -1),
        ("less_than", lambda p: p.Check.lt(10), lambda value: value < 10),
        ("isin", lambda p: p.Check.isin(KNOWN), lambda value: value in KNOWN),
        ("even", lambda p: p.Check(even, element_wise=True, name="even"), lambda value: value % 2 == 0),
    ],
    "float": [
        ("greater_than", lambda p: p.Check.gt(0), lambda value: value > 0),
        ("less_than", lambda p: p.Check.lt(100), lambda value: value < 100),
    ],
    "decimal": [
        ("greater_than", lambda p: p.Check.gt(Decimal("0.25")), lambda value: value > Decimal("0.25")),
        ("less_than", lambda p: p.Check.lt(Decimal(1000)), lambda value: value < 1000),
    ],
    "str": [
        ("str_matches", lambda p: p.Check.str_matches("^[a-z]"), lambda value: value[:1] == "a"),
        ("str_length", lambda p: p.Check.str_length(1, 5), lambda value: 1 <= len(value) <= 5),
        ("isin", lambda p: p.Check.isin(["a", "é", ""]), lambda value: value in ("a", "é", "")),
    ],
    "bool": [("equal_to", lambda p: p.Check.eq(True), bool)],
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column: its schema, and its cells as (text, value), ``(None, None)`` for a null.

    :param declared: whether the schema has it.
    :param regex: whether the schema names it by a pattern.
    :param negated: whether the parser of the frame negates it.
    """

    name: str
    kind: str
    coerce: bool
    as_text: bool
    nullable: bool
    unique: bool
    checks: tuple[int, ...]
    absolute: bool
    default: bool
    declared: bool
    regex: bool
    cells: Sequence[tuple[str | None, Any]] = field(repr=False)
    negated: bool = False

    def array(self) -> pa.Array:
        """Return the cells as they are filed."""
        if self.as_text:
            return pa.array([text for text, _ in self.cells], pa.string())
        return pa.array([value for _, value in self.cells], KINDS[self.kind].arrow)

    def parsed(self, row: int) -> Any:
        """Return a cell as the schema parses it."""
        text, value = self.cells[row]
        if not self.declared:
            return text if self.as_text else value
        if self.default and (value is None or _is_nan(value)):
            return KINDS[self.kind].default
        if value is None or value is BAD:
            return value
        return abs(value) if self.absolute else -value if self.negated else value

    def expected(self) -> list[set[str]]:
        """Return the checks that each cell fails."""
        if not self.declared:
            return [set() for _ in self.cells]
        values = [self.parsed(row) for row in range(len(self.cells))]
        keys = Counter(repr(value) for value in values if value is not BAD)
        return [self._failures(value, keys) for value in values]

    def _failures(self, value: Any, keys: Counter[str]) -> set[str]:
        if value is BAD:
            return {"coerce_dtype"}
        missing = value is None or _is_nan(value)
        if missing and not self.nullable:
            return {"not_nullable"}
        repeated = {"field_uniqueness"} if self.unique and keys[repr(value)] > 1 else set()
        if missing:
            return repeated
        tests = [CHECKS[self.kind][number] for number in self.checks]
        return repeated | {name for name, _, passes in tests if not passes(value)}

    @property
    def key(self) -> str:
        """Its name or pattern in the schema."""
        return f"^{re.escape(self.name)}$" if self.regex else self.name

    def schema(self, backend: Any) -> Any:
        """Return the column of a schema."""
        options: dict[str, Any] = {}
        if self.absolute:
            options["parsers"] = backend.Parser(absolute, element_wise=True)
        if self.default:
            options["default"] = KINDS[self.kind].default
        return backend.Column(
            KINDS[self.kind].of(backend),
            [CHECKS[self.kind][number][1](backend) for number in self.checks],
            nullable=self.nullable,
            coerce=self.coerce,
            unique=self.unique,
            regex=self.regex,
            **options,
        )


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


@st.composite
def tables(draw: st.DrawFn) -> list[Column]:
    """Draw columns of one height."""
    height = draw(st.integers(0, 8))
    return [
        draw(_columns(f"c.{number}" if number else "c", height)) for number in range(draw(st.integers(1, 3)))
    ]


@st.composite
def _columns(draw: st.DrawFn, name: str, height: int) -> Column:
    name_of_kind = draw(st.sampled_from(sorted(KINDS)))
    kind = KINDS[name_of_kind]
    # Texts are read as numbers by both engines alike; as booleans they are not.
    as_text = name_of_kind in NUMBERS and draw(st.booleans())
    cells: list[tuple[str | None, Any]] = [*kind.values.items(), (None, None)]
    if as_text:
        cells += [(text, BAD) for text in kind.bad]
    elif name_of_kind == "float":
        cells.append((None, float("nan")))
    checks = draw(st.sets(st.sampled_from(range(len(CHECKS[name_of_kind])))))
    regex = draw(st.sampled_from([False, False, True]))
    return Column(
        name=name,
        kind=name_of_kind,
        coerce=as_text or draw(st.booleans()),
        as_text=as_text,
        nullable=draw(st.booleans()),
        unique=draw(st.booleans()),
        checks=tuple(sorted(checks)),
        absolute=name_of_kind in NUMBERS and not as_text and draw(st.booleans()),
        default=draw(st.sampled_from([False, False, True])),
        declared=draw(st.sampled_from([True, True, True, False])),
        regex=regex,
        cells=draw(st.lists(st.sampled_from(cells), min_size=height, max_size=height)),
    )


def _parser(name: str, columns: Sequence[Column]) -> Any:
    """Return a parser of the whole frame."""
    negated = [column.name for column in columns if column.negated]
    parsers = {
        "cells": lambda: pandera.pandas.Parser(lambda value: value, element_wise=True),
        "reverse": lambda: pandera.pandas.Parser(lambda frame: frame.iloc[::-1].reset_index(drop=True)),
        "negate": lambda: pandera.pandas.Parser(
            lambda frame: frame.assign(**{name: -frame[name] for name in negated})
        ),
    }
    return parsers[name]() if name else None


def found(
    folder: Path, table: pa.Table, schema: Any, pieces: Sequence[tuple[int, int]], group: int
) -> tuple[dict[tuple[int, str], set[str]], list[tuple[Any, ...]]]:
    """Check a table that is filed in pieces; return the failures by row and column, and the valid rows."""
    starts = {}
    for number, (start, stop) in enumerate(pieces):
        path = folder / "in" / f"{number}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.slice(start, stop - start), path, row_group_size=group)
        starts[str(path)] = start
    run = check_dataset(
        str(folder / "in"),
        schema,
        CheckOptions(
            str(folder / "refused.parquet"), str(folder / "valid.parquet"), max_quarantine_share=1.0
        ),
    )
    failures: dict[tuple[int, str], set[str]] = {}
    for row in pq.read_table(run.quarantine_path).to_pylist():
        for one in row["failures"]:
            failures.setdefault((starts[row["file"]] + row["row"], one["column"]), set()).add(one["check"])
    counted = {(one.check, one.column): one.failed for one in run.checks if one.level == "row" and one.failed}
    assert counted == Counter((check, column) for (_, column), checks in failures.items() for check in checks)
    valid = pq.ParquetFile(run.valid_path).read()
    assert valid.column_names == table.column_names
    return failures, [tuple(row.values()) for row in valid.to_pylist()]


@pytest.mark.parametrize("backend", [pandera.pandas, pandera.polars], ids=["pandas", "polars"])
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(columns=tables(), parser=st.sampled_from(PARSERS), data=st.data())
def test_engines_agree_with_the_oracle(
    backend: Any, columns: list[Column], parser: str, data: st.DataObject
) -> None:
    if backend is pandera.polars:  # has no parsers
        columns = [replace(column, absolute=False) for column in columns]
        parser = ""
    if parser == "negate":
        columns = [
            replace(column, negated=column.declared and column.kind in ("int", "float"), absolute=False)
            if not column.as_text
            else column
            for column in columns
        ]
    height = len(columns[0].cells)
    cut = data.draw(st.integers(0, height), "rows of the first file")
    table = pa.table({column.name: column.array() for column in columns})
    options = {"parsers": _parser(parser, columns)} if parser else {}
    schema = backend.DataFrameSchema(
        {column.key: column.schema(backend) for column in columns if column.declared},
        strict=all(column.declared for column in columns),
        **options,
    )
    note(str(columns))
    expected = {
        (row, column.name): checks
        for column in columns
        for row, checks in enumerate(column.expected())
        if checks
    }
    refused = {row for row, _ in expected}
    rows = [tuple(column.parsed(row) for column in columns) for row in range(height) if row not in refused]
    for pieces, group in (([(0, height)], 100), ([(0, height)], 1), ([(0, cut), (cut, height)], 2)):
        with tempfile.TemporaryDirectory() as folder:
            failures, valid = found(Path(folder), table, schema, pieces, group)
        assert failures == expected
        assert repr(valid) == repr(rows)
