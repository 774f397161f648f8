"""One model: since when, how its prices moved, what changed."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import polars as pl

from io_intelligence_provider.changes.kinds import PRICE
from io_intelligence_provider.changes.values import percent
from io_intelligence_provider.contract.columns import PRICE_COLUMNS
from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.plugin.views.overview import PERIOD
from io_intelligence_provider.plugin.views.steps import Step, days_on_file, steps_between
from io_intelligence_provider.plugin.views.timeline import Timeline

__all__ = ["changes_of", "history_of", "last_on_file"]

_CHANGES: Final = 200
_KEYS: Final = ("previous_date", "change", "field", "old_value", "new_value", "pct", "direction")


def last_on_file(timeline: Timeline, track: int, day: date) -> date:
    """Return the latest day up to ``day`` on which a model was on file.

    :raises NotOnFileError: when it came later.
    """
    stretches = days_on_file(timeline, PRICE_COLUMNS[0], track, timeline.position(day))
    if not stretches:
        first = timeline.dates[timeline.tracks.filter(timeline.tracks["track"] == track)["first"][0]]
        raise NotOnFileError(f"The model was not on file on {day}; it came on {first}.")
    return timeline.dates[stretches[-1][-1]]


def history_of(timeline: Timeline, track: int, day: date) -> dict[str, Any]:
    """Return when a model was on file up to ``day``, and its four prices from then on.

    Percentages are those of the last day on which it was on file.
    """
    last = timeline.position(day)
    stretches = days_on_file(timeline, PRICE_COLUMNS[0], track, last)
    first, seen = stretches[0][0], timeline.dates[stretches[-1][-1]]
    series = {price: steps_between(timeline, price, track, first, last)[0] for price in PRICE_COLUMNS}
    return {
        "first_seen": timeline.dates[first],
        "last_seen": seen,
        "days_on_file": sum(map(len, stretches)),
        "since": {price: _since(timeline, price, track, seen, series[price]) for price in PRICE_COLUMNS},
        "series": series,
    }


def _since(timeline: Timeline, price: str, track: int, day: date, steps: list[Step]) -> dict[str, Any]:
    first = next(((on, value) for on, value, _ in steps if value is not None), (None, None))
    published = timeline.of(price, (track,))["value"].drop_nulls()
    now = timeline.values_on(price, day).get(track)
    then = timeline.reference(day, day - PERIOD)
    before = timeline.values_on(price, then).get(track) if then else None
    return {
        "first_date": first[0],
        "first_value": first[1],
        "pct": percent(published[0], now) if first[0] else None,
        "pct_30": percent(before, now),
    }


def changes_of(timeline: Timeline, track: int, changes: pl.DataFrame | None) -> dict[str, Any]:
    """Return the changes of a model, newest first, and how often its prices changed.

    :param changes: of all models, oldest day first; ``None`` when none were ever detected.
    """
    if changes is None:
        return {"price_changes": None, "price_change_days": None, "changes": []}
    pairs = {(name, model_id) for (name, model_id, _), of in timeline.bearings.items() if of == track}
    mine = pl.lit(value=False)
    for name, model_id in pairs:
        mine |= (pl.col("name") == name) & (pl.col("model_id") == model_id)
    rows = changes.filter(mine)
    prices = rows.filter(pl.col("change") == PRICE)
    newest = rows.sort("snapshot_date", descending=True, maintain_order=True).head(_CHANGES)
    shown = newest.select(pl.col("snapshot_date").alias("date"), *_KEYS)
    return {
        "price_changes": prices.height,
        "price_change_days": prices["snapshot_date"].n_unique(),
        "changes": list(shown.iter_rows(named=True)),
    }
