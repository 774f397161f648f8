"""What today is compared with: for each model the latest earlier day on which it was not in quarantine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from io_intelligence_provider.changes.day import Day
from io_intelligence_provider.changes.match import in_quarantine

__all__ = ["Baseline", "given", "latest_known"]


def _no_rows() -> pl.DataFrame:
    index = pl.UInt32
    return pl.DataFrame(
        schema={
            "part": index,
            "row": index,
            "model_id": pl.String,
            "name": pl.String,
            "same_shape": pl.Boolean,
        }
    )


@dataclass
class Baseline:
    """Rows of one or more earlier days.

    :param days: the days looked at, newest first.
    :param rows: ``part`` (position in ``days``), ``row`` (position in that day's file), ``model_id``,
        ``name``, ``same_shape`` (as today). No model is in it twice.
    """

    days: list[Day] = field(default_factory=list)
    rows: pl.DataFrame = field(default_factory=_no_rows)

    def add(self, day: Day, keys: pl.DataFrame, today: Day) -> None:
        """Append rows of an earlier day."""
        self.days.append(day)
        part = keys.select(
            pl.lit(len(self.days) - 1, pl.UInt32).alias("part"),
            "row",
            "model_id",
            "name",
            pl.lit(day.shape is today.shape).alias("same_shape"),
        )
        self.rows = pl.concat([self.rows, part])

    def reference_days(self, added: pl.DataFrame, today: Day) -> list[date]:
        """Return, for each model that is new, the day on which it was known to be absent.

        That is the latest day on which it was not in quarantine, and the latest day of all for a model
        that was in quarantine on every day on file.
        """
        found = [self.days[0].day] * added.height
        pending = added.select("model_id", "name").with_row_index("position")
        for day in self.days:
            hidden = in_quarantine(pending, day.refused, same_shape=day.shape is today.shape)
            for position in pending.filter(~hidden)["position"] if day is not self.days[0] else ():
                found[position] = day.day
            pending = pending.filter(hidden)
            if pending.is_empty():
                break
        return found


def latest_known(today: Day, earlier: Iterable[Day]) -> Baseline:
    """Walk back through the earlier days, newest first, as far as quarantines make it necessary.

    Mostly that is one day. A model that sits in quarantine there is looked for on the day before, and so
    on; the walk ends at the first day whose run refused nobody. Of the days after the first no more than
    the models concerned are kept, and the files of those that have none are closed.
    """
    baseline = Baseline()
    later: list[tuple[Day, pl.DataFrame]] = []
    for day in earlier:
        keys = day.keys
        if later:
            keys = _hidden_on(later, keys, day)
            if keys.is_empty():
                day.close()
        baseline.add(day, keys, today)
        if day.refused.is_empty():
            break
        later.append((day, _of_interest(day.keys, baseline.days[0])))
        del day.keys
    baseline.rows = _without_refused(baseline, today)
    return baseline


def given(today: Day, day: Day) -> Baseline:
    """Compare with one day whatever it holds: who is in quarantine on either is unknown."""
    baseline = Baseline()
    baseline.add(day, day.keys, today)
    baseline.rows = _without_refused(baseline, today)
    return baseline


def _of_interest(keys: pl.DataFrame, newest: Day) -> pl.DataFrame:
    """Keep the models that a refused record of the newest day may stand for: no others are looked for."""
    ids, names = (newest.refused[column].drop_nulls().implode() for column in ("model_id", "name"))
    return keys.filter(pl.col("model_id").is_in(ids) | pl.col("name").is_in(names))


def _hidden_on(later: list[tuple[Day, pl.DataFrame]], keys: pl.DataFrame, day: Day) -> pl.DataFrame:
    """Keep the models of ``day`` that sat in quarantine on every later day and were not valid there too."""
    for other, valid in later:
        same_shape = other.shape is day.shape
        identity = "model_id" if same_shape else "name"
        keys = keys.filter(in_quarantine(keys, other.refused, same_shape=same_shape))
        keys = keys.filter(~pl.col(identity).is_in(valid[identity].implode()))
    return keys


def _without_refused(baseline: Baseline, today: Day) -> pl.DataFrame:
    """Drop the models that today's run refused: what became of them is unknown."""
    rows = baseline.rows
    if today.refused.is_empty():
        return rows
    gone = []
    for same_shape, identity in ((True, "model_id"), (False, "name")):
        part = rows.with_row_index("position").filter(pl.col("same_shape") == same_shape)
        hidden = part.filter(in_quarantine(part, today.refused, same_shape=same_shape))
        gone.append(hidden.filter(~pl.col(identity).is_in(today.keys[identity].implode()))["position"])
    return rows.filter(~pl.int_range(pl.len()).is_in(pl.concat(gone).implode()))
