"""Whether a schema can be judged group of rows by group of rows, or needs all rows at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from io_intelligence_provider.datasets.prepare import Prepared

__all__ = ["needs_all_rows"]

_ROW_BY_ROW: Final = frozenset(
    {
        "equal_to", "not_equal_to", "greater_than", "greater_than_or_equal_to", "less_than",
        "less_than_or_equal_to", "in_range", "isin", "notin", "str_matches", "str_contains",
        "str_startswith", "str_endswith", "str_length",
    }
)  # fmt: skip
"""pandera's built-in checks whose verdict on a value looks at nothing but that value."""


def needs_all_rows(prepared: Prepared) -> list[str]:
    """Return why a schema has to see all rows at once; nothing when it judges each row by itself.

    pandera's built-in element-wise checks and those declared ``element_wise`` judge rows. What a vectorised
    check of the user's looks at cannot be known, so one is enough. Uniqueness is no reason: it is
    judged over all groups together.
    """
    schema: Any = prepared.loaded.schema
    reasons = [*_checks("the frame", schema.checks), *_parsers("the frame", schema)]
    for name, column in schema.columns.items():
        reasons += _checks(f"column {name!r}", column.checks)
        reasons += _parsers(f"column {name!r}", column)
        if getattr(getattr(column.dtype, "type", None), "categories", None) is not None:
            reasons.append(f"the type of column {name!r}, which names its categories")
    if getattr(schema, "index", None) is not None:
        reasons.append("the index")
    return reasons


def _checks(where: str, checks: list[Any]) -> Iterator[str]:
    for check in checks:
        if check.groupby is not None or not (check.element_wise or _is_built_in(check)):
            yield f"check {str(check.error or check.name)!r} of {where}"


def _is_built_in(check: Any) -> bool:
    from pandera.api.function_dispatch import Dispatcher

    function = check._check_fn  # noqa: SLF001 - pandera has no other name for it
    return isinstance(function, Dispatcher) and function.__name__ in _ROW_BY_ROW


def _parsers(where: str, part: Any) -> Iterator[str]:
    for parser in getattr(part, "parsers", None) or []:
        if not parser.element_wise:
            yield f"a parser of {where}"
