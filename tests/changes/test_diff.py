"""Tests every kind of change, and what is not a change."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from helpers.records import uuid_of
from helpers.stores import model_row, nth_day, refused_record
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.changes.detect import compare_days, detect_changes
from io_intelligence_provider.changes.kinds import FIELDS, KINDS, kind_of
from io_intelligence_provider.contract.columns import COLUMNS
from io_intelligence_provider.errors import StorageError


def rows_of(builder, when=None, against="previous"):
    table = compare_days(builder.store, when, against).changes
    return [
        tuple(row[key] for key in ("name", "change", "field", "old_value", "new_value"))
        for row in table.to_pylist()
    ]


def values_of(builder):
    table = compare_days(builder.store).changes
    return [
        tuple(row[key] for key in ("old_value", "new_value", "pct", "direction")) for row in table.to_pylist()
    ]


STAMP = datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "old", "new", "kind", "texts"),
    [
        ("input_token_price", "0.150", "0.2", "price_changed", ("0.15", "0.2")),
        ("cache_read_token_price", None, "0", "price_changed", (None, "0")),
        ("output_token_price", "100", None, "price_changed", ("100", None)),
        ("chat_daily_quota_tier_1", 100, 50, "quota_changed", ("100", "50")),
        ("max_tokens", None, 8, "limit_changed", (None, "8")),
        ("context_window", 8, 0, "limit_changed", ("8", "0")),
        ("status", "active", "inactive", "status_changed", ("active", "inactive")),
        ("description", "a", "A", "attribute_changed", ("a", "A")),
        ("description", None, "", "attribute_changed", (None, "")),
        ("tags", ["a", "b"], ["a,b", "é"], "attribute_changed", ('["a", "b"]', '["a,b", "é"]')),
        ("tags", [], None, "attribute_changed", ("[]", None)),
        ("enable_chat_ui", True, False, "attribute_changed", ("true", "false")),
        ("trendiness", 1, 2, "attribute_changed", ("1", "2")),
        ("created_at", STAMP, STAMP.replace(microsecond=0), "attribute_changed",
         ("2026-01-02T03:04:05.000060Z", "2026-01-02T03:04:05Z")),
        ("min_access_tier", "standard", "professional", "access_changed", ("standard", "professional")),
        ("min_access_tier", None, "standard", "access_changed", (None, "standard")),
        ("display_name", "A", "a", "attribute_changed", ("A", "a")),
        ("supports_tools", False, True, "attribute_changed", ("false", "true")),
        ("input_modalities", ["text"], ["text", "image"], "attribute_changed",
         ('["text"]', '["text", "image"]')),
    ],
)  # fmt: skip
def test_a_field_that_differs_is_one_change_of_its_kind(builder, field, old, new, kind, texts):
    builder.file(1, model_row("m", **{field: old}), model_row("n"))
    builder.file(2, model_row("m", **{field: new}), model_row("n"))
    assert rows_of(builder) == [("m", kind, field, *texts)]


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("input_token_price", "2.0", "2"),
        ("input_token_price", "1e-7", "0.0000001"),
        ("input_token_price", "0", "0.000"),
        ("tags", ["a"], ["a"]),
        ("extra", '{"a": 1, "b": {"c": 2, "d": 3}}', '{"b": {"d": 3, "c": 2}, "a": 1}'),
        ("extra", '{"a": 1.50, "b": [2.0, -0.0]}', '{"a": 15e-1, "b": [2, 0]}'),
        ("extra", None, "{}"),
        ("updated_at", STAMP, STAMP.replace(year=2027)),
        ("updated_at", None, STAMP),
        ("avg_latency_ms_per_day", 812.25, 7.0),
        ("avg_throughput_per_day", None, 1.5),
    ],
)
def test_the_same_value_written_differently_is_no_change(builder, field, old, new):
    builder.file(1, model_row("m", **{field: old}))
    builder.file(2, model_row("m", **{field: new}))
    assert rows_of(builder) == []


EXTRA = [
    ({"a": 1}, {"a": 2}, {"a": ("1", "2")}),
    ({"a": 1}, {}, {"a": ("1", None)}),
    ({}, {"a": None}, {"a": (None, "null")}),
    ({"a": "1", "b": True}, {"a": 1, "b": 1}, {"a": ('"1"', "1"), "b": ("true", "1")}),
    ({"a.b": "x", "c d\n*": 0, "": 1}, {"a.b": "y", "c d\n*": 1, "": 2},
     {"a.b": ('"x"', '"y"'), "c d\n*": ("0", "1"), "": ("1", "2")}),
    ({"\ud800": "é"}, {"\ud800": "\udfff"}, {r"\ud800": ('"\\u00e9"', '"\\udfff"')}),
    ({"a": {"y": 1, "x": [1, {"q": 1}]}}, {"a": {"x": [1, {"q": 2}], "y": 1}},
     {"a": ('{"x": [1, {"q": 1}], "y": 1}', '{"x": [1, {"q": 2}], "y": 1}')}),
    ({"same": 1, "z": 1, "b": 1}, {"b": 2, "same": 1, "z": 3}, {"b": ("1", "2"), "z": ("1", "3")}),
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("shape", WireShape)
@pytest.mark.parametrize(("old", "new", "wanted"), EXTRA)
def test_extra_is_compared_key_by_key(builder, shape, old, new, wanted):
    builder.file(1, model_row("m", extra=json.dumps(old)), shape=shape)
    builder.file(2, model_row("m", extra=json.dumps(new)), shape=shape)
    assert rows_of(builder) == [
        ("m", "attribute_changed", f"extra.{key}", *values) for key, values in sorted(wanted.items())
    ]
    assert [found[2:] for found in values_of(builder)] == [(None, None)] * len(wanted)


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("shape", WireShape)
def test_a_key_of_extra_that_has_become_a_column_is_not_compared(builder, shape, back):
    keys = [column.key(shape) for column in COLUMNS if column.key(shape)]
    moved = ["permission", *keys] if shape == "openai" else [key for key in keys if key != "model_id"]
    before = {"object": "model", **{key: f"was {key}" for key in moved}}
    days = [json.dumps({"object": "model"}), json.dumps(before)]
    for when, extra in enumerate(days if back else days[::-1]):
        builder.file(when, model_row("m", extra=extra), shape=shape)
    assert rows_of(builder) == []


def test_a_key_that_waited_below_metadata_is_not_compared_either(builder):
    builder.file(1, model_row("m", extra='{"display_name": 1, "metadata": {"display_name": 2}}'))
    builder.file(2, model_row("m", extra='{"display_name": 1}', display_name="2"))
    builder.file(3, model_row("m", extra='{"a": 1, "metadata": {"a": 2}}', display_name="2"))
    assert [row[2] for row in rows_of(builder, nth_day(2))] == ["display_name"]
    assert rows_of(builder) == [
        ("m", "attribute_changed", "extra.a", None, "1"),
        ("m", "attribute_changed", "extra.metadata", None, '{"a": 2}'),
    ]


def test_an_extra_that_is_no_object_is_an_error(builder):
    builder.file(1, model_row("m", extra="[1]"))
    builder.file(2, model_row("m", extra="{}"))
    assert rows_of(builder) == []  # the earlier day is skipped
    builder.file(3, model_row("m", extra="[1]"))
    with pytest.raises(StorageError, match=r"models\.parquet: .*`extra` that is no JSON object: '\[1\]'"):
        rows_of(builder)


def test_created_is_compared_where_it_says_when_a_model_was_made(builder):
    for shape, wanted in (("documented", 1), ("openai", 0)):
        for when in (1, 2):
            builder.file(when, model_row("m", created_at=STAMP.replace(year=2020 + when)), shape=shape)
        assert len(rows_of(builder)) == wanted


def test_the_least_difference_a_price_can_have_is_seen(builder):
    builder.file(1, model_row("m", input_token_price="99999999999999999999.999999999999999998"))
    builder.file(2, model_row("m", input_token_price="99999999999999999999.999999999999999999"))
    (change,) = values_of(builder)
    assert change == (
        "99999999999999999999.999999999999999998",
        "99999999999999999999.999999999999999999",
        1e-36,
        "up",
    )


@pytest.mark.parametrize(
    ("old", "new", "pct", "direction"),
    [
        ("0.2", "0.21", 5.0, "up"),
        ("0.1", "0.3", 200.0, "up"),
        ("3", "1", -200 / 3, "down"),
        ("2", "0", -100.0, "down"),
        ("0", "2", None, "up"),
        (None, "2", None, None),
        ("2", None, None, None),
    ],
)
def test_per_cent_and_direction(builder, old, new, pct, direction):
    builder.file(1, model_row("m", input_token_price=old))
    builder.file(2, model_row("m", input_token_price=new))
    assert [found[2:] for found in values_of(builder)] == [(pct, direction)]


def test_texts_have_neither_per_cent_nor_direction(builder):
    builder.file(1, model_row("m", status="active", version="1"))
    builder.file(2, model_row("m", status="inactive", version="2"))
    assert [found[2:] for found in values_of(builder)] == [(None, None)] * 2


def test_models_come_and_go(builder):
    builder.file(1, model_row("gone", input_token_price="1"), model_row("stays"))
    builder.file(2, model_row("new", input_token_price="1"), model_row("stays"))
    assert rows_of(builder) == [
        ("gone", "model_removed", None, None, None),
        ("new", "model_added", None, None, None),
    ]


def test_a_new_name_is_an_attribute(builder):
    builder.file(1, model_row("old"))
    builder.file(2, model_row("new", model_id=uuid_of("old")))
    assert rows_of(builder) == [("new", "attribute_changed", "name", "old", "new")]


def test_a_new_id_under_a_unique_name_is_an_attribute_and_its_fields_are_compared(builder):
    builder.file(1, model_row("m", model_id=uuid_of("a"), input_token_price="1"))
    builder.file(2, model_row("m", model_id=uuid_of("b"), input_token_price="2"))
    assert rows_of(builder) == [
        ("m", "attribute_changed", "model_id", uuid_of("a"), uuid_of("b")),
        ("m", "price_changed", "input_token_price", "1", "2"),
    ]
    assert {row["model_id"] for row in compare_days(builder.store).changes.to_pylist()} == {uuid_of("b")}


@pytest.mark.parametrize("twice", ["old", "new"])
def test_a_new_id_under_a_name_that_is_not_unique_is_another_model(builder, twice):
    same = model_row("m", model_id=uuid_of("c"))
    builder.file(1, model_row("m", model_id=uuid_of("a")), *([same] if twice == "old" else []))
    builder.file(2, model_row("m", model_id=uuid_of("b")), *([same] if twice == "new" else []))
    found = sorted(row[1] for row in rows_of(builder))
    both = ["model_added", "model_removed"]
    assert found == sorted([*both, "model_removed" if twice == "old" else "model_added"])


def test_a_name_that_stays_unique_only_because_its_other_bearer_matched_is_not_unique(builder):
    stays = model_row("m", model_id=uuid_of("c"))
    builder.file(1, stays, model_row("m", model_id=uuid_of("a")))
    builder.file(2, stays, model_row("m", model_id=uuid_of("b")))
    assert sorted(row[1] for row in rows_of(builder)) == ["model_added", "model_removed"]


def test_rows_are_sorted_and_carry_the_day_they_were_compared_with(builder):
    for when, price in ((1, "1"), (2, "2")):
        builder.file(
            when,
            *(
                model_row(name, input_token_price=price, output_token_price=price, status=price)
                for name in "bA"
            ),
            *([model_row("z")] if when == 1 else []),
        )
    table = compare_days(builder.store).changes
    keys = [(row["name"], row["change"], row["field"] or "") for row in table.to_pylist()]
    assert keys == sorted(keys)
    assert len(keys) == 7
    assert set(table["previous_date"].to_pylist()) == {nth_day(1)}


def test_every_field_belongs_to_a_kind():
    assert set(map(kind_of, FIELDS)) == set(KINDS) - {"model_added", "model_removed"}
    measured = {column.name for column in COLUMNS if column.measurement}
    assert set(FIELDS) == {column.name for column in COLUMNS} - {"updated_at", "fetched_at"} - measured


FULL = {
    "status": "active",
    "chat_daily_quota_tier_1": 5,
    "trendiness": 3,
    "tool_support": "no",
    "enable_chat_ui": True,
    "supports_prompt_cache": False,
    "description": "words",
    "developer": "me",
    "updated_at": STAMP,
    "created_at": STAMP,
}


class TestShapes:
    """Snapshots of different wire shapes: what one shape cannot say is not compared."""

    @pytest.mark.parametrize("back", [False, True])
    def test_what_one_shape_does_not_have_is_no_change(self, builder, back):
        documented = model_row("m", input_token_price="1", **FULL)
        observed = model_row(
            "m",
            model_id=uuid_of("derived"),
            input_token_price="1",
            created_at=STAMP.replace(year=2030),
            display_name="M",
            min_access_tier="standard",
            supports_tools=True,
            input_modalities=["text"],
            avg_latency_ms_per_day=1.5,
            extra='{"object": "model"}',
        )
        builder.file(1, observed if back else documented, shape="openai" if back else "documented")
        builder.file(2, documented if back else observed, shape="documented" if back else "openai")
        assert rows_of(builder) == []

    def test_what_both_have_is_compared_by_name(self, builder):
        builder.file(
            1,
            model_row("m", input_token_price="1", output_token_price=None, context_window=8,
                  supports_images_input=False, **FULL),
            model_row("gone"),
        )  # fmt: skip
        builder.file(
            2,
            model_row("m", model_id=uuid_of("x"), input_token_price="2", output_token_price="0",
                      context_window=9, supports_images_input=True, status="inactive"),
            model_row("new"),
            shape="openai",
        )  # fmt: skip
        assert rows_of(builder) == [
            ("gone", "model_removed", None, None, None),
            ("m", "attribute_changed", "supports_images_input", "false", "true"),
            ("m", "limit_changed", "context_window", "8", "9"),
            ("m", "price_changed", "input_token_price", "1", "2"),
            ("m", "price_changed", "output_token_price", None, "0"),
            ("m", "status_changed", "status", "active", "inactive"),
            ("new", "model_added", None, None, None),
        ]

    def test_newer_columns_are_compared_where_both_say_something(self, builder):
        builder.file(1, model_row("m", min_access_tier="standard", supports_tools=True, display_name="M"))
        builder.file(2, model_row("m", min_access_tier="developer", supports_tools=False), shape="openai")
        assert rows_of(builder) == [
            ("m", "access_changed", "min_access_tier", "standard", "developer"),
            ("m", "attribute_changed", "supports_tools", "true", "false"),
        ]

    def test_two_models_of_one_name_are_not_told_apart(self, builder):
        builder.file(
            1,
            model_row("m", model_id=uuid_of("a")),
            model_row("m", model_id=uuid_of("b"), input_token_price="1"),
        )
        builder.file(2, model_row("m", input_token_price="3"), shape="openai")
        assert rows_of(builder) == []


class TestQuarantine:
    """A refused model is unknown that day."""

    @pytest.mark.parametrize("who", ["id", "name", "broken id"])
    def test_refused_today_is_not_removed(self, builder, who):
        builder.file(1, model_row("m", input_token_price="1"), model_row("n"))
        refused = {
            "id": refused_record(None, model_id=uuid_of("m")),
            "name": refused_record("m"),
            "broken id": refused_record("m", model_id="?"),
        }[who]
        builder.file(2, model_row("n"), refused=[refused])
        assert rows_of(builder) == []

    def test_another_model_of_the_same_name_is_removed(self, builder):
        builder.file(1, model_row("m", model_id=uuid_of("a")), model_row("m", model_id=uuid_of("b")))
        builder.file(2, refused=[refused_record("m", model_id=uuid_of("a"))])
        assert [row["model_id"] for row in compare_days(builder.store).changes.to_pylist()] == [uuid_of("b")]

    def test_a_record_with_neither_is_ignored(self, builder):
        builder.file(1, model_row("m"))
        builder.file(2, refused=[refused_record(None)])
        assert rows_of(builder) == [("m", "model_removed", None, None, None)]

    def test_refused_yesterday_is_compared_with_the_day_before(self, builder):
        builder.file(1, model_row("m", input_token_price="1"), model_row("n", status="a"))
        builder.file(2, model_row("n", status="b"), refused=[refused_record("m", model_id=uuid_of("m"))])
        builder.file(3, model_row("n", status="c"), refused=[refused_record("m")])
        builder.file(4, model_row("m", input_token_price="2"), model_row("n", status="d"))
        assert rows_of(builder) == [
            ("m", "price_changed", "input_token_price", "1", "2"),
            ("n", "status_changed", "status", "c", "d"),
        ]
        assert compare_days(builder.store).changes["previous_date"].to_pylist() == [nth_day(1), nth_day(3)]

    def test_valid_beside_a_refused_record_of_its_name_is_known(self, builder):
        builder.file(1, model_row("m", input_token_price="1"))
        builder.file(2, model_row("m", input_token_price="2"), refused=[refused_record("m")])
        builder.file(3, model_row("m", input_token_price="3"), refused=[refused_record("m")])
        assert rows_of(builder) == [("m", "price_changed", "input_token_price", "2", "3")]

    def test_gone_after_the_quarantine_is_removed(self, builder):
        builder.file(1, model_row("m"), model_row("n"))
        builder.file(2, model_row("n"), refused=[refused_record(None, model_id=uuid_of("m"))])
        builder.file(3, model_row("n"))
        assert rows_of(builder) == [("m", "model_removed", None, None, None)]
        assert compare_days(builder.store).changes["previous_date"].to_pylist() == [nth_day(1)]
        builder.file(4, model_row("n"))
        assert rows_of(builder) == []

    def test_absent_before_the_quarantine_is_added(self, builder):
        builder.file(1, model_row("n"))
        builder.file(2, model_row("n"), refused=[refused_record("m", model_id=uuid_of("m"))])
        builder.file(3, model_row("n"), model_row("m"), model_row("o"))
        assert rows_of(builder) == [
            ("m", "model_added", None, None, None),
            ("o", "model_added", None, None, None),
        ]
        assert compare_days(builder.store).changes["previous_date"].to_pylist() == [nth_day(1), nth_day(2)]

    def test_in_quarantine_on_every_day_before_is_added(self, builder):
        builder.file(1, model_row("n"), refused=[refused_record("m", model_id=uuid_of("m"))])
        builder.file(2, model_row("n"), refused=[refused_record("m", model_id=uuid_of("m"))])
        builder.file(3, model_row("n"), model_row("m"))
        assert rows_of(builder) == [("m", "model_added", None, None, None)]
        assert compare_days(builder.store).changes["previous_date"].to_pylist() == [nth_day(2)]

    def test_a_renamed_id_is_seen_through_the_quarantine(self, builder):
        builder.file(1, model_row("m", model_id=uuid_of("a")))
        builder.file(2, model_row("n"), refused=[refused_record("m", model_id=uuid_of("b"))])
        builder.file(3, model_row("n"), model_row("m", model_id=uuid_of("b")))
        assert rows_of(builder) == [("m", "attribute_changed", "model_id", uuid_of("a"), uuid_of("b"))]

    def test_a_given_day_is_not_looked_through(self, builder):
        builder.file(1, model_row("m", input_token_price="1"))
        builder.file(2, model_row("n"), refused=[refused_record("m", model_id=uuid_of("m"))])
        builder.file(3, model_row("m", input_token_price="2"), model_row("n"))
        assert rows_of(builder, against=nth_day(2)) == []
        assert rows_of(builder, against=nth_day(1)) == [
            ("m", "price_changed", "input_token_price", "1", "2"),
            ("n", "model_added", None, None, None),
        ]

    def test_quarantine_across_shapes_is_matched_by_name(self, builder):
        builder.file(1, model_row("m", input_token_price="1"))
        builder.file(2, model_row("n"), refused=[refused_record("m", model_id=uuid_of("x"))], shape="openai")
        assert rows_of(builder) == [("n", "model_added", None, None, None)]
        builder.file(3, model_row("m", input_token_price="2"), model_row("n"))
        assert rows_of(builder) == [("m", "price_changed", "input_token_price", "1", "2")]


def test_a_changes_file_is_never_mistaken_for_memory(builder):
    """Files of changes are results: comparing reads snapshots only."""
    builder.file(1, model_row("m", input_token_price="1"))
    builder.file(2, model_row("m", input_token_price="2"))
    detect_changes(builder.store)
    builder.file(1, model_row("m", input_token_price="2"))
    assert rows_of(builder) == []
    assert builder.store.changes().num_rows == 1
