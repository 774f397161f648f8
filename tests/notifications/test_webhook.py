"""Tests the webhook notifier against a real receiver: what it sends, and what it never shows."""

from __future__ import annotations

import json
import socketserver
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from helpers.scripted_server import Reply, ScriptedServer, make_authority
from io_intelligence_provider.cli.demo import Receiver
from io_intelligence_provider.errors import ConfigurationError, NotificationError
from io_intelligence_provider.notifications.webhook import IOIntelligenceWebhookNotifier

TOKEN = "hook-token-of-the-test"


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def to(host: str, **more: Any) -> None:
        connection = {"conn_type": "generic", "host": host, **more}
        monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_WEBHOOK", json.dumps(connection))

    return to


def notifier(**more: Any) -> IOIntelligenceWebhookNotifier:
    arguments = {"text": "two lines\nü", "blocks": [{"type": "header"}], "digest": {"count": 1}}
    return IOIntelligenceWebhookNotifier(**{**arguments, **more})


def test_it_posts_text_blocks_and_data(connect: Callable[..., None]) -> None:
    with Receiver() as receiver:
        connect(receiver.url, password=TOKEN)
        notifier().notify({})
    assert receiver.messages == [
        {"text": "two lines\nü", "blocks": [{"type": "header"}], "digest": {"count": 1}}
    ]
    ((path, headers),) = receiver.requests
    assert path == "/hook"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Content-Type"] == "application/json"


def test_without_a_password_no_header_claims_one(connect: Callable[..., None]) -> None:
    with Receiver() as receiver:
        connect(receiver.url)
        notifier().notify({})
    assert "Authorization" not in receiver.requests[0][1]


@pytest.mark.parametrize("kind", ["http", "generic"])
def test_the_connection_may_be_a_uri_whose_path_airflow_takes_for_its_schema(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as receiver:
        address = receiver.url.removeprefix("http://").removesuffix("/hook")
        uri = f"{kind}://{address}/deep/hook?key=k%2F1&token=t-of-the-test"
        monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_WEBHOOK", uri)
        if kind == "generic":  # its scheme is https, which the receiver does not speak
            with pytest.raises(NotificationError, match="SSLError"):
                notifier().notify({})
            return
        notifier().notify({})
    assert receiver.requests[0][0] == "/deep/hook?key=k%2F1&token=t-of-the-test"


def test_authorities_of_the_environment_are_trusted(
    connect: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make_authority(tmp_path)
    server = ScriptedServer(lambda _: Reply(), "127.0.0.1", authority.server)
    try:
        connect(server.url)
        with pytest.raises(NotificationError, match="SSLError"):
            notifier().notify({})
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.path)
        notifier().notify({})
    finally:
        server.stop()
    assert len(server.requests) == 1


def test_scheme_and_port_may_stand_in_their_fields(connect: Callable[..., None]) -> None:
    with Receiver() as receiver:
        port = int(receiver.url.rpartition(":")[2].partition("/")[0])
        connect("127.0.0.1/deep/hook", schema="http", port=port)
        notifier().notify({})
    assert receiver.requests[0][0] == "/deep/hook"


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_another_answer_fails_without_naming_the_url(status: int, connect: Callable[..., None]) -> None:
    with Receiver(status, {"Location": "/elsewhere"}) as receiver:
        connect(f"{receiver.url}/secret-path", password=TOKEN)
        with pytest.raises(NotificationError) as raised:
            notifier().notify({})
    assert str(status) in str(raised.value)
    assert len(receiver.requests) == 1
    assert_secret(raised.value)


def assert_secret(error: BaseException) -> None:
    shown = f"{error!r} {error.__cause__!r}"
    assert "secret-path" not in shown
    assert TOKEN not in shown
    assert error.__suppress_context__ or error.__context__ is None


def test_a_receiver_that_is_not_there_fails_without_naming_the_url(connect: Callable[..., None]) -> None:
    with Receiver() as receiver:
        url = receiver.url
    connect(f"{url}/secret-path", password=TOKEN)
    with pytest.raises(NotificationError, match="not reached") as raised:
        notifier().notify({})
    assert_secret(raised.value)


@pytest.mark.parametrize("host", ["", "ftp://host/secret-path", "http://[secret-path", "https://"])
def test_what_is_no_webhook_is_refused(host: str, connect: Callable[..., None]) -> None:
    connect(host)
    with pytest.raises(ConfigurationError, match="names no webhook") as raised:
        notifier().notify({})
    assert_secret(raised.value)


def test_the_alert_operator_fills_it(connect: Callable[..., None]) -> None:
    from datetime import date

    from io_intelligence_provider.alerts.digest import Alert, Digest, RuleAlerts
    from io_intelligence_provider.alerts.message import DigestMessage
    from io_intelligence_provider.operators.alert import notify

    alert = Alert("price_changed", "id", "a/b", "input_token_price", "1", "2", 100.0, "up", date(2026, 6, 29))
    digest = Digest(date(2026, 6, 30), "run", "documented", (RuleAlerts("prices", (alert,)),))
    used = IOIntelligenceWebhookNotifier(key="mine")
    with Receiver() as receiver:
        connect(receiver.url)
        notify(used, {}, DigestMessage(digest))  # type: ignore[arg-type]
    (message,) = receiver.messages
    assert "a/b  input 1 → 2 (+100 %)" in message["text"]
    assert message["blocks"][0]["type"] == "header"
    assert message["digest"]["count"] == 1
    assert used.text == "{{ io_intelligence.text }}"


class _Endless(socketserver.StreamRequestHandler):
    """Answers with a status line, then with headers or a body that never end."""

    def handle(self) -> None:
        self.request.recv(65_536)
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + self.server.begin)  # type: ignore[attr-defined]
        with suppress(OSError):
            while True:
                self.wfile.write(b"X-More: 1\r\n" * 1_000)


@pytest.fixture(params=[b"", b"Content-Type: text/plain\r\n\r\n"], ids=["headers", "body"])
def endless(request: pytest.FixtureRequest) -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Endless) as server:
        server.begin = request.param  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
        server.shutdown()
        thread.join()


def test_an_answer_without_an_end_is_not_read(endless: str, connect: Callable[..., None]) -> None:
    connect(endless)
    tracemalloc.start()
    try:
        with suppress(NotificationError):  # of endless headers; of a body only the status is of interest
            notifier(timeout=5.0).notify({})
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("timeout", [0, -1, True, None, "10", float("nan"), float("inf")])
def test_a_timeout_that_is_no_positive_number_is_refused(timeout: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"timeout is .*greater than 0"):
        IOIntelligenceWebhookNotifier(timeout=timeout)
