"""Defines the hook that opens an API client from an Airflow connection."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException
from airflow.sdk.log import mask_secret

from io_intelligence_provider.errors import ConfigurationError, IOIntelligenceError

if TYPE_CHECKING:  # imported on use, because Dag files import this module at every parse
    from airflow.sdk import Connection

    from io_intelligence_provider.catalog.client import IOIntelligenceClient
    from io_intelligence_provider.catalog.settings import ClientSettings

__all__ = ["IOIntelligenceHook", "MissingConnectionError", "connection_of", "extra_of"]

_TEST_SECONDS: Final = 9.0
_TEST_AT_MOST: Final = 10.0
"""Seconds; also bounds what the deadline cannot stop, such as a DNS lookup."""


class MissingConnectionError(ConfigurationError, AirflowFailException):
    """Reports a missing Airflow connection. Airflow does not retry the task."""


def connection_of(conn_id: str, conn_type: str, options: str = "--conn-password KEY") -> Connection:
    """Return an Airflow connection.

    :param conn_type: the expected type, for the message.
    :param options: other options for `airflow connections add`, for the message.
    :raises MissingConnectionError: when there is none with this id, or Airflow cannot read that of the
        environment; the message says how to add or correct it.
    """
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        variable = f"AIRFLOW_CONN_{conn_id.upper()}"
        add = f"airflow connections add {shlex.quote(conn_id)} --conn-type {conn_type} {options}"
        missing = MissingConnectionError(
            f"There is no Airflow connection {conn_id!r}. Add it: `{add}`, or in the UI below Admin, "
            f"Connections, or as the environment variable {variable}."
        )
        if os.environ.get(variable):  # Airflow passes over what it cannot read
            missing = MissingConnectionError(
                f"Airflow cannot read the connection {conn_id!r} in the environment variable {variable}. "
                "Write a URI, or JSON of a connection's fields with texts as values, but of port and extra."
            )
    raise missing  # outside of the except block, so that the error has no context


def extra_of(connection: Connection) -> dict[str, Any]:
    """Return the extra of a connection.

    Airflow's ``extra_dejson`` reads invalid JSON as an empty extra, which drops settings such as an endpoint.

    :raises ConfigurationError: when it is no JSON object.
    """
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise ConfigurationError(f"The extra of connection {connection.conn_id!r} is no JSON object.")
    return extra


class IOIntelligenceHook(BaseHook):
    """Reads the models catalogue of IO Intelligence with the credential of an Airflow connection.

    :param io_intelligence_conn_id: a connection of type ``io_intelligence``.
    """

    conn_name_attr = "io_intelligence_conn_id"
    default_conn_name = "io_intelligence_default"
    conn_type = "io_intelligence"
    hook_name = "IO Intelligence"

    def __init__(self, io_intelligence_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.io_intelligence_conn_id = io_intelligence_conn_id

    def get_conn(self) -> IOIntelligenceClient:
        """Return a client; close it after use, or use it as a context manager.

        :raises ConfigurationError: when there is no such connection, or one of its fields is invalid; the
            message names it.
        """
        return self._client()

    def _client(self, one_try: float | None = None) -> IOIntelligenceClient:
        """Return a client.

        :param one_try: seconds for all requests of a client without retries.
        """
        from io_intelligence_provider.catalog.client import IOIntelligenceClient
        from io_intelligence_provider.redaction import without_frames

        # Airflow's connection shows its password in its repr, so no frame with it may be in a traceback.
        settings = without_frames(self._settings)
        if one_try is not None:
            settings = settings.for_one_try(one_try)
        return IOIntelligenceClient.from_settings(settings, mask_secret)

    def _settings(self) -> ClientSettings:
        from io_intelligence_provider.catalog.settings import SECRET_EXTRAS, connection_settings

        connection = connection_of(self.io_intelligence_conn_id, self.conn_type)
        extra = extra_of(connection)
        # Airflow itself masks only the password, and extras with names configured as sensitive.
        for name in SECRET_EXTRAS:
            mask_secret(extra.get(name))
        return connection_settings(
            host=connection.host,
            port=connection.port,
            schema=connection.schema,
            login=connection.login,
            password=connection.password,
            extra=extra,
        )

    def iter_models(self, q: str | None = None, page_size: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield every record of the catalogue as served, once the whole walk has proved consistent.

        :param q: search term of the API; ``None`` lists all.
        :param page_size: models per page; by default the connection's.
        :raises PaginationError: when the catalogue kept changing while it was read.
        """
        with self.get_conn() as client:
            yield from client.iter_models(q, page_size)

    def test_connection(self) -> tuple[bool, str]:
        """Request one model, once and for at most 10 s; return whether it worked, and a message."""
        try:
            client = self._client(_TEST_SECONDS)
        except IOIntelligenceError as error:
            return False, str(error)
        outcome = [(False, f"{client.source_url} gave no answer within {_TEST_AT_MOST:g} s; check the host.")]
        # An API server waits for the result, and no deadline bounds a DNS lookup, so a thread is used.
        thread = Thread(target=lambda: outcome.append(_tested(client)), name="test-connection", daemon=True)
        thread.start()
        thread.join(_TEST_AT_MOST)
        return outcome[-1]


def _tested(client: IOIntelligenceClient) -> tuple[bool, str]:
    from io_intelligence_provider.catalog.retry import Deadline

    try:
        with client:
            page = client.fetch_page(
                page_size=1, deadline=Deadline(client.settings.deadline, "the test of the connection")
            )
    except IOIntelligenceError as error:
        return False, str(error)
    listed = "models" if page.total is None else f"{page.total} models"
    return True, f"{client.source_url} lists {listed} ({page.shape.value} shape)."
