"""Tests the words of a message: its subject, the lines of changes, the bill, what is known of the data."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import ROUND_UP, Context, Decimal, Overflow, localcontext

import pytest

from helpers.messages import DAY, EVE, alert, digest, lines, whole
from io_intelligence_provider.alerts.digest import Alert, DataQuality
from io_intelligence_provider.alerts.message import DigestMessage, blocks, data_blocks, per_cent
from io_intelligence_provider.alerts.rendering import Change, Fact, Heading, Note, Omitted, to_text
from io_intelligence_provider.alerts.traffic import Addition, Bill, NotCounted, sum_of

ARROW = "→"


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
        ("1", "10000000000001", "+1e+15 %"),
        ("1", "10000000000000", "+999999999999900 %"),
        ("10000", "10001", "+0.01 %"),
        ("10000", "9999", "-0.01 %"),
        ("3", "1000000000003", "+33333333333333.33 %"),
        ("1", "2.005", "+100.5 %"),
        ("10000", "10012.25", "+0.12 %"),
        ("10000", "10013.75", "+0.14 %"),
    ],
)
def test_rounding_never_reaches_a_border(old, new, text):
    assert per_cent(old, new) == text


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [("1234567.1234567", "1234567.1234568", "+8.1e-12 %"), ("1", "10000000000001", "+1e+15 %")],
)
def test_the_decimal_context_of_a_dag_file_changes_no_digit(old, new, text):
    """A small change would be rounded by it, and a power of ten be too large for it."""
    with localcontext(Context(prec=6, rounding=ROUND_UP, Emax=9, traps=[Overflow])):
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


def test_a_bill_without_a_known_change():
    left_out = tuple(NotCounted("m", kind, "unknown") for kind in ("cache_read", "cache_write"))
    heading, fact = blocks(digest(bill=Bill(Decimal(0), (), left_out)))[1:]
    assert heading == Heading("Monthly bill: no known change", "by all changes of this message")
    assert fact == Fact("Not counted", "m cache read and cache write (unknown)")
    nothing = Addition(" ", Decimal("0.00"), {"input": Decimal("0.00")})
    heading, fact = blocks(digest(bill=Bill(Decimal("0.00"), (nothing,), ())))[1:]
    assert heading == Heading("Monthly bill: 0.00 USD", "by all changes of this message")
    assert fact == Fact("(no name)", "0.00 USD (input +0.00)")


def test_long_names_and_values_are_cut():
    long = "x" * 200
    message = DigestMessage(digest(("r", [alert(long, "status", long, long, "status_changed")])))
    assert message.subject == f"{'x' * 59}… status {'x' * 29}… → {'x' * 29}… on 2026-06-30"
    (line,) = lines(alert(long, f"extra.{long}", long, long, "attribute_changed"))
    name, key, old, new = line.replace(f" {ARROW}", "").split()
    assert (name, old, new) == (f"{'x' * 119}…", *[f"{'x' * 79}…"] * 2)
    assert (len(key), key[-3:]) == (80, "xx…")


def test_changes_of_equal_size_are_sorted_by_name_and_field():
    shown = lines(
        whole("model_added", "c"),
        alert("c", "status", "x", "y", "status_changed"),
        alert("b", "name", "x", "y", "attribute_changed"),
        alert("c", "audio", "x", "y", "attribute_changed"),
    )
    assert shown == ["b  name x → y", "c  is new, audio x → y, status x → y"]


def test_what_is_left_out_is_counted_over_all_rules():
    groups = [(rule, [alert(name) for name in "abc"]) for rule in "rst"]
    for most in (1, 0):
        found = blocks(digest(*groups), max_lines=most)
        assert sum(isinstance(block, Change) for block in found) == 1
        assert found[-2:] == [Omitted(8), Note("Prices are in USD per 1M tokens.")]


def test_a_rule_with_changes_since_several_days_names_none():
    (_, heading, *_) = blocks(digest(("r", [alert("a"), alert("b", since=DAY)])))
    assert heading == Heading("r", "2 changes")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (
            DataQuality(None, (), 3, 0, ()),
            [
                Heading("Data quality: unknown", "the report of the checks cannot be read"),
                Fact("Quarantine", "none"),
                Fact("Models", "3"),
            ],
        ),
        (
            DataQuality("passed", (), 3, 2, ("x" * 200, " "), EVE, 3),
            [
                Heading("Data quality: passed", ""),
                Fact(
                    "Quarantine",
                    f"2 records refused, so what changed in them is unknown: {'x' * 79}…, (no name)",
                ),
                Fact("Models", "3"),
            ],
        ),
        (
            DataQuality("failed", (), 3, 0, (), EVE, 4),
            [
                Heading("Data quality: failed", "stopped by its checks"),
                Fact("Quarantine", "none"),
                Fact("Models", "3, 1 fewer than on 2026-06-29 (4)"),
            ],
        ),
    ],
)
def test_what_is_known_of_the_data_in_words(data, shown):
    assert data_blocks(data) == shown


@pytest.mark.parametrize(("names", "end"), [(10, "9"), (11, "9 and 1 more")])
def test_ten_names_are_listed(names, end):
    data = DataQuality("passed", (), 3, names, tuple(map(str, range(names))))
    (quarantine,) = [block for block in data_blocks(data) if getattr(block, "label", "") == "Quarantine"]
    assert quarantine.text.endswith(f"8, {end}")
