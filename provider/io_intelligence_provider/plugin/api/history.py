"""Returns the history of some models."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from datetime import date as Date  # noqa: N812 - fields are called `date`
from typing import Annotated, Any

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
)
from io_intelligence_provider.plugin.http import METHODS, answer
from io_intelligence_provider.plugin.reader import Reader
from io_intelligence_provider.plugin.timeline import (
    FIELDS,
    Doubts,
    Step,
    Timeline,
    fields_with,
    find,
    steps_between,
)

__all__ = ["HistoryAnswer", "get_history"]


HistoryField = Annotated[str, one_of(*FIELDS)]


class HistoryParameters(RangeParameters):
    """Selects models and fields."""

    models: Annotated[list[ModelKey], Field(min_length=1, max_length=10)]
    fields: Annotated[list[HistoryField], Field(min_length=1, max_length=len(FIELDS))]


def get_history(reader: Reader, asked: HistoryParameters) -> dict[str, Any]:
    """Return some models over time."""
    timelines = {field: reader.timeline(fields_with(field)) for field in asked.fields}
    found = _history(timelines, asked.models, asked.fields, asked.start, asked.end)
    return found | {"warnings": gaps(timelines[asked.fields[0]])}


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
