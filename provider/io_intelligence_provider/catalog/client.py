"""Provides the client, which holds the API's address, the credential and the retry settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Never, Self

from io_intelligence_provider.catalog.pagination import Catalogue, walk_catalogue
from io_intelligence_provider.catalog.retry import Deadline
from io_intelligence_provider.catalog.session import Transport
from io_intelligence_provider.catalog.settings import DEFAULT_BASE_URL, ClientSettings, named
from io_intelligence_provider.catalog.wire import Page, decode_page, decode_record
from io_intelligence_provider.errors import ConfigurationError, PaginationError
from io_intelligence_provider.redaction import Secret, bare, without_frames
from io_intelligence_provider.text import escaped

__all__ = ["MODELS_PATH", "IOIntelligenceClient"]

MODELS_PATH: Final = "/api/v1/models"


class IOIntelligenceClient:
    """Reads the models catalogue of IO Intelligence. Threads may share it; close it after use.

    The parameters have the names of the connection's fields.

    :param base_url: scheme, host, port and path prefix; ``/api/v1/models`` is appended.
    :param token: API key or access token, sent as a bearer token.
    :param guest_session_id: sent as ``X-Guest-Session-ID``.
    :param page_size: models requested per page, 1 to 100.
    :param concurrency: pages fetched at a time, 1 to 64.
    :param connect_timeout: seconds to connect.
    :param read_timeout: seconds without a byte.
    :param max_retries: further tries of one page after a retryable failure.
    :param deadline: seconds that reading the catalogue may take in total.
    :param verify: ``True``, the path of a CA bundle, or ``False`` (loopback hosts only).
    :param proxy: URL of an HTTP proxy, for every host; without one the environment's proxies apply.
    :param token_url: OAuth2 token endpoint; needs ``client_id`` and ``client_secret``.
    :param client_id: OAuth2 client id.
    :param client_secret: OAuth2 client secret.
    :param scope: OAuth2 scope to request.
    :param backoff: seconds; the n-th wait between tries is drawn from 0 to ``backoff * 2**(n-1)``.
    :param max_backoff: seconds; upper bound of that draw.
    :raises ConfigurationError: when a setting is out of bounds or contradicts another; the message names
        it, and never shows its value.
    """

    def __init__(  # noqa: PLR0913 - every field of the connection is a keyword of its own
        self,
        base_url: str = DEFAULT_BASE_URL,
        *,
        token: str | None = None,
        guest_session_id: str | None = None,
        page_size: int = 100,
        concurrency: int = 4,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        max_retries: int = 5,
        deadline: float = 600.0,
        verify: bool | str = True,
        proxy: str | None = None,
        token_url: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        scope: str | None = None,
        backoff: float = 0.5,
        max_backoff: float = 30.0,
        **unknown: Never,
    ) -> None:
        refused: Exception
        try:
            if not unknown:
                self._setup(
                    ClientSettings(
                        base_url=base_url,
                        token=_wrapped(token),
                        guest_session_id=_wrapped(guest_session_id),
                        page_size=page_size,
                        concurrency=concurrency,
                        connect_timeout=connect_timeout,
                        read_timeout=read_timeout,
                        max_retries=max_retries,
                        deadline=deadline,
                        verify=verify,
                        proxy=proxy,
                        token_url=token_url,
                        client_id=client_id,
                        client_secret=_wrapped(client_secret),
                        scope=scope,
                        backoff=backoff,
                        max_backoff=max_backoff,
                    )
                )
                return
            # Python's own error would show an argument, which may be a credential in the wrong place.
            names = named(unknown, ClientSettings.__dataclass_fields__)
            refused = TypeError(f"IOIntelligenceClient() has no such keyword(s): {names}.")
        except ConfigurationError as error:
            refused = bare(error)
        # Tracebacks may show local variables, and each may be a credential in the wrong place.
        del base_url, token, guest_session_id, page_size, concurrency, connect_timeout, read_timeout
        del max_retries, deadline, verify, proxy, token_url, client_id, client_secret, scope
        del backoff, max_backoff, unknown
        raise refused

    @classmethod
    def from_settings(
        cls, settings: ClientSettings, on_secret: Callable[[str], None] | None = None
    ) -> IOIntelligenceClient:
        """Return a client with settings that are already validated, such as a connection's.

        :param on_secret: called with each credential, also with later ones such as a token, so that a log
            masker can mask it. Any thread may call it.
        """
        client = cls.__new__(cls)
        without_frames(lambda: client._setup(settings, on_secret))  # noqa: SLF001 - its own class
        return client

    def _setup(self, settings: ClientSettings, on_secret: Callable[[str], None] | None = None) -> None:
        self._transport = Transport(settings, on_secret)
        self.settings = settings

    def __repr__(self) -> str:
        settings = getattr(self, "settings", None)  # None when a setting was refused
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
        """The URL of the catalogue without credentials."""
        return f"{self.settings.base_url}{MODELS_PATH}"

    def fetch_page(
        self,
        page: int = 1,
        *,
        q: str | None = None,
        page_size: int | None = None,
        deadline: Deadline | None = None,
    ) -> Page:
        """Fetch one page, with retries. A credential that the server repeats is masked in the records.

        :param page: number of the page, from 1.
        :param q: the API's search term; ``None`` or blank lists all.
        :raises ConfigurationError: when ``q`` is not text, or cannot be encoded.
        """
        return without_frames(lambda: self._fetch_page(page, q, page_size, deadline))

    def _fetch_page(self, page: int, q: str | None, page_size: int | None, deadline: Deadline | None) -> Page:
        params: dict[str, str | int] = {"page": page, "page_size": self.settings.with_page_size(page_size)}
        if q is not None and (type(q) is not str or escaped(q) != q):
            raise ConfigurationError("q must be None or text, without halves of surrogate pairs.")
        if q and q.strip():
            params["q"] = q
        answer = self._transport.get(MODELS_PATH, params, deadline or Deadline(self.settings.deadline))
        redactor = self._transport.redactor
        return decode_page(
            answer.body,
            f"GET {self.source_url} (page {page}){answer.way}",
            redactor,
            status=answer.shown_status(redactor.clean),
        )

    def fetch_catalogue(self, q: str | None = None, page_size: int | None = None) -> Catalogue:
        """Read all pages and return the raw records of a consistent walk, spooled to disk.

        :raises PaginationError: when the catalogue kept changing while it was read.
        :raises IOIntelligenceError: other errors of the transport, see ``errors.py``.
        """

        def fetch(number: int, deadline: Deadline) -> Page:
            return self.fetch_page(number, q=q, page_size=page_size, deadline=deadline)

        settings = self.settings
        return walk_catalogue(
            fetch,
            concurrency=settings.concurrency,
            deadline=Deadline(settings.deadline),
            page_size=settings.with_page_size(page_size),
        )

    def iter_models(self, q: str | None = None, page_size: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield every record of the catalogue as served, after a walk was consistent and complete.

        Numbers are int or :class:`~decimal.Decimal`, so that no digit of a price is lost.
        A record that is not an object is yielded unchanged; :func:`take_snapshot` would refuse it.

        :raises PaginationError: when the catalogue kept changing while it was read, or is incomplete.
        """
        with self.fetch_catalogue(q, page_size) as catalogue:
            if not catalogue.is_complete:
                raise PaginationError(
                    f"GET {self.source_url} gave {catalogue.received} models where its total is "
                    f"{catalogue.total}, twice: {catalogue.inconsistency}. None was yielded: some may be "
                    "missing. Try again later; a proxy or a cache that ignores `page` can be the cause."
                )
            for records in catalogue.pages():
                for raw in records:
                    yield decode_record(raw)


def _wrapped(value: Any) -> Secret | None:
    return None if value is None else Secret(value)
