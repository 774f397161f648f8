"""Returns the models of a day, and one model with its history and its changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from datetime import date as Date  # noqa: N812 - fields are called `date`
from typing import Annotated, Any, Final

import polars as pl
from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from io_intelligence_provider.changes.kinds import PRICE
from io_intelligence_provider.changes.values import percent
from io_intelligence_provider.contract.columns import ACCESS_COLUMN, COLUMNS, PRICE_COLUMNS, QUOTA_COLUMNS
from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.plugin.api.changes import ModelChange
from io_intelligence_provider.plugin.api.common import (
    Answer,
    DatedParameters,
    Integer,
    ModelKey,
    Offset,
    Texts,
    WarnedAnswer,
    gaps,
    json_value,
    missing_changes,
    plain,
    refused_on,
)
from io_intelligence_provider.plugin.api.history import PERIOD
from io_intelligence_provider.plugin.http import METHODS, answer
from io_intelligence_provider.plugin.reader import Reader
from io_intelligence_provider.plugin.timeline import (
    Doubts,
    Spark,
    Step,
    Timeline,
    days_on_file,
    doubtful_tracks,
    find,
    refused_tracks,
    sparks,
    steps_between,
    tracks_on,
)

__all__ = [
    "CAPABILITIES",
    "TOOLS",
    "ModelAnswer",
    "ModelsAnswer",
    "capabilities_of",
    "get_model",
    "get_models",
]


class ModelsParameters(DatedParameters):
    """Selects a page of the models of a day."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    offset: Offset = 0


class ModelParameters(DatedParameters):
    """Adds ``model``: an id or a name."""

    model: ModelKey


def get_models(reader: Reader, asked: ModelsParameters) -> dict[str, Any]:
    """Return the models of a day."""
    day = reader.shown(asked.date)
    rows, timeline = reader.day(day).rows, reader.timeline_with(day)
    tracks = tracks_on(timeline, rows)[asked.offset : asked.offset + asked.limit]
    return {
        "date": day,
        "total": rows.height,
        "items": model_rows(timeline, day, rows.slice(asked.offset, asked.limit), tracks),
        "removed": removed_before(reader, timeline, day),
        "then_date": timeline.reference(day, day - PERIOD),
        "warnings": gaps(timeline),
    }


def removed_before(reader: Reader, timeline: Timeline, day: date) -> list[dict[str, Any]]:
    """Return the models that were in the store before ``day`` and never since, the latest removed first.

    A model in quarantine on ``day`` is among them, and marked: whether it was removed is unknown.
    """
    gone = timeline.tracks.filter(pl.col("last") < timeline.position(day))
    gone = gone.sort("last", "name", descending=[True, False])
    hidden = None if gone.is_empty() else _hidden_on(reader, timeline, day)
    return [
        {
            "model_id": model_id,
            "name": name,
            "last_seen": timeline.dates[last],
            "in_quarantine": None if hidden is None else track in hidden,
        }
        for track, model_id, name, last in gone.select("track", "model_id", "name", "last").iter_rows()
    ]


def _hidden_on(reader: Reader, timeline: Timeline, day: date) -> Collection[int] | None:
    """Return the models that may be in quarantine on a day; ``None`` when that cannot be read."""
    refused = refused_on(reader, day)
    return None if refused is None else refused_tracks(timeline, refused)


def get_model(reader: Reader, asked: ModelParameters) -> dict[str, Any]:
    """Return one model."""
    day = reader.shown(asked.date)
    with reader.prefetch(reader.changes):
        timeline = reader.timeline_with(day)
    track = find(timeline, asked.model)
    as_of = last_on_file(timeline, track, day)
    rows = reader.day(as_of).rows
    tracks = tracks_on(timeline, rows)
    if track not in tracks:
        raise NotOnFileError(f"The snapshot of {as_of} was replaced while it was read. Ask again.")
    row = rows.slice(tracks.index(track), 1)
    warnings = gaps(timeline)
    past = history_of(timeline, track, day)
    changes = None
    if reader.listing.change_dates:
        found = reader.changes(None, day)
        changes = found.rows
        detected = set(reader.listing.change_dates)
        # The first snapshot of a store has nothing to be compared with.
        held = (one for one in timeline.dates[1:] if past["first_seen"] <= one <= day)
        missing = [one for one in held if one not in detected]
        warnings += missing_changes(missing, found.damaged)
    model = model_rows(timeline, as_of, row, [track])[0] | {"facts": facts(row.row(0, named=True))}
    hidden = _hidden_on(reader, timeline, day) if as_of < day else ()
    return {
        "date": day,
        "as_of": as_of,
        "in_quarantine": None if hidden is None else track in hidden,
        "model": model,
        "warnings": warnings,
        **past,
        **changes_of(timeline, track, changes),
    }


