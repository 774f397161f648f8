"""Tests what a comparison says of its days: which it read, who was in quarantine, what each shape can say."""

from __future__ import annotations

import logging

import polars as pl
import pytest

from helpers.records import uuid_of
from helpers.stores import model_row, nth_day, refused_record
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.changes.days import UnreadableDayError
from io_intelligence_provider.changes.diff import compare, compare_with
from io_intelligence_provider.changes.kinds import comparable


def changed(comparison):
    columns = ["name", "change", "field", "old_value", "new_value", "previous_date"]
    return [tuple(row.values()) for row in comparison.changes.select(columns).to_pylist()]


def refused(name, identity=None):
    return refused_record(name, model_id=uuid_of(identity or name))


def test_a_first_day(builder):
    builder.file(0, model_row("m"))
    found = compare(builder.store, nth_day(0))
    assert (found.snapshot_date, found.previous_date, found.has_refused) == (nth_day(0), None, False)
    assert list(found.snapshots) == [nth_day(0)]
    assert (changed(found), found.unreadable) == ([], {})
    assert found.quarantined.is_empty()
    assert found.quarantined.schema == {
        "previous_date": pl.Date,
        "model_id": pl.String,
        "name": pl.String,
    }


def test_models_in_quarantine_with_the_day_they_were_last_known(builder):
    twins = sorted([uuid_of("one"), uuid_of("two")])
    builder.file(0, model_row("a"), *(model_row("twin", model_id=one) for one in reversed(twins)))
    twin_records = [refused_record("twin", model_id=one) for one in twins]
    builder.file(1, model_row("a"), model_row("z"), refused=twin_records)
    builder.file(2, model_row("n"), refused=[*twin_records, refused("z"), refused("a")])
    found = compare(builder.store, nth_day(2))
    assert (found.snapshot_date, found.previous_date, found.has_refused) == (nth_day(2), nth_day(1), True)
    assert list(found.snapshots) == [nth_day(2), nth_day(1), nth_day(0)]
    assert found.quarantined.rows() == [
        (nth_day(1), uuid_of("a"), "a"),
        (nth_day(0), twins[0], "twin"),
        (nth_day(0), twins[1], "twin"),
        (nth_day(1), uuid_of("z"), "z"),
    ]
    assert changed(found) == [("n", "model_added", None, None, None, nth_day(1))]


def test_an_earlier_day_that_cannot_be_read_is_skipped_and_named(builder, caplog):
    for when in range(4):
        builder.file(when, model_row("m", input_token_price=str(when + 1)))
    for when in (1, 2):
        builder.damage(builder.models_file(when))
    with caplog.at_level(logging.WARNING):
        found = compare(builder.store, nth_day(3))
    assert changed(found) == [("m", "price_changed", "input_token_price", "1", "4", nth_day(0))]
    assert sorted(found.unreadable) == [nth_day(1), nth_day(2)]
    for day, why in found.unreadable.items():
        assert f"snapshot_date={day}" in why
        said = f"{day} is skipped, and {nth_day(3)} is compared with the day before it: {why}"
        assert [record.getMessage() for record in caplog.records].count(said) == 1

    builder.damage(builder.models_file(3))
    with pytest.raises(UnreadableDayError) as caught:
        compare(builder.store, nth_day(3))
    assert caught.value.day == nth_day(3)


@pytest.mark.parametrize("part", ["models", "quarantine"])
def test_a_file_with_damaged_pages_makes_the_day_unreadable(builder, part):
    for when in range(3):
        builder.file(when, model_row("m", input_token_price=str(when + 1)), refused=[refused("r")])
    (path,) = builder.root.glob(f"{part}/snapshot_date={nth_day(1)}/*.parquet")
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(100) + data[104:])
    found = compare(builder.store, nth_day(2))
    assert changed(found) == [("m", "price_changed", "input_token_price", "1", "3", nth_day(0))]
    assert f"snapshot_date={nth_day(1)}/" in found.unreadable.pop(nth_day(1))
    assert found.unreadable == {}


@pytest.mark.parametrize("older", ["a", "z"])
@pytest.mark.parametrize(
    ("price", "other", "wanted"), [("2", "5", "2"), (None, None, None)], ids=["another price", "no price"]
)
def test_a_field_is_compared_with_each_earlier_day(builder, price, other, wanted, older):
    """``n`` is known from the day before, where the field did not move, and ``older`` from one before."""
    builder.file(0, model_row(older, input_token_price="1"))
    builder.file(1, model_row("n", input_token_price=other), refused=[refused(older)])
    builder.file(2, model_row(older, input_token_price=price), model_row("n", input_token_price=other))
    found = compare(builder.store, nth_day(2))
    assert changed(found) == [(older, "price_changed", "input_token_price", "1", wanted, nth_day(0))]


