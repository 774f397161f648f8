"""Tests the files of the ledger, and what is known today of a value that they record as sent."""

from __future__ import annotations

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import time_machine

from helpers.ledger import RULE, ledger, send
from helpers.records import uuid_of
from helpers.stores import model_row, nth_day, refused_record
from io_intelligence_provider.alerts.evaluate import evaluate, pending
from io_intelligence_provider.alerts.ledger import (
    UNKNOWN,
    CurrentValues,
    LastNotified,
    is_stop_recorded,
    last_notified,
    notifier_key,
    record_sent,
    record_stop,
    sent_digests,
)
from io_intelligence_provider.alerts.rules import AlertRule
from io_intelligence_provider.changes.days import Day
from io_intelligence_provider.errors import StorageError, UnreadableFileError


def sent_entry(name, field, value, change="attribute_changed"):
    sent_at = datetime(2026, 3, 1, tzinfo=UTC)
    return LastNotified(uuid_of(name), name, change, field, value, nth_day(1), "documented", sent_at)


@time_machine.travel(datetime(2026, 3, 2, tzinfo=UTC), tick=False)
def test_files_are_named_for_nobody_and_never_rewritten(builder, prices):
    prices(1, "1")
    prices(2, "2")
    digest = evaluate(builder.store, [AlertRule("../../evil name"), AlertRule("second")])
    paths = record_sent(builder.store, digest, "mod.Cls:0", "manual__2026/..+00:00")
    paths += record_sent(builder.store, digest, "mod.Cls:0", "manual__2026/..+00:00")
    assert sorted(paths) == sorted(ledger(builder))
    assert len(set(paths)) == 4
    content = json.loads(builder.store.files.read(paths[0]))
    assert content["rule"] == "../../evil name"
    assert content["run_id"] == "manual__2026/..+00:00"
    assert content["alerts"][0]["new_value"] == "2"


@time_machine.travel(datetime(2026, 3, 3, 4, 5, 6, 789, tzinfo=UTC), tick=False)
def test_what_an_entry_says_and_how_it_is_read_back(builder, prices):
    prices(1, "1")
    prices(2, "2")
    (path,) = record_sent(builder.store, evaluate(builder.store, [RULE]), "mod.Cls:0", "run")
    folder, name = path.rsplit("/", 1)
    assert folder == f"alerts/snapshot_date={nth_day(2)}"
    assert re.fullmatch(r"[0-9a-f]{16}-20260303T040506000789Z-[0-9a-f]{16}-[0-9a-f]{8}\.json", name)
    content = json.loads(builder.store.files.read(path))
    about = {"model_id": uuid_of("m"), "name": "m", "change": "price_changed", "field": "input_token_price"}
    assert content.pop("told") == [
        about | {"value": "2", "snapshot_date": "2026-03-03", "wire_shape": "documented"}
        | {"sent_at": "2026-03-03T04:05:06.000789+00:00", "name_is_shared": False}
    ]  # fmt: skip
    (alert,) = content.pop("alerts")
    assert alert.items() >= (about | {"old_value": "1", "new_value": "2", "since": "2026-03-02"}).items()
    expected = {
        "version": 1,
        "run_id": "run",
        "rule": "prices",
        "notifier": "mod.Cls:0",
        "snapshot_date": "2026-03-03",
        "snapshot_id": builder.store.quality(nth_day(2)).snapshot_id,
        "sent_at": "2026-03-03T04:05:06.000789+00:00",
        "task": None,
    }
    assert content == expected

    files = builder.store.files
    files.put(f"{folder}/0123456789abcdef-no-json.json", b"{")
    files.put(f"{folder}/stopped-run.json", b"{}")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("io_intelligence_provider.alerts.ledger._LARGEST", 4_000)
        files.put(f"{folder}/0123456789abcdef-too-large.json", files.read(path) + b" " * 4_001)
        found, errors = sent_digests(builder.store, [f"{folder}/{name}" for name in files.list(folder)])
    (sent,) = found
    assert (sent.rule, sent.notifier, sent.run_id, sent.snapshot_date) == (
        "prices", "mod.Cls:0", "run", nth_day(2)
    )  # fmt: skip
    assert [one.new_value for one in sent.alerts] == ["2"]
    for named in ("no-json", "too-large"):
        assert sum(f"{folder}/0123456789abcdef-{named}.json" in error for error in errors) == 1
    assert len(errors) == 2


