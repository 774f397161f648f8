"""A price history: which models were offered on a day, and at which prices."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from io_intelligence_provider.emulator.catalogue import Rendered, Shape, encode, render
from io_intelligence_provider.emulator.quotas import QuotaTable, last_published_quotas
from io_intelligence_provider.emulator.shapes import documented_record, openai_record
from io_intelligence_provider.errors import ConfigurationError

__all__ = ["DATA", "Entry", "PriceHistory", "State"]

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
    """What was offered from ``date`` on, until the next state."""

    date: date
    models: tuple[Entry, ...]


class PriceHistory:
    """States in the order of their dates. It is a :class:`~.catalogue.Catalogue`.

    :param quotas: daily quotas by model id; ``None``: the last table the vendor published.
    :raises ConfigurationError: there is no state, or the dates do not increase.
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

        :raises ConfigurationError: the file cannot be read or a line is no state.
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
        """Return the records valid on a day, ``None`` the last one, in the order of the history.

        In the ``openai`` shape prices are ``Decimal``, in USD per one token, and what moves from request
        to request is that of none.

        :raises ConfigurationError: the day is before the first state.
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
