"""Who is who: models of two snapshots, and models against refused records."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

__all__ = ["Matches", "in_quarantine", "match"]


@dataclass(frozen=True)
class Matches:
    """How the rows of two frames belong together.

    :param pairs: positions ``old`` and ``new`` of the same model.
    :param removed: positions in the old frame of models that are gone.
    :param added: positions in the new frame of models that were not there.
    """

    pairs: pl.DataFrame
    removed: pl.Series
    added: pl.Series


def match(old: pl.DataFrame, new: pl.DataFrame) -> Matches:
    """Match models by ``model_id``, and what is left by a ``name`` that is unique on both sides.

    Ids of different wire shapes cannot be compared: such a row of ``old`` has ``same_shape`` false and
    is matched by name only. If its name is there but not unique, it is unknown who is who, and neither
    side counts as removed or added.

    :param old: ``model_id``, ``name``, ``same_shape``; :param new: ``model_id``, ``name``.
    """
    left, right = old.with_row_index("old"), new.with_row_index("new")
    by_id = left.filter("same_shape").join(right, on="model_id", how="inner").select("old", "new")
    left_over = left.join(by_id, on="old", how="anti")
    right_over = right.join(by_id, on="new", how="anti")
    # A renamed id, or another shape: what is left on both sides under the same name.
    lone = [side.filter(pl.col("name").is_unique()) for side in (left_over, right_over)]
    by_name = lone[0].join(lone[1], on="name", how="inner").select("old", "new", "name")
    shared = by_name["name"].implode()
    for side in (left, right):
        names = side["name"].filter(side["name"].is_in(shared))
        by_name = by_name.filter(pl.col("name").is_in(names.filter(names.is_unique()).implode()))
    by_name = by_name.select("old", "new")
    left_over = left_over.join(by_name, on="old", how="anti")
    right_over = right_over.join(by_name, on="new", how="anti")
    foreign = left_over.filter(~pl.col("same_shape"))
    if not foreign.is_empty():
        ambiguous = ~pl.col("same_shape") & pl.col("name").is_in(new["name"].implode())
        left_over = left_over.filter(~ambiguous)
        right_over = right_over.filter(~pl.col("name").is_in(foreign["name"].implode()))
    return Matches(pl.concat([by_id, by_name]).sort("new"), left_over["old"], right_over["new"])


def in_quarantine(models: pl.DataFrame, refused: pl.DataFrame, *, same_shape: bool) -> pl.Series:
    """Tell for each model whether a refused record is it: by ``model_id``, else by ``name``.

    A refused record whose id is that of one of the models stands for that one only. Every other (no id,
    a broken one, an id of another wire shape) stands for all models of its name.
    """
    named = refused.filter(pl.col("name").is_not_null())
    by_id = pl.lit(value=False)
    if refused.is_empty():
        return pl.Series("refused", [False], dtype=pl.Boolean).new_from_index(0, models.height)
    if same_shape:
        by_id = pl.col("model_id").is_in(refused["model_id"].drop_nulls().implode())
        known = models["model_id"].implode()
        named = named.filter(pl.col("model_id").is_null() | ~pl.col("model_id").is_in(known))
    by_name = pl.col("name").is_in(named["name"].implode())
    return models.select((by_id | by_name).alias("refused"))["refused"]
