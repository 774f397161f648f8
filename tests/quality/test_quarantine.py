"""Refused rows as JSON values and as a table: every digit and every reason is kept."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from io_intelligence_provider.quality.quarantine import (
    RefusedRow,
    failures_type,
    plain_rows,
    quarantine_schema,
    quarantine_table,
    record_text,
    value_text,
)
from io_intelligence_provider.quality.result import CheckFailure

CHECKED_AT = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC)


def plain(values: Any, dtype: pa.DataType | None = None) -> list[Any]:
    """Return the JSON values of a column."""
    table = pa.table({"x": pa.array(values, dtype)})
    return [row["x"] for row in plain_rows(table, range(table.num_rows))]


def test_the_columns_of_a_quarantine_file() -> None:
    assert [(field.name, str(field.type), field.nullable) for field in quarantine_schema()] == [
        ("record", "string", False),
        ("failures", str(failures_type()), True),
        ("file", "string", True),
        ("row", "int64", True),
        ("run_id", "string", False),
        ("checked_at", "timestamp[us, tz=UTC]", False),
    ]
    reason = failures_type().value_type
    assert [(field.name, str(field.type)) for field in reason] == [
        (name, "string") for name in ("check", "column", "value", "message")
    ]


def test_a_table_has_every_reason_of_every_row() -> None:
    reasons = (
        CheckFailure("positive", "fare", [7], "is not positive", "-1"),
        CheckFailure("known", None, [7], "is unknown"),
    )
    rows = [
        RefusedRow('{"fare": -1}', reasons, "in/a.parquet", 7),
        RefusedRow("{}", reasons[1:], None, None),
    ]
    table = quarantine_table(rows, "run-1", CHECKED_AT)
    assert table.schema == quarantine_schema()
    both = [
        {"check": "positive", "column": "fare", "value": "-1", "message": "is not positive"},
        {"check": "known", "column": None, "value": None, "message": "is unknown"},
    ]
    run = {"run_id": "run-1", "checked_at": CHECKED_AT}
    assert table.to_pylist() == [
        {"record": '{"fare": -1}', "failures": both, "file": "in/a.parquet", "row": 7} | run,
        {"record": "{}", "failures": both[1:], "file": None, "row": None} | run,
    ]


def test_a_table_of_no_rows_has_the_types() -> None:
    table = quarantine_table([], "run-1", CHECKED_AT)
    assert (table.num_rows, table.schema) == (0, quarantine_schema())


def test_only_the_chosen_rows_in_their_order() -> None:
    table = pa.table({"a": [1, 2, 3, None], "b": ["x", None, "z", "w"]})
    assert plain_rows(table, [3, 0, 1]) == [{"a": None, "b": "w"}, {"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert plain_rows(table, []) == []


def test_a_table_of_several_chunks() -> None:
    table = pa.concat_tables([pa.table({"a": [1, 2]}), pa.table({"a": [3]})])
    assert plain_rows(table, [2, 0]) == [{"a": 3}, {"a": 1}]


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, None, 2**63 - 1], pa.int64(), [1, None, 2**63 - 1]),
        ([2**64 - 1], pa.uint64(), [2**64 - 1]),
        ([True, False, None], None, [True, False, None]),
        (["ä", "", None], None, ["ä", "", None]),
        ([1.5, -0.0, 0.0], None, [1.5, -0.0, 0.0]),
        ([float("nan"), float("inf"), float("-inf"), None], None, ["NaN", "Infinity", "-Infinity", None]),
        ([float("nan")], pa.float32(), ["NaN"]),
        ([Decimal("1.10"), None], None, [Decimal("1.10"), None]),
        ([b"\x00\xff\xfe", b"", None], None, ["AP/+", "", None]),
        ([b"abc"], pa.binary(3), ["YWJj"]),
        (["a", None, "a"], pa.dictionary(pa.int8(), pa.string()), ["a", None, "a"]),
        ([None], pa.null(), [None]),
        ([UUID(int=1).bytes, None], pa.uuid(), [str(UUID(int=1)), None]),
    ],
)
def test_values_keep_their_digits(values: list[Any], dtype: Any, expected: list[Any]) -> None:
    assert repr(plain(values, dtype)) == repr(expected)


DAY = dt.date(2026, 1, 2)
CLOCK = dt.time(3, 4, 5, 600)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([DAY, None], pa.date32(), ["2026-01-02", None]),
        ([CLOCK, None], pa.time64("us"), ["03:04:05.000600", None]),
        ([CHECKED_AT], pa.timestamp("us", "UTC"), ["2026-01-02T03:04:05.678901+00:00"]),
        ([CHECKED_AT], pa.timestamp("us", "Europe/Berlin"), ["2026-01-02T04:04:05.678901+01:00"]),
        ([0, None], pa.timestamp("s"), ["1970-01-01T00:00:00", None]),
        ([1, None], pa.timestamp("ns"), ["1970-01-01T00:00:00.000000001", None]),
        ([1], pa.timestamp("ns", "UTC"), ["1970-01-01T00:00:00.000000001Z"]),
        ([1, None], pa.time64("ns"), ["00:00:00.000000001", None]),
    ],
)
def test_times_are_iso_8601(values: list[Any], dtype: Any, expected: list[Any]) -> None:
    assert plain(values, dtype) == expected


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([90, None, -1], pa.duration("s"), [90.0, None, -1.0]),
        ([1_500], pa.duration("ms"), [1.5]),
        ([1_500_000], pa.duration("us"), [1.5]),
        ([1, 1_500_000_000], pa.duration("ns"), [1e-09, 1.5]),
        ([2**60 + 1], pa.duration("ns"), [Decimal("1152921504.606846977")]),
        ([2**62 + 1], pa.duration("s"), [Decimal(2**62 + 1)]),
    ],
)
def test_a_duration_is_seconds_with_all_digits(values: list[int], dtype: Any, expected: list[Any]) -> None:
    assert repr(plain(values, dtype)) == repr(expected)


def test_a_duration_within_another_value_is_seconds() -> None:
    assert plain([[1_500, None]], pa.list_(pa.duration("ms"))) == [[1.5, None]]


BEYOND = 10**14
"""Milliseconds: in the year 5138."""
FAR = 5 * 10**14
"""Milliseconds: in the year 17814, which Python does not know."""
FAR_TEXT = "17814-05-16 00:53:20.000"


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([BEYOND], pa.timestamp("ms"), ["5138-11-16T09:46:40"]),
        ([FAR, None], pa.timestamp("ms"), [FAR_TEXT, None]),
        ([FAR], pa.timestamp("ms", "UTC"), [f"{FAR_TEXT}Z"]),
        ([10**7], pa.date32(), ["29349-01-26"]),
        ([[FAR], None], pa.list_(pa.timestamp("ms")), [[FAR_TEXT], None]),
        ([[FAR]], pa.large_list(pa.timestamp("ms")), [[FAR_TEXT]]),
        ([[FAR, None]], pa.list_(pa.timestamp("ms"), 2), [[FAR_TEXT, None]]),
        ([{"at": FAR}], pa.struct([("at", pa.timestamp("ms"))]), [{"at": FAR_TEXT}]),
        ([[("k", FAR)]], pa.map_(pa.string(), pa.timestamp("ms")), [[["k", FAR_TEXT]]]),
        ([[(FAR, 1)]], pa.map_(pa.timestamp("ms"), pa.int8()), [[[FAR_TEXT, 1]]]),
    ],
)
def test_times_beyond_pythons_years_are_their_text(values: Any, dtype: Any, expected: list[Any]) -> None:
    assert plain(values, dtype) == expected


def test_a_dictionary_of_times_beyond_pythons_years_is_its_text() -> None:
    times = pa.array([FAR, 0], pa.timestamp("ms")).dictionary_encode()
    assert plain(times) == [FAR_TEXT, "1970-01-01 00:00:00.000"]


NANOS = pa.array([1, None], pa.time64("ns"))
NANOS_TEXT = ["00:00:00.000000001", None]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.ListArray.from_arrays([0, 2], NANOS), [NANOS_TEXT]),
        (pa.LargeListArray.from_arrays([0, 2], NANOS), [NANOS_TEXT]),
        (pa.FixedSizeListArray.from_arrays(NANOS, 2), [NANOS_TEXT]),
        (pa.StructArray.from_arrays([NANOS], ["t"]), [{"t": text} for text in NANOS_TEXT]),
        (pa.MapArray.from_arrays([0, 2], ["a", "b"], NANOS), [[["a", NANOS_TEXT[0]], ["b", None]]]),
    ],
)
def test_nanoseconds_within_another_value_keep_their_digits(values: pa.Array, expected: list[Any]) -> None:
    assert plain(values) == expected


def test_nested_values_are_lists_and_objects() -> None:
    nested = [{"n": [float("nan"), 1.5], "b": b"a", "d": Decimal("2.50"), "at": DAY}, None]
    assert plain(nested) == [{"n": ["NaN", 1.5], "b": "YQ==", "d": Decimal("2.50"), "at": "2026-01-02"}, None]
    assert plain([[("k", 1)]], pa.map_(pa.string(), pa.int8())) == [[["k", 1]]]


def test_text_that_is_no_utf_8_is_escaped() -> None:
    raw = pa.array([b"ok \xff", None, "ä".encode()], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    assert plain(texts) == [r"ok \xff", None, "ä"]


def test_a_record_is_ascii_json_with_every_digit() -> None:
    row = {"n": 2**63, "d": Decimal("1.10"), "t": "ä\n", "l": [None, True], "o": {"x": 0.1}}
    text = record_text(row)
    assert (
        text == r'{"n": 9223372036854775808, "d": 1.10, "t": "\u00e4\n", "l": [null, true], "o": {"x": 0.1}}'
    )
    assert json.loads(text, parse_float=Decimal)["d"] == Decimal("1.10")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("ä\n", "ä\n"),
        ("\ud800", r"\ud800"),
        ("", ""),
        (1, "1"),
        (True, "true"),
        (Decimal("1.10"), "1.10"),
        (["ä", None], r'["\u00e4", null]'),
        ({"a": 1}, '{"a": 1}'),
        ("x" * 500, "x" * 500),
        ("x" * 501, "x" * 500 + "… (501 characters)"),
        (list(range(200)), str(list(range(200)))[:500] + "… (890 characters)"),
    ],
)
def test_a_value_as_text(value: Any, text: str | None) -> None:
    assert value_text(value) == text


def test_a_value_nested_too_deeply_is_said_to_be() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert value_text(deep) == "(nested too deeply to be shown)"
    while deep:  # freed level by level
        deep = deep.pop()
