"""Provides a pytest plugin with real servers that receive messages, and Airflow connections to them."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller

SLACK_TOKEN = f"T0/B0/{secrets.token_hex(12)}"
"""Not a literal: Airflow stores the source of Dag files in its database, where tests search for secrets."""


class Mailbox(Controller):
    """Runs a real SMTP server; ``mails`` are the messages received. ``refuse``: it rejects all."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse = False
        super().__init__(self, hostname="127.0.0.1", port=0)

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802 - aiosmtpd's
        if self.refuse:
            return "554 Not today"
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """Start an SMTP server, and add Airflow's default connection to it."""
    box = Mailbox()
    box.start()
    extra = {"disable_ssl": True, "disable_tls": True, "timeout": 10, "retry_limit": 1}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": box.port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    yield box
    box.stop()


class Webhook:
    """Runs a real HTTP server in place of Slack's; ``messages`` are the bodies received."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.asked = 0
        self.status = 200
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                webhook.asked += 1
                if webhook.status == 200:
                    webhook.messages.append(body)
                self.send_response(webhook.status)
                self.end_headers()
                self.wfile.write(b"ok" if webhook.status == 200 else b"no_service")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """Start a webhook receiver, and add Airflow's default Slack connection to it."""
    hook = Webhook()
    connection = {"conn_type": "slackwebhook", "host": hook.url, "password": SLACK_TOKEN}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(connection))
    thread = threading.Thread(target=hook.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()
    thread.join()
