"""The HTML page of a result, of any data set or of the catalogue: everything escaped, no script, small."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from helpers.records import documented_record, validate_all
from helpers.stores import make_check_run, quality_report
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.columns import COLUMNS, Place
from io_intelligence_provider.contract.records import RecordCounts
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.quality.report_html import report_html
from io_intelligence_provider.quality.result import CheckResult, ColumnProfile

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}\u202e"


HOSTILE_TEXTS = [
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

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("passed", "Passed, nothing found"), ("warned", "Passed, with findings"), ("failed", "Stopped")],
)
def test_it_says_what_happened(outcome, words):
    run = make_check_run(
        CheckResult("in_range", "price", "row", "error", 2, 1, [{"value": "-1", "message": "is below 0"}]),
        CheckResult("few", "name", "row", "warn", 100, 3, threshold=0.05),
        CheckResult("volume", None, "dataset", "warn", 0, 0, [{"message": "not evaluated: too early"}]),
        CheckResult("null_share", "price", "dataset", "warn", 1, 1),
        outcome=outcome,
        quarantine_path="s3://lake/quarantine/1.parquet",
        profile=(
            ColumnProfile("price", 2, 1, 4_500, False, 0.5, 9.0, 2.25, 0.1),
            ColumnProfile("day", 2, 0, min="2026-01-01", max="2026-01-02"),
            ColumnProfile("vendor", 2, 0, 2),
        ),
    )
    text = Page(report_html(run)).text
    for said in (
        words,
        "Data quality of s3://lake/orders/*.parquet",
        "schema schemas.orders:Orders",
        "2 rows of 1 file = 1 valid + 1 quarantined; score 0.500",
        "quarantine in s3://lake/quarantine/1.parquet",
        "value: -1, message: is below 0",
        "within 0.05",
        "not evaluated: too early",
        "flagged",
        "price21 about 4500 0.52.250.19",  # the cells of a row
        "day20 2026-01-012026-01-02",
        "vendor20 2",
    ):
        assert said in text
    assert "Drift of the API's keys" not in text


def test_what_comes_from_outside_is_text_and_nothing_else():
    def page(text: str) -> Page:
        check = CheckResult(text, text, "dataset", "error", 2, 1, [{text: text}])
        row = CheckResult(text, text, "row", "error", 2, 1, [{"value": text}])
        passed = CheckResult(text, text, "row", "error", 2, 0)
        profile = (ColumnProfile(text, 1, 0),)
        return Page(
            report_html(
                make_check_run(
                    check, row, passed, dataset=text, schema=text, valid_path=text, profile=profile
                )
            )
        )

    assert page(HOSTILE).tags == page("x").tags
    assert page(HOSTILE).text.count("<script>alert(1)</script>") >= 9


def test_a_wide_table_that_is_wrong_everywhere_gives_a_small_page_that_says_what_is_missing():
    ugly = "<&\"'" * 500
    example = {ugly[:90]: ugly[:99], "value": "\N{GRINNING FACE}" * 100, "message": "x" * 5_000}
    checks = [
        CheckResult(f"{level} {number} {ugly}", f"{number}{ugly}", level, "error", 9, 9, [example] * 5)
        for level in ("row", "dataset")
        for number in range(2_000)
    ]
    profile = tuple(ColumnProfile(f"{number}{ugly}", 9, 9) for number in range(4_000))
    page = report_html(make_check_run(*checks, profile=profile, dataset=ugly, schema=ugly))
    assert len(page.encode()) < 200_000
    text = Page(page).text
    for said in ("more examples in the JSON report", "more checks in the JSON report", "more columns in the"):
        assert said in text
    many = report_html(
        make_check_run(
            *(CheckResult("c", f"column-{number}", "row", "error", 9, 9) for number in range(3_000))
        )
    )
    assert "and 2" in Page(many).text
    assert len(many.encode()) < 200_000


LONG = "<" * 75  # 300 bytes on a page


ROWS, WHOLE, PASSED = "Row checks that found", "Checks of the", "Checks of rows and columns that"


def _check(
    name: str = "c", column: str = "c", level: str = "row", failed: int = 1, *, example: Any = None
) -> Any:
    return CheckResult(name, column, level, "error", 1, failed, [example or {}] * (99 if example else 0))


@pytest.mark.parametrize(
    ("heading", "budget", "item"),
    [
        (WHOLE, 35_000, lambda n: _check(f"{n}{LONG}", level="dataset")),
        (WHOLE, 35_000, lambda n: _check(column=f"{n}{LONG}", level="dataset")),
        (ROWS, 35_000, lambda n: _check(f"{n}{LONG}")),
        (ROWS, 35_000, lambda n: _check(column=str(n))),
        (ROWS, 30_000, lambda n: _check(str(n), example={LONG: "v", "without": None})),
        (ROWS, 30_000, lambda n: _check(str(n), example={"k": LONG})),
        ("Columns", 30_000, lambda n: ColumnProfile(f"{n}{LONG}", 1, 0)),
        ("Columns", 30_000, lambda n: ColumnProfile(str(n), 1, 0, min=LONG)),
        ("Columns", 30_000, lambda n: ColumnProfile(str(n), 1, 0, max=LONG)),
        (PASSED, 5_000, lambda n: _check(f"{n}{LONG}", failed=0)),
    ],
)
def test_each_part_has_a_budget_and_counts_what_is_left_out(heading: str, budget: int, item: Any) -> None:
    items = [item(number) for number in range(2 if budget == 30_000 and heading == ROWS else 99)]
    profile = tuple(one for one in items if isinstance(one, ColumnProfile))
    page = report_html(make_check_run(*([] if profile else items), profile=profile))
    (part,) = [part for part in page.split("<h2>") if part.startswith(heading)]
    assert 0.4 * budget < len(part) < budget + 1_500
    more = '[>\n]<p class="muted">and \\d+ more (checks|examples|columns) in the JSON report</p>[<\n]'
    assert re.search("</bdi> and \\d+ more</p>" if heading == PASSED else more, part)


def test_a_page_without_a_finding_says_so() -> None:
    page = report_html(make_check_run(CheckResult("in_range", None, "row", "error", 9, 0)))
    parts = dict(part.split("</h2>", 1) for part in page.split("<h2>")[1:])
    assert parts["Row checks that found something"].strip() == "<p>None.</p>"
    assert parts["Checks of rows and columns that passed"].startswith(
        '\n<p class="muted"><bdi>in_range</bdi></p>'
    )
    assert "Columns" not in parts
    nothing = report_html(make_check_run())
    assert nothing.count("<p>None.</p>") == 2
    many = [CheckResult(str(number), None, "row", "error", 9, 0) for number in range(150)]
    assert "<bdi>98</bdi>, <bdi>99</bdi> and 50 more</p>" in report_html(make_check_run(*many))
    assert '<p class="muted">none</p>' in nothing


def test_what_failed_of_the_whole_comes_first():
    text = Page(
        report_html(
            make_check_run(
                CheckResult("fine", None, "dataset", "error", 1, 0),
                CheckResult("broken", None, "dataset", "error", 1, 1),
            )
        )
    ).text
    assert text.index("broken") < text.index("fine")


def test_what_passed_on_each_of_many_columns_takes_one_line():
    checks = [CheckResult("null_share", f"c{number}", "dataset", "warn", 1, 0) for number in range(50)]
    lines = report_html(make_check_run(*checks, CheckResult("volume", None, "dataset", "warn", 1, 0)))
    assert lines.count("<tr>") == 2, "the heading and volume"
    assert "null_share c49" in Page(lines).text


def test_a_row_check_that_was_not_evaluated_has_not_passed():
    checks = CheckResult("ge", "here", "row", "error", 2, 0), CheckResult("ge", "gone", "row", "error", 0, 0)
    text = Page(report_html(make_check_run(*checks))).text
    assert text.endswith("that passed ge here Row checks not evaluated ge gone")
    assert "not evaluated" not in Page(report_html(make_check_run(checks[0]))).text


def report(*checks: CheckResult, **changes: Any) -> QualityReport:
    fields = {"outcome": "warned", "score": 0.5, "valid": 1, "quarantined": 1}
    return quality_report(*checks, **{**fields, **changes})


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_what_comes_from_a_catalogue_is_text_and_nothing_else(text):
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
def test_it_says_what_happened_to_a_snapshot(outcome, words):
    checks = [
        CheckResult("volume", None, "snapshot", "error", 0, 0),
        CheckResult("not_empty", None, "snapshot", "error", 1, 0),
        CheckResult("complete", None, "snapshot", "error", 1, 1, [{"received": 1, "total": 2}]),
        CheckResult("price_move", None, "snapshot", "warn", 9, 1),
    ]
    text = Page(report_html(report(*checks, outcome=outcome))).text
    assert words in text
    for said in ("2 served = 1 valid + 1 quarantined", "not evaluated", "received: 1, total: 2", "flagged"):
        assert said in text


@pytest.mark.long
def test_a_catalogue_that_is_wrong_everywhere_gives_a_small_page():
    counts = RecordCounts(WireShape.DOCUMENTED)
    name = "<b>" + "x" * 10_000
    bad = {"a" * 10_000: "b" * 10_000, **{f"unknown-{n}": 1 for n in range(300)}}
    for value in (None, "<i>" + "y" * 10_000, -1, [5]):
        batch = []
        for column in COLUMNS:
            if column.place is Place.METADATA:
                batch.append(documented_record({column.name: value, **bad}, name=name))
            elif column.name != "name":
                batch.append(documented_record(**{"name": name, column.name: value}))
        counts.add(validate_all(*batch * 2))
    results = tuple(counts.results())
    assert sum(not result.passed for result in results) > 40
    page = report_html(report(*results, unknown_fields=tuple(sorted(counts.unknown)))).encode()
    assert len(page) < 200_000
    assert re.search(rb"and 20[0-9] more", page)
