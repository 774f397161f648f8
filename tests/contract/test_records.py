"""Tests the validation of records: every reason, both sides of each border, and the counts."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from helpers.records import MODEL_ID, documented_record, observed_record, outcomes, validate_all
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.columns import COLUMNS, QUOTA_COLUMNS, Place
from io_intelligence_provider.contract.records import RecordCounts
from io_intelligence_provider.quality.result import CheckResult


def test_all_columns_report_and_each_its_first_kind_only():
    record = documented_record(
        {
            "trendiness": 11,
            "max_tokens": "many",
            "input_token_price": "free",
            "tags": 5,
            "tool_support": None,
        },
        model_id="no uuid",
        name=None,
        status="retired",
        chat_daily_quota_tier_1=-1,
        api_completions_daily_quota_tier_1=True,
        embeddings_daily_quota_tier_1=...,
        created_at="yesterday",
    )
    (refused,) = validate_all(record).refused
    assert [(f.check, f.column) for f in refused.failures] == [
        ("uuid", "model_id"),
        ("required", "name"),
        ("allowed_values", "status"),
        ("non_negative", "chat_daily_quota_tier_1"),
        ("type", "api_completions_daily_quota_tier_1"),
        ("required", "embeddings_daily_quota_tier_1"),
        ("type", "tags"),
        ("in_range", "trendiness"),
        ("type", "max_tokens"),
        ("price", "input_token_price"),
        ("timestamp", "created_at"),
    ]
    assert all(failure.message for failure in refused.failures)


def test_failures_of_the_record_and_of_its_metadata_come_first():
    (refused,) = validate_all(documented_record(5, model_id="x", name=None)).refused
    assert [f.column for f in refused.failures] == ["metadata", "model_id", "name"]


def test_a_mistyped_value_hides_no_null_of_a_later_record():
    found = outcomes(*(documented_record(name=name) for name in (5, None, 5, ...)))
    assert found == [[("type", "name")], [("required", "name")]] * 2


def test_a_creation_that_cannot_be_read_is_not_after_the_update():
    result = validate_all(documented_record(created_at="now"))
    assert (len(result.refused), result.warned) == (1, {})


def test_a_required_value_of_a_wrong_type_is_not_also_absent():
    found = outcomes(
        documented_record(name=5), documented_record({"trendiness": "1"}), documented_record(created_at=1)
    )
    assert found == [[("type", "name")], [("type", "trendiness")], [("type", "created_at")]]


def test_an_id_that_is_no_uuid_reports_that_before_its_repetition():
    result = validate_all(
        documented_record(model_id="x"), documented_record(model_id="x", name="b"), conflicting={"x"}
    )
    assert [[f.check for f in refused.failures] for refused in result.refused] == [["uuid"], ["uuid"]]


def test_a_repeated_id_is_refused_beside_other_reasons():
    result = validate_all(
        documented_record(),
        documented_record(status="?"),
        documented_record(model_id=MODEL_ID[:-1] + "b"),
        conflicting={MODEL_ID},
    )
    assert [[(f.check, f.column) for f in refused.failures] for refused in result.refused] == [
        [("unique", "model_id")],
        [("unique", "model_id"), ("allowed_values", "status")],
    ]
    assert result.valid["model_id"].to_list() == [MODEL_ID[:-1] + "b"]


def test_valid_rows_are_unaffected_by_refused_neighbours():
    good = [documented_record({"max_tokens": number}, name=f"good-{number}") for number in range(3)]
    bad = [
        documented_record({"max_tokens": -1}),
        b"[]",
        documented_record({"max_tokens": "x", "tags": [1]}, name=None),
    ]
    alone = validate_all(*good).valid
    mixed = [good[0], bad[0], bad[1], good[1], bad[2], good[2]]
    assert validate_all(*mixed).valid.equals(alone)


def test_valid_rows_hold_no_memory_of_refused_ones():
    import polars as pl

    refused = [documented_record(status="retired", description="x" * 100_000) for _ in range(20)]
    valid = validate_all(documented_record(description="y" * 100), *refused).valid
    assert valid.height == 1
    array = valid["description"].to_arrow(compat_level=pl.CompatLevel.newest())
    assert sum(buffer.size for buffer in array.buffers() if buffer) < 1_000


def test_a_refused_record_keeps_who_it_is_and_its_text():
    record = documented_record({"x": "é"}, model_id=MODEL_ID.upper(), status="?")
    raw = json.dumps(record, ensure_ascii=False, indent=1).encode()
    (refused,) = validate_all(raw).refused
    assert (refused.model_id, refused.name) == (MODEL_ID, "org/model")
    assert refused.record.isascii()
    assert json.loads(refused.record) == record


def test_an_empty_batch_is_fine():
    result = validate_all()
    assert (result.rows, result.valid.height, result.refused) == (0, 0, [])


def test_a_uuid_is_stored_in_lower_case():
    given = [MODEL_ID, MODEL_ID.upper(), MODEL_ID.title(), "0" * 8 + "-0000-0000-0000-" + "0" * 12]
    rows = outcomes(*(documented_record(model_id=text) for text in given))
    assert [row["model_id"] for row in rows] == [text.lower() for text in given]


def test_what_is_no_canonical_uuid_is_refused():
    given = [
        "",
        " " + MODEL_ID,
        MODEL_ID + "\n",
        MODEL_ID.replace("-", ""),
        f"{{{MODEL_ID}}}",
        f"urn:uuid:{MODEL_ID}",
        MODEL_ID[:-1],
        MODEL_ID + "0",
        MODEL_ID.replace("3", "g", 1),
        MODEL_ID.replace("3", "٣", 1),
    ]
    found = outcomes(*(documented_record(model_id=text) for text in given))
    assert found == [[("uuid", "model_id")]] * len(given)


def test_the_status_is_one_of_two():
    good, bad = ["active", "inactive"], ["Active", "", "active ", "retired"]
    found = outcomes(*(documented_record(status=status) for status in good + bad))
    assert [row["status"] for row in found[:2]] == good
    assert found[2:] == [[("allowed_values", "status")]] * len(bad)


def test_trendiness_is_from_0_to_10():
    low, zero, ten, high = outcomes(*(documented_record({"trendiness": value}) for value in (-1, 0, 10, 11)))
    assert low == high == [("in_range", "trendiness")]
    assert (zero["trendiness"], ten["trendiness"]) == (0, 10)


@pytest.mark.parametrize("column", [*QUOTA_COLUMNS, "max_tokens", "context_window"])
def test_quotas_and_limits_are_not_negative(column):
    values = (-1, 0, 2**63 - 1)
    records = [
        documented_record(**{column: value})
        if column in QUOTA_COLUMNS
        else documented_record({column: value})
        for value in values
    ]
    below, *others = outcomes(*records)
    assert below == [("non_negative", column)]
    assert [row[column] for row in others] == [0, 2**63 - 1]


@pytest.mark.parametrize(
    ("updated", "flagged"),
    [
        ("2025-01-02T03:04:04.999999Z", True),
        ("2025-01-02T03:04:05Z", False),
        ("2025-01-02T04:04:04+01:00", True),
        ("2025-01-02T04:04:05+01:00", False),
    ],
)
def test_an_update_before_the_creation_is_flagged_and_kept(updated, flagged):
    result = validate_all(documented_record(updated_at=updated))
    assert result.valid.height == 1
    assert list(result.warned) == ([("not_before", "updated_at")] if flagged else [])


PRICE = "is no plain, finite, non-negative decimal number of at most 20 integer digits and 18 decimals"
SCALED_PRICE = "is negative or, in USD per million tokens, has more than 20 integer digits or 18 decimals"


@pytest.mark.parametrize(
    ("record", "failure"),
    [
        (documented_record(model_id="X"), ("uuid", "model_id", "is not a UUID in its canonical form", "X")),
        (documented_record(model_id=None), ("required", "model_id", "is null", None)),
        (documented_record(model_id=...), ("required", "model_id", "is absent", None)),
        (documented_record(status="x"), ("allowed_values", "status", "is none of active, inactive", "x")),
        (documented_record(created_at=...), ("required", "created_at", "is absent", None)),
        (
            documented_record(created_at="now"),
            ("timestamp", "created_at", "is no RFC 3339 timestamp with an offset", "now"),
        ),
        (
            documented_record(chat_daily_quota_tier_1=-1),
            ("non_negative", "chat_daily_quota_tier_1", "is negative", "-1"),
        ),
        (
            documented_record({"trendiness": 11}),
            ("in_range", "trendiness", "is not within 0 and 10", "11"),
        ),
        (
            documented_record({"input_token_price": "free"}, input_token_price="1"),
            ("price", "input_token_price", PRICE, "free"),
        ),
        (
            observed_record(input_token_price=-1, metadata={"input_token_price": 1}),
            ("price", "input_token_price", SCALED_PRICE, "-1"),
        ),
        (observed_record(id=None), ("required", "name", "is null", None)),
        (observed_record(id=...), ("required", "name", "is absent", None)),
        (
            observed_record(id="a", model_id="b"),
            ("unique", "model_id", "is the id of another, differing record as well", "a"),
        ),
    ],
)
def test_a_failure_says_what_is_wrong_with_the_value_as_served(record, failure):
    shape = WireShape.OPENAI if "object" in record else WireShape.DOCUMENTED
    (refused,) = validate_all(record, shape=shape, conflicting={"a"}).refused
    (found,) = refused.failures
    assert (found.check, found.column, found.message, found.value) == failure


BROKEN = [5, True, "", "\ud800", -1, [5], {"a": 1}, None, 10**30]


@pytest.fixture(params=WireShape)
def hostile(request):
    """Return a shape and records that break every column in every way."""
    records = [None, [], "x", {}]
    for column in COLUMNS:
        for value in BROKEN:
            if request.param is WireShape.OPENAI:
                records.append(observed_record(**{column.observed_key or column.name: value}))
            elif column.place is Place.METADATA:
                records.append(documented_record({column.name: value}))
            else:
                records.append(documented_record(**{column.name: value}))
    return request.param, [*records, documented_record(metadata=5), documented_record(metadata=None)]


@pytest.mark.long
def test_every_reason_of_the_quarantine_is_counted_in_the_report(hostile):
    shape, records = hostile
    counts, reasons, warned = RecordCounts(shape), Counter(), Counter()
    for part in (records[::2], records[1::2], []):
        result = validate_all(*part, shape=shape, conflicting={"org/model"})
        counts.add(result)
        reasons.update((f.check, f.column) for refused in result.refused for f in refused.failures)
        warned.update({key: len(rows) for key, rows in result.warned.items()})
    results = {(result.check, result.column): result for result in counts.results()}
    assert len(results) == len(counts.results())
    assert {key: result.failed for key, result in results.items() if result.failed} == dict(reasons + warned)
    for (check, _), result in results.items():
        assert (result.level, result.evaluated) == ("row", len(records)), check
        assert result.severity == ("warn" if check in ("coerced", "not_before") else "error")
        assert len(result.examples) == min(result.failed, 5)
        for example in result.examples:
            assert {"model_id", "name"} <= set(example) <= {"model_id", "name", "value", "message"}
    assert (counts.served, counts.quarantined) == (len(records), counts.served - counts.valid)


def test_counts_are_those_of_all_batches():
    counts = RecordCounts(WireShape.DOCUMENTED)
    ids = [f"{MODEL_ID[:-1]}{number}" for number in range(3)]
    refused = [
        documented_record({"x": 1, "max_tokens": -1}, model_id=ids[0], name="a", status="?"),
        documented_record({"y": 1}, model_id=ids[1], name="b", status="!"),
    ]
    late = documented_record({"tags": "New"}, model_id=ids[2], updated_at="2024-01-01T00:00:00Z")
    for record in (*refused, late):
        counts.add(validate_all(record))
    assert (counts.served, counts.quarantined, counts.valid) == (3, 2, 1)
    assert counts.fields >= {"x", "y", "tags"}
    assert counts.unknown == {"x", "y"}
    assert (counts.refused_ids, counts.refused_names) == ({*ids[:2]}, {"a", "b"})
    a, b, kept = [
        {"model_id": model_id, "name": name}
        for model_id, name in zip(ids, ("a", "b", late["name"]), strict=True)
    ]
    status = {"message": "is none of active, inactive"}
    found = {(item.check, item.column): item for item in counts.results() if item.failed}
    assert found == {
        key: CheckResult(*key, "row", severity, 3, len(examples), examples)
        for key, severity, examples in [
            (
                ("allowed_values", "status"),
                "error",
                [a | {"value": "?"} | status, b | {"value": "!"} | status],
            ),
            (("non_negative", "max_tokens"), "error", [a | {"value": "-1", "message": "is negative"}]),
            (("coerced", "tags"), "warn", [kept]),
            (("not_before", "updated_at"), "warn", [kept]),
        ]
    }


@pytest.mark.parametrize("shape", WireShape)
@pytest.mark.parametrize(("redacted", "failed"), [(0, None), (1, 1), (5, 2)])
def test_masked_credentials_are_a_warning_of_at_most_all_records(shape, redacted, failed):
    counts = RecordCounts(shape, redacted)
    record = documented_record() if shape is WireShape.DOCUMENTED else observed_record()
    counts.add(validate_all(record, record, shape=shape))
    example = {"message": "the server repeats the credential; renew it"}
    expected = CheckResult("redacted", None, "row", "warn", 2, failed or 0, [example])
    assert [item for item in counts.results() if item.check == "redacted"] == [expected] * bool(redacted)
    columns = {item.column for item in counts.results() if item.check != "redacted"}
    assert {"record", "name", "extra"} <= columns
    assert ("metadata" in columns) == (shape is WireShape.DOCUMENTED)


def test_warnings_are_counted_over_all_batches_with_five_examples():
    counts = RecordCounts(WireShape.DOCUMENTED)
    for batch in range(3):
        counts.add(validate_all(*(documented_record({"tags": "New"}, name=f"{batch}-{n}") for n in range(4))))
    coerced = next(
        result for result in counts.results() if (result.check, result.column) == ("coerced", "tags")
    )
    assert (coerced.failed, coerced.evaluated, counts.quarantined) == (12, 12, 0)
    assert [example["name"] for example in coerced.examples] == ["0-0", "0-1", "0-2", "0-3", "1-0"]


def test_long_names_and_values_are_cut_in_the_examples():
    counts = RecordCounts(WireShape.DOCUMENTED)
    long = "x" * 10_000
    counts.add(
        validate_all(
            documented_record({"tags": "New"}, name=long),
            documented_record(status=long, model_id=long, name=long),
        )
    )
    for result in counts.results():
        for example in result.examples:
            assert all(len(text or "") < 150 for text in example.values()), result.check


def test_long_keys_are_cut_in_the_report():
    counts = RecordCounts(WireShape.DOCUMENTED)
    counts.add(validate_all(documented_record({"k" * 10_000: 1})))
    assert max(map(len, counts.fields)) < 150
    assert max(map(len, counts.unknown)) < 150


def test_a_refused_record_is_known_by_its_id_and_its_name():
    counts = RecordCounts(WireShape.DOCUMENTED)
    counts.add(
        validate_all(
            documented_record(status="?", name="a"),
            documented_record(model_id=None, name="b"),
            documented_record(name=None),
        )
    )
    assert counts.refused_ids == {"3c90c3cc-0d44-4b50-8888-8dd25736052a"}
    assert counts.refused_names == {"a", "b"}
