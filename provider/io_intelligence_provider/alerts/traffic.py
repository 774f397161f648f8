"""Reads the monthly traffic of models, and computes what changes add to the monthly bill, exactly."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from io_intelligence_provider.alerts.rules import RulesSource, read_source
from io_intelligence_provider.changes.kinds import PRICE
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.store.prices import token_cost

__all__ = [
    "MOST_TOKENS",
    "TOKEN_PRICES",
    "Addition",
    "Bill",
    "BillChange",
    "NotCounted",
    "Traffic",
    "bill_of",
    "change_between",
    "sum_of",
    "traffic_from",
]


TOKEN_PRICES: Final = {
    "input": "input_token_price",
    "output": "output_token_price",
    "cache_read": "cache_read_token_price",
    "cache_write": "cache_write_token_price",
}
"""The price column of each kind of tokens."""

_EXACT: Final = Context(prec=200)
"""Never rounds: prices have 38 digits, token counts at most 30."""
MOST_TOKENS: Final = 10**30

Traffic: TypeAlias = Mapping[str, Mapping[str, int]]
"""Tokens a month of each kind, by ``name`` or ``model_id``."""


def traffic_from(source: RulesSource) -> Traffic:
    """Return validated traffic.

    :param source: ``{model: {"input", "output", "cache_read", "cache_write": tokens a month}}`` as a mapping,
        as YAML or JSON text, or the path of such a file. A kind that is not given has no tokens.
    :raises ConfigurationError: when the source cannot be read, or an entry has an unknown key or a value that
        is no number of tokens; the message names the key.
    """
    value = read_source(source, "traffic")
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f"Traffic is a mapping of models to tokens a month, not {type(value).__name__}: "
            '{"org/model": {"input": 1000000, "output": 200000}}.'
        )
    return {_model(name): _tokens(name, given) for name, given in value.items()}


def _model(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(f"Traffic: the key {name!r} is no name or id of a model.")
    return name


def _tokens(model: str, given: object) -> dict[str, int]:
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"Traffic of {model!r} is {given!r}; "
            f"give a mapping of {', '.join(TOKEN_PRICES)} to tokens a month."
        )
    if unknown := [key for key in given if key not in TOKEN_PRICES]:
        raise ConfigurationError(
            f"Traffic of {model!r}: unknown key {unknown[0]!r}; known are {', '.join(TOKEN_PRICES)}."
        )
    return {kind: _count(model, kind, value) for kind, value in given.items()}


def _count(model: str, kind: str, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON's 1e9
    try:
        count = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        count = -1
    if not 0 <= count < MOST_TOKENS:
        raise ConfigurationError(
            f"Traffic of {model!r}: {kind} is {value!r}; give the tokens a month as an integer of 0 or more."
        )
    return count


@dataclass(frozen=True)
class Addition:
    """Holds what the price changes of one model add to the monthly bill, in USD; negative: they save it.

    :param kinds: the part of each kind of tokens, biggest first.
    """

    model: str
    amount: Decimal
    kinds: Mapping[str, Decimal]


@dataclass(frozen=True)
class NotCounted:
    """Names what a bill leaves out because it is unknown.

    :param kind: the kind of tokens; ``None``: the whole model.
    """

    model: str
    kind: str | None
    reason: str


@dataclass(frozen=True)
class Bill:
    """Holds what the price changes of a digest add to the monthly bill, in USD.

    :param total: the sum of ``additions``; what is unknown is not in it.
    :param additions: biggest first, up or down.
    """

    total: Decimal
    additions: tuple[Addition, ...]
    not_counted: tuple[NotCounted, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; amounts as text, with every digit."""
        return {
            "total": f"{self.total:f}",
            "additions": [
                {
                    "model": one.model,
                    "amount": f"{one.amount:f}",
                    "kinds": {kind: f"{amount:f}" for kind, amount in one.kinds.items()},
                }
                for one in self.additions
            ],
            "not_counted": [
                {"model": one.model, "kind": one.kind, "reason": one.reason} for one in self.not_counted
            ],
        }


class Move(Protocol):
    """A change of a price, as :class:`~io_intelligence_provider.alerts.digest.Alert` holds it."""

    @property
    def change(self) -> str: ...
    @property
    def model_id(self) -> str: ...
    @property
    def field(self) -> str | None: ...
    @property
    def old_value(self) -> str | None: ...
    @property
    def new_value(self) -> str | None: ...
    @property
    def since(self) -> date: ...
    @property
    def doubtful(self) -> str | None: ...


