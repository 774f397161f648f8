"""From what the user calls a model to its track in the history."""

from __future__ import annotations

from collections import Counter
from typing import Final

import polars as pl

from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.plugin.problems import InvalidError
from io_intelligence_provider.plugin.views.timeline import Timeline

__all__ = ["find", "tracks_on"]

_SHOWN: Final = 100


def find(timeline: Timeline, model: str) -> int:
    """Return the track of a model by id or name.

    :raises NotOnFileError: when no snapshot holds it.
    :raises InvalidError: when two models bear the name; the message gives their ids.
    """
    by_id = timeline.by_id.get(model, frozenset())
    found = by_id or timeline.by_name.get(model, frozenset())
    if not found:
        raise NotOnFileError(f"No snapshot holds a model {_cut(model)!r}, neither as name nor as id.")
    if len(found) == 1:
        return next(iter(found))
    # Several had it over time; meant is the one that had it last.
    candidates = [row for row in timeline.tracks.iter_rows(named=True) if row["track"] in found]
    if not by_id:
        candidates = [row for row in candidates if row["name"] == model] or candidates
    newest = max(row["last"] for row in candidates)
    candidates = [row for row in candidates if row["last"] == newest]
    if len(candidates) > 1:
        ids = ", ".join(sorted(row["model_id"] for row in candidates))
        raise InvalidError(f"{len(candidates)} models bear the name {_cut(model)!r}; ask by id: {ids}.")
    track: int = candidates[0]["track"]
    return track


def tracks_on(timeline: Timeline, rows: pl.DataFrame) -> list[int | None]:
    """Return the track of each row of one snapshot; ``None`` when the history does not know that day.

    :param rows: ``name`` and ``model_id``.
    """
    names = Counter(rows["name"])
    return [
        timeline.bearings.get((name, model_id, names[name] > 1))
        for name, model_id in rows.select("name", "model_id").iter_rows()
    ]


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
