"""What a check has to say about one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from io_intelligence_provider.catalog.wire import dump_json

__all__ = ["RowFailure", "cut", "escaped", "shown_value"]


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


def escaped(text: str) -> str:
    """Return ``text`` with lone surrogates as ``\\udXXX``: what UTF-8 can carry."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def cut(text: str, longest: int) -> str:
    """Return ``text``, or its beginning and how long it is when it is longer than ``longest``."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


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
