"""Tests the message in four formats, hostile names in it, and the sending to each notifier."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import pytest

import io_intelligence_provider
from helpers.stores import model_row, nth_day
from io_intelligence_provider import AlertRule
from io_intelligence_provider.alerts.evaluate import evaluate
from io_intelligence_provider.alerts.message import (
    Change,
    DigestMessage,
    Link,
    Note,
    Rule,
    Title,
    blocks,
    clean,
    described,
    to_html,
    to_markdown,
    to_slack,
    to_text,
)
from io_intelligence_provider.alerts.digest import Alert, Digest, RuleAlerts
from io_intelligence_provider.alerts.send import send_pending
from io_intelligence_provider.errors import ConfigurationError, NotificationError, StorageError

DAY = date(2026, 6, 30)
UNIT = "USD per 1M tokens"
SINCE = ", since 2026-06-29"


def alert(name="org/m", change="price_changed", field="input_token_price", old="0.15", new="0.2", **more):
    values = {"pct": 100 / 3, "direction": "up", "since": date(2026, 6, 29)} | more
    return Alert(change, "id", name, field, old, new, **values)


def digest(*groups):
    return Digest(DAY, "run", "documented", tuple(RuleAlerts(rule, tuple(alerts)) for rule, alerts in groups))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (alert(), f"input token price: 0.15 → 0.2 {UNIT}, +33.33 %, dearer{SINCE}"),
        (
            alert(old="2", new="0", pct=-100.0, direction="down"),
            f"input token price: 2 → 0 (free) {UNIT}, -100 %, cheaper{SINCE}",
        ),
        (
            alert(old=None, new="2", pct=None, direction=None),
            f"input token price: not published → 2 {UNIT}{SINCE}",
        ),
        (
            alert(
                change="quota_changed",
                field="audio_speech_daily_quota_tier_1",
                old="9",
                new="8",
                pct=-100 / 9,
                direction="down",
            ),
            f"audio speech daily quota: 9 → 8 characters per day, -11.11 %, lower{SINCE}",
        ),
        (
            alert(change="status_changed", field="status", old="active", new="", pct=None, direction=None),
            f'status: active → ""{SINCE}',
        ),
        (
            alert(change="model_added", field=None, old=None, new=None, pct=None, direction=None),
            f"is new{SINCE}",
        ),
        (
            alert(change="model_removed", field=None, old=None, new=None, pct=None, direction=None),
            f"is gone{SINCE}",
        ),
        (
            alert(
                change="model_removed",
                field=None,
                old="not listed",
                new="listed",
                pct=None,
                direction=None,
                correction=True,
                told="not listed",
            ),
            "correction: is listed after all",
        ),
        (
            alert(old="0.2", new="0.15", pct=-25.0, direction="down", correction=True, told="0.2"),
            f"correction: input token price: 0.2 → 0.15 {UNIT}, -25 %, cheaper",
        ),
        (
            alert(correction=True, told="0.18"),
            f"correction (sent before: 0.18): input token price: 0.15 → 0.2 {UNIT}, +33.33 %, dearer",
        ),
        (alert(pct=1e-9), f"input token price: 0.15 → 0.2 {UNIT}, +1e-09 %, dearer{SINCE}"),
        (alert(pct=1e37), f"input token price: 0.15 → 0.2 {UNIT}, +1e+37 %, dearer{SINCE}"),
    ],
)
def test_a_change_in_words(change, words):
    assert described(change) == words


def test_the_four_formats():
    found = blocks(
        digest(("prices", [alert()]), ("new", [alert(change="model_added", field=None, old=None, new=None)])),
        link="https://x.test/a?b=1&c=2#d",
    )
    assert [type(block) for block in found] == [Title, Rule, Change, Rule, Change, Link]
    assert to_text(found) == (
        "IO Intelligence: 2 changes on 2026-06-30\n\nprices (1)\n"
        f"- org/m: input token price: 0.15 → 0.2 {UNIT}, +33.33 %, dearer{SINCE}\n\n"
        f"new (1)\n- org/m: is new{SINCE}\n\n"
        "Open the page: https://x.test/a?b=1&c=2#d\n"
    )
    assert "- **org/m** input token price\\: 0.15 → 0.2 USD per 1M tokens, \\+33.33 %" in to_markdown(found)
    assert "[Open the page](<https://x.test/a?b=1&c=2#d>)" in to_markdown(found)
    assert '<a href="https://x.test/a?b=1&amp;c=2#d">' in to_html(found)
    header, section = to_slack(found)
    assert header["text"] == {
        "type": "plain_text",
        "text": "IO Intelligence: 2 changes on 2026-06-30",
        "emoji": False,
    }
    assert section["text"]["text"].splitlines()[0] == "`prices` (1)"
    assert section["text"]["text"].splitlines()[-1] == "<https://x.test/a?b=1&amp;c=2#d|Open the page>"


@pytest.mark.parametrize(
    ("size", "note"), [(5, None), (6, "1 more change was left out."), (9, "4 more changes were left out.")]
)
def test_a_large_digest_is_cut_and_says_by_how_much(size, note):
    found = blocks(digest(("a", [alert()] * 3), ("b", [alert()] * (size - 3))), max_lines=5)
    assert sum(isinstance(block, Change) for block in found) == 5
    assert [block.text for block in found if isinstance(block, Note)] == ([note] if note else [])
    assert [block.count for block in found if isinstance(block, Rule)] == [3, size - 3]
    if note:
        assert all(note.rstrip(".") in text for text in (to_text(found), to_markdown(found), to_html(found)))
        assert note in to_slack(found)[-1]["text"]["text"]


def test_rules_of_which_nothing_is_shown_are_left_out():
    found = blocks(digest(("a", [alert()] * 2), ("b", [alert()])), max_lines=2)
    assert [block.name for block in found if isinstance(block, Rule)] == ["a"]


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "*bold* _it_ ~no~ `code` [a](https://evil.test) ![i](x) (p)",
    "<!channel> <@U1> <https://evil.test|here> &lt;!here&gt;",
    "a | b || c",
    "line\none\r\n# two\u2028- three\x85four\x00\x1b[31m",
    "https://evil.test www.evil.test me@evil.test #1 @all",
    "\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe\N{LEFT-TO-RIGHT ISOLATE}",
    "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} 100 → 1",
    "- item 1. # head > quote ~~~ ``` --- ===",
    "{{ var.value.secret }} {% raw %} ${x} $$",
    "x" * 10_000,
    " " * 10_000,
    "&<>" * 4_000,
    "",
]


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags += [tag, *(name for name, _ in attrs)]

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_stays_a_name(name):
    """As the model, as the rule, as a value, and as a key of `extra`."""
    value = alert(
        change="attribute_changed", field="description", old=name, new=name + "!", pct=None, direction=None
    )
    key = replace(value, field=f"extra.{name}", old_value="1", new_value='"2"')
    found = blocks(digest((name, [alert(name), value, key])))
    shown = clean(name)

    text = to_text(found)
    assert len(text.splitlines()) == 6
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066\u2067]", text)

    markdown = to_markdown(found)
    assert len(markdown.splitlines()) == 7
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", markdown)  # without what is escaped, only our own marks are left
    assert re.findall(r"[<>`\[\]_~|&@]", bare) == []
    assert bare.count("*") == 4 * 4
    assert "www.evil" not in markdown

    page = Tags()
    page.feed(to_html(found))
    assert set(page.tags) == {"h2", "h3", "bdi", "ul", "li", "b"}
    assert shown in page.text

    slack = to_slack(found)
    assert len(slack) <= 50
    for block in slack[1:]:
        content = block["text"]["text"]
        assert len(content) <= 3_000
        assert "<" not in content
        assert ">" not in content
        assert re.fullmatch(r"(?:[^&]|&(?:amp|lt|gt);)*", content)
        assert len(content.splitlines()) == 4
        for line in content.splitlines():
            rest = re.sub(r"`[^`]*`", "", line, count=1)
            assert not re.search(r"(?<!\u2060)[*_~`]|[*_~`](?!\u2060)", rest)
    json.dumps(slack)


@pytest.mark.parametrize("size", [40, 500])
def test_slack_bounds_hold_however_much_is_shown(size):
    rules = [
        (f"{number}{'&' * 200}", [alert("&" * 200, old="<" * 90, new=">" * 90)]) for number in range(size)
    ]
    slack = to_slack(blocks(digest(*rules), max_lines=size))
    assert len(slack) <= 50
    assert all(len(block["text"]["text"]) <= 3_000 for block in slack)


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "x",
        "",
        "https://",
        "https://a b",
        "https://a\nb",
        "ftp://a",
        "https://[",
        "//a",
    ],
)
def test_a_link_that_is_none_is_refused(link):
    with pytest.raises(ConfigurationError, match="link"):
        blocks(digest(), link=link)


def test_a_link_cannot_leave_its_place():
    found = blocks(digest(), link='https://a.test/(x)|<y>">`')
    assert "[Open the page](<https://a.test/%28x%29%7C%3Cy%3E%22%3E%60>)" in to_markdown(found)


def test_clean_keeps_what_scripts_need():
    assert clean("नेपाली می\N{ZERO WIDTH NON-JOINER}خواهم").count("\N{ZERO WIDTH NON-JOINER}") == 1
    assert clean("a" * 120) == "a" * 120
    assert clean("a" * 121) == "a" * 119 + "…"


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

    with pytest.raises(NotificationError, match=r"bad \(OSError\); 1 other notifiers succeeded") as caught:
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


@pytest.mark.long
def test_names_of_the_package_load_without_airflow():
    script = (
        "import sys, io_intelligence_provider as package\n"
        "for name in package.__all__: getattr(package, name)\n"
        "print('airflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert {"detect_changes", "AlertRule", "ChangesSummary"} <= set(io_intelligence_provider.__all__)