@time_machine.travel(datetime(2026, 3, 3, 4, 5, 6, tzinfo=UTC), tick=False)
def test_a_stopped_run_is_recorded_once(builder):
    builder.file(1, model_row("m"))
    report = builder.store.quality(nth_day(1))
    assert not is_stop_recorded(builder.store, report)
    record_stop(builder.store, report, "run")
    assert is_stop_recorded(builder.store, report)
    (path,) = ledger(builder)
    assert path == f"alerts/snapshot_date=2026-03-02/stopped-{report.snapshot_id}.json"
    assert json.loads(builder.store.files.read(path)) == {
        "version": 1,
        "run_id": "run",
        "snapshot_date": "2026-03-02",
        "snapshot_id": report.snapshot_id,
        "sent_at": "2026-03-03T04:05:06+00:00",
    }
    assert last_notified(builder.store, "prices", "a", nth_day(1)) == []


def test_two_runs_at_once_lose_nothing(builder):
    names = [f"m{number}" for number in range(4)]
    builder.file(1, *(model_row(name, input_token_price="1") for name in names))
    builder.file(2, *(model_row(name, input_token_price="2") for name in names))
    rules = [AlertRule("creep", models=["m0", "m1"], baseline="last_alert")]
    wider = [AlertRule("creep", models="m[123]", baseline="last_alert")]
    digests = [pending(builder.store, chosen, ["a"])["a"] for chosen in (rules, wider)]
    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(
                lambda number: record_sent(builder.store, digests[number], "a", f"run{number}"), range(2)
            )
        )
    assert (
        sorted(told.name for told in last_notified(builder.store, "creep", "a", builder.store.resolve()))
        == names
    )
    assert pending(builder.store, [AlertRule("creep", baseline="last_alert")], ["a"]) == {}


def test_a_write_under_way_and_foreign_files_are_left_alone(builder, prices):
    prices(1, "1")
    prices(2, "2")
    (path,) = record_sent(builder.store, evaluate(builder.store, [RULE]), "a", "run")
    for name in (f"{path}.1-ab.tmp", f"alerts/snapshot_date={nth_day(2)}/.x.tmp", "alerts/notes.txt"):
        builder.store.files.put(name, b"{")
    assert send(builder) == {}


def test_a_damaged_ledger_is_an_error_not_a_second_message(builder, prices):
    prices(1, "1")
    prices(2, "2")
    (path,) = record_sent(builder.store, evaluate(builder.store, [RULE]), "a", "run")
    builder.store.files.put(path, b"{}")
    with pytest.raises(StorageError, match="ledger"):
        send(builder)


def test_a_damaged_entry_of_an_earlier_day_hides_no_other(builder, prices, caplog):
    for when, price in enumerate(["1", "2", "4"]):
        prices(when, price)
        send(builder)
    first, second = sorted(ledger(builder))
    entry = builder.store.files.read(second)
    for position in range(3):  # a damaged one before, between and after two that are not
        folder, name = second.rsplit("/", 1)
        other = f"{folder}/{name[:17]}{position}{name[18:]}"
        builder.store.files.put(other, b"{}" if position != 1 else entry)
    (told,) = last_notified(builder.store, "prices", "a", nth_day(3))
    assert told.value == "4"
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert all("may be sent again: " in text and f"{nth_day(2)}/" in text for text in said)
    assert all("Restore it, or delete it, which lets its alerts be sent again." in text for text in said)

    for path in ledger(builder):
        if path != first:
            builder.store.files.put(path, b'{"told": [{"model_id": 3}]}')
    (told,) = last_notified(builder.store, "prices", "a", nth_day(3))
    assert told.value == "2"
    with pytest.raises(UnreadableFileError, match="Expected `str`, got `int`"):
        last_notified(builder.store, "prices", "a", nth_day(2))


def test_how_long_an_entry_is_carried_on(builder, prices):
    rule = AlertRule("r", changes=("price_changed", "quarantined"), baseline=2)
    for when, price in enumerate(["1", "1", "2"]):
        rows = [model_row(name, input_token_price=price, output_token_price="9") for name in "ab"]
        builder.file(when, *rows)
        send(builder, [rule])
    carried = []
    for when in range(3, 6):
        row = model_row("a", input_token_price="2", output_token_price=str(when))
        builder.file(when, row, refused=[refused_record("b", model_id=uuid_of("b"))])
        send(builder, [rule])
        told = last_notified(builder.store, "r", "a", nth_day(when))
        carried.append(
            sorted(f"{(entry.day - nth_day(0)).days} {entry.name} {entry.value}" for entry in told)
        )
    assert carried == [
        ["2 a 2", "2 b 2", "3 a 3", "3 b in quarantine"],
        ["3 b in quarantine", "4 a 4"],
        ["3 b in quarantine", "5 a 5"],
    ]


