"""The message that notifiers find, and who gets it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import io_intelligence_provider
from helpers.stores import model_row, nth_day
from io_intelligence_provider import AlertRule
from io_intelligence_provider.alerts.evaluate import evaluate
from io_intelligence_provider.alerts.message import DigestMessage
from io_intelligence_provider.alerts.send import send_pending
from io_intelligence_provider.errors import NotificationError, StorageError

RULES = [AlertRule("any")]


@pytest.fixture
def moved(builder):
    builder.file(0, model_row("<m>", input_token_price="1"))
    builder.file(1, model_row("<m>", input_token_price="2"))
    return builder


def test_every_format_is_of_one_digest(moved):
    message = DigestMessage(evaluate(moved.store, RULES), link="https://example.com/page")
    assert message.subject == f"IO Intelligence: 1 change on {nth_day(1)}"
    assert message.count == 1
    assert "<m>: input token price: 1 → 2" in message.text
    assert "\\<m\\>" in message.markdown
    assert "&lt;m&gt;" in message.html
    assert message.html.__html__() == message.html
    assert "&lt;m&gt;" in message.slack_blocks[1]["text"]["text"]
    for shown in (message.text, message.markdown, message.html, json.dumps(message.slack_blocks)):
        assert "https://example.com/page" in shown
    content = json.loads(json.dumps(message.to_dict()))
    assert content["subject"] == message.subject
    assert content["groups"][0]["alerts"][0]["new_value"] == "2"


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

    with pytest.raises(NotificationError, match=r"bad \(OSError\); 1 others were told") as caught:
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


def test_names_of_the_package_load_without_airflow():
    script = (
        "import sys, io_intelligence_provider as package\n"
        "for name in package.__all__: getattr(package, name)\n"
        "print('airflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert {"detect_changes", "AlertRule", "ChangesSummary"} <= set(io_intelligence_provider.__all__)
