"""Tests which requests are repeated, how often and after which wait."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.records import names_of, numbered_models
from helpers.scripted_server import Reply, page_reply
from io_intelligence_provider.catalog.retry import (
    MAX_RETRY_AFTER,
    Deadline,
    RetryableError,
    parse_retry_after,
    retrying,
)
from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.errors import (
    RateLimitError,
    ResponseError,
    ServerError,
    TransportError,
)

NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; the list tells how long they would have."""
    waited: list[float] = []
    monkeypatch.setattr(Deadline, "sleep", lambda _, seconds: waited.append(seconds))
    return waited


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", status=429, page=3, times=2),
        Fault(kind="status", status=500, page=3, times=2),
        Fault(kind="status", status=503, page=3, times=2, retry_after=0),
        Fault(kind="reset", page=3, times=2),
        Fault(kind="truncate", page=3, times=2),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_only_the_failing_page_is_asked_for_again(
    emulator: Any, connect: Any, emulator_pages: Any, fault: Fault
) -> None:
    emulator.faults.add(fault)
    records = connect(emulator.url, page_size=2).iter_models()
    assert names_of(records) == [f"m{number}" for number in range(7)]
    assert Counter(emulator_pages()) == {1: 1, 2: 1, 3: 3, 4: 1}


def test_each_retry_says_which_try_failed_why_and_how_long_it_waits(
    emulator: Any, connect: Any, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    emulator.faults.add(Fault(kind="status", status=503, times=2))
    with connect(emulator.url, max_retries=3) as client:
        client.fetch_catalogue().close()
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == len(waits) == 2
    for number, (line, wait) in enumerate(zip(said, waits, strict=True), 1):
        assert line.startswith(
            f"Try {number} of 4 failed; the next starts in {wait:.1f} s. GET {emulator.url}"
        )
        assert "answered 503" in line


def test_a_slow_answer_is_a_read_timeout_that_is_tried_again(
    emulator: Any, connect: Any, emulator_pages: Any
) -> None:
    emulator.faults.add(Fault(kind="delay", seconds=60, times=1))
    assert len(connect(emulator.url, read_timeout=0.1).fetch_page().records) == 7
    assert emulator_pages() == [1, 1]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="reset", times=None),
        Fault(kind="truncate", times=None),
        Fault(kind="delay", seconds=60, times=None),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_broken_connection_is_a_transport_error_in_the_end(
    emulator: Any, connect: Any, emulator_pages: Any, fault: Fault
) -> None:
    emulator.faults.add(fault)
    with pytest.raises(TransportError, match=r"GET http://127\.0\.0\.1.* failed: .*after 2 tries"):
        connect(emulator.url, read_timeout=0.1, max_retries=1).fetch_page()
    assert emulator_pages() == [1, 1]


def test_nobody_listening_is_a_transport_error(scripted: Any, connect: Any) -> None:
    server = scripted(page_reply())
    server.server_close()
    with pytest.raises(TransportError, match="after 3 tries"):
        connect(server.url, max_retries=2).fetch_page()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_whole_http_answer_is_asked_for_again(scripted: Any, connect: Any, raw: bytes) -> None:
    server = scripted([Reply(raw=raw), page_reply(numbered_models(2))])
    assert len(connect(server.url).fetch_page().records) == 2
    assert len(server.requests) == 2


def test_a_chunked_answer_is_read_whole_and_its_connection_kept(scripted: Any, connect: Any) -> None:
    body = page_reply(numbered_models(3)).body
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-Trailer: 1\r\n\r\n"
    assert len(connect(scripted(Reply(raw=raw)).url).fetch_page().records) == 3


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_interim_responses_are_passed_over(scripted: Any, connect: Any, interim: bytes) -> None:
    first = b"HTTP/1.1 %b\r\nLink: </style.css>\r\n\r\n" % interim
    raw = 2 * first + b"HTTP/1.1 200 OK\r\n\r\n" + page_reply(numbered_models(3)).body
    assert len(connect(scripted(Reply(raw=raw)).url).fetch_page().records) == 3


