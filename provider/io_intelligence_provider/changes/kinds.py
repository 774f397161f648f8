"""Defines the kinds of change and the kind of each field. Imports nothing heavy."""

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
    "QUARANTINED",
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

QUARANTINED: Final = "quarantined"
"""A known model whose record was refused: no row of ``changes.parquet``, but a kind for alert rules."""

_NOT_COMPARED: Final = volatile_columns(WireShape.DOCUMENTED) | {"updated_at"}

FIELDS: Final = tuple(column.name for column in COLUMNS if column.name not in _NOT_COMPARED)
"""Columns that are compared. The others are times of requests or measurements, not part of the offer."""

EXTRA: Final = "extra"
"""The column that is compared key by key: see :func:`extra_field`."""

NUMERIC_FIELDS: Final = frozenset(
    name for name in FIELDS if COLUMN_BY_NAME[name].kind in (Kind.PRICE, Kind.INTEGER)
)
"""Fields whose changes have a direction and, where one can be computed, a percentage."""

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
"""Fields that both shapes have (``docs/api.md``), so that a null means the same in both."""

_OF_ONE_SHAPE: Final = frozenset({"model_id", EXTRA})
"""Fields that differ in meaning between the shapes: a derived id, and keys without a column."""

_VOLATILE: Final = {shape: volatile_columns(shape) for shape in WireShape}


_WITHOUT_CHANGES: Final = {
    shape: frozenset({column.key(shape) for column in COLUMNS})
    | (UNSTORED_OBSERVED if shape is WireShape.OPENAI else frozenset())
    for shape in WireShape
}


def kind_of(field: str) -> str:
    """Return the kind of a change of a field."""
    return _KIND_OF.get(field, ATTRIBUTE)


def extra_field(key: str) -> str:
    """Return the field name of a key of ``extra``: ``extra.<key>``, for any characters in the key."""
    return f"{EXTRA}.{escaped(key)}"


def is_compared_key(key: str, shape: WireShape) -> bool:
    """Return whether a key of ``extra`` is compared.

    A key that has become a column is not: only older files have it in ``extra``. Neither is a key whose value
    is new on each request, which older files kept there.
    """
    return key not in _WITHOUT_CHANGES[shape]


def comparable(field: str, one: WireShape, other: WireShape) -> bool:
    """Return whether a field can be compared at all between snapshots of two wire shapes."""
    column = field.partition(".")[0]
    if column in _VOLATILE[one] | _VOLATILE[other]:
        return False
    return one is other or column not in _OF_ONE_SHAPE


def null_means_unsaid(field: str, shape: WireShape, other: WireShape) -> bool:
    """Return whether a null of ``shape`` is unknown rather than a value when compared with ``other``.

    Within one shape a null is a value. Between two shapes it is one only for a field that both have. Where
    the documentation gives a default, the documented shape has it filled in and the observed one has not.
    """
    if shape is other:
        return False
    if field not in _IN_BOTH_SHAPES:
        return True
    return shape is WireShape.OPENAI and COLUMN_BY_NAME[field].default is not ABSENT
