"""Compares whole messages of a digest: what is shown first, in which words, and what is left out."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

import io_intelligence_provider
from helpers.stores import model_row, nth_day
from io_intelligence_provider import AlertRule
from io_intelligence_provider.alerts.digest import Alert, DataQuality, Digest, RuleAlerts
from io_intelligence_provider.alerts.evaluate import evaluate
from io_intelligence_provider.alerts.message import DigestMessage, blocks, data_blocks, per_cent
from io_intelligence_provider.alerts.rendering import Change, Fact, Heading, Omitted, to_text
from io_intelligence_provider.alerts.traffic import Addition, Bill, NotCounted, bill_of, sum_of, traffic_from
from io_intelligence_provider.changes.values import direction, percent
from io_intelligence_provider.quality.result import CheckResult

DAY = date(2026, 6, 30)
EVE = date(2026, 6, 29)
ARROW = "→"


def alert(name="org/m", field="input_token_price", old="0.15", new="0.2", change="price_changed", **more):
    values = {"pct": None, "direction": None, "since": EVE} | more
    if change in ("price_changed", "quota_changed", "limit_changed"):
        numbers = [None if text is None else Decimal(text) for text in (old, new)]
        values |= {"pct": percent(*numbers), "direction": direction(*numbers)}
    return Alert(change, name, name, field, old, new, **values)


def whole(change, name="org/m", **more):
    return alert(name, None, None, None, change, **more)


def digest(*groups, **more):
    groups = tuple(RuleAlerts(rule, tuple(alerts)) for rule, alerts in groups)
    return Digest(DAY, "run", "documented", groups, **more)


def lines(*alerts, rule="r"):
    """Return the lines of the changes of one rule, without the bullet."""
    text = to_text(blocks(digest((rule, alerts))))
    return [line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")]


RICH = digest(
    (
        "prices that moved by 10 % or more",
        [
            alert("zai-org/GLM-4.5-Air", "input_token_price", "0.13", "0", doubtful="new", last_price="0.13",
                  last_date=EVE),
            alert("a/cheap", "input_token_price", "0.2", "0.15"),
            alert("openai/gpt-oss-120b", "input_token_price", "0.15", "0.17"),
            alert("openai/gpt-oss-120b", "output_token_price", "0.6", "0.726"),
            alert("z/was-free", "output_token_price", "0", "0.5"),
            alert("b/hidden", "input_token_price", "1", None),
        ],
    ),
    ("models and their status", [whole("model_added", "new/one"), whole("quarantined", "org/refused")]),
    data=DataQuality(
        "warned",
        (
            CheckResult("price", "input_token_price", "row", "error", 26, 2),
            CheckResult("price_to_zero", None, "snapshot", "warn", 57, 1),
        ),
        24,
        2,
        ("org/refused",),
        EVE,
        26,
    ),
    bill=bill_of(
        {
            "openai/gpt-oss-120b": {"input": 10**9, "output": 100_000_001},
            "a/cheap": {"input": 10**9},
            "zai-org/GLM-4.5-Air": {"input": 10**8},
            "b/hidden": {"input": 7},
            "org/refused": {"input": 7},
            "no/such": {"output": 7},
        },
        [
            alert("openai/gpt-oss-120b", "output_token_price", "0.6", "0.726"),
            alert("openai/gpt-oss-120b", "input_token_price", "0.15", "0.17"),
            alert("a/cheap", "input_token_price", "0.2", "0.15"),
            alert("zai-org/GLM-4.5-Air", "input_token_price", "0.13", "0", doubtful="new"),
            alert("b/hidden", "input_token_price", "1", None),
        ],
        [(name, name) for name in ("openai/gpt-oss-120b", "a/cheap", "zai-org/GLM-4.5-Air", "b/hidden")],
        {"org/refused"},
    ),
)  # fmt: skip

PAGE = "https://airflow.example/io-intelligence/#/changes?start=2026-06-30&end=2026-06-30"
RUN = "https://airflow.example/dags/d/runs/r/tasks/alert"

TEXT = """\
z/was-free output price 0 → 0.5, and 7 more changes (1 doubtful) on 2026-06-30

