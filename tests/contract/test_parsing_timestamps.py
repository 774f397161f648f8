"""``timestamp``: RFC 3339 with an offset, stored in UTC, cut to microseconds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from helpers.records import documented_record, outcomes


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


GOOD = {
    "2023-11-07T05:31:56Z": utc(2023, 11, 7, 5, 31, 56),
    "2023-11-07t05:31:56z": utc(2023, 11, 7, 5, 31, 56),
    "2023-11-07 05:31:56+00:00": utc(2023, 11, 7, 5, 31, 56),
    "2023-11-07T05:31:56-00:00": utc(2023, 11, 7, 5, 31, 56),
    "2023-11-07T05:31:56+05:30": utc(2023, 11, 7, 0, 1, 56),
    "2023-11-07T05:31:56-23:59": utc(2023, 11, 8, 5, 30, 56),
    "2023-11-07T05:31:56.1Z": utc(2023, 11, 7, 5, 31, 56, 100_000),
    "2023-11-07T05:31:56.123456Z": utc(2023, 11, 7, 5, 31, 56, 123_456),
    "2023-11-07T05:31:56.123456999Z": utc(2023, 11, 7, 5, 31, 56, 123_456),
    "2023-11-07T05:31:56.999999999-01:00": utc(2023, 11, 7, 6, 31, 56, 999_999),
    "1969-12-31T23:59:59.5Z": utc(1969, 12, 31, 23, 59, 59, 500_000),
    "2024-02-29T00:00:00Z": utc(2024, 2, 29),
    "0001-01-01T00:00:00Z": utc(1, 1, 1),
    "9999-12-31T23:59:59.999999999Z": utc(9999, 12, 31, 23, 59, 59, 999_999),
}
BAD = [
    "",
    "2023-11-07",
    "2023-11-07T05:31:56",
    "2023-11-07T05:31Z",
    "2023-11-07T05:31:56+0530",
    "2023-11-07T05:31:56+05",
    "2023-11-07T05:31:56+24:00",
    "2023-11-07T05:31:56+05:60",
    "2023-11-07T05:31:56.Z",
    "2023-11-07T05:31:56,5Z",
    "2023-11-07T24:00:00Z",
    "2023-11-07T05:60:00Z",
    "2023-11-07T23:59:60Z",
    "2023-02-29T00:00:00Z",
    "2023-13-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "10000-01-01T00:00:00Z",
    " 2023-11-07T05:31:56Z",
    "2023-11-07T05:31:56Z\n",
    "2023-11-07T05:31:56 Z",
    "٢٠٢٣-11-07T05:31:56Z",
    "1699335116",
    "yesterday",
]


def test_a_timestamp_is_stored_in_utc():
    rows = outcomes(*(documented_record(created_at=text) for text in GOOD))
    assert {text: row["created_at"] for text, row in zip(GOOD, rows, strict=True)} == GOOD


@pytest.mark.parametrize("column", ["created_at", "updated_at"])
def test_what_is_no_timestamp_is_refused(column):
    found = outcomes(*(documented_record(**{column: text}) for text in BAD))
    assert [text for text, why in zip(BAD, found, strict=True) if why != [("timestamp", column)]] == []
