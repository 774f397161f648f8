"""Tests texts: what is cut, escaped or replaced in them, names of files, and numbers in JSON."""

from __future__ import annotations

import pytest

from io_intelligence_provider.text import inert, printable


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