_SHOWN: Final = "output_token_price"

CAPABILITIES: Final = {
    "enable_api_chat_completions": "chat",
    "enable_api_embeddings": "embeddings",
    "enable_audio_stt": "speech to text",
    "enable_audio_tts": "text to speech",
    "supports_images_input": "image input",
    "supports_prompt_cache": "prompt cache",
    "supports_reasoning": "reasoning",
    "supports_attestation": "attestation",
}
TOOLS: Final = "tools"

_IN_ROW: Final = frozenset(
    {
        "model_id",
        "name",
        "developer",
        "status",
        "context_window",
        "max_tokens",
        "trendiness",
        ACCESS_COLUMN,
        *PRICE_COLUMNS,
        *QUOTA_COLUMNS,
    }
)


def model_rows(
    timeline: Timeline, day: date, rows: pl.DataFrame, tracks: Sequence[int | None]
) -> list[dict[str, Any]]:
    """Return the published form of some models of a day.

    :param rows: rows of the day's snapshot.
    :param tracks: the tracks of those rows.
    """
    known = [track for track in tracks if track is not None]
    lines = sparks(timeline, _SHOWN, day, known)
    then = timeline.reference(day, day - PERIOD)
    before = timeline.values_on(_SHOWN, then) if then else {}
    first = dict(timeline.tracks.select("track", "first").iter_rows())
    doubtful = {price: doubtful_tracks(timeline, price, day) for price in PRICE_COLUMNS}
    found = []
    for track, row in zip(tracks, rows.iter_rows(named=True), strict=True):
        new = then is not None and track is not None and timeline.dates[first[track]] > then
        old = None if track is None else before.get(track)
        found.append(
            _model(row, lines.get(track, []) if track is not None else [])
            | {
                "change": {"pct": percent(old, row[_SHOWN]), "new": new, "old": plain(old)},
                "doubtful": [price for price in PRICE_COLUMNS if track in doubtful[price]],
            }
        )
    return found


def _model(row: dict[str, Any], spark: Spark) -> dict[str, Any]:
    return {
        "model_id": row["model_id"],
        "name": row["name"],
        "developer": row["developer"] or _prefix(row["name"]),
        **{key: row[key] for key in ("status", "context_window", "max_tokens", "trendiness")},
        "prices": {price: plain(row[price]) for price in PRICE_COLUMNS},
        "quotas": {quota: row[quota] for quota in QUOTA_COLUMNS},
        ACCESS_COLUMN: row.get(ACCESS_COLUMN),
        "capabilities": capabilities_of(row),
        "spark": spark,
    }


def _prefix(name: str) -> str | None:
    """Return the part of a name before its slash, which by convention is the developer."""
    before, slash, _ = name.partition("/")
    return before if slash and before else None


def capabilities_of(row: dict[str, Any]) -> list[str]:
    """Return what a model can do, in words."""
    found = [words for column, words in CAPABILITIES.items() if row.get(column)]
    has_tools = row.get("supports_tools") or row["tool_support"] not in (None, "no")
    return [*found, TOOLS] if has_tools else found


