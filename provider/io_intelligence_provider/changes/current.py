"""What a field of a model says today, for the few values that somebody was told of."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import polars as pl

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.changes.day import Day
from io_intelligence_provider.changes.kinds import (
    EXTRA,
    MODEL_ADDED,
    MODEL_REMOVED,
    comparable,
    extra_field,
    is_compared_key,
    null_means_unsaid,
)
from io_intelligence_provider.changes.ledger import PRESENCE, Told
from io_intelligence_provider.changes.match import in_quarantine
from io_intelligence_provider.changes.values import as_text

__all__ = ["UNKNOWN", "CurrentValues"]


class _Unknown:
    """No value: the model is in quarantine, has none because it is gone, or the file lacks the column."""


UNKNOWN: Final = _Unknown()


class CurrentValues:
    """Looks up values of one snapshot, as texts, by what the ledger knows of a model."""

    def __init__(self, today: Day) -> None:
        self._today = today
        self._columns: dict[str, list[str | None]] = {}

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {identity: row for row, identity in enumerate(self._today.keys["model_id"])}

    @cached_property
    def _by_name(self) -> dict[str, int]:
        unique = self._today.keys.filter(pl.col("name").is_unique())
        return dict(zip(unique["name"], unique["row"], strict=True))

    def _row(self, told: Told) -> int | None:
        row = self._rows.get(told.model_id)
        return self._by_name.get(told.name) if row is None else row

    def identity(self, told: Told) -> tuple[str, str]:
        """Return today's ``model_id`` and ``name``: of the same id, else of the same unique name."""
        row = self._row(told)
        if row is None:
            return told.model_id, told.name
        return self._today.keys["model_id"][row], self._today.keys["name"][row]

    def value(self, told: Told) -> str | _Unknown | None:
        """Return what today's snapshot says about what was told."""
        row = self._row(told)
        if row is None:
            return UNKNOWN if told.field is not None or self._refused(told) else PRESENCE[MODEL_REMOVED]
        if told.field is None:
            return PRESENCE[MODEL_ADDED]
        if told.field.partition(".")[0] == EXTRA:
            return self._extra_value(told, told.field, row)
        if not self._today.has(told.field):
            return UNKNOWN
        value = self._column(told.field)[row]
        return value if self._comparable(told, told.field, value) else UNKNOWN

    def _column(self, name: str) -> list[str | None]:
        if name not in self._columns:
            self._columns[name] = as_text(name, self._today.column(name)).to_list()
        return self._columns[name]

    def _extra_value(self, told: Told, field: str, row: int) -> str | _Unknown | None:
        """Return the value of a key of ``extra``; one that is not compared any more has none."""
        key = field.removeprefix(extra_field(""))
        if key == field or not is_compared_key(key, self._today.shape):
            return UNKNOWN
        value = self._today.extra_of(self._column(EXTRA)[row]).get(field)
        return value if self._comparable(told, field, value) else UNKNOWN

    def _comparable(self, told: Told, field: str, value: str | None) -> bool:
        """Tell whether a value of today can be held against one that another wire shape may have told."""
        then, now = WireShape(told.wire_shape), self._today.shape
        if not comparable(field, then, now):
            return False
        unsaid = value is None and null_means_unsaid(field, now, then)
        return not unsaid and not (told.value is None and null_means_unsaid(field, then, now))

    def _refused(self, told: Told) -> bool:
        model = pl.DataFrame({"model_id": [told.model_id], "name": [told.name]})
        refused = self._today.refused
        # The ledger does not know of which shape the id is; a name that matches is enough to be unsure.
        return any(in_quarantine(model, refused, same_shape=same)[0] for same in (True, False))
