"""Provides the records that the emulator serves for a day and a shape: a fixed list, or a price history.

A price history has the models of each day with prices and quotas. Values that it does not have are left out
of a documented record, except where the shape requires them. An observed record has every key that public
clients of the live URL are served (``docs/api.md``): values that the history does not have are invented, and
some of them differ between requests.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol, TypeAlias
from uuid import NAMESPACE_URL, uuid5

import msgspec

from io_intelligence_provider.errors import ConfigurationError

__all__ = [
    "DATA",
    "Catalogue",
    "Entry",
    "FixedCatalogue",
    "PriceHistory",
    "QuotaRow",
    "QuotaTable",
    "Rendered",
    "Shape",
    "State",
    "documented_record",
    "encode",
    "last_published_quotas",
    "model_id",
    "openai_record",
    "render",
]

Shape: TypeAlias = Literal["documented", "openai"]

_MARK: Final = "\0decimal:"
_MARKED: Final = re.compile(r'"\\u0000decimal:([^"\\]+)"')


@dataclass(frozen=True)
class Rendered:
    """One record: its JSON as sent, and the text that ``q`` searches.

    :param anew: returns the JSON for a request number, where some values differ between requests.
    """

    body: bytes
    haystack: str
    anew: Callable[[int], bytes] | None = None

    def served(self, request: int) -> bytes:
        """Return the JSON for a request number."""
        return self.body if self.anew is None else self.anew(request)


class Catalogue(Protocol):
    """The interface of a catalogue. ``as_of=None`` is the latest state."""

    @property
    def dates(self) -> tuple[date, ...]:
        """Days on which the catalogue changed; empty when it does not depend on the day."""

    def rendered(self, as_of: date | None, shape: Shape) -> Sequence[Rendered]:
        """Return the records of a day, in the order they are served.

        :raises ConfigurationError: when the catalogue has nothing for that day.
        """


class FixedCatalogue:
    """A list of records that are served unchanged for every day and shape.

    :param records: any JSON values, including invalid records; ``Decimal`` is written as a JSON number with
        all its digits, and ``bytes`` are sent unchanged.
    """

    dates: tuple[date, ...] = ()

    def __init__(self, records: Iterable[object]) -> None:
        self._rendered = tuple(render(record) for record in records)

    @classmethod
    def from_file(cls, path: str | Path) -> FixedCatalogue:
        """Read a JSON list of records, gzipped when the name ends in ``.gz``.

        :raises ConfigurationError: when the file cannot be read or is not a JSON list.
        """
        path = Path(path)
        try:
            raw = path.read_bytes()
            records = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw, parse_float=Decimal)
        except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
            raise ConfigurationError(f"Cannot read the catalogue {path}: {error}") from error
        if not isinstance(records, list):
            raise ConfigurationError(f"The catalogue {path} must be a JSON list of records")
        return cls(records)

    def rendered(self, as_of: date | None, shape: Shape) -> Sequence[Rendered]:  # noqa: ARG002 (protocol)
        return self._rendered


def render(record: object) -> Rendered:
    """Serialise one record as JSON with the text that ``q`` searches: name, description, id."""
    if isinstance(record, bytes):
        return Rendered(record, record.decode("utf-8", "replace").lower())
    words = ""
    if isinstance(record, dict):
        words = " ".join(str(record.get(key) or "") for key in ("name", "description", "id"))
    return Rendered(encode(record), words.lower())


def encode(value: object) -> bytes:
    """Return ASCII JSON. A ``Decimal`` becomes a number from its text, never through a binary float."""
    # json cannot write a number from text, so it is written as a marked string and unquoted afterwards.
    return _MARKED.sub(r"\1", json.dumps(value, default=_mark_decimal)).encode("ascii")


def _mark_decimal(value: object) -> str:
    if isinstance(value, Decimal) and value.is_finite():
        return f"{_MARK}{value}"
    raise TypeError(f"{value!r} has no JSON form; give the record as bytes")


DATA: Final = Path(__file__).parent / "data"

PriceText: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$")]


class Entry(msgspec.Struct, frozen=True):
    """One model on one day. Prices: USD per million tokens as decimal text; context in tokens."""

    id: str
    display_name: str
    input_token_price: PriceText | None = None
    output_token_price: PriceText | None = None
    cache_read_token_price: PriceText | None = None
    cache_write_token_price: PriceText | None = None
    context_window: int | None = None
    supports_images_input: bool | None = None


class State(msgspec.Struct, frozen=True):
    """The models offered from ``date`` until the next state."""

    date: date
    models: tuple[Entry, ...]


class PriceHistory:
    """States in the order of their dates. It is a :class:`~.catalogue.Catalogue`.

    :param quotas: daily quotas by model id; ``None``: the last table the vendor published.
    :raises ConfigurationError: when there is no state, or the dates do not increase.
    """

    def __init__(self, states: Sequence[State], quotas: QuotaTable | None = None) -> None:
        self.states: tuple[State, ...] = tuple(states)
        self.dates: tuple[date, ...] = tuple(state.date for state in self.states)
        if not self.dates or any(a >= b for a, b in zip(self.dates, self.dates[1:], strict=False)):
            raise ConfigurationError("A price history needs at least one state, and increasing dates")
        self._quotas = last_published_quotas() if quotas is None else quotas
        self._created, self._updated = _moments(self.states)
        self._render = lru_cache(maxsize=4)(self._render_uncached)

    @classmethod
    def load(cls, path: str | Path | None = None) -> PriceHistory:
        """Read a history from JSON lines; without a path the bundled one.

        :raises ConfigurationError: when the file cannot be read or a line is not a state.
        """
        path = Path(path) if path is not None else DATA / "io_net_prices_2026h1.jsonl"
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise ConfigurationError(f"Cannot read the price history {path}: {error}") from error
        decoder = msgspec.json.Decoder(State)
        states = []
        for number, line in enumerate(lines, start=1):
            try:
                states.append(decoder.decode(line))
            except msgspec.DecodeError as error:
                raise ConfigurationError(f"Line {number} of the price history {path}: {error}") from error
        return cls(states)

    def records(self, as_of: date | None = None, shape: Shape = "documented") -> list[dict[str, Any]]:
        """Return the records of a day, ``None`` for the last one, in the order of the history.

        In the ``openai`` shape prices are ``Decimal``, in USD per token, and values that differ between
        requests have the request number 0.

        :raises ConfigurationError: when the day is before the first state.
        """
        index = self._index(as_of)
        records = []
        for entry in self.states[index].models:
            if shape == "openai":
                records.append(openai_record(entry, self.dates[index]))
            else:
                created, updated = self._created[entry.id], self._updated[index][entry.id]
                records.append(documented_record(entry, self._quotas.get(entry.id), created, updated))
        return records

    def rendered(self, as_of: date | None, shape: Shape) -> Sequence[Rendered]:
        """Return :meth:`records` as JSON."""
        return self._render(self._index(as_of), shape)

    def _render_uncached(self, index: int, shape: Shape) -> tuple[Rendered, ...]:
        day = self.dates[index]
        rendered = tuple(render(record) for record in self.records(day, shape))
        if shape != "openai":
            return rendered

        def moving(entry: Entry) -> Callable[[int], bytes]:
            return lambda request: encode(openai_record(entry, day, request))

        pairs = zip(rendered, self.states[index].models, strict=True)
        return tuple(replace(record, anew=moving(entry)) for record, entry in pairs)

    def _index(self, as_of: date | None) -> int:
        if as_of is None:
            return len(self.dates) - 1
        index = bisect_right(self.dates, as_of) - 1
        if index < 0:
            raise ConfigurationError(f"The price history begins on {self.dates[0]}; {as_of} is before it")
        return index


def _moments(states: Sequence[State]) -> tuple[dict[str, date], list[dict[str, date]]]:
    """Return the first date of each model, and for each state the date of each model's last difference."""
    created: dict[str, date] = {}
    updated: list[dict[str, date]] = []
    before: dict[str, Entry] = {}
    for state in states:
        now = {entry.id: entry for entry in state.models}
        last = updated[-1] if updated else {}
        updated.append({key: last[key] if before.get(key) == now[key] else state.date for key in now})
        for key in now:
            created.setdefault(key, state.date)
        before = now
    return created, updated


