"""Computes the like-for-like price index: how the same models' prices moved, whatever came and went.

A median over all models also moves when models are added or removed. This index is chained: for each pair of
neighbouring snapshots the geometric mean of the ratios of the prices that are known and above zero on both
(a Jevons index), multiplied from day to day, with the base 100 on the first day. Rows are of the same model
if they have its id, or a name that is unique on its day.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, TypeAlias

import polars as pl
import pyarrow as pa

from io_intelligence_provider.contract.columns import PRICE_SCALE
from io_intelligence_provider.errors import ConfigurationError

__all__ = [
    "INDEX_COLUMNS",
    "Blend",
    "ModelKey",
    "chained_index",
    "index_schema",
    "model_index",
    "number_rows",
    "price_index",
]

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


def without_passed_names(tracks: dict[ModelKey, int], mixed: Iterable[int]) -> dict[ModelKey, int]:
    """Join the rows of tracks with two models of one day again, without the names that two ids share.

    Such a name passes from one id to another while both have it for some days: the id identifies them.
    """
    wrong = set(mixed)
    passed = {name for (name, _, shared), track in tracks.items() if shared and track in wrong}
    known = {
        model_key: (*model_key[:2], model_key[2] or (track in wrong and model_key[0] in passed))
        for model_key, track in tracks.items()
    }
    found = model_index(known.values())
    return {model_key: found[one] for model_key, one in known.items()}


def separated(tracks: dict[ModelKey, int], mixed: Iterable[int]) -> dict[ModelKey, int]:
    """Give each name and id its own track where joining put two models of one day into one track.

    This happens when models swap names or ids; an unshared name then identifies the model.
    """
    wrong = set(mixed)
    fresh: dict[tuple[str, str], int] = {}
    first = max(tracks.values()) + 1

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
    for split in (without_passed_names, separated):
        if mixed := _twice_a_day(rows["day"], numbered):
            tracks = split(tracks, mixed)
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


Blend: TypeAlias = tuple[int | float | Decimal, int | float | Decimal]

INDEX_COLUMNS: Final = ("model_id", "name", "input_token_price", "output_token_price")
"""The columns of ``models.parquet`` that the index is computed from."""

_Link: TypeAlias = Sequence[Any]
"""Mean logarithm of the ratios of two days (null without a pair), number of pairs, of those left out."""
_Links: TypeAlias = Mapping[int, Mapping[str, _Link]]
"""By the position of the later day and by kind."""

_KINDS: Final = ("input", "output", "blended")
_BASE: Final = 100.0


def index_schema() -> pa.Schema:
    """Return the Arrow schema of the index; fields carry a ``description``."""

    def field(name: str, kind: pa.DataType, description: str, nullable: bool = False) -> pa.Field:
        return pa.field(name, kind, nullable=nullable, metadata={"description": description})

    fields = [field("snapshot_date", pa.date32(), "Day of the snapshot")]
    for kind in _KINDS:
        fields += [
            field(kind, pa.float64(), f"Index of {kind} prices, 100 on the first day; null: no pair", True),
            field(f"{kind}_pairs", pa.int64(), "Models that it rests on: priced above 0 on both days"),
            field(f"{kind}_left_out", pa.int64(), "Models of both days with an unknown or zero price on one"),
        ]
    return pa.schema(fields)


def price_index(history: pl.DataFrame, dates: Sequence[date], blend: Blend = (3, 1)) -> pa.Table:
    """Return the index, one row per date.

    :param history: ``snapshot_date`` and :data:`INDEX_COLUMNS`, in any order.
    :param dates: all days with a snapshot, oldest first, including those without any of the models.
    :param blend: weights of the input and the output price in the blended one.
    :raises ConfigurationError: when the weights are not two numbers of 0 or more, one of them above 0.
    """
    numbered = pl.DataFrame({"snapshot_date": dates}, schema={"snapshot_date": pl.Date}).with_row_index("day")
    rows = history.join(numbered, on="snapshot_date")
    track, _ = number_rows(rows.select("day", "name", "model_id"))
    index = chained_index(rows.with_columns(track).sort("track", "day"), dates, blend)
    return index.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(index_schema())


def chained_index(rows: pl.DataFrame, dates: Sequence[date], blend: Blend = (3, 1)) -> pl.DataFrame:
    """Return the index of rows whose models are numbered; see :func:`price_index`.

    A day without a single pair has no index; the next day is compared with the last one that has.

    :param rows: ``track``, ``day`` (a position in ``dates``) and the two prices, sorted by track and day.
    """
    prices = _logarithms(rows, *_weights(blend))
    follows = (pl.col("track") == pl.col("track").shift()) & (pl.col("day") == pl.col("day").shift() + 1)
    moves = prices.select("day", *(pl.col(kind) - pl.col(kind).shift() for kind in _KINDS), follows=follows)
    links = _summarised(moves.filter("follows"))
    priced = prices.group_by("day").agg(pl.col(_KINDS).count())
    days = {day: dict(zip(_KINDS, counts, strict=True)) for day, *counts in priced.iter_rows()}
    bases: dict[str, tuple[int, float]] = {}
    found: list[dict[str, Any]] = []
    for day, when in enumerate(dates):
        row: dict[str, Any] = {"snapshot_date": when}
        for kind in _KINDS:
            base, value = bases.get(kind, (None, None))
            link: _Link = (None, 0, 0)
            if base is None or value is None:
                value = _BASE if day in days and days[day][kind] else None
            else:
                compared = links if base == day - 1 else _compared(prices, base, day)
                link = compared[day][kind] if day in compared else link
                value = None if link[0] is None else value * math.exp(link[0])
            row |= {kind: value, f"{kind}_pairs": link[1], f"{kind}_left_out": link[2]}
            if value is not None:
                bases[kind] = day, value
        found.append(row)
    return pl.DataFrame(found, schema=pl.Schema(index_schema()))


def _logarithms(rows: pl.DataFrame, of_input: float, of_output: float) -> pl.DataFrame:
    """Return the logarithm of each price, null where it is unknown or 0."""
    floats = rows.select(
        "track",
        "day",
        # Of the stored integers, because a decimal takes ten times as long to become a float.
        input=pl.col("input_token_price").to_physical().cast(pl.Float64) / 10**PRICE_SCALE,
        output=pl.col("output_token_price").to_physical().cast(pl.Float64) / 10**PRICE_SCALE,
    ).with_columns(pl.when(pl.col(kind) > 0).then(kind).alias(kind) for kind in ("input", "output"))
    # A price without weight is not needed: null times 0 would be null.
    weights = {"input": of_input, "output": of_output}
    first, *others = [weight * pl.col(kind) for kind, weight in weights.items() if weight]
    blended = sum(others, first)  # the sum of the weights cancels out in ratios
    return floats.with_columns(blended=blended).with_columns(pl.col(_KINDS).log())


def _compared(prices: pl.DataFrame, base: int, day: int) -> _Links:
    now, before = (prices.filter(pl.col("day") == one) for one in (day, base))
    joined = now.join(before, on="track", suffix="_before")
    return _summarised(joined.select("day", *(pl.col(kind) - pl.col(f"{kind}_before") for kind in _KINDS)))


def _summarised(moves: pl.DataFrame) -> _Links:
    """Return the mean, the pairs and what was left out of each kind, by day."""
    number = len(_KINDS)
    counts = (pl.col(kind).count().alias(f"{kind}_pairs") for kind in _KINDS)
    found = moves.group_by("day").agg(
        pl.col(_KINDS).mean(), *counts, pl.len()
    )  # null_count takes ten times as long
    return {
        day: {
            kind: (values[place], values[number + place], values[-1] - values[number + place])
            for place, kind in enumerate(_KINDS)
        }
        for day, *values in found.iter_rows()
    }


def _weights(blend: Any) -> tuple[float, float]:
    try:
        first, second = (float(weight) for weight in blend)
    except (TypeError, ValueError):
        first = second = -1.0
    if not (0 <= first < float("inf") and 0 <= second < float("inf") and first + second > 0):
        raise ConfigurationError(
            f"blend is {blend!r}; it is the weights of input and output, such as (3, 1): two numbers of 0 or "
            "more, one of them above 0."
        )
    return first, second
