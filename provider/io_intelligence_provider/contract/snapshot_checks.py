"""Checks a snapshot as a whole, and against the previous one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

import polars as pl

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.columns import PRICE_COLUMNS
from io_intelligence_provider.contract.records import RecordCounts
from io_intelligence_provider.quality.result import LONGEST_IN_EXAMPLE, MAX_EXAMPLES, CheckResult, Severity
from io_intelligence_provider.text import cut

__all__ = [
    "ALWAYS_STOPPING",
    "CHECKED_COLUMNS",
    "PreviousSnapshot",
    "RunFacts",
    "missing_fields",
    "snapshot_checks",
]


CHECKED_COLUMNS: Final = ("model_id", "name", *PRICE_COLUMNS)
"""The columns that these checks need, of this snapshot and of the previous one."""

VANISHED_SHARE: Final = 0.5
UNIT_RATIO: Final = 100
UNIT_PRICES: Final = 5
MOVE_RATIO: Final = 3
_LONGEST_REASON: Final = 1_000
"""Characters of the reason why a file cannot be used, which begins with its path."""


@dataclass(frozen=True)
class PreviousSnapshot:
    """The data of the latest earlier snapshot that the checks need.

    :param models: its ``model_id``, ``name`` and prices.
    :param fields: keys of its records, ``None`` when its report is missing.
    """

    models: pl.DataFrame
    wire_shape: str
    source_url: str
    fields: Collection[str] | None


@dataclass(frozen=True)
class RunFacts:
    """The data of a run that the checks need.

    :param models: the valid rows.
    :param received: number of records, without those whose id was on an earlier page.
    :param total: the total that the server names, ``None`` where its shape has none.
    :param on_two_pages: ids that are on more than one page.
    :param unreadable: why the file of the previous snapshot cannot be used; ``previous`` is ``None`` then.
    """

    models: pl.DataFrame
    counts: RecordCounts
    shape: WireShape
    source_url: str
    received: int
    total: int | None
    max_quarantine_share: float
    previous: PreviousSnapshot | None
    on_two_pages: tuple[str, ...] = ()
    unreadable: str | None = None

    @cached_property
    def prices(self) -> pl.DataFrame:
        """``name``, ``column``, ``old`` and ``new`` of each price that is known on both days."""
        before = self.previous
        models = self.models.select("name", "model_id", *PRICE_COLUMNS)
        earlier = models.clear() if before is None else before.models
        # Ids are not comparable across shapes, so models are matched by names that are unique.
        key = "model_id" if before is not None and before.wire_shape == self.shape.value else "name"
        both = models.filter(pl.col(key).is_unique()).join(
            earlier.filter(pl.col(key).is_unique()).select(key, *PRICE_COLUMNS), on=key, suffix=".old"
        )
        return pl.concat(
            both.select("name", column=pl.lit(column), old=f"{column}.old", new=column)
            for column in PRICE_COLUMNS
        ).drop_nulls(["old", "new"])


_Found = tuple[int, int, list[dict[str, Any]]]
"""The number evaluated, the number failed, and examples of failures."""
_NOT_EVALUATED: Final[_Found] = (0, 0, [])


def snapshot_checks(facts: RunFacts) -> list[CheckResult]:
    """Evaluate every snapshot check; one without its precondition has ``evaluated`` 0.

    Names, bounds and severities are documented in ``docs/checks.md``. ``previous_unreadable`` is included
    only when it found something.
    """
    found = [_result(name, severity, *evaluate(facts)) for name, severity, evaluate in _CHECKS]
    if facts.unreadable is not None:
        example = {"message": cut(facts.unreadable, _LONGEST_REASON)}
        found.append(_result("previous_unreadable", "warn", 1, 1, [example]))
    return found


def _result(
    name: str, severity: Severity, evaluated: int, failed: int, examples: list[dict[str, Any]]
) -> CheckResult:
    return CheckResult(name, None, "snapshot", severity, evaluated, failed, examples[:MAX_EXAMPLES])


def _one(passed: bool, example: dict[str, Any]) -> _Found:
    return (1, 0, []) if passed else (1, 1, [example])


def _not_empty(facts: RunFacts) -> _Found:
    return _one(facts.models.height > 0, {"message": "the snapshot would hold no model at all"})


def _complete(facts: RunFacts) -> _Found:
    if facts.total is None:
        return _NOT_EVALUATED
    counts: dict[str, Any] = {"received": facts.received, "total": facts.total}
    if facts.on_two_pages:
        counts["on_two_pages"] = [cut(identity, LONGEST_IN_EXAMPLE) for identity in facts.on_two_pages]
    return _one(facts.received == facts.total and not facts.on_two_pages, counts)


def _quarantine_share(facts: RunFacts) -> _Found:
    if not facts.counts.served:
        return _NOT_EVALUATED
    share = facts.counts.quarantined / facts.counts.served
    limit = facts.max_quarantine_share
    return _one(share <= limit, {"share": share, "max_quarantine_share": limit})


def _volume(facts: RunFacts) -> _Found:
    before = facts.previous
    if before is None or not before.models.height:
        return _NOT_EVALUATED
    # As for the changes: the same id, else a name that is unique on both days.
    ids = facts.models["model_id"].to_list() + list(facts.counts.refused_ids)
    names = facts.models.filter(pl.col("name").is_unique())["name"].to_list()
    vanished = before.models.filter(
        ~pl.col("model_id").is_in(ids)
        & ~(pl.col("name").is_unique() & pl.col("name").is_in(names))
        & ~pl.col("name").is_in(list(facts.counts.refused_names))
    )["name"]
    counts = {
        "vanished": vanished.len(),
        "previous": before.models.height,
        "names": [cut(name, LONGEST_IN_EXAMPLE) for name in vanished.head(MAX_EXAMPLES)],
    }
    return _one(vanished.len() <= VANISHED_SHARE * before.models.height, counts)


def _price_unit(facts: RunFacts) -> _Found:
    positive = _positive_prices(facts)
    if positive.height < UNIT_PRICES:
        return _NOT_EVALUATED
    ratio = pl.col("new").cast(pl.Float64) / pl.col("old").cast(pl.Float64)
    # One middle price or two, compared as exact decimals.
    middle = positive.sort(ratio).slice((positive.height - 1) // 2, 2 - positive.height % 2)
    ratios = [Fraction(new) / Fraction(old) for old, new in middle.select("old", "new").iter_rows()]
    median = sum(ratios) / len(ratios)
    within = Fraction(1, UNIT_RATIO) <= median <= UNIT_RATIO
    return _one(within, {"median_ratio": float(median), "prices": positive.height})


def _price_move(facts: RunFacts) -> _Found:
    # In whole steps of the last decimal, rounded up: `new > 3 * old` without overflow of the product.
    old, new = (pl.col(name).to_physical() for name in ("old", "new"))
    third = [(price + (MOVE_RATIO - 1)) // MOVE_RATIO for price in (old, new)]
    positive = _positive_prices(facts)
    moved = positive.filter((third[1] > old) | (third[0] > new))
    return positive.height, moved.height, _price_examples(moved)


def _price_to_zero(facts: RunFacts) -> _Found:
    were_positive = facts.prices.filter(pl.col("old") > 0)
    fell = were_positive.filter(pl.col("new") == 0)
    return were_positive.height, fell.height, _price_examples(fell)


def _positive_prices(facts: RunFacts) -> pl.DataFrame:
    return facts.prices.filter((pl.col("old") > 0) & (pl.col("new") > 0))


def _price_examples(prices: pl.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "name": cut(name, LONGEST_IN_EXAMPLE),
            "column": column,
            "old_value": _plain(old),
            "new_value": _plain(new),
        }
        for name, column, old, new in prices.head(MAX_EXAMPLES).iter_rows()
    ]


def _plain(price: Decimal) -> str:
    text = f"{price:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _unknown_fields(facts: RunFacts) -> _Found:
    return len(facts.counts.fields), len(facts.counts.unknown), _fields(sorted(facts.counts.unknown))


def _missing_fields(facts: RunFacts) -> _Found:
    if (before := _fields_before(facts)) is None:
        return _NOT_EVALUATED
    missing = missing_fields(facts)
    return len(before), len(missing), _fields(missing)


def _fields(names: list[str]) -> list[dict[str, Any]]:
    return [{"field": name} for name in names[:MAX_EXAMPLES]]


def missing_fields(facts: RunFacts) -> list[str]:
    """Return the keys that records of the previous snapshot had and no record has now."""
    return sorted((_fields_before(facts) or set()) - facts.counts.fields)


def _fields_before(facts: RunFacts) -> set[str] | None:
    """Return the keys of the previous snapshot, ``None`` where they are unknown or those of another shape."""
    before = facts.previous
    if before is None or before.fields is None or before.wire_shape != facts.shape.value:
        return None
    return set(before.fields)


def _source(facts: RunFacts) -> _Found:
    if facts.previous is None:
        return _NOT_EVALUATED
    # The file is untrusted, so text before an @ is not shown.
    urls = facts.previous.source_url, facts.source_url
    old, new = (urlsplit(url).netloc.rpartition("@")[2] for url in urls)
    return _one(old == new, {"old_value": old, "new_value": new})


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


ALWAYS_STOPPING: Final = ("not_empty", "complete")
"""Checks that stop the commit for every ``fail_on``: never commit an empty or incomplete catalogue."""
