"""Prepares a user's schema, so that nothing happens silently within pandera.

Warnings become findings of severity ``warn``, every failure is reported, and no row is dropped unreported.
Uniqueness is removed from the schema, because it is checked over all batches together.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.checks import Declared, rule_of, rule_text
from io_intelligence_provider.quality.result import Severity
from io_intelligence_provider.quality.schema import NOT_NULLABLE, LoadedSchema, Schema

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = [
    "COERCION",
    "DTYPE",
    "UNIQUE_COLUMN",
    "UNIQUE_FIELDS",
    "Prepared",
    "Unique",
    "needs_all_rows",
    "prepare",
    "times_as_text",
]


DTYPE: Final = "dtype"
COERCION: Final = "coerce_dtype"
UNIQUE_COLUMN: Final = "field_uniqueness"
UNIQUE_FIELDS: Final = "multiple_fields_uniqueness"
"""pandera's names for failures that no ``Check`` reports."""

_UNNAMED: Final = "<lambda>"


@dataclass(frozen=True)
class Unique:
    """Columns whose combination of values has to be unique.

    :param keep: ``first`` or ``last``: that occurrence is not reported; ``False``: all are.
    """

    check: str
    columns: tuple[str, ...]
    regex: bool = False
    keep: str | bool = False

    def resolved(self, present: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the sets of columns in ``present`` that have to be unique."""
        if self.regex:
            return [(name,) for name in present if re.match(self.columns[0], name)]
        there = tuple(name for name in self.columns if name in present)
        return [there] if there else []


@dataclass(frozen=True)
class Prepared:
    """A schema that is ready for validation.

    :param schema: the checks without uniqueness.
    :param declared: every check, including uniqueness.
    :param index: columns that are the index of the user's pandas schema.
    :param row_type: a pydantic model that each row is converted to.
    """

    loaded: LoadedSchema
    schema: Schema
    declared: tuple[Declared, ...]
    unique: tuple[Unique, ...]
    index: tuple[str, ...] = ()
    row_type: type[BaseModel] | None = None

    @cached_property
    def parses(self) -> bool:
        """Whether the schema changes the data."""
        schema: Any = self.loaded.schema
        return bool(
            schema.coerce
            or schema.add_missing_columns
            or schema.strict == "filter"
            or getattr(schema, "parsers", None)
            or any(
                column.coerce or column.default is not None or getattr(column, "parsers", None)
                for column in schema.columns.values()
            )
            or getattr(getattr(schema, "index", None), "coerce", False)
        )

    def column_of(self, name: str) -> Any:
        """Return the schema's column for a column of the data, ``None`` when it has none."""
        columns: Any = self.schema.columns
        if name in columns and not columns[name].regex:
            return columns[name]
        return next((column for key, column in columns.items() if column.regex and re.match(key, name)), None)

    def source_name(self, name: str | None, names: Collection[str]) -> str:
        """Return the name that a column of the frame has in the file: pandas files an index without a name as
        ``__index_level_0__``.

        :param names: the columns of the file.
        """
        if name is None or name in names or name not in self.index:
            return name or ""
        return f"__index_level_{self.index.index(name)}__"

    def coercion_of(self, name: str) -> Any:
        """Return the type that a column of the data is converted to, ``None`` when it is left as it is."""
        schema: Any = self.schema
        column = self.column_of(name)
        if column is None:
            return schema.dtype if schema.coerce and self.row_type is None else None
        return column.dtype if column.coerce or schema.coerce else None

    def added(self, present: Collection[str]) -> list[str]:
        """Return the columns that the schema adds to data that lack them."""
        columns: Any = self.schema.columns if self.schema.add_missing_columns else {}
        return [
            str(name)
            for name, column in columns.items()
            if column.required and not column.regex and name not in present
        ]

    def restricted(self, names: Collection[str]) -> Prepared:
        """Return the part of the schema that parses some columns."""
        schema: Any = copy.copy(self.schema)
        schema.columns = {
            key: column
            for key, column in schema.columns.items()
            if key in names or (column.regex and any(re.match(key, name) for name in names))
        }
        schema.strict = schema.ordered = False
        return replace(self, schema=schema)

    def converts(self, name: str) -> bool:
        """Return whether a column's own definition or a type of whole rows may change its values."""
        if self.row_type is not None and self.schema.coerce:
            return True
        column = self.column_of(name)
        parsed = column is not None and (column.default is not None or getattr(column, "parsers", None))
        return bool(parsed) or self.coercion_of(name) is not None

    def changes(self, name: str) -> bool:
        """Return whether the schema may change the values of a column."""
        return bool(getattr(self.schema, "parsers", None)) or self.converts(name)


def prepare(loaded: LoadedSchema) -> Prepared:
    """Prepare a copy of a schema."""
    schema: Any = copy.deepcopy(loaded.schema)
    index = _index_to_columns(schema)
    schema.columns = _readable_patterns(loaded, schema.columns)
    row_type = schema.dtype.type if type(schema.dtype).__name__ == "PydanticModel" else None
    if schema.dtype is not None and row_type is None:
        for column in schema.columns.values():  # the type of the frame is that of each column
            column.dtype = schema.dtype
    declared = list(_of_frame(schema))
    unique = list(_unique_fields(schema))
    for name, column in schema.columns.items():
        declared += _of_column(name, column, coerce=schema.coerce)
        if column.unique:
            keep = _KEEP[column.report_duplicates]
            unique.append(Unique(UNIQUE_COLUMN, (name,), bool(column.regex), keep))
            declared.append(Declared(UNIQUE_COLUMN, name, of_rows=True, regex=bool(column.regex)))
        declared += _of_checks(name, column.checks, regex=bool(column.regex))
        column.unique = False
        column.drop_invalid_rows = False
    if fields := unique_fields(schema):
        declared.append(Declared(UNIQUE_FIELDS, None, of_rows=True, rule=rule_text(UNIQUE_FIELDS, fields)))
    declared += _of_checks(None, schema.checks)
    of_columns = [check for column in schema.columns.values() for check in column.checks]
    undecided = [check for check in of_columns if not check.ignore_na]
    if loaded.backend == "pandas":
        undecided += schema.checks
    else:
        undecided = [check for check in undecided if check.element_wise]
    for check in undecided:
        check._check_fn = _Decided(type(check), check._check_fn)  # noqa: SLF001 - pandera has no other name for it
    schema.unique = None
    schema.drop_invalid_rows = False
    return Prepared(loaded, schema, tuple(declared), tuple(unique), index, row_type)


class _Decided:
    """The function of a check whose missing answer is that the check fails, as it is for NaN of pandas.

    pandera takes NA of pandas for true where nothing fails, and raises where something does. Older ones take
    an answer that is missing for all rows of polars for true.
    """

    def __init__(self, kind: Any, function: Any) -> None:
        self.kind = kind
        self.function = function

    def __str__(self) -> str:
        return str(self.function)

    def __call__(self, *values: Any, **parameters: Any) -> Any:
        from pandera.api.function_dispatch import Dispatcher

        function = self.function
        if isinstance(function, Dispatcher):
            # A copy of pandera's, which gets the functions for a library only with its first frame.
            function = self.kind.CHECK_FUNCTION_REGISTRY.get(function.__name__, function)
        found = function(*values, **parameters)
        if found is None or type(found).__name__ == "NAType":
            return False
        return (
            found.fillna(value=False).astype(bool) if str(getattr(found, "dtype", "")) == "boolean" else found
        )


def _readable_patterns(loaded: LoadedSchema, columns: Any) -> dict[str, Any]:
    """Return the columns of a schema with patterns that ``re.match`` reads as pandera does.

    Those of polars cover whole names, as ``^pattern$`` does; those of pandas the beginning of a name.

    :raises ConfigurationError: when one is no regular expression, or two are the same.
    """
    found: dict[str, Any] = {}
    for name, column in columns.items():
        key = name
        if column.regex and loaded.backend == "polars":
            # The ^ and the $ belong to the first and the last alternative.
            key = f".*?(?:{column.selector})" if "|" in column.selector else column.selector
            column.name = key
        try:
            _ = column.regex and re.compile(key)
        except re.error as error:
            raise ConfigurationError(
                f"The schema {loaded.name} has the pattern {name!r}, which Python cannot read: {error}."
            ) from None
        if key in found:
            raise ConfigurationError(
                f"The schema {loaded.name} has the pattern {name!r} twice. Join the two."
            )
        found[key] = column
    return found


def _index_to_columns(schema: Any) -> tuple[str, ...]:
    """Make the levels of a pandas index the first columns, and return their names.

    pandera reports a failing index by its labels, which may be ambiguous.
    """
    index = getattr(schema, "index", None)
    if index is None:
        return ()
    import pandera.pandas

    levels = getattr(index, "indexes", [index])
    plain = ["index"] if len(levels) == 1 else [f"level_{number}" for number in range(len(levels))]
    if getattr(index, "strict", False):
        raise ConfigurationError("The schema's MultiIndex is strict, which is not supported. Leave that out.")
    if twice := {level.name or name for level, name in zip(levels, plain, strict=True)} & set(schema.columns):
        raise ConfigurationError(
            f"The schema has {min(twice)!r} both as a column and as its index. Rename one of them."
        )
    # The public name of a MultiIndex is true where one level is coerced, by which the others are not.
    coerce = getattr(index, "_coerce", False)
    columns = {
        level.name or name: pandera.pandas.Column(
            level.dtype,
            level.checks,
            parsers=getattr(level, "parsers", None),
            nullable=level.nullable,
            unique=level.unique,
            report_duplicates=level.report_duplicates,
            coerce=level.coerce or coerce,
        )
        for level, name in zip(levels, plain, strict=True)
    }
    if together := getattr(index, "unique", None) if levels != [index] else None:
        schema.unique = [*unique_fields(schema), list(together)]
    schema.columns = columns | schema.columns
    schema.index = None
    return tuple(columns)


_KEEP: Final[dict[str, str | bool]] = {"all": False, "exclude_first": "first", "exclude_last": "last"}


def unique_fields(schema: Any) -> list[list[str]]:
    """Return the lists of columns that have to be unique together."""
    fields = list(schema.unique or [])  # pandera makes a list of a single name
    if fields and all(isinstance(field, str) for field in fields):
        return [fields]
    return [list(field) for field in fields]


def _unique_fields(schema: Any) -> Iterator[Unique]:
    keep = _KEEP[schema.report_duplicates or "all"]
    for fields in unique_fields(schema):
        yield Unique(UNIQUE_FIELDS, tuple(fields), keep=keep)


def _of_frame(schema: Any) -> Iterator[Declared]:
    for name, column in schema.columns.items():
        if column.required and not column.regex and not schema.add_missing_columns:
            yield Declared("column_in_dataframe", name, of_rows=False)
    if schema.strict is True:
        yield Declared("column_in_schema", None, of_rows=False)
    if schema.ordered:
        yield Declared("column_ordered", None, of_rows=False)


def _of_column(name: str, column: Any, *, coerce: bool) -> Iterator[Declared]:
    regex = bool(column.regex)
    if column.dtype is not None:
        yield Declared(DTYPE, name, of_rows=False, regex=regex, rule=rule_text(DTYPE, column.dtype))
        if column.coerce or coerce:
            yield Declared(COERCION, name, of_rows=True, regex=regex, rule=rule_text(COERCION, column.dtype))
    if not column.nullable:
        yield Declared(NOT_NULLABLE, name, of_rows=True, regex=regex)


def _of_checks(column: str | None, checks: Sequence[Any], *, regex: bool = False) -> Iterator[Declared]:
    """Give the checks of a column distinct names and disable options that hide failures."""
    names = [_name(check) for check in checks]
    errors = Counter(str(check.error) for check in checks if check.error)
    seen: Counter[str] = Counter()
    rules = [rule_of(check) for check in checks]
    for check, name, rule in zip(checks, names, rules, strict=True):
        label = name
        if names.count(name) > 1:
            seen[name] += 1
            distinct = check.error and errors[str(check.error)] == 1
            label = str(check.error) if distinct else f"{name}#{seen[name]}"
        check.name = label
        severity: Severity = "warn" if check.raise_warning else "error"
        check.raise_warning = False
        check.n_failure_cases = None
        yield Declared(label, column, of_rows=True, regex=regex, severity=severity, rule=rule)


def _name(check: Any) -> str:
    if check.name and check.name != _UNNAMED:
        return str(check.name)
    return str(check.error or _UNNAMED)


_ROW_BY_ROW: Final = frozenset(
    {
        "equal_to", "not_equal_to", "greater_than", "greater_than_or_equal_to", "less_than",
        "less_than_or_equal_to", "in_range", "isin", "notin", "str_matches", "str_contains",
        "str_startswith", "str_endswith", "str_length",
    }
)  # fmt: skip
"""pandera's element-wise built-in checks."""


def needs_all_rows(prepared: Prepared) -> list[str]:
    """Return the checks that need all rows at once; an empty list when batches can be validated one by one.

    pandera's built-in element-wise checks and those declared ``element_wise`` look at one row. Any other
    check may look at all rows. Uniqueness is not listed: it is checked over all batches separately.
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


def times_as_text(prepared: Prepared, types: Mapping[str, str]) -> list[str]:
    """Return the times and durations that a pandas schema reads as text, as reasons to need all rows at once.

    pandas writes the time of day only where one value of a column has one.

    :param types: the Arrow types of the data's columns.
    """
    if prepared.loaded.backend != "pandas":
        return []
    return [
        f"reading column {name!r} as text"
        for name, dtype in types.items()
        if dtype.startswith(("timestamp", "duration")) and str(prepared.coercion_of(name)).startswith("str")
    ]


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
