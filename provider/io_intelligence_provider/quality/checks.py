"""Defines the checks of a run: what a schema declares, rule ids and dimensions, and counts of failures.

A rule id is made of the column, the kind of the check and its parameters. So it stays the same when a check's
name, title or message is changed, or the data set is renamed or moved; a check with another bound is another
rule. Severities and thresholds are not part of it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from io_intelligence_provider.quality.policy import Policy
from io_intelligence_provider.quality.result import (
    LONGEST_IN_EXAMPLE,
    MAX_EXAMPLES,
    CheckResult,
    Dimension,
    Level,
    Severity,
)
from io_intelligence_provider.text import cut, short_hash

__all__ = ["CheckCounts", "Declared", "identified", "rule_of", "rule_text"]


@dataclass(frozen=True)
class Declared:
    """One check of a schema.

    :param column: the column as the schema names it (a pattern where ``regex``); ``None``: the frame.
    :param of_rows: whether it is about rows, as far as is known before it runs.
    :param rule: its kind and parameters, which do not depend on its name; empty: ``check`` says all.
    """

    check: str
    column: str | None
    of_rows: bool
    regex: bool = False
    severity: Severity = "error"
    rule: str = ""

    def columns(self, present: Sequence[str]) -> list[str | None]:
        """Return the columns in ``present`` that it covers, or its own name when there is none."""
        if not self.regex or self.column is None:
            return [self.column]
        return [name for name in present if re.match(self.column, name)] or [self.column]


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


@dataclass
class _Entry:
    failed: int = 0
    skipped: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


class CheckCounts:
    """Counts failures and keeps some examples per check and column.

    Failing rows are counted apart from failures of the data set, such as a check that raised.

    :param declared: the checks that every batch is validated by.
    :param examples: how many failing rows are kept as examples of each check and column; 0: no value of the
        data is kept, nor the text of an exception, which may hold one.
    """

    def __init__(
        self, declared: Sequence[Declared], policy: Policy | None = None, examples: int = MAX_EXAMPLES
    ) -> None:
        self.policy = policy or Policy()
        self.examples = examples
        self._defaults = {(item.check, item.column): item.severity for item in declared}
        self._declared = declared
        self._patterns = [item for item in declared if item.regex]
        self._entries: dict[tuple[str, str | None, bool], _Entry] = {}
        self.columns: dict[str, None] = {}
        """The columns of all validated frames, in order; the schema may have added some."""
        self.rows = 0
        self.quarantined = 0
        self.governed = 0
        """Rows refused by a check without a threshold; ``max_quarantine_share`` applies to these."""

    def severity(self, check: str, column: str | None) -> Severity:
        """Return the severity of a failing check."""
        default = self._defaults.get((check, column)) or self._by_pattern(check, column)
        return self.policy.severity_of(check, column, default)

    def _by_pattern(self, check: str, column: str | None) -> Severity:
        for item in self._patterns:
            if item.check == check and item.column and column and re.match(item.column, column):
                return item.severity
        return "error"

    def count_rows(
        self, check: str, column: str | None, rows: int, examples: Sequence[Mapping[str, Any]]
    ) -> None:
        """Count failing rows of one check and column."""
        entry = self._entries.setdefault((check, column, True), _Entry())
        entry.failed += rows
        for example in examples[: max(self.examples - len(entry.examples), 0)]:
            entry.examples.append({name: _shown(name, value) for name, value in example.items()})

    def count_dataset(
        self, check: str, column: str | None, message: str, rows: int = 0, **where: Any
    ) -> None:
        """Count a failing check of the data set once, although every batch may report it.

        :param rows: the rows that it could therefore not be evaluated on.
        """
        key = (check, None, False) if (check, None) in self._defaults else (check, column, False)
        named = {"column": column} if key[1] is None and column is not None else {}
        entry = self._entries.setdefault(key, _Entry())
        entry.skipped += rows
        if not self.examples:
            message = _EXCEPTION.sub(r"\1", message)
        example = {**named, **where, "message": _shown("message", message)}
        if (named or entry.failed == 0) and example not in entry.examples:
            entry.failed = 1
            if len(entry.examples) < MAX_EXAMPLES:
                entry.examples.append(example)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain JSON, for :meth:`merge`."""
        return {
            "rows": self.rows,
            "quarantined": self.quarantined,
            "governed": self.governed,
            "columns": list(self.columns),
            "entries": [
                [*key, entry.failed, entry.skipped, entry.examples] for key, entry in self._entries.items()
            ],
        }

    def merge(self, data: Mapping[str, Any]) -> None:
        """Add the counts of another instance with the same schema."""
        self.rows += data["rows"]
        self.quarantined += data["quarantined"]
        self.governed += data["governed"]
        self.columns.update(dict.fromkeys(data["columns"]))
        for check, column, of_rows, failed, skipped, examples in data["entries"]:
            entry = self._entries.setdefault((check, column, of_rows), _Entry())
            entry.failed = entry.failed + failed if of_rows else 1
            entry.skipped += skipped
            new = [example for example in examples if of_rows or example not in entry.examples]
            entry.examples += new[
                : max((self.examples if of_rows else MAX_EXAMPLES) - len(entry.examples), 0)
            ]

    def results(self, columns: Sequence[str]) -> list[CheckResult]:
        """Return one result per check and column, including those without failures.

        A check that failed on some rows and could not be evaluated on others has two: of level ``row`` and of
        level ``dataset``.

        :param columns: the columns of the data.
        """
        columns = [*columns, *(name for name in self.columns if name not in columns)]
        present = set(columns)
        keys: dict[tuple[str, str | None], bool] = {}
        for item in self._declared:
            for column in item.columns(columns):
                keys[item.check, column] = item.of_rows
        results = []
        for check, column in dict.fromkeys([*keys, *(key[:2] for key in self._entries)]):
            of_rows = self._entries.get((check, column, True))
            of_all = self._entries.get((check, column, False))
            looked_at = column is None or column in present or check == "column_in_dataframe"
            if of_rows is not None or (of_all is None and keys[check, column]):
                evaluated = self.rows - (of_all.skipped if of_all else 0)
                results.append(self._result(check, column, "row", evaluated if looked_at else 0, of_rows))
            if of_all is not None or (of_rows is None and not keys[check, column]):
                results.append(self._result(check, column, "dataset", int(bool(looked_at or of_all)), of_all))
        return results

    def _result(
        self, check: str, column: str | None, level: Level, evaluated: int, entry: _Entry | None
    ) -> CheckResult:
        entry = entry or _Entry()
        return CheckResult(
            check,
            column,
            level,
            self.severity(check, column),
            evaluated,
            entry.failed,
            entry.examples,
            # A threshold is about rows: it excuses no missing column, and no check that raised.
            self.policy.threshold_of(check, column) if level == "row" else None,
        )


_EXCEPTION: Final = re.compile(r"^((?:raised|could not be evaluated:) \w+).*", re.DOTALL)
_LONGEST_MESSAGE: Final = 1_000
"""Characters: a message names the expected and the actual type, which may be a long one."""


def _shown(name: str, value: Any) -> Any:
    longest = _LONGEST_MESSAGE if name == "message" else LONGEST_IN_EXAMPLE
    return cut(value, longest) if isinstance(value, str) else value
