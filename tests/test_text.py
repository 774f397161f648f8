"""Tests texts: what is cut, escaped or replaced in them, names of files, and numbers in JSON."""

from __future__ import annotations

from decimal import Decimal

import pytest

from io_intelligence_provider.text import (
    UnstorableNumber,
    cut,
    dump_json,
    escaped,
    example_text,
    inert,
    path_name,
    printable,
    short_hash,
    shortened,
)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Qwen/Qwen3.5-9B v1.0", "Qwen/Qwen3.5-9B v1.0"),
        ("a@b", "a＠b"),  # noqa: RUF001
        ("gpt.com", "gpt․com"),  # noqa: RUF001
        ("xn.рф", "xn․рф"),  # noqa: RUF001
        ("- org/m  extra.owned_by 1 → 2, extra.max_len", "- org/m  extra.owned_by 1 → 2, extra.max_len"),
        ("extra.name extra.com_/x extra.ab_c.com", "extra․name extra․com_/x extra․ab_c․com"),  # noqa: RUF001
        ("my.extra.a_b xextra.ab_c evil.ab_c", "my․extra.a_b xextra․ab_c evil․ab_c"),  # noqa: RUF001
    ],
)
def test_what_readers_of_plain_text_would_link_is_inert(text, safe):
    assert inert(text) == safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("नेपाली می\N{ZERO WIDTH NON-JOINER}خواهم", None),
        ("\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN} \N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}", None),
        ("gpt\N{ZERO WIDTH JOINER}-oss\N{VARIATION SELECTOR-16}", "gpt�-oss�"),
        ("a\u202eb\u2066c\u200bd\u00ade\u115ff\u3164g\u2800h\U000e0101i\x00", "a�b�c�d�e�f�g�h�i�"),
    ],
)
def test_every_character_is_visible(text, shown):
    assert printable(text) == (text if shown is None else shown)


def test_a_mark_between_letters_is_judged_by_both_neighbours():
    joiner, selector = "\N{ZERO WIDTH JOINER}", "\N{VARIATION SELECTOR-16}"
    man = "\N{MAN}"
    assert printable(f"{man}{joiner}") == f"{man}�"  # nothing follows
    assert printable(f"{man}{joiner}a{man}") == f"{man}�a{man}"
    assert printable(f"{man}a{joiner}{man}") == f"{man}a�{man}"
    assert printable(f"{joiner}{man}") == f"�{man}"  # nothing precedes
    assert printable(f"{selector}{man}") == f"�{man}"
    assert printable(f"{man}{selector}a") == f"{man}{selector}a"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("<!here> [a](b) #c ~d", "‹!here› ［a］(b) ＃c ∼d"),  # noqa: RUF001
        ("https://a b://", "https:∕∕a b:∕∕"),  # noqa: RUF001
    ],
)
def test_every_mark_of_a_mention_or_link_is_replaced(text, safe):
    assert inert(text) == safe


def test_what_is_too_long_is_cut_and_says_its_length():
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "abc… (4 characters)"


def test_a_lone_surrogate_is_escaped():
    assert escaped("a\ud800é") == "a\\ud800é"


def test_an_example_is_one_visible_line_without_what_is_null():
    assert example_text({"row": 1, "value": None, "text": "a\nb"}) == "row: 1, text: a�b"
    assert example_text({"text": "x" * 294}) == "text: " + "x" * 294
    assert example_text({"text": "x" * 295}) == "text: " + "x" * 294 + "… (301 characters)"
    assert example_text({"text": "abc"}, 4) == "text… (9 characters)"


def test_json_keeps_the_order_of_keys_unless_they_are_to_be_sorted():
    value = [{"b": 1, "a": {"d": "é", "c": [{"f": None, "e": True}]}}]
    assert dump_json(value) == '[{"b": 1, "a": {"d": "\\u00e9", "c": [{"f": null, "e": true}]}}]'
    assert (
        dump_json(value, sort_keys=True) == '[{"a": {"c": [{"e": true, "f": null}], "d": "\\u00e9"}, "b": 1}]'
    )


def test_json_keeps_every_digit_of_a_number():
    numbers = [Decimal("0.10"), 10**30, UnstorableNumber("1e" + "9" * 30)]
    assert dump_json({"é": numbers}) == '{"\\u00e9": [0.10, 1' + "0" * 30 + ", 1e" + "9" * 30 + "]}"


def test_equal_texts_alone_share_the_name_of_a_file():
    assert path_name("a b/é:c_D.1") == "a-b-c_D.1-0aed4f12"
    assert path_name("..a..") == "a-9e5cd952"
    assert path_name("x" * 70 + "-").startswith("x" * 60 + "-")
    assert path_name("XaX").startswith("XaX-")
    assert path_name("..-Xa", 4).startswith("Xa-")
    assert path_name("abc-defg", 5) == "defg-" + short_hash("abc-defg")
    assert short_hash("a\ud800") == "25819b9b"


def test_a_text_is_shortened_to_what_json_takes():
    assert shortened("abcdef", 4) == "abcd"
    assert shortened("abc", 3) == "abc"
    assert shortened("ab\N{GRINNING FACE}cd", 13) == "ab"
    assert shortened("ab\N{GRINNING FACE}cd", 14) == "ab\N{GRINNING FACE}"
