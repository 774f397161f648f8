"""Arguments that several operators share: numbers given as text, and locations."""

from __future__ import annotations

import math
from typing import Any, TypeVar, overload

from io_intelligence_provider.errors import ConfigurationError

__all__ = ["number", "refuse_locations"]

Number = TypeVar("Number", int, float)


@overload
def number(name: str, value: None, kind: type[Number]) -> None: ...
@overload
def number(name: str, value: float | str, kind: type[Number]) -> Number: ...
def number(name: str, value: Any, kind: type[Number]) -> Number | None:
    """Return a rendered argument as a number.

    :raises ConfigurationError: when it is none; the value is not shown, as a key may have been pasted there.
    """
    if value is None:
        return None
    wanted = {int: "integer", float: "number"}[kind]
    try:
        found = None if isinstance(value, bool) else float(value)
    except (OverflowError, TypeError, ValueError):
        found = None
    if found is None or not math.isfinite(found) or (wanted == "integer" and not found.is_integer()):
        raise ConfigurationError(f"{name} is no {wanted}.")
    return kind(found)


def refuse_locations(**locations: Any) -> None:
    """Refuse roots and paths that are none, or hold credentials, when the Dag file is parsed.

    Airflow keeps the arguments of a task in its database, and shows them. A template is looked at when it is
    rendered, by whoever opens the location.

    :param locations: values by the names of their arguments; what is no text is passed over.
    :raises ConfigurationError: then; no location with credentials is shown.
    """
    from io_intelligence_provider.storage.location import refusal_of

    for name, value in locations.items():
        is_literal = isinstance(value, str) and value != "" and "{{" not in value and "{%" not in value
        if is_literal and (refusal := refusal_of(value, name)):
            del value, locations  # tracebacks may show local variables
            raise ConfigurationError(refusal)
