"""One to ten models over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from io_intelligence_provider.plugin.views.lookup import find
from io_intelligence_provider.plugin.views.steps import steps_between
from io_intelligence_provider.plugin.views.timeline import Timeline

__all__ = ["history"]


def history(
    timeline: Timeline, models: Sequence[str], fields: Sequence[str], start: date | None, end: date | None
) -> dict[str, Any]:
    """Return the steps of some fields of some models; of the whole history unless a range is given.

    :raises NotOnFileError: when one of the models is in no snapshot.
    :raises InvalidError: when two bear a name.
    """
    start = start or timeline.dates[0]
    end = end or max(timeline.dates[-1], start)
    first = sum(day < start for day in timeline.dates)
    last = timeline.position(end)
    names = {row["track"]: row for row in timeline.tracks.iter_rows(named=True)}
    series = []
    for model in dict.fromkeys(models):
        track = find(timeline, model)
        for field in dict.fromkeys(fields):
            steps, before = steps_between(timeline, field, track, first, last)
            series.append(
                {
                    "model": model,
                    "model_id": names[track]["model_id"],
                    "name": names[track]["name"],
                    "field": field,
                    "steps": steps,
                    "before": before,
                }
            )
    return {"start": start, "end": end, "dates": timeline.dates[first : last + 1], "series": series}
