"""The hook: an Airflow connection turned into a client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from io_intelligence_provider.errors import ConfigurationError, IOIntelligenceError

if TYPE_CHECKING:  # the client loads when it is used: Dag files import this module at every parse
    from io_intelligence_provider.catalog.client import IOIntelligenceClient
    from io_intelligence_provider.catalog.settings import ClientSettings

__all__ = ["IOIntelligenceHook"]


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

        :raises ConfigurationError: when a field of the connection does not fit; the message names it.
        """
        from io_intelligence_provider.catalog.client import IOIntelligenceClient
        from io_intelligence_provider.catalog.redaction import without_frames

        # Airflow's connection shows its password in its repr: no frame that holds one is in a traceback.
        return IOIntelligenceClient.from_settings(without_frames(self._settings), mask_secret)

    def _settings(self) -> ClientSettings:
        from io_intelligence_provider.catalog.settings import SECRET_EXTRAS, connection_settings

        connection = self.get_connection(self.io_intelligence_conn_id)
        try:
            # Not extra_dejson: it takes what is no JSON for an empty extra, and settings would be lost.
            extra = json.loads(connection.extra or "{}")
        except ValueError:
            extra = None
        if not isinstance(extra, dict):
            raise ConfigurationError(
                f"The extra of connection {self.io_intelligence_conn_id!r} is no JSON object."
            )
        # Airflow masks the password, and extras by the names that are configured as sensitive.
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

        :param q: the API's own search term; ``None`` lists all.
        :param page_size: models per page, the connection's unless given.
        :raises PaginationError: when the catalogue kept changing while it was read.
        """
        with self.get_conn() as client:
            yield from client.iter_models(q, page_size)

    def test_connection(self) -> tuple[bool, str]:
        """Ask for one model; tell whether that worked, and if not what to do."""
        try:
            with self.get_conn() as client:
                page = client.fetch_page(page_size=1)
        except IOIntelligenceError as error:
            return False, str(error)
        count = len(page.records) if page.total is None else page.total
        return True, f"{client.source_url} lists {count} models ({page.shape.value} shape)."
