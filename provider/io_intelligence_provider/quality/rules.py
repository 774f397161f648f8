"""Identifies the checks of a run across runs, and assigns each to a dimension of data quality.

A rule id is made of the column, the kind of the check and its parameters. So it stays the same when a check's
name, title or message is changed, or the data set is renamed or moved; a check with another bound is another
rule. Severities and thresholds are not part of it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from io_intelligence_provider.quality.result import CheckResult, Dimension
from io_intelligence_provider.text import short_hash

if TYPE_CHECKING:
    from io_intelligence_provider.quality.prepare import Declared

__all__ = ["identified", "rule_of", "rule_text"]


_DIMENSIONS: Final[Mapping[str, Dimension]] = {
    "not_nullable": "completeness",
    "column_in_dataframe": "completeness",
    "add_missing_has_default": "completeness",
    "no_regex_column_match": "completeness",
    "min_rows": "completeness",
    "volume": "completeness",
    "null_share": "completeness",
    "field_uniqueness": "uniqueness",
    "multiple_fields_uniqueness": "uniqueness",
    "distinct_share": "uniqueness",
    "freshness": "timeliness",
    "column_in_schema": "consistency",
    "column_ordered": "consistency",
    "dataframe_column_labels_unique": "consistency",
    "same_columns": "consistency",
    "column_drift": "consistency",
    "numeric_shift": "consistency",
    "quarantine_share": "validity",
    "validate": "validity",
    "coerce_dtype": "validity",
}
"""By the name of the check. Any other is of a column, and about validity, or compares columns."""


def identified(results: Iterable[CheckResult], declared: Iterable[Declared]) -> list[CheckResult]:
    """Return the results of a run with rule ids and dimensions.

    :param declared: the checks of the schema; all others are known by their names.
    """
    exact: dict[tuple[str, str | None], str] = {}
    patterns: list[tuple[Declared, str]] = []
    seen: Counter[tuple[str | None, str]] = Counter()
    for item in declared:
        rule = item.rule or item.check
        seen[item.column, rule] += 1
        if seen[item.column, rule] > 1:  # two of one function that have no parameters
            rule = f"{rule}#{seen[item.column, rule]}"
        exact[item.check, item.column] = rule
        if item.regex:
            patterns.append((item, rule))

    def of(result: CheckResult) -> str | None:
        check, column = result.check, result.column
        if (check, column) in exact:
            return exact[check, column]
        for item, rule in patterns:
            if item.check == check and column is not None and re.match(str(item.column), column):
                return rule
        return exact.get((check, None))

    return [_identified(result, of(result)) for result in results]


def _identified(result: CheckResult, rule: str | None) -> CheckResult:
    text = json.dumps([result.column, rule or result.check])
    # A check of the user's may have the name of another kind.
    named = rule is None or rule.partition("(")[0] == result.check
    dimension = _DIMENSIONS.get(result.check) if named else None
    if dimension is None:
        dimension = "validity" if result.column is not None else "consistency"
    return replace(result, rule_id=short_hash(text), dimension=dimension)


def rule_of(check: Any) -> str:
    """Return the kind and the parameters of a check of pandera.

    A built-in check is known by its name and arguments, a function by its module and name. Lambdas and
    functions within functions, which all have the same, are known by the check's own name.
    """
    function = check._check_fn  # noqa: SLF001 - pandera has no other name for it
    arguments: dict[str, Any] = dict(check._check_kwargs or check.statistics or {})  # noqa: SLF001
    while isinstance(function, partial):
        arguments |= function.keywords | {str(place): value for place, value in enumerate(function.args)}
        function = function.func
    own = type(function).__qualname__
    name = str(getattr(function, "__qualname__", getattr(function, "__name__", own)))
    if "<locals>" in name or "<lambda>" in name:
        return rule_text(str(check.name or name), arguments)
    module = getattr(function, "__module__", "")
    return rule_text(name if module.startswith("pandera.") else f"{module}.{name}", arguments)


def rule_text(kind: str, parameters: Any = None) -> str:
    """Return a kind and its parameters as text that is the same in every process."""
    return f"{kind}({_stable(parameters)})" if parameters else kind


def _stable(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}={_stable(value[key])}" for key in sorted(value, key=str))
    if isinstance(value, AbstractSet):
        return f"{{{','.join(sorted(map(_stable, value)))}}}"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_stable, value))}]"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value), flags=re.IGNORECASE)
