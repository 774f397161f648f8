"""The kinds of change, and which field belongs to which kind. Imports nothing heavy."""

from __future__ import annotations

from typing import Final

from io_intelligence_provider.catalog.wire import UNSTORED_OBSERVED, WireShape
from io_intelligence_provider.contract.columns import (
    ABSENT,
    ACCESS_COLUMN,
    COLUMN_BY_NAME,
    COLUMNS,
    PRICE_COLUMNS,
    QUOTA_COLUMNS,
    Kind,
    volatile_columns,
)
from io_intelligence_provider.text import escaped

__all__ = [
    "ACCESS",
    "ATTRIBUTE",
    "EXTRA",
    "FIELDS",
    "KINDS",
    "LIMIT",
    "MODEL_ADDED",
    "MODEL_REMOVED",
    "NUMERIC_FIELDS",
    "PRICE",
    "QUOTA",
    "STATUS",
    "comparable",
    "extra_field",
    "is_compared_key",
    "kind_of",
    "null_means_unsaid",
]

MODEL_ADDED: Final = "model_added"
MODEL_REMOVED: Final = "model_removed"
PRICE: Final = "price_changed"
QUOTA: Final = "quota_changed"
LIMIT: Final = "limit_changed"
STATUS: Final = "status_changed"
ACCESS: Final = "access_changed"
ATTRIBUTE: Final = "attribute_changed"
KINDS: Final = (MODEL_ADDED, MODEL_REMOVED, PRICE, QUOTA, LIMIT, STATUS, ACCESS, ATTRIBUTE)

_NOT_COMPARED: Final = volatile_columns(WireShape.DOCUMENTED) | {"updated_at"}

FIELDS: Final = tuple(column.name for column in COLUMNS if column.name not in _NOT_COMPARED)
"""Columns that are compared. The others say when somebody looked or measured, not what is offered."""

EXTRA: Final = "extra"
"""The column that is compared key by key: see :func:`extra_field`."""

NUMERIC_FIELDS: Final = frozenset(
    name for name in FIELDS if COLUMN_BY_NAME[name].kind in (Kind.PRICE, Kind.INTEGER)
)
"""Fields whose changes have a direction and, where it can be reckoned, a percentage."""

_KIND_OF: Final = (
    dict.fromkeys(PRICE_COLUMNS, PRICE)
    | dict.fromkeys(QUOTA_COLUMNS, QUOTA)
    | dict.fromkeys(("max_tokens", "context_window"), LIMIT)
    | {"status": STATUS, ACCESS_COLUMN: ACCESS}
)

_IN_BOTH_SHAPES: Final = frozenset(
    {
        "name",
        "max_tokens",
        "context_window",
        "supports_images_input",
        "supports_prompt_cache",
        "precision",
        *PRICE_COLUMNS,
    }
)
"""Fields of which a null is an answer in both shapes (``docs/api.md``): they are listed by both."""

_OF_ONE_SHAPE: Final = frozenset({"model_id", EXTRA})
"""Fields that mean something else in each shape: a derived id, and whatever has no column there."""

_VOLATILE: Final = {shape: volatile_columns(shape) for shape in WireShape}


_WITHOUT_CHANGES: Final = {
    shape: frozenset({column.key(shape) for column in COLUMNS})
    | (UNSTORED_OBSERVED if shape is WireShape.OPENAI else frozenset())
    for shape in WireShape
}


def kind_of(field: str) -> str:
    """Return the kind of a change of that field."""
    return _KIND_OF.get(field, ATTRIBUTE)


def extra_field(key: str) -> str:
    """Return the name of the field that a key of ``extra`` is: ``extra.<key>``, whatever is in the key."""
    return f"{EXTRA}.{escaped(key)}"


def is_compared_key(key: str, shape: WireShape) -> bool:
    """Tell whether a key of ``extra`` is compared.

    One that has become a column is not: it is in ``extra`` of an older file only. Nor is one that is
    new on each request, which older files kept there.
    """
    return key not in _WITHOUT_CHANGES[shape]


def comparable(field: str, one: WireShape, other: WireShape) -> bool:
    """Tell whether a field can be compared at all between snapshots of two wire shapes."""
    column = field.partition(".")[0]
    if column in _VOLATILE[one] | _VOLATILE[other]:
        return False
    return one is other or column not in _OF_ONE_SHAPE


def null_means_unsaid(field: str, shape: WireShape, other: WireShape) -> bool:
    """Tell whether a null of ``shape`` says nothing about the field when compared with ``other``.

    Within one shape a null is an answer. Between two it is one only where both have the field; and where
    the documentation gives a default, the documented shape has filled it in and the observed one has not.
    """
    if shape is other:
        return False
    if field not in _IN_BOTH_SHAPES:
        return True
    return shape is WireShape.OPENAI and COLUMN_BY_NAME[field].default is not ABSENT