def test_of_two_ids_that_became_one_model_the_entry_sent_last_counts(builder, prices):
    prices(1, "1")
    prices(2, "2")
    (path,) = record_sent(builder.store, evaluate(builder.store, [RULE]), "a", "run")
    content = json.loads(builder.store.files.read(path))
    (entry,) = content["told"]
    days = [("one", "2026-02-01"), ("two", "2026-02-02"), ("one", "2026-02-03")]
    content["told"] = [entry | {"model_id": one, "snapshot_date": day} for one, day in days]
    builder.store.files.put(path, json.dumps(content).encode())
    found = last_notified(builder.store, "prices", "a", nth_day(2))
    assert [(entry.model_id, str(entry.day)) for entry in found] == [
        ("two", "2026-02-02"), ("one", "2026-02-03")
    ]  # fmt: skip


def test_a_file_that_is_too_large_is_not_read(builder, prices, monkeypatch):
    prices(1, "1")
    prices(2, "2")
    (path,) = record_sent(builder.store, evaluate(builder.store, [RULE]), "a", "run")
    builder.store.files.put(path, builder.store.files.read(path) + b" " * 4_001)
    assert len(last_notified(builder.store, "prices", "a", nth_day(2))) == 1
    monkeypatch.setattr("io_intelligence_provider.alerts.ledger._LARGEST", 4_000)
    with pytest.raises(UnreadableFileError):
        last_notified(builder.store, "prices", "a", nth_day(2))


@pytest.mark.parametrize(
    ("field", "sent", "current"),
    [
        ("input_token_price", "1", None),  # both shapes have it, so null is a value of each
        ("output_token_price", None, "2"),
        ("description", "a", "b"),
        ("description", None, UNKNOWN),
        ("license", "a", UNKNOWN),
        ("extra.a", "1", UNKNOWN),
    ],
)
def test_what_was_sent_is_compared_with_another_shape_where_both_say_it(builder, field, sent, current):
    row = model_row("m", output_token_price="2", description="b", extra='{"a": 2}')
    builder.file(1, row, shape="openai")
    entry = sent_entry("m", field, sent)
    with Day.open(builder.store, nth_day(1)) as today:
        assert CurrentValues(today).value(entry) == current


def test_a_notifier_is_known_by_class_and_key_or_position():
    class Notifier:
        key: str | None = None

    one = Notifier()
    assert notifier_key(one, 3).endswith("Notifier:3")
    assert notifier_key(object(), 3) == "builtins.object:3"
    one.key = "mail"
    assert notifier_key(one, 3) == notifier_key(one, 4)
    assert notifier_key(one, 3).endswith("Notifier:mail")


def test_a_notifier_of_a_dag_file_keeps_its_name_in_another_version_of_the_bundle():
    def key_of_version(path: str) -> str:
        module = f"unusual_prefix_{hashlib.sha1(path.encode()).hexdigest()}_prices"  # noqa: S324 - Airflow's
        return notifier_key(type("ToOurQueue", (), {"__module__": module})(), 0)

    assert key_of_version("/versions/1a/prices.py") == key_of_version("/versions/2b/prices.py")
    assert key_of_version("/versions/1a/prices.py") == "prices.ToOurQueue:0"


@pytest.mark.parametrize(
    ("change", "field", "refused", "current"),
    [
        ("model_added", None, None, "not listed"),
        ("model_added", None, refused_record(None, model_id=uuid_of("m")), UNKNOWN),
        ("model_added", None, refused_record("m"), UNKNOWN),
        ("model_added", None, refused_record("m", model_id=uuid_of("x")), UNKNOWN),
        ("model_added", None, refused_record("n"), "not listed"),
        ("quarantined", None, refused_record("m"), "in quarantine"),
        ("quarantined", None, None, "not listed"),
        ("price_changed", "input_token_price", None, UNKNOWN),
    ],
)
def test_what_became_of_a_model_that_is_not_listed(builder, change, field, refused, current):
    builder.file(1, model_row("other"), refused=[refused] if refused else [])
    with Day.open(builder.store, nth_day(1)) as today:
        assert CurrentValues(today).value(sent_entry("m", field, "x", change)) == current
