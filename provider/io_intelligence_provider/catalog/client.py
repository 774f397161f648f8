"""The client: one object that knows the API's address, the credential and how to ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Self

from io_intelligence_provider.catalog.deadline import Deadline
from io_intelligence_provider.catalog.secret import Secret
from io_intelligence_provider.catalog.settings import DEFAULT_BASE_URL, ClientSettings
from io_intelligence_provider.catalog.transport import Transport
from io_intelligence_provider.catalog.walk import Catalogue, walk_catalogue
from io_intelligence_provider.catalog.wire import Page, decode_page, decode_record
from io_intelligence_provider.errors import PaginationError

__all__ = ["MODELS_PATH", "IOIntelligenceClient"]

MODELS_PATH: Final = "/api/v1/models"


class IOIntelligenceClient:
    """Reads the models catalogue of IO Intelligence. Threads may share it; close it after use.

    Every parameter but ``base_url`` is by keyword; what each one means and its bounds stand in
    :class:`~io_intelligence_provider.catalog.settings.ClientSettings`.

    :raises ConfigurationError: when a setting is out of bounds or contradicts another.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_BASE_URL,
        *,
        token: str | None = None,
        guest_session_id: str | None = None,
        client_secret: str | None = None,
        **settings: Any,
    ) -> None:
        secrets: dict[str, Any] = {
            "token": _wrapped(token),
            "guest_session_id": _wrapped(guest_session_id),
            "client_secret": _wrapped(client_secret),
        }
        del token, guest_session_id, client_secret  # a traceback that prints variables must not show them
        self._setup(ClientSettings(base_url, **secrets, **settings))

    @classmethod
    def from_settings(cls, settings: ClientSettings) -> IOIntelligenceClient:
        """Return a client with settings that were validated elsewhere (a connection's)."""
        client = cls.__new__(cls)
        client._setup(settings)  # noqa: SLF001 - its own class
        return client

    def _setup(self, settings: ClientSettings) -> None:
        self.settings = settings
        self._transport = Transport(settings)

    def __repr__(self) -> str:
        settings = getattr(self, "settings", None)  # None while a setting is being refused
        return f"IOIntelligenceClient({settings.base_url if settings else None!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The client opens new ones when it is used again."""
        self._transport.close()

    @property
    def source_url(self) -> str:
        """The URL of the catalogue, free of credentials."""
        return f"{self.settings.base_url}{MODELS_PATH}"

    def fetch_page(
        self,
        page: int = 1,
        *,
        q: str | None = None,
        page_size: int | None = None,
        deadline: Deadline | None = None,
    ) -> Page:
        """Fetch one page, with retries.

        :param page: number of the page, from 1.
        :param q: the API's own search term; ``None`` or blank lists all.
        """
        params: dict[str, str | int] = {"page": page, "page_size": self.settings.with_page_size(page_size)}
        if q and q.strip():
            params["q"] = q
        body = self._transport.get(MODELS_PATH, params, deadline or Deadline(self.settings.deadline))
        return decode_page(body, f"GET {self.source_url} (page {page})")

    def fetch_catalogue(self, q: str | None = None, page_size: int | None = None) -> Catalogue:
        """Walk over all pages and return the raw records of a consistent walk, spooled to disk.

        :raises PaginationError: when the catalogue kept changing while it was read.
        :raises IOIntelligenceError: what else ``errors.py`` lists for the transport.
        """

        def fetch(number: int, deadline: Deadline) -> Page:
            return self.fetch_page(number, q=q, page_size=page_size, deadline=deadline)

        settings = self.settings
        return walk_catalogue(fetch, concurrency=settings.concurrency, deadline=Deadline(settings.deadline))

    def iter_models(self, q: str | None = None, page_size: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield every record of the catalogue as served, once the whole walk proved consistent and complete.

        Numbers are int or :class:`~decimal.Decimal`, so that no digit of a price is lost.
        A record that is not an object is yielded as it is; :func:`take_snapshot` would refuse it.

        :raises PaginationError: when the catalogue kept changing while it was read, or is incomplete.
        """
        with self.fetch_catalogue(q, page_size) as catalogue:
            if not catalogue.is_complete:
                raise PaginationError(
                    f"GET {self.source_url} gave {catalogue.received} models where its total is "
                    f"{catalogue.total}, twice: {catalogue.inconsistency}. None was yielded, as some may be "
                    "missing. Try again later; a proxy or a cache that ignores `page` can be the cause."
                )
            for records in catalogue.pages():
                for raw in records:
                    yield decode_record(raw)


def _wrapped(value: str | None) -> Secret | None:
    return Secret(value.strip()) if value and value.strip() else None
