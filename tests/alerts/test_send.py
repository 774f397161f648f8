"""Tests the sending to each notifier: what is written down when, and what a failure leaves to do."""

from __future__ import annotations

import shutil

import pytest

from helpers.stores import model_row, nth_day
from io_intelligence_provider import AlertRule
from io_intelligence_provider.alerts.message import DigestMessage
from io_intelligence_provider.alerts.send import send_pending
from io_intelligence_provider.alerts.traffic import traffic_from
from io_intelligence_provider.errors import NotificationError, StorageError
from io_intelligence_provider.store.store import SnapshotStore

RULES = [AlertRule("any")]


@pytest.fixture
def moved(builder):
    builder.file(0, model_row("m", input_token_price="1"))
    builder.file(1, model_row("m", input_token_price="2"))
    return builder


def test_each_success_is_written_down_before_the_next_is_tried(moved):
    filed = []

    def look(message: DigestMessage) -> None:
        filed.append(len(moved.store.files.list(f"alerts/snapshot_date={nth_day(1)}")))

    summary = send_pending(moved.store, RULES, {"a": look, "b": look}, nth_day(1), "run")
    assert filed == [0, 1]
    assert summary.to_dict() == {
        "snapshot_date": str(nth_day(1)),
        "sent": {"a": 1, "b": 1},
        "nothing_new": [],
    }
    assert send_pending(moved.store, RULES, {"a": look, "b": look}, nth_day(1), "run").nothing_new == [
        "a",
        "b",
    ]
    assert filed == [0, 1]


def test_one_that_fails_is_tried_again_and_the_others_are_not(moved):
    told = []

    def fail(message: DigestMessage) -> None:
        raise OSError("hunter2")

    with pytest.raises(NotificationError, match=r"bad \(OSError\); 1 other notifier succeeded\.") as caught:
        send_pending(
            moved.store, RULES, {"bad": fail, "good": lambda _: told.append("good")}, nth_day(1), "run"
        )
    assert "hunter2" not in str(caught.value)
    again = {"bad": lambda _: told.append("bad"), "good": lambda _: told.append("good")}
    assert send_pending(moved.store, RULES, again, nth_day(1), "run").sent == {"bad": 1}
    assert told == ["good", "bad"]


def test_a_ledger_that_cannot_be_written_stops_the_sending(moved, monkeypatch):
    told = []
    send = {name: lambda _, name=name: told.append(name) for name in ("a", "b")}
    put = moved.store.files.put

    def refuse(path: str, data: bytes) -> None:
        if path.startswith("alerts/"):
            raise StorageError("the disk is full")
        put(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(moved.store.files, "put", refuse)
        with pytest.raises(StorageError, match="full"):
            send_pending(moved.store, RULES, send, nth_day(1), "run")
    assert told == ["a"]
    send_pending(moved.store, RULES, send, nth_day(1), "run")
    assert told == ["a", "a", "b"]  # at least once


def test_links_and_traffic_reach_each_message(moved):
    texts = []
    send_pending(
        moved.store,
        RULES,
        {"a": lambda message: texts.append(message.text)},
        nth_day(1),
        "run",
        link="https://x.test/page",
        run_link="https://x.test/run",
        traffic=traffic_from({"m": {"input": 10**6}}),
    )
    for part in ("https://x.test/page", "https://x.test/run", "Monthly bill: +1.00 USD"):
        assert part in texts[0]


def test_the_error_does_not_count_nobody(moved):
    def fail(message: DigestMessage) -> None:
        raise OSError

    with pytest.raises(NotificationError) as caught:
        send_pending(moved.store, RULES, {"a": fail}, nth_day(1), "run")
    assert "through a (OSError). The log" in str(caught.value)


@pytest.mark.long
def test_the_message_of_the_last_recorded_day(recorded_store, tmp_path):
    """After those of the day before, as a notifier gets it."""
    shutil.copytree(recorded_store, tmp_path / "copy")
    store, texts = SnapshotStore(tmp_path / "copy"), []
    rule = AlertRule(
        "prices that moved by 10 % or more", changes="price_changed", min_pct=10, baseline="last_alert"
    )
    for day in store.dates()[-2:]:
        send_pending(store, [rule], {"a": lambda message: texts.append(message.text)}, day, "run")
    assert (
        texts[1]
        == """\
openai/gpt-oss-120b +21 %, and 5 more price changes on 2026-06-30

prices that moved by 10 % or more (6 changes)
- openai/gpt-oss-120b  output 0.562 → 0.68 (+21 %), since 2026-06-29
- Qwen/Qwen3.6-27B  cache read 0.2193 → 0.1854 (-15.46 %), input 0.4386 → 0.3708 (-15.46 %), since 2026-05-20
- moonshotai/Kimi-K2.5  cache read 0.275 → 0.2355 (-14.36 %), input 0.55 → 0.471 (-14.36 %), since 2026-03-19
- moonshotai/Kimi-K2.6  input 0.8 → 0.892 (+11.5 %), since 2026-04-21

Prices are in USD per 1M tokens.

Data quality: passed
- Quarantine: none
- Models: 26
"""
    )
