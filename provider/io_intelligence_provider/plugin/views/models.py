"""Rows of the models table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

import polars as pl

from io_intelligence_provider.changes.values import percent
from io_intelligence_provider.contract.columns import ACCESS_COLUMN, COLUMNS, PRICE_COLUMNS, QUOTA_COLUMNS
from io_intelligence_provider.plugin.views.overview import PERIOD
from io_intelligence_provider.plugin.views.steps import Spark, sparks
from io_intelligence_provider.plugin.views.text import json_value, plain
from io_intelligence_provider.plugin.views.timeline import Timeline

__all__ = ["facts", "model_rows"]

_SHOWN: Final = "output_token_price"

_CAPABILITIES: Final = {
    "enable_api_chat_completions": "chat",
    "enable_api_embeddings": "embeddings",
    "enable_audio_stt": "speech to text",
    "enable_audio_tts": "text to speech",
    "supports_images_input": "image input",
    "supports_prompt_cache": "prompt cache",
    "supports_reasoning": "reasoning",
    "supports_attestation": "attestation",
}

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

    :param rows: of the day's snapshot.
    :param tracks: of those rows.
    """
    known = [track for track in tracks if track is not None]
    lines = sparks(timeline, _SHOWN, day, known)
    then = timeline.reference(day, day - PERIOD)
    before = timeline.values_on(_SHOWN, then) if then else {}
    first = dict(timeline.tracks.select("track", "first").iter_rows())
    doubtful = _doubtful(timeline, day, rows, tracks)
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
        "capabilities": _capabilities(row),
        "spark": spark,
    }


def _prefix(name: str) -> str | None:
    """Return the part of a name before its slash: by custom the developer."""
    before, slash, _ = name.partition("/")
    return before if slash and before else None


def _capabilities(row: dict[str, Any]) -> list[str]:
    found = [words for column, words in _CAPABILITIES.items() if row.get(column)]
    has_tools = row.get("supports_tools") or row["tool_support"] not in (None, "no")
    return [*found, "tools"] if has_tools else found


def _doubtful(
    timeline: Timeline, day: date, rows: pl.DataFrame, tracks: Sequence[int | None]
) -> dict[str, frozenset[int]]:
    """Return, by price, the tracks whose price is 0 after it had been positive.

    That is how a price that is no longer published has looked (2026-05-15, fifteen cache-write prices at
    once), so such a 0 may not mean free.
    """
    last = timeline.position(day)
    found = {}
    for price in PRICE_COLUMNS:
        values: list[Decimal | None] = rows[price].to_list()
        zero = [
            track for track, value in zip(tracks, values, strict=True) if track is not None and value == 0
        ]
        once = (
            timeline.of(price, zero).filter((pl.col("day") < last) & (pl.col("value") > 0)) if zero else None
        )
        found[price] = frozenset() if once is None else frozenset(once["track"])
    return found


def facts(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the columns of a model that its row does not have, in the order of the contract."""
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
