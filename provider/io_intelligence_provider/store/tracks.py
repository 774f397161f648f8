"""Tells which rows of a history are the same model: by its id, or by a name that is unique on its day."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import polars as pl

__all__ = ["ModelKey", "model_index", "number_rows"]


ModelKey: TypeAlias = tuple[str, str, bool]
"""Name, id, and whether another model of that day has the same name."""


def model_index(found: Iterable[ModelKey]) -> dict[ModelKey, int]:
    """Number the track of each model_key: rows of one track are the same model.

    An unshared name joins all rows with that name, an id all rows with that id.
    """
    parents: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = parents[parent]
            node = parent
        return node

    found = list(found)
    for name, model_id, shared in found:
        by_id = root(("id", model_id))
        if not shared:
            parents[root(("name", name))] = by_id
    numbers: dict[tuple[str, str], int] = {}
    return {model_key: numbers.setdefault(root(("id", model_key[1])), len(numbers)) for model_key in found}


def separated(tracks: dict[ModelKey, int], mixed: Iterable[int]) -> dict[ModelKey, int]:
    """Give each name and id its own track where joining put two models of one day into one track.

    This happens when models swap names or ids; an unshared name then identifies the model.
    """
    wrong = set(mixed)
    fresh: dict[tuple[str, str], int] = {}
    first = max(tracks.values(), default=-1) + 1

    def own(model_key: ModelKey) -> int:
        name, model_id, shared = model_key
        return fresh.setdefault(("id", model_id) if shared else ("name", name), first + len(fresh))

    return {model_key: own(model_key) if track in wrong else track for model_key, track in tracks.items()}


def number_rows(rows: pl.DataFrame) -> tuple[pl.Series, dict[ModelKey, int]]:
    """Return the track of every row, and that of every model_key.

    :param rows: ``day``, ``name``, ``model_id``.
    """
    keys = _keys(rows)
    distinct = keys.arg_unique().sort()
    names, ids = rows["name"].gather(distinct), rows["model_id"].gather(distinct)
    shared = (keys.gather(distinct) & 1).cast(bool)
    found: list[ModelKey] = list(zip(names, ids, shared, strict=True))
    tracks = model_index(found)
    numbered = _numbered(keys, distinct, [tracks[model_key] for model_key in found])
    if mixed := _twice_a_day(rows["day"], numbered):
        tracks = separated(tracks, mixed)
        numbered = _numbered(keys, distinct, [tracks[model_key] for model_key in found])
    return numbered, tracks


def _keys(rows: pl.DataFrame) -> pl.Series:
    """Return one number per row: its name, its id, and in the lowest bit whether the name is shared that day.

    Numbers compare faster than text: half a million rows have a few hundred names.
    """
    codes = rows.select(
        "day",
        *[pl.col(key).cast(pl.Categorical).to_physical().cast(pl.UInt64) for key in ("name", "model_id")],
    )
    per_day = codes.group_by("day").agg(pl.col("name").n_unique().alias("names"), pl.len().alias("rows"))
    crowded = per_day.filter(pl.col("names") != pl.col("rows"))["day"]
    shared = pl.lit(0, pl.UInt64)
    if not crowded.is_empty():
        shared = (pl.col("day").is_in(crowded.implode()) & pl.struct("day", "name").is_duplicated()).cast(
            pl.UInt64
        )
    return codes.select((pl.col("name") * 2**32 + pl.col("model_id") * 2 + shared).alias("key"))["key"]


def _numbered(keys: pl.Series, distinct: pl.Series, tracks: list[int]) -> pl.Series:
    return keys.replace_strict(keys.gather(distinct), tracks, return_dtype=pl.UInt32).alias("track")


def _twice_a_day(days: pl.Series, tracks: pl.Series) -> list[int]:
    """Return the tracks that have two rows on one day."""
    rows = pl.DataFrame([days.alias("day"), tracks.alias("track")])
    per_day = rows.group_by("day").agg(pl.col("track").n_unique().alias("tracks"), pl.len().alias("rows"))
    crowded = per_day.filter(pl.col("tracks") != pl.col("rows"))["day"]
    if crowded.is_empty():
        return []
    rows = rows.filter(pl.col("day").is_in(crowded.implode()))
    return rows.filter(pl.struct("day", "track").is_duplicated())["track"].unique().to_list()
