"""Returns the history of some models; computes the like-for-like index and medians of listed prices."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from datetime import date as Date  # noqa: N812 - fields are called `date`
from decimal import Context, Decimal
from typing import Annotated, Any, Final

import polars as pl
from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from io_intelligence_provider.contract.columns import PRICE_COLUMNS
from io_intelligence_provider.plugin.api.common import (
    Answer,
    ModelKey,
    RangeParameters,
    WarnedAnswer,
    gaps,
    one_of,
    plain,
)
from io_intelligence_provider.plugin.http import METHODS, answer
from io_intelligence_provider.plugin.reader import Reader
from io_intelligence_provider.plugin.timeline import (
    FIELDS,
    Doubts,
    Step,
    Timeline,
    doubtful_tracks,
    fields_with,
    find,
    steps_between,
    tracks_on,
)

__all__ = ["PERIOD", "HistoryAnswer", "Medians", "PriceIndex", "get_history", "like_for_like", "medians"]

PERIOD: Final = timedelta(days=30)
"""How long `then` is before `now`."""

_SERIES: Final = timedelta(days=400)
_KINDS_OF_PRICE: Final = {
    "input": ("input_token_price",),
    "output": ("output_token_price",),
    "blended": ("input_token_price", "output_token_price"),
}


def like_for_like(timeline: Timeline, day: date) -> dict[str, Any]:
    """Return how the prices of the same models moved since the day before and since thirty days before.

    These are ratios of the values of :meth:`~io_intelligence_provider.store.store.SnapshotStore.price_index`.
    """
    index = timeline.index
    before, then = timeline.before(day), timeline.reference(day, day - PERIOD)
    left_out = {} if before is None else _left_out(timeline, before, day)
    return {
        "then_date": then,
        **{
            kind: {
                "day": _index_move(index, kind, before, day),
                "then": _index_move(index, kind, then, day),
                "left_out": left_out.get(kind),
                "series": _index_series(index, kind, day),
            }
            for kind in _KINDS_OF_PRICE
        },
    }


def _index_move(index: pl.DataFrame, kind: str, since: date | None, day: date) -> dict[str, Any] | None:
    if since is None:
        return None
    rows = index.filter(pl.col("snapshot_date").is_between(since, day))
    old, new = rows[kind][0], rows[kind][-1]
    pairs = rows.slice(1).filter(pl.col(kind).is_not_null())[f"{kind}_pairs"]
    return {
        "pct": None if old is None or new is None else 100 * (new / old - 1),
        "pairs": pairs.min() or 0,
        "most_pairs": pairs.max() or 0,
    }


def _index_series(index: pl.DataFrame, kind: str, day: date) -> list[tuple[date, float | None]]:
    """Return the index of the last 400 days where it changes, 100 on the first; a day without it is a gap."""
    rows = index.filter(pl.col("snapshot_date").is_between(day - _SERIES, day))
    values = rows[kind] / (rows[kind].drop_nulls().head(1).to_list() or [1])[0] * 100
    points: list[tuple[date, float | None]] = []
    for one, value in zip(rows["snapshot_date"], values.round(4), strict=True):
        if one == day or not points or points[-1][1] != value:
            points.append((one, value))
    return points


def _left_out(timeline: Timeline, before: date, day: date) -> dict[str, dict[str, int]]:
    """Count the models of both days that the index of a day leaves out, by the first reason that applies."""
    pair = (before, day)
    fields = _KINDS_OF_PRICE["blended"]
    values = {(field, one): timeline.values_on(field, one) for field in fields for one in pair}
    doubtful = {key: doubtful_tracks(timeline, *key) for key in values}
    both = set.intersection(*(set(found) for found in values.values()))
    counts = {kind: {"not_published": 0, "doubtful": 0, "free": 0} for kind in _KINDS_OF_PRICE}
    for kind, of_kind in _KINDS_OF_PRICE.items():
        keys = [(field, one) for field in of_kind for one in pair]
        for track in both:
            if any(values[key][track] is None for key in keys):
                counts[kind]["not_published"] += 1
            elif any(track in doubtful[key] for key in keys):
                counts[kind]["doubtful"] += 1
            elif any(values[key][track] == 0 for key in keys):
                counts[kind]["free"] += 1
    return counts


_EXACT: Final = Context(prec=60)


def medians(timeline: Timeline, rows: pl.DataFrame, day: date) -> dict[str, str | None]:
    """Return the exact medians of the input and the output prices of a day; a doubtful 0 is no price."""
    tracks = tracks_on(timeline, rows)

    def median(price: str) -> Decimal | None:
        doubtful = doubtful_tracks(timeline, price, day)
        return _median(
            rows[price].filter(pl.Series([track not in doubtful for track in tracks], dtype=pl.Boolean))
        )

    return {kind: plain(median(f"{kind}_token_price")) for kind in ("input", "output")}


def _median(prices: pl.Series) -> Decimal | None:
    values = sorted(prices.drop_nulls())
    if not values:
        return None
    return _EXACT.divide(_EXACT.add(values[(len(values) - 1) // 2], values[len(values) // 2]), 2)


class IndexMove(Answer):
    """Says how the index moved between two days; ``pairs``: the fewest and the most of one of its steps."""

    pct: float | None
    pairs: int
    most_pairs: int


class LeftOut(Answer):
    """Counts the models that were left out: a price not published, a doubtful 0, or free, on either day."""

    not_published: int
    doubtful: int
    free: int


class IndexOfKind(Answer):
    """Holds the index of a kind of price: since the day before, since ``then_date``, and over time."""

    day: IndexMove | None
    then: IndexMove | None
    left_out: LeftOut | None
    series: list[tuple[Date, float | None]]


class PriceIndex(Answer):
    """Holds the like-for-like index; ``blended`` weighs input and output 3 to 1."""

    then_date: Date | None
    input: IndexOfKind
    output: IndexOfKind
    blended: IndexOfKind


class Medians(Answer):
    """Holds the exact medians of the models that publish the price; a doubtful 0 is none."""

    input: str | None
    output: str | None


HistoryField = Annotated[str, one_of(*FIELDS)]


class HistoryParameters(RangeParameters):
    """Selects models and fields."""

    models: Annotated[list[ModelKey], Field(min_length=1, max_length=10)]
    fields: Annotated[list[HistoryField], Field(min_length=1, max_length=len(FIELDS))]


def get_history(reader: Reader, asked: HistoryParameters) -> dict[str, Any]:
    """Return some models over time."""
    timelines = {field: reader.timeline(fields_with(field)) for field in asked.fields}
    found = _history(timelines, asked.models, asked.fields, asked.start, asked.end)
    # A day may be readable for one group of fields only. Two groups share the warning of any other day.
    warnings = dict.fromkeys(text for timeline in timelines.values() for text in gaps(timeline))
    return found | {"warnings": list(warnings)}


def _history(
    timelines: Mapping[str, Timeline],
    models: Sequence[str],
    fields: Sequence[str],
    start: date | None,
    end: date | None,
) -> dict[str, Any]:
    """Return the steps of some fields of some models, over the whole history by default.

    :param timelines: the timeline of each field.
    :raises NotOnFileError: when one of the models is in no snapshot.
    :raises InvalidError: when two models have the same name.
    """
    dates = timelines[fields[0]].dates
    start = start or dates[0]
    end = end or max(dates[-1], start)
    first, last = bisect_left(dates, start), bisect_right(dates, end) - 1
    series = []
    for model in dict.fromkeys(models):
        for field in dict.fromkeys(fields):
            timeline = timelines[field]
            track = find(timeline, model)
            name, model_id = timeline.last_key(track)
            steps, before = steps_between(timeline, field, track, first, last)
            series.append(
                {
                    "model": model,
                    "model_id": model_id,
                    "name": name,
                    "field": field,
                    "steps": steps,
                    "before": before,
                    "doubtful": Doubts(timeline).days(field, track) if field in PRICE_COLUMNS else [],
                }
            )
    return {"start": start, "end": end, "dates": dates[first : last + 1], "series": series}


class Series(Answer):
    """Holds one field of one model; ``before``: the step in force before the range.

    ``doubtful``: when a price is a doubtful 0, from a day to before another; ``None``: it still is.
    """

    model: str
    model_id: str
    name: str
    field: str
    steps: list[Step]
    before: Step | None
    doubtful: list[tuple[Date, Date | None]]


class HistoryAnswer(WarnedAnswer):
    """Holds the steps of some models and fields."""

    start: Date
    end: Date
    dates: list[Date]
    series: list[Series]


router = APIRouter()


@router.api_route("/history", methods=METHODS, response_model=HistoryAnswer)
async def history(request: Request, asked: Annotated[HistoryParameters, Query()]) -> Response:
    """Return some models over time."""
    return await answer(request, HistoryAnswer, get_history, asked)
