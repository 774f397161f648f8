"""Models: those of a day, one, some over time."""

from __future__ import annotations

from typing import Any

from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.plugin import parameters as p
from io_intelligence_provider.plugin.answering.parts import gaps
from io_intelligence_provider.plugin.reading import Reader
from io_intelligence_provider.plugin.views import model as model_view
from io_intelligence_provider.plugin.views.history import history
from io_intelligence_provider.plugin.views.lookup import find, tracks_on
from io_intelligence_provider.plugin.views.models import facts, model_rows
from io_intelligence_provider.plugin.views.overview import PERIOD
from io_intelligence_provider.plugin.views.timeline import fields_with

__all__ = ["get_history", "get_model", "get_models"]


def get_models(reader: Reader, asked: p.ModelsParameters) -> dict[str, Any]:
    """The models of a day."""
    day = reader.shown(asked.date)
    rows, timeline = reader.day(day).rows, reader.timeline()
    tracks = tracks_on(timeline, rows)[asked.offset : asked.offset + asked.limit]
    return {
        "date": day,
        "total": rows.height,
        "items": model_rows(timeline, day, rows.slice(asked.offset, asked.limit), tracks),
        "then_date": timeline.reference(day, day - PERIOD),
        "warnings": gaps(timeline),
    }


def get_model(reader: Reader, asked: p.ModelParameters) -> dict[str, Any]:
    """One model."""
    day = reader.shown(asked.date)
    with reader.ahead(lambda: reader.changes(None, day)):
        timeline = reader.timeline()
    track = find(timeline, asked.model)
    as_of = model_view.last_on_file(timeline, track, day)
    rows = reader.day(as_of).rows
    tracks = tracks_on(timeline, rows)
    if track not in tracks:
        raise NotOnFileError(f"The snapshot of {as_of} was replaced while it was read. Ask again.")
    row = rows.slice(tracks.index(track), 1)
    warnings = gaps(timeline)
    changes = None
    if reader.listing.change_dates:
        found = reader.changes(None, day)
        changes = found.rows
        warnings += [f"The changes of {damaged} cannot be read." for damaged in list(found.damaged)[:5]]
    model = model_rows(timeline, as_of, row, [track])[0] | {"facts": facts(row.row(0, named=True))}
    return {
        "date": day,
        "as_of": as_of,
        "model": model,
        "warnings": warnings,
        **model_view.history_of(timeline, track, day),
        **model_view.changes_of(timeline, track, changes),
    }


def get_history(reader: Reader, asked: p.HistoryParameters) -> dict[str, Any]:
    """Some models over time."""
    timelines = {field: reader.timeline(fields_with(field)) for field in asked.fields}
    found = history(timelines, asked.models, asked.fields, asked.start, asked.end)
    return found | {"warnings": gaps(timelines[asked.fields[0]])}
