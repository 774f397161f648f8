"""Tests secrets: each spelling is removed from a text, and none is shown but on request."""

from __future__ import annotations

import base64
import contextlib
import pickle
import traceback
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.canaries import in_base64, spellings
from io_intelligence_provider.errors import ResponseError
from io_intelligence_provider.redaction import Redactor, Secret, redact_url, sendable, without_frames


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


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(TypeError, match=r"^A Secret is not pickled: it would leave the client\.$"):
        pickle.dumps(Secret("hidden"))


@pytest.mark.parametrize(
    ("text", "fits"),
    [("a b", True), ("", True), (" a", False), ("a\n", False), ("a\tb", False), ("é", False)],
)
def test_a_header_carries_printable_ascii_alone(text: str, fits: bool) -> None:
    assert sendable(text) is fits


def failing(error: BaseException) -> None:
    try:
        int("cause")
    except ValueError as cause:
        raise error from cause


def test_an_error_loses_frames_cause_and_context() -> None:
    error = ResponseError("came back")
    with pytest.raises(ResponseError) as raised:
        without_frames(lambda: failing(error))
    assert raised.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert "without_frames" in names[-1]  # mutmut renames functions
    assert "failing" not in names
    assert without_frames(lambda: 1) == 1


def test_an_error_of_another_kind_is_a_bug_and_keeps_its_frames() -> None:
    with pytest.raises(ValueError, match="bug") as raised:
        without_frames(lambda: failing(ValueError("bug")))
    assert isinstance(raised.value.__cause__, ValueError)
    with pytest.raises(ValueError, match="bug") as raised:
        without_frames(lambda: failing(ValueError("bug")), ValueError)
    assert raised.value.__cause__ is None


def test_an_error_keeps_no_frame_alive() -> None:
    error = ResponseError("x")
    with contextlib.suppress(ResponseError):
        without_frames(lambda: failing(error))
    assert error.__traceback__ is not None
    frame = error.__traceback__.tb_next
    assert frame is not None
    assert "failure" not in frame.tb_frame.f_locals


def test_every_form_of_a_secret_is_announced_once() -> None:
    announced: list[str] = []
    redactor = Redactor([Secret("a/b c")], announced.append)
    assert announced == sorted(announced)
    assert {"a/b c", "a/b%20c", "a%2Fb%20c", "a%2Fb+c", "a\\/b c"} == set(announced)
    redactor.add(Secret("a/b c"))
    redactor.add(Secret("identifier"), identifier=True)
    assert len(announced) == 5


@pytest.mark.parametrize(
    ("secret", "identifier", "in_text", "in_record"),
    [
        ("abcde", False, True, False),
        ("abcdef", False, True, True),
        ("abcdefg", True, False, False),
        ("abcdefgh", True, True, False),
    ],
)
def test_a_short_secret_is_masked_where_it_is_no_word(
    secret: str, identifier: bool, in_text: bool, in_record: bool
) -> None:
    redactor = Redactor()
    redactor.add(Secret(secret), identifier=identifier)
    assert (redactor.clean(f"x {secret} y") == "x *** y") is in_text
    assert (redactor.clean_value(f"x {secret} y") == "x *** y") is in_record
    assert redactor.may_be_in(f'"{secret}"'.encode()) is in_record


def test_a_password_that_equals_the_user_name_is_masked_as_a_password() -> None:
    announced: list[str] = []
    redactor = Redactor(on_secret=announced.append)
    redactor.add(Secret("abcdefgh"), identifier=True)
    assert redactor.clean_value("abcdefgh") == "abcdefgh"
    redactor.add(Secret("abcdefgh"))
    assert redactor.clean_value("abcdefgh") == "***"
    assert announced == ["abcdefgh"]


def test_a_record_is_masked_in_keys_lists_and_numbers() -> None:
    redactor = Redactor([Secret("123456")])
    record = {"k123456": [{"a": "x123456"}, 123456, Decimal("0.123456"), 12345, 1.5, None, True]}
    assert redactor.clean_value(record) == {"k***": [{"a": "x***"}, "***", "***", 12345, 1.5, None, True]}


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("S3CRET/KEY s3cret%2Fkey", "*** ***"),
        ("no such thing", "no such thing"),
        ("%2573%2533cret%252fkey", "***"),  # two layers; the rest of the text may hold more
        ("%25252573%25252533cret/key", "%25252573%25252533cret/key"),  # four
        ("&#37;25s3cret%252fkey", "***"),  # HTML, then twice a URL
        ("&#115;3cret/key", "***"),
        (r"%2573%2533cret%252fkey & \n", "***"),
        (r"a \x73\u0033cret\/key", "***"),
        (r"\X73\U0033CRET\/KEY", "***"),
    ],
)
def test_a_text_in_which_an_encoding_hides_a_secret_is_masked_as_a_whole(text: str, cleaned: str) -> None:
    redactor = Redactor([Secret("s3cret/key")])
    assert redactor.clean(text) == cleaned
    assert redactor.may_be_in(text.encode()) is (text != cleaned)


def test_what_holds_no_known_secret_is_not_searched_for_one() -> None:
    assert Redactor().clean("a%20b") == "a%20b"
    assert not Redactor().may_be_in(b"a%20b")


def test_bytes_that_are_no_text_are_searched_as_well() -> None:
    redactor = Redactor([Secret("s3cret")])
    assert redactor.may_be_in(b"\xff s3cret")
    assert redactor.may_be_in(b"\xff %733cret")
    assert not redactor.may_be_in(b"\xff %aa \\ud800")


def test_base64_of_a_secret_takes_its_neighbours_with_it() -> None:
    redactor = Redactor([Secret("s3cret-key")])
    for sent, cleaned in (
        (b"user:s3cret-key!", "dXNlcj***Q=="),
        (b"us:s3cret-key", "dXM***"),
        (b"u:s3cret-key", "dT***"),
        (b":s3cret-key", "O***"),
    ):
        assert redactor.clean(f"Basic {base64.b64encode(sent).decode()}.") == f"Basic {cleaned}."


def test_both_alphabets_of_base64_are_known() -> None:
    redactor = Redactor([Secret("key???>>>")])
    assert redactor.clean("a2V5Pz8/Pj4+") == redactor.clean("a2V5Pz8_Pj4-") == "***"


def test_a_secret_is_found_in_base64_from_eight_letters_on() -> None:
    assert Redactor([Secret("abcdef")]).clean("YWJjZGVm") == "***"
    assert Redactor([Secret("abcde")]).clean("YWJjZGU=") == "YWJjZGU="


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h@host:1/p?k#f", "https://host:1/p"),
        ("host/path", "host/path"),
        ("https://[u:p@host/", "(an invalid URL)"),
    ],
)
def test_a_url_that_is_odd_shows_no_password(url: str, shown: str) -> None:
    assert redact_url(url) == shown
