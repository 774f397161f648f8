"""Tests secrets: each spelling is removed from a text, and none is shown but on request."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from helpers.canaries import in_base64, spellings
from io_intelligence_provider.redaction import Redactor, Secret, redact_url


def test_a_secret_shows_itself_only_on_request() -> None:
    secret = Secret("hidden")
    assert secret.reveal() == "hidden"
    assert "hidden" not in f"{secret} {secret!r} {[secret]}"
    assert not hasattr(secret, "__dict__")


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=4), st.text())
def test_a_redactor_takes_out_every_spelling(secret: str, around: str) -> None:
    redactor = Redactor([Secret(secret), None, Secret("")])
    for spelt in spellings(secret) - in_base64(secret):
        if spelt.strip("*"):
            assert spelt not in redactor.clean(f"{around} {spelt} {around}").replace("***", "")


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=9), st.integers(0, 5))
def test_a_redactor_takes_out_what_base64_makes_of_a_secret(secret: str, before: int) -> None:
    for coded in (base64.b64encode, base64.urlsafe_b64encode):
        text = coded(b"x" * before + secret.encode() + b"yyy").decode()
        cleaned = Redactor([Secret(secret)]).clean(f"sent {text} back")
        assert "***" in cleaned
        assert not [core for core in in_base64(secret) if len(core) >= 8 and core in cleaned]


def test_a_redactor_takes_the_longer_secret_first() -> None:
    redactor = Redactor([Secret("abc"), Secret("abcdef")])
    assert redactor.clean("abcdef abc") == "*** ***"


def test_a_url_is_shown_without_user_query_and_fragment() -> None:
    assert redact_url("https://u:p@host:1/path?key=1#x") == "https://host:1/path"
