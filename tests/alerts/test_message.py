"""Compares whole messages of a digest: what is shown first, in which words, and what is left out."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import io_intelligence_provider
from helpers.messages import EVE, alert, digest, whole
from helpers.stores import model_row, nth_day
from io_intelligence_provider import AlertRule
from io_intelligence_provider.alerts.digest import DataQuality
from io_intelligence_provider.alerts.evaluate import evaluate
from io_intelligence_provider.alerts.message import DigestMessage
from io_intelligence_provider.alerts.traffic import bill_of, traffic_from
from io_intelligence_provider.quality.result import CheckResult

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
    assert (content["subject"], content["count"]) == (message.subject, 1)
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
