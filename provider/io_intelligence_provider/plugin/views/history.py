"""One to ten models over time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from io_intelligence_provider.plugin.views.lookup import find
from io_intelligence_provider.plugin.views.steps import steps_between
from io_intelligence_provider.plugin.views.timeline import Timeline

__all__ = ["history"]


def history(
    timelines: Mapping[str, Timeline],
    models: Sequence[str],
    fields: Sequence[str],
    start: date | None,
    end: date | None,
) -> dict[str, Any]:
    """Return the steps of some fields of some models; of the whole history unless a range is given.

    :param timelines: of each field.
    :raises NotOnFileError: when one of the models is in no snapshot.
    :raises InvalidError: when two bear a name.
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
            name, model_id = timeline.last_bearing(track)
            steps, before = steps_between(timeline, field, track, first, last)
            series.append(
                {
                    "model": model,
                    "model_id": model_id,
                    "name": name,
                    "field": field,
                    "steps": steps,
                    "before": before,
                }
            )
    return {"start": start, "end": end, "dates": dates[first : last + 1], "series": series}