_FILE: Final = Path(__file__).parent / "data" / "io_net_quotas_2025.jsonl"


class QuotaRow(msgspec.Struct, frozen=True):
    """One row of a published table: quotas per day, ``None`` where the cell is empty."""

    source_url: str
    seen: str
    name: str
    chat_daily_quota: int | None
    api_completions_daily_quota: int | None
    embeddings_daily_quota: int | None


QuotaTable: TypeAlias = Mapping[str, QuotaRow]


def last_published_quotas() -> QuotaTable:
    """Return the last table of the bundled file.

    Earlier tables are not used, because two of them contradict each other on the same day.
    """
    decoder = msgspec.json.Decoder(QuotaRow)
    rows = [decoder.decode(line) for line in _FILE.read_bytes().splitlines()]
    last = (rows[-1].source_url, rows[-1].seen)
    return {row.name: row for row in rows if (row.source_url, row.seen) == last}


_TIERS: Final = ("standard", "developer", "professional")

_ID_PREFIX: Final = "https://api.intelligence.io.solutions/api/v1/models/"


def model_id(name: str) -> str:
    """Return the UUID for a model that is known by its name only."""
    return str(uuid5(NAMESPACE_URL, _ID_PREFIX + name))


def documented_record(entry: Entry, quotas: QuotaRow | None, created: date, updated: date) -> dict[str, Any]:
    """Return a record of the documented shape. Prices are the history's text, USD per million tokens.

    An unpublished quota is 0, because the shape requires an integer.
    """
    organisation, slash, _ = entry.id.partition("/")
    return {
        "model_id": model_id(entry.id),
        "name": entry.id,
        "description": None,
        "status": "active",
        "chat_daily_quota_tier_1": (quotas and quotas.chat_daily_quota) or 0,
        "api_completions_daily_quota_tier_1": (quotas and quotas.api_completions_daily_quota) or 0,
        "embeddings_daily_quota_tier_1": (quotas and quotas.embeddings_daily_quota) or 0,
        "audio_transcriptions_daily_quota_tier_1": 0,
        "audio_speech_daily_quota_tier_1": 0,
        "metadata": {
            "developer": organisation if slash else None,
            "short_description": entry.display_name,
            "context_window": entry.context_window,
            "supports_images_input": entry.supports_images_input,
            "input_token_price": entry.input_token_price,
            "output_token_price": entry.output_token_price,
            "cache_write_token_price": entry.cache_write_token_price,
            "cache_read_token_price": entry.cache_read_token_price,
        },
        "created_at": f"{created}T00:00:00Z",
        "updated_at": f"{updated}T00:00:00Z",
    }


