"""What a check has to say about one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from io_intelligence_provider.json_text import dump_json
from io_intelligence_provider.text import cut, escaped

__all__ = ["RowFailure", "shown_value"]


_LONGEST: Final = 500  # characters; the quarantined record holds the whole value


@dataclass(frozen=True, slots=True)
class RowFailure:
    """One failing check of one row.

    :param row: position of the row in its batch, from 0.
    :param value: the offending value as text, ``None`` where there is none.
    """

    row: int
    check: str
    column: str
    value: str | None
    message: str


def shown_value(value: Any) -> str | None:
    """Return a decoded JSON value as text: a string as it is, anything else as its JSON."""
    if value is None:
        return None
    if type(value) is str:
        text = escaped(value)
    else:
        try:
            text = dump_json(value)
        except RecursionError:
            text = "(nested too deeply to be shown)"
    return cut(text, _LONGEST)
