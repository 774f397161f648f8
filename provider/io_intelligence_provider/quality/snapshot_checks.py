"""Checks of the snapshot as a whole, and against the one before."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.quality.contract import PRICE_COLUMNS
from io_intelligence_provider.quality.report import MAX_EXAMPLES, CheckResult, Severity
from io_intelligence_provider.quality.tally import RowTally

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PreviousSnapshot", "RunFacts", "snapshot_checks"]

VANISHED_SHARE: Final = 0.5
UNIT_RATIO: Final = 100
UNIT_PRICES: Final = 5
MOVE_RATIO: Final = 3


@dataclass(frozen=True)
class PreviousSnapshot:
    """What the checks need of the latest earlier snapshot.

    :param models: its ``model_id``, ``name`` and the prices.
    :param fields: keys its records had, ``None`` when its report is not on file.
    """

    models: pl.DataFrame
    wire_shape: str
    source_url: str
    fields: Collection[str] | None


@dataclass(frozen=True)
class RunFacts:
    """What a run brought.

    :param models: the valid rows.
    :param received: records that came, identical repeats included.
    :param total: what the server says there are, ``None`` where its shape does not say.
    """

    models: pl.DataFrame
    tally: RowTally
    shape: WireShape
    source_url: str
    received: int
    total: int | None
    max_quarantine_share: float
    previous: PreviousSnapshot | None


_Found = tuple[int, list[dict[str, Any]]]
"""How many were looked at, and an example for each that failed."""


def snapshot_checks(facts: RunFacts) -> list[CheckResult]:
    """Evaluate every snapshot check; one that lacks its precondition says ``evaluated`` 0.

    Names, bounds and severities are those of the documentation's page on checks.
    """
    return [_result(name, severity, *evaluate(facts)) for name, severity, evaluate in _CHECKS]


def _result(name: str, severity: Severity, evaluated: int, failed: list[dict[str, Any]]) -> CheckResult:
    return CheckResult(name, None, "snapshot", severity, evaluated, len(failed), failed[:MAX_EXAMPLES])


def _not_empty(facts: RunFacts) -> _Found:
    return 1, [] if facts.models.height else [{"message": "the snapshot would hold no model at all"}]


def _complete(facts: RunFacts) -> _Found:
    if facts.total is None:
        return 0, []
    complete = facts.received == facts.total
    return 1, [] if complete else [{"received": facts.received, "total": facts.total}]


def _quarantine_share(facts: RunFacts) -> _Found:
    if not facts.tally.served:
        return 0, []
    share = facts.tally.quarantined / facts.tally.served
    within = share <= facts.max_quarantine_share
    return 1, [] if within else [{"share": share, "max_quarantine_share": facts.max_quarantine_share}]


def _volume(facts: RunFacts) -> _Found:
    before = facts.previous
    if before is None or not before.models.height:
        return 0, []
    # Across shapes the ids are not comparable, so the name says who is who.
    same_shape = before.wire_shape == facts.shape.value
    key = "model_id" if same_shape else "name"
    known = set(facts.models[key]) | facts.tally.refused_ids | facts.tally.refused_names
    pairs = zip(before.models[key], before.models["name"], strict=True)
    vanished = [name for identity, name in pairs if identity not in known and name not in known]
    too_many = len(vanished) > VANISHED_SHARE * before.models.height
    counts = {"vanished": len(vanished), "previous": before.models.height, "names": vanished[:MAX_EXAMPLES]}
    return 1, [counts] if too_many else []


def _price_unit(facts: RunFacts) -> _Found:
    ratios = [float(new / old) for _, _, old, new in _price_pairs(facts) if old > 0 and new > 0]
    if len(ratios) < UNIT_PRICES:
        return 0, []
    median = statistics.median(ratios)
    within = 1 / UNIT_RATIO <= median <= UNIT_RATIO
    return 1, [] if within else [{"median_ratio": median, "prices": len(ratios)}]


def _price_move(facts: RunFacts) -> _Found:
    pairs = [(name, field, old, new) for name, field, old, new in _price_pairs(facts) if old > 0 and new > 0]
    moved = [pair for pair in pairs if pair[3] > MOVE_RATIO * pair[2] or pair[3] * MOVE_RATIO < pair[2]]
    return len(pairs), [_price_example(*pair) for pair in moved]


def _price_to_zero(facts: RunFacts) -> _Found:
    pairs = [(name, field, old, new) for name, field, old, new in _price_pairs(facts) if old > 0]
    return len(pairs), [_price_example(*pair) for pair in pairs if pair[3] == 0]


def _price_example(name: str, field: str, old: Decimal, new: Decimal) -> dict[str, Any]:
    return {"name": name, "column": field, "old_value": _plain(old), "new_value": _plain(new)}


def _plain(price: Decimal) -> str:
    text = f"{price:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _price_pairs(facts: RunFacts) -> Iterator[tuple[str, str, Decimal, Decimal]]:
    """Yield (name, column, old, new) of each price that is known on both days."""
    before = facts.previous
    if before is None:
        return
    key = "model_id" if before.wire_shape == facts.shape.value else "name"
    columns = [key, *PRICE_COLUMNS]
    names = ["name"] if key != "name" else []
    both = facts.models.select(columns + names).join(
        before.models.select(columns).unique(key, keep="none"), on=key, suffix=".old"
    )
    for column in PRICE_COLUMNS:
        triples = zip(both["name"], both[f"{column}.old"], both[column], strict=True)
        for name, old, new in triples:
            if old is not None and new is not None:
                yield name, column, old, new


def _unknown_fields(facts: RunFacts) -> _Found:
    return len(facts.tally.fields), [{"field": name} for name in sorted(facts.tally.unknown)]


def _missing_fields(facts: RunFacts) -> _Found:
    before = facts.previous
    if before is None or before.fields is None or before.wire_shape != facts.shape.value:
        return 0, []
    return len(before.fields), [{"field": name} for name in missing_fields(facts)]


def missing_fields(facts: RunFacts) -> list[str]:
    """List the keys that the previous snapshot's records had and no record has now."""
    before = facts.previous
    if before is None or before.fields is None or before.wire_shape != facts.shape.value:
        return []
    return sorted(set(before.fields) - facts.tally.fields)


def _source(facts: RunFacts) -> _Found:
    if facts.previous is None:
        return 0, []
    old, new = (urlsplit(url).netloc for url in (facts.previous.source_url, facts.source_url))
    return 1, [] if old == new else [{"old_value": old, "new_value": new}]


_CHECKS: Final[tuple[tuple[str, Severity, Callable[[RunFacts], _Found]], ...]] = (
    ("not_empty", "error", _not_empty),
    ("complete", "error", _complete),
    ("volume", "error", _volume),
    ("quarantine_share", "error", _quarantine_share),
    ("price_unit", "error", _price_unit),
    ("price_move", "warn", _price_move),
    ("price_to_zero", "warn", _price_to_zero),
    ("unknown_fields", "warn", _unknown_fields),
    ("missing_fields", "warn", _missing_fields),
    ("source", "warn", _source),
)
