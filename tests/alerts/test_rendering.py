"""Renders hostile names in every format, and holds Slack's limits."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import pytest

from helpers.stores import quality_report
from io_intelligence_provider.alerts.digest import Alert, DataQuality, Digest, RuleAlerts
from io_intelligence_provider.alerts.failure import Failure, FailureMessage
from io_intelligence_provider.alerts.message import DigestMessage, blocks
from io_intelligence_provider.alerts.rendering import (
    Change,
    Fact,
    Heading,
    Link,
    Note,
    Omitted,
    Part,
    Title,
    clean,
    to_html,
    to_markdown,
    to_slack,
    to_text,
)
from io_intelligence_provider.alerts.traffic import bill_of
from io_intelligence_provider.errors import ConfigurationError, QualityError
from io_intelligence_provider.quality.result import CheckResult

DAY = date(2026, 6, 30)


def alert(name="org/m", **more):
    values = {"field": "input_token_price", "old_value": "1", "new_value": "2", "pct": 100.0} | more
    known = {"change": "price_changed", "model_id": "id", "name": name, "direction": "up", "since": DAY}
    return Alert(**{**known, **values})


def digest(*groups, **more):
    found = tuple(RuleAlerts(rule, tuple(alerts)) for rule, alerts in groups)
    return Digest(DAY, "run", "documented", found, **more)


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "*bold* _it_ ~no~ `code` [a](https://evil.test) ![i](x) (p)",
    "<!channel> <@U1> <https://evil.test|here> &lt;!here&gt;",
    "<!channel> <@U123> [x](http://evil.test)",
    "a | b || c",
    "line\none\r\n# two\u2028- three\x85four\x00\x1b[31m",
    "https://evil.test www.evil.test evil.test me@evil.test #1 @all ~town-square",
    "\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe\N{LEFT-TO-RIGHT ISOLATE}",
    "zero\N{ZERO WIDTH SPACE}width\N{ZERO WIDTH JOINER}\N{HANGUL FILLER}\N{SOFT HYPHEN}\N{WORD JOINER}",
    "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} 100 → 1",
    "- item 1. # head > quote ~~~ ``` --- ===",
    "{{ var.value.secret }} {% raw %} ${x} $$",
    "x" * 10_000,
    " " * 10_000,
    "&<>" * 4_000,
    "\N{GRINNING FACE}" * 500,
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


def everywhere(name):
    """Return a digest with a text as the name of all that has one, as a value and as a key."""
    price = alert(name)
    value = alert(
        change="attribute_changed", field="description", old_value=name, new_value=f"{name}!", pct=None
    )
    key = replace(value, model_id="other", field=f"extra.{name}", old_value="1", new_value='"2"')
    traffic = {name: {"input": 1}, f"{name} gone": {"input": 1}}
    return digest(
        (name, [price, value, key]),
        data=DataQuality("warned", (), 1, 1, (name,), DAY, 2),
        bill=bill_of(traffic, [price], [("id", name)], ()),
    )  # fmt: skip


INVISIBLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2066\u2067\u3164]")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_stays_a_name(name):
    message = DigestMessage(everywhere(name), link="https://x.test/page")
    shown = clean(name)

    for text in (message.text.replace("https://x.test/page", ""), message.subject):
        assert not INVISIBLE.search(text)
        assert not re.search(r"[<>@\[\]#~\u2060]|://|www\.|evil\.", text)
    assert len(message.subject.splitlines()) == 1
    assert len(message.text.splitlines()) == 18

    assert len(message.markdown.splitlines()) == 21
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", message.markdown)  # what is not escaped is our own
    assert re.findall(r"[<>`\[\]_~|&@]", bare) == ["_", "_", "[", "]", "<", ">"]
    assert "www.evil" not in message.markdown
    assert not INVISIBLE.search(message.markdown)

    page = Tags()
    page.feed(str(message.html))
    assert set(page.tags) <= {"h2", "h3", "bdi", "small", "table", "tr", "th", "td", "b", "p", "i", "a"} | {
        "style",
        "scope",
        "href",
    }
    assert shown in page.text
    assert not INVISIBLE.search(page.text)

    slack = message.slack_blocks
    assert not INVISIBLE.search(json.dumps(slack, ensure_ascii=False))
    for block in slack[1:]:
        content = block["text"]["text"].replace("<https://x.test/page|Open the page>", "")
        assert len(content) <= 3_000
        assert not re.search(r"[<>]", content)
        assert re.fullmatch(r"(?:[^&]|&(?:amp|lt|gt);)*", content)
        for line in content.splitlines():
            ours = re.sub("\u2060[*_~`]\u2060|`[^`]*`", "", line)  # without what is escaped
            edges = re.findall(r"(?<![^\W_])[*_~`]|[*_~`](?![^\W_])", ours)
            assert set(edges) <= {"*"}, line
            assert edges.count("*") in (0, 2), line  # the bold words are ours


def test_a_hostile_name_in_each_format_as_a_whole():
    name = "<!channel> <@U123> [x](http://a.test)\N{RIGHT-TO-LEFT OVERRIDE}\N{ZERO WIDTH SPACE}*_`"
    found = blocks(digest(("r", [alert(name)])))
    assert to_text(found) == (
        "‹!channel› ‹＠U123› ［x］(http:∕∕a․test)��*_` +100 % on 2026-06-30\n\n"  # noqa: RUF001
        "r (1 change, since 2026-06-30)\n"
        "- ‹!channel› ‹＠U123› ［x］(http:∕∕a․test)��*_`  input 1 → 2 (+100 %)\n\n"  # noqa: RUF001
        "Prices are in USD per 1M tokens.\n"
    )
    assert to_markdown(found).splitlines()[4] == (
        r"- **\<\!channel\> \<\@U123\> \[x\]\(http\://a.test\)��\*\_\`** input 1 → 2 \(\+100 %\)"
    )
    assert "<bdi>&lt;!channel&gt; &lt;@U123&gt; [x](http://a.test)��*_`</bdi></th>" in to_html(found)
    assert to_slack(found)[1]["text"]["text"].splitlines()[1] == (
        "• `&lt;!channel&gt; &lt;@U123&gt; [x](http://a.test)��*_\N{MODIFIER LETTER GRAVE ACCENT}` "
        "input 1 → 2 (*+100 %*)"
    )


def test_clean_cuts_and_isolates():
    assert clean("a" * 120) == "a" * 120
    assert clean("a" * 121) == "a" * 119 + "…"
    assert clean("\N{HEBREW LETTER ALEF}") == "\u2068\N{HEBREW LETTER ALEF}\u2069"
    assert clean("\N{ARABIC LETTER BEH}") == "\u2068\N{ARABIC LETTER BEH}\u2069"
    assert clean(" a \n b ") == "a b"
    assert clean(f"a{' ' * 479}b") == "a…"
    assert clean(f"a{' ' * 478}b") == "a b"


def characters(slack):
    return len(json.dumps(slack))


@pytest.mark.parametrize("size", [1, 40, 500])
@pytest.mark.parametrize("name", ["org/model", "&" * 300, "\N{GRINNING FACE}" * 300, "_*" * 200])
def test_slack_bounds_hold_however_much_is_shown(size, name):
    rules = [(f"{number}{name}", [alert(f"{name}{number}"), alert(name)]) for number in range(size)]
    traffic = {f"{name}{number}": {"input": 1} for number in range(size)}
    bill = bill_of(traffic, [alert()], [("id", f"{name}0")], ())
    data = DataQuality("warned", (), 5, size, tuple(f"{number}{name}" for number in range(size)), DAY, 99)
    link = Link("https://x.test/page", "Open the page")
    found = [*blocks(digest(*rules, data=data, bill=bill), max_lines=2 * size), link]
    slack = to_slack(found)
    assert characters(slack) < 13_000
    assert len(slack) <= 50
    assert all(len(block["text"]["text"]) <= 3_000 for block in slack)
    text = "\n".join(block["text"]["text"] for block in slack)
    assert text.endswith("<https://x.test/page|Open the page>")
    shown = len(re.findall(r"\(\*\+100 %\*\)", text))
    omitted = re.search(r"^([0-9]+) more changes? (?:was|were) left out", text, re.MULTILINE)
    assert shown + (int(omitted[1]) if omitted else 0) == 2 * size
    assert shown > 2 or size == 1


def test_what_is_cut_already_and_what_slack_cuts_is_one_number():
    changes = [alert(f"{'x' * 100}{number}", model_id=str(number)) for number in range(300)]
    found = blocks(digest(("r", changes)), max_lines=200)
    text = to_slack(found)[-1]["text"]["text"]
    shown = sum(block["text"]["text"].count("• ") for block in to_slack(found))
    assert f"{300 - shown} more changes were left out." in text
    assert 0 < shown < 200


def test_what_is_left_out_is_counted_by_its_kind():
    long = (Part("x" * 400),)
    findings = [Change(f"check {number}", long, kind="finding") for number in range(50)]
    changes = [Change("model", long, 2)]
    slack = to_slack([Title("t"), Heading("h"), *findings, Heading("i"), *changes])
    text = "\n".join(block["text"]["text"] for block in slack)
    left_out = 50 - text.count("`check ")
    assert f"{left_out} more findings were left out.\n2 more changes were left out." in text


def test_the_findings_of_a_failure_that_do_not_fit_are_no_changes():
    example = [{"name": "\N{GRINNING FACE}" * 90}]
    checks = [CheckResult(f"c{n}", None, "row", "error", 9, 1, example) for n in range(60)]
    stop = CheckResult("complete", None, "snapshot", "error", 1, 1)
    report = quality_report(stop, *checks, outcome="failed", rows=9, valid=8, quarantined=1)
    message = FailureMessage(Failure("d", "t", "r", DAY, QualityError("stopped", report=report)))
    text = "\n".join(block["text"]["text"] for block in message.slack_blocks)
    left_out = 60 - len(re.findall(r"`c[0-9]+`", text))
    assert 0 < left_out < 60
    assert f"{left_out} more findings were left out." in text


def test_plain_text_is_bounded_and_says_what_is_left_out():
    key = {"change": "attribute_changed", "old_value": "z" * 80, "pct": None}
    changes = [
        alert(f"{number}{'x' * 100}", model_id=str(number), field=f"extra.{'y' * 70}{field}", **key)
        for number in range(40)
        for field in range(12)
    ]
    message = DigestMessage(digest(("r", changes)), link="https://x.test/page")
    assert len(to_text(blocks(digest(("r", changes))))) > 50_000
    assert 9_000 < len(message.text) <= 12_900
    assert message.text.endswith("Open the page: https://x.test/page\n")
    body = message.text.partition("\n")[2]  # without the subject
    shown = len(re.findall(r"z → 2", body))
    parts_left_out = sum(map(int, re.findall(r", and ([0-9]+) more", body)))
    assert f"{480 - shown - parts_left_out} more changes were left out." in message.text


@pytest.mark.parametrize("length", [44, 54])
def test_the_ends_of_lines_count_too(length):
    changes = [
        alert(
            f"{number}{'x' * 100}",
            model_id=str(number),
            change="attribute_changed",
            field=f"extra.{'y' * 60}{field}",
            old_value="z" * length,
            pct=None,
        )
        for number in range(40)
        for field in range(2)
    ]
    message = DigestMessage(digest(("r", changes)), link="https://x.test/page")
    assert 12_500 < len(message.text) <= 12_900


@pytest.mark.parametrize("char", ["a", "&", "\N{GRINNING FACE}"])
def test_a_model_with_many_changes_is_one_line_that_fits(char):
    alerts = [
        alert(change="attribute_changed", field=f"extra.{number:02}{char * 100}", old_value=char * 100)
        for number in range(30)
    ]
    alerts = [replace(one, pct=None) for one in alerts]
    found = blocks(digest(("r", alerts)))
    (line,) = [line for line in to_text(found).splitlines() if line.startswith("- ")]
    assert line.endswith(", and 18 more")
    slack = to_slack(found)
    assert all(len(block["text"]["text"]) <= 3_000 for block in slack)
    assert characters(slack) < 13_000
    assert " more" in slack[1]["text"]["text"]


def test_lines_that_are_too_long_for_slack_are_counted():
    facts = [Fact("label", "\N{GRINNING FACE}" * 2_000), Fact("other", "&" * 9_000), Fact("short", "kept")]
    slack = to_slack([Title("t"), Heading("h"), *facts, Note("n"), Link("https://x.test", "Open")])
    text = "\n".join(block["text"]["text"] for block in slack[1:])
    assert text == "*h*\n2 more lines are too long to show.\n• *short* kept\nn\n<https://x.test|Open>"
    assert to_text([*facts[:1]]).count("\N{GRINNING FACE}") == 2_000


def test_a_message_of_other_blocks():
    """As a message about a failure has them."""
    found = [
        Title("t"),
        Heading("h", "d"),
        Fact("a", "b"),
        Change("m", (Part("x", "y"),), end=", z"),
        Note("n"),
    ]
    assert to_text(found) == "t\n\nh (d)\n- a: b\n- m  x (y), z\n\nn\n"
    assert to_slack(found)[1]["text"]["text"] == "*h* (d)\n• *a* b\n• `m` x (*y*), z\nn"
    assert to_slack([]) == [
        {"type": "header", "text": {"type": "plain_text", "text": "", "emoji": False}},
    ]


EVERY_BLOCK = [
    Title("t & <u>"),
    Heading("h", "d"),
    Fact("a", "b & c"),
    Change("m", (Part("x", "+5 %"), Part("y"), Part("z", "d" * 20)), 3, ", since"),
    Heading("i"),
    Change("n", (Part("x"),)),
    Note("see www.a.test"),
    Omitted(1),
    Omitted(2, "finding"),
    Link("http://x.test/?a=1&b=2", "Open"),
]


def test_every_block_in_every_format():
    assert to_markdown(EVERY_BLOCK) == (
        "## t \\& \\<u\\>\n\n"
        "**h** \\(d\\)\n\n"
        "- **a** b \\& c\n"
        f"- **m** x \\(\\+5 %\\), y, z \\({'d' * 20}\\), since\n\n"
        "**i**\n\n"
        "- **n** x\n\n"
        "_see www\\.a.test_\n\n"
        "_1 more change was left out._\n\n"
        "_2 more findings were left out._\n\n"
        "[Open](<http://x.test/?a=1&b=2>)\n"
    )
    cell = "padding:2px 16px 2px 0;text-align:left;vertical-align:top;font-weight:"

    def row(label, text):
        return (
            f'<tr><th scope="row" style="{cell}bold"><bdi>{label}</bdi></th>'
            f'<td style="{cell}normal">{text}</td></tr>'
        )

    nowrap = '<b style="white-space:nowrap">+5 %</b>'
    assert to_html(EVERY_BLOCK).splitlines() == [
        "<h2><bdi>t &amp; &lt;u&gt;</bdi></h2>",
        "<h3><bdi>h</bdi> <small>(d)</small></h3>",
        '<table style="border-collapse:collapse">',
        row("a", "b &amp; c"),
        row("m", f"x ({nowrap}), y, z (<b>{'d' * 20}</b>), since"),
        "</table>",
        "<h3><bdi>i</bdi></h3>",
        '<table style="border-collapse:collapse">',
        row("n", "x"),
        "</table>",
        "<p><i>see www.a.test</i></p>",
        "<p><i>1 more change was left out.</i></p>",
        "<p><i>2 more findings were left out.</i></p>",
        '<p><a href="http://x.test/?a=1&amp;b=2">Open</a></p>',
    ]
    assert to_html(EVERY_BLOCK[2:3]).splitlines() == [
        '<table style="border-collapse:collapse">',
        row("a", "b &amp; c"),
        "</table>",
    ]
    first = f"*h* (d)\n• *a* b &amp; c\n• `m` x (*+5 %*), y, z (*{'d' * 20}*), since"
    second = (
        "*i*\n• `n` x\nsee www.a.test\n1 more change was left out.\n2 more findings were left out.\n"
        "<http://x.test/?a=1&amp;b=2|Open>"
    )
    assert to_slack(EVERY_BLOCK) == [
        {"type": "header", "text": {"type": "plain_text", "text": "t & ‹u›", "emoji": False}},  # noqa: RUF001
        *(
            {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
            for text in (first, second)
        ),
    ]


@pytest.mark.parametrize(
    ("lengths", "kept"),
    [
        ([92] * 29 + [161], 30),  # 2,900 characters as JSON
        ([92] * 29 + [162], 29),
        ([1_500, 1_300, 100], 2),
        ([1_500] * 3, 1),
    ],
)
def test_a_line_keeps_the_parts_that_fit_into_a_section(lengths, kept):
    change = Change("m", tuple(Part("x" * length) for length in lengths), len(lengths))
    (text,) = [block["text"]["text"] for block in to_slack([change])[1:]]
    left_out = [f"and {len(lengths) - kept} more"] if kept < len(lengths) else []
    assert text == f"• `m` {', '.join([*('x' * length for length in lengths[:kept]), *left_out])}"


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


@pytest.mark.parametrize(("length", "shown"), [(150, "t" * 150), (151, "t" * 149 + "…")])
def test_a_title_that_is_too_long_for_slack_ends_with_an_ellipsis(length, shown):
    assert to_slack([Title("t" * length)])[0]["text"]["text"] == shown


def test_marks_at_the_edge_of_a_word_do_not_format():
    (section,) = to_slack([Fact("a", "*x* y_z 5*6")])[1:]
    joined = "\N{WORD JOINER}*\N{WORD JOINER}"
    assert section["text"]["text"] == f"• *a* {joined}x{joined} y_z 5*6"


def test_title_and_links_are_kept_before_what_fills_the_message():
    facts = [Fact(str(number), "x" * 1_150) for number in range(7)]  # six leave no room for a link
    link = Link("https://x.test/", "Open")
    for kept, size in ((5, 7), (5, 6)):
        text = "\n".join(one["text"]["text"] for one in to_slack([Title("t"), *facts[:size], link])[1:])
        shown = [f"• *{number}* {'x' * 1_150}" for number in range(kept)]
        more = "1 more line is" if size - kept == 1 else f"{size - kept} more lines are"
        assert text == "\n".join([*shown, f"{more} too long to show.", "<https://x.test/|Open>"])


def test_fourteen_headings_begin_sections():
    headings = [Heading(str(number)) for number in range(16)]
    texts = [one["text"]["text"] for one in to_slack(headings)[1:]]
    assert texts == [*(f"*{number}*" for number in range(13)), "*13*\n*14*\n*15*"]


@pytest.mark.parametrize(("length", "sections"), [(1_449, [2_900]), (1_450, [1_450, 1_450])])
def test_lines_share_a_section_below_its_length(length, sections):
    parts = [Part("x" * (size - len("• `m` "))) for size in (1_450, length)]
    changes = [Change("m", (part,)) for part in parts]
    assert [len(one["text"]["text"]) for one in to_slack(changes)[1:]] == sections
