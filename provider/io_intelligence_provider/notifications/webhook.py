"""Defines a notifier that posts a digest as JSON to a URL, for any system that accepts webhooks."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from airflow.sdk import BaseNotifier
from airflow.sdk.log import mask_secret

from io_intelligence_provider.errors import ConfigurationError, NotificationError
from io_intelligence_provider.hooks.io_intelligence import connection_of

if TYPE_CHECKING:
    from airflow.sdk import Connection, Context

__all__ = ["IOIntelligenceWebhookNotifier"]


class IOIntelligenceWebhookNotifier(BaseNotifier):
    """Post ``{"text", "blocks", "digest"}``: plain text, Slack's blocks, and every change as data.

    Slack, Mattermost and similar systems show ``text`` and ``blocks`` and ignore the rest. The URL is the
    host of an Airflow connection, with scheme and path; a password is sent as bearer token. The type of the
    connection is any: ``generic`` comes with Airflow, ``http`` with the HTTP provider.
    Neither appears in a message, a log or a traceback. Redirects are not followed, proxies of the environment
    are not used, and a failure is not retried here: the alert task's retry does that.

    Templated arguments: ``webhook_conn_id``, ``text``, ``blocks``, ``digest``.

    :param webhook_conn_id: the connection of the receiver.
    :param text: template of the plain text.
    :param blocks: template of the Slack blocks.
    :param digest: template of the data.
    :param timeout: seconds to connect, and in all until the status and headers of the response.
    :param key: identifies this notifier in the ledger; by default its position does.
    :raises ConfigurationError: when the timeout is no positive number.
    """

    template_fields: Sequence[str] = ("webhook_conn_id", "text", "blocks", "digest")

    def __init__(
        self,
        webhook_conn_id: str = "io_intelligence_webhook",
        text: str = "{{ io_intelligence.text }}",
        blocks: Any = "{{ io_intelligence.slack_blocks }}",
        digest: Any = "{{ io_intelligence.to_dict() }}",
        timeout: float = 10.0,
        key: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Here, when the Dag file is parsed: at the send it would look like a fault of the network.
        given: object = timeout  # a Dag file may give a value of any type
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < math.inf:
            raise ConfigurationError(f"timeout is {given!r}; give a number of seconds greater than 0.")
        self.webhook_conn_id = webhook_conn_id
        self.text = text
        self.blocks = blocks
        self.digest = digest
        self.timeout = timeout
        self.key = key

    def notify(self, context: Context) -> None:  # noqa: ARG002 - the fields are already rendered
        """Send one message.

        :raises ConfigurationError: when there is no such connection, it has no http or https URL, its
            password cannot be sent in a header, or a CA bundle of the environment is invalid.
        :raises NotificationError: when there was no response, or one other than 2xx.
        """
        from io_intelligence_provider.catalog.adapter import quiet
        from io_intelligence_provider.redaction import without_frames

        # BaseException includes a task's timeout: the frames below hold the password and the URL as text.
        with quiet():
            without_frames(self._post, BaseException)

    def _post(self) -> None:
        import urllib3

        from io_intelligence_provider.catalog.adapter import Exchange, bundles_context, open_manager, within
        from io_intelligence_provider.catalog.retry import Deadline
        from io_intelligence_provider.errors import TransportError

        connection = connection_of(self.webhook_conn_id, "generic", "--conn-host URL")
        url = _url(connection)
        headers = {"Content-Type": "application/json", **_credential(connection)}
        body = json.dumps({"text": self.text, "blocks": self.blocks, "digest": self.digest}).encode()
        who = f"The receiver of connection {self.webhook_conn_id!r}"
        exchange = Exchange(Deadline(self.timeout, "the message"), url)
        try:
            options: dict[str, Any] = {"timeout": self.timeout, "retries": False}
            with open_manager(ssl_context=bundles_context(), **options) as pool, within(exchange):
                # Only the status is of interest, and the body may be endless.
                answer = pool.request(
                    "POST", url, body=body, headers=headers, redirect=False, preload_content=False
                )
                status = answer.status
                answer.close()
        except (urllib3.exceptions.HTTPError, OSError, ValueError, TransportError) as error:
            # The text of the error, and of its causes, contains the URL.
            kind = "it took too long" if isinstance(error, TransportError) else type(error).__name__
            raise NotificationError(f"{who} was not reached: {kind}. Check host and network.") from None
        if not 200 <= status < 300:
            raise NotificationError(f"{who} answered {status}. Check the URL and the password.")


def _credential(connection: Connection) -> dict[str, str]:
    """Return the header with the password, without the white space around it that mounted files have.

    :raises ConfigurationError: when no header can carry it; the message does not show it.
    """
    from io_intelligence_provider.redaction import sendable

    password = (connection.password or "").strip()
    if not password:
        return {}
    mask_secret(password)  # Airflow masks it only as stored, with the white space
    if not sendable(password):
        raise ConfigurationError(
            f"The password of connection {connection.conn_id!r} has characters that an HTTP header cannot "
            "carry (a line break within, or a quotation mark pasted along?). Paste it again."
        )
    return {"Authorization": f"Bearer {password}"}


def _url(connection: Connection) -> str:
    """Return the URL of a connection.

    :raises ConfigurationError: when there is none; the message does not show the connection's host.
    """
    host = (connection.host or "").strip()
    if "://" not in host:
        schema, kind = connection.schema or "", connection.conn_type or ""
        if schema in ("", "http", "https"):
            host = f"{schema or 'https'}://{host}"
        else:  # of one given as a URI, Airflow takes the path for its schema and the query for its extra
            query = urlencode(connection.extra_dejson)
            host = f"{kind if kind in ('http', 'https') else 'https'}://{host}/{schema}"
            host += f"?{query}" if query else ""
    try:
        parts = urlsplit(host)
        named = parts.port
    except ValueError:
        parts, named = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"Connection {connection.conn_id!r} names no webhook: its host is an http or https URL."
        )
    if connection.port and not named:
        parts = parts._replace(netloc=f"{parts.netloc}:{connection.port}")
    return parts.geturl()
