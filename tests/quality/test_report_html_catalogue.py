"""The page: everything escaped, no script, nothing from elsewhere, and small."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from helpers.records import documented_record, validate_records
from helpers.stores import quality_report
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.columns import COLUMNS, Place
from io_intelligence_provider.contract.records import RecordCounts
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.quality.report_html import report_html
from io_intelligence_provider.quality.result import CheckResult

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    '=HYPERLINK("http://evil")',
    "\u202egnp.exe",
    "</code></table></html>",
    "{{ 7*7 }}{% raw %}",
    "\0",
]


class Page(HTMLParser):
    """Collects tags, attributes and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.isolated = 0
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.isolated += tag == "bdi"

    def handle_endtag(self, tag):
        self.isolated -= tag == "bdi"

    def handle_data(self, data):
        self.words.append(data)
        # What turns the direction of the text is kept within its own element.
        assert self.isolated or "\u202e" not in data


def report(*checks: CheckResult, **changes: Any) -> QualityReport:
    fields = {"outcome": "warned", "score": 0.5, "valid": 1, "quarantined": 1}
    return quality_report(*checks, **{**fields, **changes})


@pytest.mark.parametrize("text", HOSTILE)
def test_what_comes_from_outside_is_text_and_nothing_else(text):
    check = CheckResult("type", "name", "row", "error", 2, 1, [{"name": text, "value": text}])
    plain = Page(report_html(report(check, unknown_fields=("x",), missing_fields=("x",))))
    page = Page(
        report_html(report(check, unknown_fields=(text,), missing_fields=(text,), source_url=text[:6]))
    )
    assert page.tags == plain.tags
    assert "".join(page.words).count(text.replace("\0", "\0")) >= 4


def test_no_script_and_nothing_from_elsewhere():
    page = Page(report_html(report()))
    assert not {"script", "img", "link", "iframe", "object", "form"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "href")]
    policy = dict(page.attributes)["content"]
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes, policy


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("passed", "Committed, nothing found"),
        ("warned", "Committed, with findings"),
        ("failed", "Not committed"),
    ],
)
def test_it_says_what_happened(outcome, words):
    checks = [
        CheckResult("volume", None, "snapshot", "error", 0, 0),
        CheckResult("not_empty", None, "snapshot", "error", 1, 0),
        CheckResult("complete", None, "snapshot", "error", 1, 1, [{"received": 1, "total": 2}]),
        CheckResult("price_move", None, "snapshot", "warn", 9, 1),
    ]
    text = " ".join("".join(Page(report_html(report(*checks, outcome=outcome))).words).split())
    assert words in text
    for said in ("2 served = 1 valid + 1 quarantined", "not evaluated", "received: 1, total: 2", "flagged"):
        assert said in text


def test_a_catalogue_that_is_wrong_everywhere_gives_a_small_page():
    tally = RecordCounts(WireShape.DOCUMENTED)
    name = "<b>" + "x" * 10_000
    bad = {"a" * 10_000: "b" * 10_000, **{f"unknown-{n}": 1 for n in range(300)}}
    for value in (None, "<i>" + "y" * 10_000, -1, [5]):
        batch = []
        for column in COLUMNS:
            if column.place is Place.METADATA:
                batch.append(documented_record({column.name: value, **bad}, name=name))
            elif column.name != "name":
                batch.append(documented_record(**{"name": name, column.name: value}))
        tally.add(validate_records(*batch * 2))
    results = tuple(tally.results())
    assert sum(not result.passed for result in results) > 40
    page = report_html(report(*results, unknown_fields=tuple(sorted(tally.unknown)))).encode()
    assert len(page) < 200_000
    assert re.search(rb"and 20[0-9] more", page)
