"""Template fields arrive as text; what is a number is read here, with an error that names the field."""

from __future__ import annotations

from typing import TypeVar, overload

from io_intelligence_provider.errors import ConfigurationError

__all__ = ["number"]

Number = TypeVar("Number", int, float)


@overload
def number(name: str, value: None, kind: type[Number]) -> None: ...
@overload
def number(name: str, value: float | str, kind: type[Number]) -> Number: ...
def number(name: str, value: float | str | None, kind: type[Number]) -> Number | None:
    """Return a rendered argument as a number.

    :raises ConfigurationError: when it is none.
    """
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError:
        raise ConfigurationError(f"{name} is {value!r}; it is a number.") from None