@pytest.mark.parametrize("older", ["a", "z"])
def test_a_column_that_one_day_lacks_is_compared_with_another(builder, older):
    builder.file(0, model_row(older, precision="a"))
    builder.file(1, model_row("n", precision="a"), refused=[refused(older)])
    builder.file(2, model_row(older, precision="b"), model_row("n", precision="b"))
    builder.drop_columns(nth_day(1), "precision")
    found = compare(builder.store, nth_day(2))
    assert changed(found) == [(older, "attribute_changed", "precision", "a", "b", nth_day(0))]


def test_keys_of_extra_have_both_values(builder):
    builder.file(0, model_row("m", extra='{"b": 1, "a": 1, "gone": 2}'))
    builder.file(1, model_row("m", extra='{"a": "x", "b": 2, "new": null}'))
    assert changed(compare(builder.store, nth_day(1))) == [
        ("m", "attribute_changed", "extra.a", "1", '"x"', nth_day(0)),
        ("m", "attribute_changed", "extra.b", "1", "2", nth_day(0)),
        ("m", "attribute_changed", "extra.gone", "2", None, nth_day(0)),
        ("m", "attribute_changed", "extra.new", None, "null", nth_day(0)),
    ]


@pytest.mark.parametrize("shapes", [("openai", "documented"), ("documented", "openai")])
def test_equal_values_of_two_shapes_are_no_change(builder, shapes):
    values = {"input_token_price": "1", "max_tokens": 8, "context_window": 9, "description": "same"}
    for when, shape in enumerate(shapes):
        builder.file(when, model_row("m", **values), shape=shape)
    assert changed(compare(builder.store, nth_day(1))) == []


@pytest.mark.parametrize(
    ("shape", "added"), [("documented", ["other", "twin"]), ("openai", ["other"])], ids=["by id", "by name"]
)
def test_a_new_model_that_a_given_day_refused_is_left_out(builder, shape, added):
    """Within a shape a record is the model of its id alone; between two shapes any of its name."""
    builder.file(0, model_row("m"), refused=[refused("twin", "one")], shape=shape)
    twins = [model_row("twin", model_id=uuid_of(name)) for name in ("one", "two")]
    builder.file(1, model_row("m"), model_row("other"), *twins)
    found = compare_with(builder.store, nth_day(1), nth_day(0))
    assert [row[:2] for row in changed(found)] == [(name, "model_added") for name in added]
    assert uuid_of("one") not in found.changes["model_id"].to_pylist()


def test_a_null_where_the_documentation_gives_a_default(builder):
    """The documented shape has the default filled in, so its null was served; the other does not have it."""
    builder.file(0, model_row("m", supports_images_input=None))
    builder.file(1, model_row("m", supports_images_input=True), shape="openai")
    builder.file(2, model_row("m", supports_images_input=None))
    builder.file(3, model_row("m", supports_images_input=None), shape="openai")
    builder.file(4, model_row("m", supports_images_input=False))
    found = [changed(compare(builder.store, nth_day(when))) for when in (1, 2, 3, 4)]
    about = ("m", "attribute_changed", "supports_images_input")
    assert found == [[(*about, None, "true", nth_day(0))], [(*about, "true", None, nth_day(1))], [], []]


def test_keys_of_extra_are_compared_within_a_shape():
    for field in ("extra", "extra.a", "extra.a.b"):
        assert comparable(field, WireShape.OPENAI, WireShape.OPENAI)
        assert not comparable(field, WireShape.DOCUMENTED, WireShape.OPENAI)


def test_a_large_day_is_read_column_by_column(builder, monkeypatch):
    builder.file(0, model_row("m", input_token_price="1", tags=["a"], extra='{"a": 1}'), model_row("gone"))
    builder.file(1, model_row("m", input_token_price="2", tags=["b"], extra='{"a": 2}'), model_row("new"))
    at_once = compare(builder.store, nth_day(1)).changes
    assert at_once.num_rows == 5
    monkeypatch.setattr("io_intelligence_provider.changes.days._ROWS_READ_AT_ONCE", 1)
    assert compare(builder.store, nth_day(1)).changes.equals(at_once)


@pytest.mark.parametrize(("shape", "hidden"), [("openai", "n"), ("documented", "o")])
def test_a_new_model_is_compared_with_the_day_it_was_known_to_be_absent(builder, shape, hidden):
    """Which model a refused record is: by its name between two shapes, and by its id within one."""
    builder.file(0, model_row("m"))
    builder.file(1, model_row("m"), refused=[refused("n", "o")], shape=shape)
    builder.file(2, model_row("m"), model_row("n"), model_row("o"))
    assert {row[0]: row[-1] for row in changed(compare(builder.store, nth_day(2)))} == {
        name: nth_day(0 if name == hidden else 1) for name in "no"
    }