def bill_of(
    traffic: Traffic,
    moves: Iterable[Move],
    models: Iterable[tuple[str, str]],
    refused: Collection[str],
) -> Bill:
    """Return what price changes add to the monthly bill.

    A price that two rules report counts once, with the change since the earlier day.

    :param moves: the changes; those that are no price changes are ignored.
    :param models: ``model_id`` and ``name`` of each model of the day.
    :param refused: ids and names of the models in quarantine.
    """
    ids: dict[str, set[str]] = {}
    for identity, name in models:
        for key in {identity, name} & traffic.keys():
            ids.setdefault(key, set()).add(identity)
    longest: dict[tuple[str, str | None], Move] = {}
    for move in sorted(moves, key=lambda move: move.since):
        if move.change == PRICE:
            longest.setdefault((move.model_id, move.field), move)
    additions: list[Addition] = []
    not_counted: list[NotCounted] = []
    for model, tokens in traffic.items():
        found = ids.get(model, set())
        if len(found) == 1:
            identity = next(iter(found))
            moved = {
                kind: longest.get((identity, TOKEN_PRICES[kind])) for kind, count in tokens.items() if count
            }
            known, unknown = _costs(model, tokens, {kind: one for kind, one in moved.items() if one})
            additions += known
            not_counted += unknown
        else:
            gone = "in quarantine" if model in refused else "not in the catalogue"
            not_counted.append(NotCounted(model, None, "the name of several models" if found else gone))
    additions.sort(key=lambda one: (one.amount.copy_abs().copy_negate(), one.model))
    return Bill(sum_of(one.amount for one in additions), tuple(additions), tuple(not_counted))


def _costs(
    model: str, tokens: Mapping[str, int], moves: Mapping[str, Move]
) -> tuple[list[Addition], list[NotCounted]]:
    reasons = {kind: _unknown(move) for kind, move in moves.items()}
    unknown = [NotCounted(model, kind, reason) for kind, reason in reasons.items() if reason]
    kinds = {kind: _cost(move, tokens[kind]) for kind, move in moves.items() if not reasons[kind]}
    if not kinds:
        return [], unknown
    ordered = dict(sorted(kinds.items(), key=lambda item: item[1].copy_abs(), reverse=True))
    return [Addition(model, sum_of(kinds.values()), ordered)], unknown


def _unknown(move: Move) -> str | None:
    if move.doubtful is not None:
        return "a doubtful 0, so no saving" if move.doubtful == "new" else "a doubtful 0 before"
    if move.old_value is None:
        return "not published before"
    return "not published now" if move.new_value is None else None


def _cost(move: Move, tokens: int) -> Decimal:
    old, new = (token_cost(tokens, Decimal(value or 0)) for value in (move.old_value, move.new_value))
    return _plain(_EXACT.subtract(new, old))


@dataclass(frozen=True)
class BillChange:
    """Splits the change of a bill between two days, in USD: ``total`` is ``price`` plus ``models``, exactly.

    :param price: what moved prices add: the differences of the parts that are known on both days.
    :param models: the parts of the later day only, less those of the earlier day only: of models that were
        added or removed.
    """

    total: Decimal
    price: Decimal
    models: Decimal


Part = TypeVar("Part")


def change_between(then: Mapping[Part, Decimal], now: Mapping[Part, Decimal]) -> BillChange:
    """Split the change of a bill for the same traffic.

    :param then: the cost of each part on the earlier day; a part is one kind of tokens of one model. A part
        whose cost is unknown on either day is in neither bill.
    :param now: the same of the later day.
    """
    price = sum_of(_EXACT.subtract(now[part], then[part]) for part in now if part in then)
    new = sum_of(cost for part, cost in now.items() if part not in then)
    models = _EXACT.subtract(new, sum_of(cost for part, cost in then.items() if part not in now))
    return BillChange(sum_of((price, models)), price, models)


def sum_of(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum of amounts."""
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return _plain(total)


def _plain(amount: Decimal) -> Decimal:
    """Return an amount with two decimals or as many more as it has."""
    exact = amount.normalize(_EXACT)
    cents = Decimal("0.01")
    exponent = exact.as_tuple().exponent
    return exact if isinstance(exponent, int) and exponent < -2 else exact.quantize(cents, context=_EXACT)
