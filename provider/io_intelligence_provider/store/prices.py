"""What a model cost on a day, and what an amount of tokens cost then. Exact, and never a guess.

The API serves the present only, so between two snapshots the earlier one holds. A price that nobody
published is unknown: it is told, and never becomes zero.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from typing import Any, Final

import pyarrow as pa

from io_intelligence_provider.contract.columns import PRICE_COLUMNS
from io_intelligence_provider.errors import ConfigurationError, NotOnFileError

__all__ = ["Prices", "check_counts", "cost_of", "prices_of"]

_EXACT: Final = Context(prec=1_000)
"""Decimal arithmetic that never rounds: prices have 38 digits, counts of tokens at most 100."""

_MOST: Final = 10**100


@dataclass(frozen=True)
class Prices:
    """Prices of one model, USD per million tokens. ``None``: not published; 0: free.

    :param snapshot_date: the day of the snapshot they stand in.
    """

    snapshot_date: date
    input: Decimal | None
    output: Decimal | None
    cache_write: Decimal | None
    cache_read: Decimal | None


def prices_of(model: str, day: date, rows: pa.Table) -> Prices:
    """Return the prices of the one model that is meant.

    :param rows: the rows of the snapshot of ``day`` that bear ``model`` as ``model_id`` or ``name``.
    :raises NotOnFileError: when there is none.
    :raises ConfigurationError: when several models bear the name.
    """
    found: list[dict[str, Any]] = rows.to_pylist()
    meant = [row for row in found if row["model_id"] == model] or found
    if not meant:
        raise NotOnFileError(f"The snapshot of {day} has no model {model!r}.")
    if len(meant) > 1:
        ids = ", ".join(row["model_id"] for row in meant)
        raise ConfigurationError(f"{len(meant)} models bear the name {model!r} on {day}; give an id: {ids}.")
    values = (meant[0][column] for column in PRICE_COLUMNS)
    return Prices(day, *(None if value is None else _plain(value) for value in values))


def cost_of(model: str, prices: Prices, tokens: Mapping[str, Any]) -> Decimal:
    """Return what some tokens cost at these prices, in USD, exact.

    :param tokens: how many tokens of each kind: ``input``, ``output``, ``cache_write``, ``cache_read``.
    :raises NotOnFileError: when the price of a kind of which there are tokens was not published.
    :raises ConfigurationError: when a number of tokens is none.
    """
    total = Decimal(0)
    for kind, given in tokens.items():
        count = _count(kind, given)
        price = getattr(prices, kind)
        if not count:
            continue
        if price is None:
            raise NotOnFileError(
                f"No {kind} price of {model!r} was published on {prices.snapshot_date}, so the cost of "
                f"{count} tokens is unknown. It is not zero."
            )
        total = _EXACT.add(total, _EXACT.multiply(Decimal(count), price))
    return _plain(total.scaleb(-6, _EXACT))


def check_counts(tokens: Mapping[str, Any]) -> None:
    """Refuse what is no number of tokens.

    :raises ConfigurationError: when there is such a thing.
    """
    for kind, given in tokens.items():
        _count(kind, given)


def _count(kind: str, given: Any) -> int:
    try:
        count = -1 if isinstance(given, bool) else operator.index(given)
    except TypeError:
        count = -1
    if not 0 <= count < _MOST:
        raise ConfigurationError(f"{kind}_tokens is {given!r}; it is an integer of 0 or more.")
    return count


def _plain(value: Decimal) -> Decimal:
    """Return the same number without trailing zeros or an exponent."""
    return Decimal(f"{value.normalize(_EXACT):f}")
