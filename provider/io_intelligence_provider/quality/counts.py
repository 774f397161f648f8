"""Counts the failures of all batches per check and column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from io_intelligence_provider.quality.policy import Policy
from io_intelligence_provider.quality.prepare import Declared
from io_intelligence_provider.quality.result import (
    LONGEST_IN_EXAMPLE,
    MAX_EXAMPLES,
    CheckResult,
    Level,
    Severity,
)
from io_intelligence_provider.text import cut

__all__ = ["CheckCounts"]


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
            self.policy.threshold_of(check, column),
        )


_EXCEPTION: Final = re.compile(r"^((?:raised|could not be evaluated:) \w+).*", re.DOTALL)
_LONGEST_MESSAGE: Final = 1_000
"""Characters: a message names the expected and the actual type, which may be a long one."""


def _shown(name: str, value: Any) -> Any:
    longest = _LONGEST_MESSAGE if name == "message" else LONGEST_IN_EXAMPLE
    return cut(value, longest) if isinstance(value, str) else value