def facts(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the columns that the table row of a model lacks, in the order of the contract."""
    return [
        {
            "column": column.name,
            "label": column.description,
            "value": json_value(column.name, row.get(column.name)),
            "unit": column.unit,
        }
        for column in COLUMNS
        if column.name not in _IN_ROW
    ]


_CHANGES: Final = 200
_KEYS: Final = ("previous_date", "change", "field", "old_value", "new_value", "pct", "direction")


def last_on_file(timeline: Timeline, track: int, day: date) -> date:
    """Return the latest day up to ``day`` on which a model was in the store.

    :raises NotOnFileError: when the model first appears later.
    """
    stretches = days_on_file(timeline, PRICE_COLUMNS[0], track, timeline.position(day))
    if not stretches:
        first = timeline.dates[timeline.tracks.filter(timeline.tracks["track"] == track)["first"][0]]
        raise NotOnFileError(f"The model was not on file on {day}; it came on {first}.")
    return timeline.dates[stretches[-1][-1]]


def history_of(timeline: Timeline, track: int, day: date) -> dict[str, Any]:
    """Return when a model was in the store up to ``day``, and its four prices from then on.

    Percentages are those of its last day in the store.
    """
    last = timeline.position(day)
    stretches = days_on_file(timeline, PRICE_COLUMNS[0], track, last)
    first, seen = stretches[0][0], timeline.dates[stretches[-1][-1]]
    series = {price: steps_between(timeline, price, track, first, last)[0] for price in PRICE_COLUMNS}
    doubts = Doubts(timeline)
    return {
        "first_seen": timeline.dates[first],
        "last_seen": seen,
        "days_on_file": sum(map(len, stretches)),
        "since": {price: _since(timeline, price, track, seen, series[price]) for price in PRICE_COLUMNS},
        "series": series,
        "doubts": {price: doubts.days(price, track) for price in PRICE_COLUMNS},
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
    """Return the changes of a model, newest first, and the number of its price changes.

    :param changes: of all models, oldest day first; ``None`` when none were ever detected.
    """
    if changes is None:
        return {"price_changes": None, "price_change_days": None, "changes": []}
    pairs = {(name, model_id) for (name, model_id, _), of in timeline.model_keys.items() if of == track}
    mine = pl.lit(value=False)
    for name, model_id in pairs:
        mine |= (pl.col("name") == name) & (pl.col("model_id") == model_id)
    rows = changes.filter(mine)
    prices = rows.filter(pl.col("change") == PRICE)
    newest = rows.sort("snapshot_date", descending=True, maintain_order=True).head(_CHANGES)
    shown = newest.select(pl.col("snapshot_date").alias("date"), "name", "model_id", *_KEYS)
    doubts = Doubts(timeline)
    return {
        "price_changes": prices.height,
        "price_change_days": prices["snapshot_date"].n_unique(),
        "changes": [
            {key: row[key] for key in ("date", *_KEYS)} | {"doubtful": doubts.side(row)}
            for row in shown.iter_rows(named=True)
        ],
    }


class OutputChange(Answer):
    """Compares the output price with thirty days before; ``new``: the model first appeared after that."""

    pct: float | None
    new: bool
    old: str | None


class Model(Answer):
    """Describes a row of the models table."""

    model_id: str
    name: str
    developer: str | None
    status: str | None
    context_window: Integer | None
    max_tokens: Integer | None
    trendiness: Integer | None
    prices: Texts
    quotas: dict[str, Integer | None]
    min_access_tier: str | None
    capabilities: list[str]
    spark: Spark
    change: OutputChange
    doubtful: list[str]


class RemovedModel(Answer):
    """Names a model that is not in the store any more.

    ``in_quarantine``: whether it was refused that day, so that it need not be removed; ``None`` is unknown.
    """

    model_id: str
    name: str
    last_seen: Date
    in_quarantine: bool | None


class ModelsAnswer(WarnedAnswer):
    """Holds a page of the models of a day, and all models that were removed before."""

    date: Date
    total: int
    items: list[Model]
    removed: list[RemovedModel]
    then_date: Date | None


class Fact(Answer):
    """Describes a column of a model that has no other place on the page."""

    column: str
    label: str
    value: Any
    unit: str | None


class ModelWithFacts(Model):
    """Describes a model with all stored columns."""

    facts: list[Fact]


class Since(Answer):
    """Compares a price with its first published value, and with thirty days before."""

    first_value: str | None
    first_date: Date | None
    pct: float | None
    pct_30: float | None


class ModelAnswer(WarnedAnswer):
    """Describes one model. ``as_of``: the day of its row, before ``date`` if the model is gone by then.

    ``in_quarantine``: whether it is gone because it was refused on ``date``; ``None`` is unknown.
    ``doubts``: when each price is a doubtful 0, from a day to before another; ``None``: it still is.
    """

    date: Date
    as_of: Date
    in_quarantine: bool | None
    model: ModelWithFacts
    first_seen: Date
    last_seen: Date
    days_on_file: int
    price_changes: int | None
    price_change_days: int | None
    since: dict[str, Since]
    series: dict[str, list[Step]]
    doubts: dict[str, list[tuple[Date, Date | None]]]
    changes: list[ModelChange]


router = APIRouter()


@router.api_route("/models", methods=METHODS, response_model=ModelsAnswer)
async def models(request: Request, asked: Annotated[ModelsParameters, Query()]) -> Response:
    """Return the models of a day."""
    return await answer(request, ModelsAnswer, get_models, asked)


@router.api_route("/model", methods=METHODS, response_model=ModelAnswer)
async def model(request: Request, asked: Annotated[ModelParameters, Query()]) -> Response:
    """Return one model."""
    return await answer(request, ModelAnswer, get_model, asked)