def openai_record(entry: Entry, day: date, request: int = 0) -> dict[str, Any]:
    """Return a record of the observed shape. Prices are ``Decimal``, USD per token.

    :param day: the date of the state that is served.
    :param request: number of the request. As with the live API ``created``, ``permission`` and the two
        measurements differ between requests.
    """
    now = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + request
    # A sum over the name gives each model the same tier in every process, unlike hash().
    of_model = sum(entry.id.encode())
    return {
        "id": entry.id,
        "object": "model",
        "created": now,
        "owned_by": "io-intelligence",
        "root": None,
        "parent": None,
        "max_model_len": None,
        "permission": [_permission(now, request)],
        "name": entry.display_name,
        "max_tokens": None,
        "context_window": entry.context_window,
        "supports_images_input": entry.supports_images_input,
        "supports_prompt_cache": entry.cache_read_token_price is not None,
        "supports_tools": True,
        "supports_reasoning": True,
        "input_modalities": ["text", "image"] if entry.supports_images_input else ["text"],
        "output_modalities": ["text"],
        "input_token_price": _per_token(entry.input_token_price),
        "output_token_price": _per_token(entry.output_token_price),
        "cache_write_token_price": _per_token(entry.cache_write_token_price),
        "cache_read_token_price": _per_token(entry.cache_read_token_price),
        "precision": "fp8",
        "avg_latency_ms_per_day": 90.5 + (of_model + 7 * request) % 700,
        "avg_throughput_per_day": 30.25 + (of_model + 3 * request) % 110,
        "supports_attestation": False,
        "min_access_tier": _TIERS[of_model % len(_TIERS)],
    }


def _permission(now: int, request: int) -> dict[str, Any]:
    return {
        "id": f"modelperm-{request}",
        "object": "model_permission",
        "created": now,
        "allow_create_engine": False,
        "allow_sampling": True,
        "allow_logprobs": True,
        "allow_search_indices": False,
        "allow_view": True,
        "allow_fine_tuning": False,
        "organization": "*",
        "group": None,
        "is_blocking": False,
    }


def _per_token(per_million: str | None) -> Decimal | None:
    if per_million is None:
        return None
    # Moving the exponent divides by a million without changing a digit.
    sign, digits, exponent = Decimal(per_million).as_tuple()
    return Decimal((sign, digits, int(exponent) - 6)) if any(digits) else Decimal(0)