Monthly bill: -17.399999874 USD (by all changes of this message)
- a/cheap: -50.00 USD (input -50.00)
- openai/gpt-oss-120b: +32.600000126 USD (input +20.00, output +12.600000126)
- Not counted: zai-org/GLM-4.5-Air input (a doubtful 0, so no saving), b/hidden input (not published now), \
org/refused (in quarantine), no/such (not in the catalogue)

prices that moved by 10 % or more (5 changes, since 2026-06-29)
- z/was-free  output 0 → 0.5 (was free)
- a/cheap  input 0.2 → 0.15 (-25 %)
- openai/gpt-oss-120b  output 0.6 → 0.726 (+21 %), input 0.15 → 0.17 (+13.33 %)
- b/hidden  input 1 → not published (size unknown)

prices that moved by 10 % or more: doubtful prices (1 change, since 2026-06-29)
- zai-org/GLM-4.5-Air  input 0.13 → 0 (doubtful)

models and their status (2 changes, since 2026-06-29)
- new/one  is new
- org/refused  is in quarantine

Prices are in USD per 1M tokens. A price of 0 is doubtful while its last positive value is at most 30 days \
old: it may be an error of the API.

Data quality: warned (committed with findings)
- Findings: price on input_token_price (2 of 26), price_to_zero (1 of 57)
- Quarantine: 2 records refused, so what changed in them is unknown: org/refused, 1 without a name
- Models: 24, 2 fewer than on 2026-06-29 (26)

Open the page: https://airflow.example/io-intelligence/#/changes?start=2026-06-30&end=2026-06-30

Open the task run: https://airflow.example/dags/d/runs/r/tasks/alert
"""


def test_the_text_of_a_rich_day():
    assert DigestMessage(RICH, link=PAGE, run_link=RUN).text == TEXT


SMALL = digest(
    (
        "prices <10 %>",
        [
            alert("openai/gpt_oss", "input_token_price", "0.15", "0.17"),
            alert("GLM*", "output_token_price", "0.85", "0", doubtful="new", last_price="0.9", last_date=EVE),
        ],
    ),
    data=DataQuality("passed", (), 26, 0, (), EVE, 25),
)

MARKDOWN = r"""
## openai/gpt\_oss \+13.33 %, and 1 more price change \(1 doubtful\) on 2026-06-30

**prices \<10 %\>** \(1 change, since 2026-06-29\)

- **openai/gpt\_oss** input 0.15 → 0.17 \(\+13.33 %\)

**prices \<10 %\>\: doubtful prices** \(1 change, since 2026-06-29\)

- **GLM\*** output 0.85 → 0 \(doubtful\: 0.9 on 2026-06-29\)

_Prices are in USD per 1M tokens. LEGEND_

**Data quality\: passed**

- **Quarantine** none
- **Models** 26