def test_no_retries_means_one_request(emulator: Any, connect: Any, emulator_pages: Any) -> None:
    emulator.faults.add(Fault(kind="status", status=500, times=None))
    with pytest.raises(ServerError, match=r"after 1 try\)"):
        connect(emulator.url, max_retries=0).fetch_page()
    assert emulator_pages() == [1]


def test_the_rate_limit_says_how_long(emulator: Any, connect: Any) -> None:
    emulator.faults.add(Fault(kind="status", status=429, retry_after=3))
    with pytest.raises(RateLimitError, match="asking to wait 3 s") as caught:
        connect(emulator.url, max_retries=0).fetch_page()
    assert (caught.value.retry_after, caught.value.status) == (3, 429)


@pytest.mark.parametrize("retry_after", [3_600, "99999999999999999999"])
def test_more_than_the_deadline_leaves_is_reported_at_once(
    emulator: Any, connect: Any, emulator_pages: Any, waits: list[float], retry_after: Any
) -> None:
    emulator.faults.add(Fault(kind="status", status=429, retry_after=retry_after, times=None))
    with pytest.raises(RateLimitError) as caught:
        connect(emulator.url, max_retries=9, deadline=30).fetch_page()
    assert emulator_pages() == [1]
    assert caught.value.retry_after == (math.inf if isinstance(retry_after, str) else retry_after)
    assert waits == []


def test_retry_after_is_obeyed_up_to_a_cap(emulator: Any, connect: Any, waits: list[float]) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=3_000), usegmt=True)
    for retry_after in (7, 5_000, date):
        emulator.faults.add(Fault(kind="status", status=503, retry_after=retry_after))
    connect(emulator.url, deadline=80_000).fetch_page()
    assert waits == [7, MAX_RETRY_AFTER, MAX_RETRY_AFTER]


def test_a_wait_of_nothing_still_backs_off(waits: list[float]) -> None:
    tries = []

    def fail() -> None:
        tries.append(1)
        raise RetryableError(ServerError("no", status=503), 0.0)

    with pytest.raises(ServerError):
        retrying(20, 1.0, 8.0, Deadline(1_000))(fail)
    assert len(tries) == 21
    assert sum(waits) > 0


def test_the_backoff_grows_with_full_jitter(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    bounds = []

    def draw(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    monkeypatch.setattr("random.uniform", draw)

    def fail() -> None:
        raise RetryableError(ServerError("no", status=503))

    with pytest.raises(ServerError):
        retrying(5, 0.5, 3.0, Deadline(1_000))(fail)
    assert bounds[:5] == [(0, 0.5), (0, 1.0), (0, 2.0), (0, 3.0), (0, 3.0)]
    assert waits == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_what_is_not_retryable_passes_through() -> None:
    def fail() -> None:
        raise ResponseError("no")

    with pytest.raises(ResponseError, match=r"^no$"):
        retrying(5, 0, 0, Deadline(1))(fail)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", 2),
        ("900.5", 901),
        ("7.0", 7),
        ("7.", 7),
        (".25", 1),
        ("0.00000000000000000000001", 1),
        (f"1.{'0' * 30}1", 2),
        (".", None),
        ("1.5.5", None),
        ("1,5", None),
        ("1e3", None),
        ("+1", None),
        ("²", None),
        ("0", 0),
        (" 12 ", 12),
        ("9" * 400, math.inf),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30),
        ("Wednesday, 21-Oct-26 07:29:00 GMT", 60),
        ("Wed Oct 21 07:28:05 2026", 5),
        ("Wed, 21 Oct 2026 07:28:30 -0000", 30),
        ("Wed, 21 Oct 2026 09:28:30 +0200", 30),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 99 Oct 2026 07:28:30 GMT", None),
        ("Wed, 21 Oct 2026 07:28:30 +99999999999999999999", None),
        ("1 Jan 2026 99999999999999999999:00:00", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW) == seconds


@pytest.mark.long
@given(st.text() | st.from_regex(r"\w{3}, \d+ (Jan|Oct) \d+ \d+:\d+(:\d+)? [+-]?\w+", fullmatch=True))
def test_no_retry_after_crashes(header: str) -> None:
    seconds = parse_retry_after(header)
    assert seconds is None or seconds >= 0