@pytest.mark.parametrize(
    ("shape", "identity", "record"),
    [
        pytest.param("documented", uuid_of("m"), refused_record(None, model_id=uuid_of("m")), id="by id"),
        pytest.param("openai", uuid_of("x"), refused_record("m", model_id=uuid_of("y")), id="by name"),
    ],
)
def test_a_model_that_was_valid_as_well_as_refused_is_known_from_that_day(builder, shape, identity, record):
    """The same id, or between two shapes the same name, can be on a valid and on a refused record."""
    builder.file(0, model_row("old" if shape == "documented" else "m", model_id=uuid_of("m")))
    builder.file(1, model_row("m", model_id=identity, input_token_price="1"), refused=[record], shape=shape)
    builder.file(2, model_row("m", input_token_price="2"))
    assert changed(compare(builder.store, nth_day(2))) == [
        ("m", "price_changed", "input_token_price", "1", "2", nth_day(1))
    ]


def test_a_day_without_its_quarantine_cannot_be_compared(builder):
    builder.file(0, model_row("m"))
    builder.file(1, model_row("m"))
    run = builder.store.info(nth_day(1)).snapshot_id
    builder.store.files.delete(f"quarantine/snapshot_date={nth_day(1)}/{run}.parquet")
    said = f"The quarantine of snapshot {run} of {nth_day(1)} is missing in {builder.store.files.url('')}."
    with pytest.raises(UnreadableDayError) as caught:
        compare(builder.store, nth_day(1))
    assert (str(caught.value), caught.value.day) == (said, nth_day(1))


def test_a_twin_that_was_absent_while_the_other_was_refused_is_new_again(builder):
    """Which of two models with one name a record is stays the same, however far the comparison goes back."""
    one, two = (model_row("twin", model_id=uuid_of(name)) for name in ("one", "two"))
    builder.file(0, one, two)
    builder.file(1, refused=[refused("twin", "one")])
    builder.file(2, one, refused=[refused("twin", "two")])
    builder.file(3, one, two)
    assert changed(compare(builder.store, nth_day(1))) == [
        ("twin", "model_removed", None, None, None, nth_day(0))
    ]
    found = compare(builder.store, nth_day(3)).changes.to_pylist()
    assert [(row["model_id"], row["change"], row["previous_date"]) for row in found] == [
        (uuid_of("two"), "model_added", nth_day(1))
    ]


def test_a_new_twin_was_known_to_be_absent_while_the_other_was_refused(builder):
    one, two = (model_row("twin", model_id=uuid_of(name)) for name in ("one", "two"))
    builder.file(0, one)
    builder.file(1, refused=[refused("twin", "one")])
    builder.file(2, one, two)
    assert changed(compare(builder.store, nth_day(2))) == [
        ("twin", "model_added", None, None, None, nth_day(1))
    ]


def test_a_twin_that_is_gone_is_removed_once_while_the_other_stays_refused(builder):
    one, two = (model_row("twin", model_id=uuid_of(name)) for name in ("one", "two"))
    stays_refused = [refused("twin", "one")]
    builder.file(0, one, two)
    builder.file(1, two, refused=stays_refused)
    for when in (2, 3, 4):
        builder.file(when, refused=stays_refused)
    assert [changed(compare(builder.store, nth_day(when))) for when in (2, 3, 4)] == [
        [("twin", "model_removed", None, None, None, nth_day(1))],
        [],
        [],
    ]


def test_an_unknown_record_is_not_told_apart_by_what_a_later_day_shows(builder):
    """On the day after, ``one`` may have become ``two``: it was not removed then, so it is removed now."""
    one, two = (model_row("twin", model_id=uuid_of(name)) for name in ("one", "two"))
    builder.file(0, one)
    builder.file(1, refused=[refused("twin", "two")])
    builder.file(2, two, refused=[refused("twin", "three")])
    builder.file(3, two)
    assert [changed(compare(builder.store, nth_day(when))) for when in (1, 3)] == [
        [],
        [("twin", "model_removed", None, None, None, nth_day(0))],
    ]


def test_a_model_that_was_renamed_while_its_old_name_was_refused_is_compared_once(builder):
    builder.file(0, model_row("old", model_id=uuid_of("m"), input_token_price="1"))
    record = refused("old", "another")
    builder.file(1, model_row("m", input_token_price="2"), refused=[record])
    builder.file(2, model_row("m", input_token_price="3"))
    assert changed(compare(builder.store, nth_day(2))) == [
        ("m", "price_changed", "input_token_price", "2", "3", nth_day(1))
    ]