[Open the page](<https://x.test/?a=1&b=2#d>)
"""

HTML = """
<h2><bdi>openai/gpt_oss +13.33 %, and 1 more price change (1 doubtful) on 2026-06-30</bdi></h2>
<h3><bdi>prices &lt;10 %&gt;</bdi> <small>(1 change, since 2026-06-29)</small></h3>
<table>
<tr><th><bdi>openai/gpt_oss</bdi></th><td>input 0.15 → 0.17 (<b>+13.33 %</b>)</td></tr>
</table>
<h3><bdi>prices &lt;10 %&gt;: doubtful prices</bdi> <small>(1 change, since 2026-06-29)</small></h3>
<table>
<tr><th><bdi>GLM*</bdi></th><td>output 0.85 → 0 (<b>doubtful: 0.9 on 2026-06-29</b>)</td></tr>
</table>
<p><i>Prices are in USD per 1M tokens. LEGEND</i></p>
<h3><bdi>Data quality: passed</bdi></h3>
<table>
<tr><th><bdi>Quarantine</bdi></th><td>none</td></tr>
<tr><th><bdi>Models</bdi></th><td>26</td></tr>
</table>
<p><a href="https://x.test/?a=1&amp;b=2#d">Open the page</a></p>
"""

SLACK = """
*prices &lt;10 %&gt;* (1 change, since 2026-06-29)
• `openai/gpt_oss` input 0.15 → 0.17 (*+13.33 %*)
*prices &lt;10 %&gt;: doubtful prices* (1 change, since 2026-06-29)
• `GLM*` output 0.85 → 0 (*doubtful: 0.9 on 2026-06-29*)
Prices are in USD per 1M tokens. LEGEND
*Data quality: passed*
• *Quarantine* none
• *Models* 26
<https://x.test/?a=1&amp;b=2#d|Open the page>
"""

LEGEND = (
    "A price of 0 is doubtful while its last positive value is at most 30 days old: it may be an error of "
    "the API."
)


def test_the_same_day_in_markdown_html_and_slack():
    message = DigestMessage(SMALL, link="https://x.test/?a=1&b=2#d")
    expected = [golden.strip().replace("LEGEND", LEGEND) for golden in (MARKDOWN, HTML, SLACK)]
    assert message.markdown.strip() == expected[0].replace("old: it", r"old\: it")
    unstyled = message.html.replace(' scope="row"', "")
    for style in ("border-collapse:collapse", "white-space:nowrap", *_cell_styles()):
        unstyled = unstyled.replace(f' style="{style}"', "")
    assert unstyled.strip() == expected[1]
    header, *sections = message.slack_blocks
    assert header == {
        "type": "header",
        "text": {
            "type": "plain_text",
            "text": "openai/gpt_oss +13.33 %, and 1 more price change (1 doubtful) on 2026-06-30",
            "emoji": False,
        },
    }
    assert "\n".join(section["text"]["text"] for section in sections) == expected[2]
    assert len(sections) == 3  # a section for each heading
    assert all(section["text"]["verbatim"] for section in sections)


def _cell_styles():
    cell = "padding:2px 16px 2px 0;text-align:left;vertical-align:top;font-weight:"
    return f"{cell}bold", f"{cell}normal"


@pytest.mark.parametrize(
    ("alerts", "subject"),
    [
        ([alert("gpt", old="1", new="1.21")], "gpt +21 % on 2026-06-30"),
        (
            [alert("a"), *(alert(name, old="100", new="101") for name in "bcdef")],
            "a +33.33 %, and 5 more price changes on 2026-06-30",
        ),
        ([alert("b", old="3", new="1"), alert("a")], "b -66.67 %, and 1 more price change on 2026-06-30"),
        ([alert("a"), whole("model_added", "b")], "a +33.33 %, and 1 more change on 2026-06-30"),
        ([whole("model_removed", "b")], "b is gone on 2026-06-30"),
        ([whole("quarantined", "b")], "b is in quarantine on 2026-06-30"),
        (
            [alert("a", new="0", doubtful="new", last_price="0.15", last_date=EVE)],
            "a input price of 0 is doubtful on 2026-06-30",
        ),
        ([alert("a", old=None, new="2")], f"a input price not published {ARROW} 2 on 2026-06-30"),
        (
            [alert("a", "chat_daily_quota_tier_1", "9", "8", "quota_changed")],
            "a chat daily quota -11.11 % on 2026-06-30",
        ),
        ([alert(correction=True, told="0.18")], "Correction: org/m +33.33 % on 2026-06-30"),
        (
            [alert("<!channel> https://evil.test\r\nBcc: x")],
            "‹!channel› https:∕∕evil․test Bcc: x +33.33 % on 2026-06-30",  # noqa: RUF001
        ),
    ],
)
def test_the_subject_names_the_worst_and_counts_the_rest(alerts, subject):
    assert DigestMessage(digest(("r", alerts))).subject == subject


def test_a_change_that_two_rules_report_counts_once_in_the_subject():
    message = DigestMessage(digest(("r", [alert("a"), alert("b")]), ("s", [alert("a")])))
    assert message.subject == "a +33.33 %, and 1 more price change on 2026-06-30"
    assert message.count == 3


def test_the_largest_move_comes_first_and_what_is_unknown_last():
    shown = lines(
        whole("model_added", "a"),
        alert("b", old=None, new="9"),
        alert("c", old="1", new="1.01"),
        alert("d", old="1", new="0.5"),
        alert("e", old="1", new="1.34"),
        alert("f", old="0", new="0.01"),
        alert("g", "status", "active", "inactive", "status_changed"),
    )
    assert [line.split()[0] for line in shown] == ["f", "d", "e", "c", "b", "a", "g"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (alert(), "input 0.15 → 0.2 (+33.33 %)"),
        (alert(old="2", new="0"), "input 2 → 0 (free, -100 %)"),
        (alert(old="0", new="2"), "input 0 → 2 (was free)"),
        (alert(old="1", new=None), "input 1 → not published (size unknown)"),
        (alert(old=None, new="0"), "input not published → 0 (free, size unknown)"),
        (
            alert(old="0", new="2", doubtful="old", last_price="1.9", last_date=EVE),
            "input 0 → 2 (was doubtful: 1.9 on 2026-06-29)",
        ),
        (alert(old="2", new="0", doubtful="new"), "input 2 → 0 (doubtful)"),
        (
            alert("org/m", "audio_speech_daily_quota_tier_1", "9", "8", "quota_changed"),
            "audio speech daily quota 9 → 8 characters per day (-11.11 %)",
        ),
        (
            alert("org/m", "audio_speech_daily_quota_tier_1", "9", None, "quota_changed"),
            "audio speech daily quota 9 characters per day → not published (size unknown)",
        ),
        (alert("org/m", "status", "active", "", "status_changed"), 'status active → ""'),
        (alert("org/m", "extra.k", None, '"x"', "attribute_changed"), 'extra.k not published → "x"'),
        (whole("model_added"), "is new"),
        (whole("model_removed"), "is gone"),
        (whole("quarantined"), "is in quarantine"),
        (alert(old="0.2", new="0.15", correction=True, told="0.2"), "input 0.2 → 0.15 (-25 %, correction)"),
        (
            alert(correction=True, told="0.18"),
            "input 0.15 → 0.2 (+33.33 %, correction: 0.18 was sent)",
        ),
        (
            Alert("model_removed", "m", "org/m", None, "not listed", "listed", None, None, EVE, True,
                  "not listed"),
            "is listed after all (correction)",
        ),
        (
            Alert("quarantined", "m", "org/m", None, "in quarantine", "listed", None, None, EVE, True,
                  "in quarantine"),
            "is listed after all (correction)",
        ),
    ],
)  # fmt: skip
def test_a_change_in_words(change, words):
    assert lines(change) == [f"org/m  {words}"]


def test_a_day_that_is_not_that_of_all_is_in_the_line():
    old = date(2026, 6, 1)
    assert lines(alert("a", since=old), alert("b"), alert("b", "output_token_price", since=old)) == [
        "a  input 0.15 → 0.2 (+33.33 %), since 2026-06-01",
        "b  input 0.15 → 0.2 (+33.33 %, since 2026-06-29), output 0.15 → 0.2 (+33.33 %, since 2026-06-01)",
    ]


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("100000", "0.4", "-99.99 %"),
        ("100000000000000000000", "0.000000000000000001", "-99.99 %"),
        ("1", "0", "-100 %"),
        ("100000", "100004", "+0.004 %"),
        ("100000", "100004.6", "+0.0046 %"),
        ("1000000000000", "1000000000010", "+1e-9 %"),
        ("200", "0.009", "-99.99 %"),
        ("200", "0.02", "-99.99 %"),
        ("100000", "199999.9", "+100 %"),
        ("0.6", "0.726", "+21 %"),
        ("0.562", "0.68", "+21 %"),  # 20.9964, the largest move of 2026-06-30
        ("3", "5", "+66.67 %"),
        ("3", "2", "-33.33 %"),
        ("0.000000000000000001", "99999999999999999999", "+1e+40 %"),
    ],
)
def test_rounding_never_reaches_a_border(old, new, text):
    assert per_cent(old, new) == text


@pytest.mark.parametrize(
    ("most", "omitted"),
    [(5, None), (4, "1 more change was left out."), (2, "3 more changes were left out.")],
)
def test_a_large_digest_is_cut_and_says_by_how_much(most, omitted):
    both = [alert("e"), alert("e", "output_token_price")]
    found = blocks(digest(("a", [alert("a"), *both]), ("b", [alert(name) for name in "bcd"])), max_lines=most)
    assert sum(isinstance(block, Change) for block in found) == min(most, 5)
    assert [block.text for block in found if isinstance(block, Omitted)] == ([omitted] if omitted else [])
    assert [block.detail for block in found if isinstance(block, Heading)] == [
        "3 changes, since 2026-06-29"
    ] * (1 if most == 2 else 2)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (DataQuality(None, (), 3, 1, ("m",)), ["unknown", "it is unknown: m", "3"]),
        (DataQuality("passed", (), 3, 0, (), EVE, 3), ["passed", "none", "3"]),
        (
            DataQuality("warned", (), 1, 12, tuple("abcdefghijkl"), EVE, 13),
            ["findings", "a, b, c, d, e, f, g, h, i, j and 2 more", "1, 12 fewer than on 2026-06-29 (13)"],
        ),
    ],
)
def test_what_is_known_of_the_data(data, shown):
    text = to_text(data_blocks(data)).rstrip().splitlines()
    assert [words in line for words, line in zip(shown, text[1:], strict=True)] == [True] * 3


def test_a_long_bill_is_cut_and_the_rest_is_summed_exactly():
    amounts = [Decimal("12345678901234567890.000000000000000001")] * 13
    additions = [Addition(f"m{n}", amount, {"cache_read": amount}) for n, amount in enumerate(amounts)]
    left_out = tuple(NotCounted(f"n{n}", "input", "unknown") for n in range(11))
    bill = Bill(sum_of(amounts), tuple(additions), left_out)
    facts = [block for block in blocks(digest(bill=bill)) if isinstance(block, Fact)]
    assert [fact.label for fact in facts] == [*(f"m{n}" for n in range(10)), "3 more models", "Not counted"]
    assert facts[0].text == f"+{amounts[0]} USD (cache read +{amounts[0]})"
    assert facts[10].text == "+37037036703703703670.000000000000000003 USD"
    assert facts[11].text.endswith("n9 input (unknown) and 1 more")
    ten = replace(bill, additions=bill.additions[:10], not_counted=())
    assert sum(isinstance(block, Fact) for block in blocks(digest(bill=ten))) == 10


RULES = [AlertRule("any")]


@pytest.fixture
def moved(builder):
    builder.file(0, model_row("<m>", input_token_price="1"))
    builder.file(1, model_row("<m>", input_token_price="2"))
    return builder


def test_every_format_is_of_one_digest(moved):
    found = evaluate(moved.store, RULES, traffic=traffic_from({"<m>": {"input": 1_500_000}}))
    message = DigestMessage(found, link="https://example.com/page", run_link="https://example.com/run")
    assert message.subject == f"‹m› +100 % on {nth_day(1)}"  # noqa: RUF001
    assert message.count == 1
    assert "‹m›  input 1 → 2 (+100 %)" in message.text  # noqa: RUF001
    assert "\\<m\\>" in message.markdown
    assert "&lt;m&gt;" in message.html
    assert message.html.__html__() == message.html
    assert "&lt;m&gt;" in message.slack_blocks[1]["text"]["text"]
    for shown in (message.text, message.markdown, message.html, json.dumps(message.slack_blocks)):
        for part in ("https://example.com/page", "https://example.com/run", "1.50 USD", "passed", "none"):
            assert part in shown
    content = json.loads(json.dumps(message.to_dict()))
    assert content["subject"] == message.subject
    assert content["groups"][0]["alerts"][0]["new_value"] == "2"
    assert content["data"]["outcome"] == "passed"
    assert content["bill"]["total"] == "1.50"


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
