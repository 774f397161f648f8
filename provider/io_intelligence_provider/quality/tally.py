"""Row checks counted over all batches of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.quality.contract import COLUMNS, Kind, Place
from io_intelligence_provider.quality.failure import cut
from io_intelligence_provider.quality.report import LONGEST_IN_EXAMPLE, MAX_EXAMPLES, CheckResult, Severity
from io_intelligence_provider.quality.row_checks import COERCED, Verdict
from io_intelligence_provider.quality.schema import NOT_BEFORE

__all__ = ["RowTally"]

_REDACTED: Final = "redacted"
_WARNINGS: Final = (
    *((COERCED, column.name) for column in COLUMNS if column.takes_one_string or column.measurement),
    (NOT_BEFORE, "updated_at"),
)


class RowTally:
    """Adds up verdicts; keeps counts, the keys seen and up to five examples per check.

    :param redacted: records in which the client masked a credential.
    """

    def __init__(self, shape: WireShape, redacted: int = 0) -> None:
        self._shape = shape
        self._redacted = redacted
        self._failed: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.served = 0
        self.valid = 0
        self.fields: set[str] = set()
        self.unknown: set[str] = set()
        self.refused_ids: set[str] = set()
        self.refused_names: set[str] = set()

    @property
    def quarantined(self) -> int:
        """Rows refused so far."""
        return self.served - self.valid

    def add(self, verdict: Verdict) -> None:
        """Count one more batch."""
        self.served += verdict.rows
        self.valid += verdict.valid.height
        self.fields |= verdict.fields
        self.unknown |= verdict.unknown
        for record in verdict.refused:
            who = {"model_id": record.model_id, "name": record.name}
            self.refused_ids |= {record.model_id} if record.model_id else set()
            self.refused_names |= {record.name} if record.name else set()
            for failure in record.failures:
                example = who | {"value": failure.value, "message": failure.message}
                self._count((failure.check, failure.column), 1, [example])
        for key, rows in verdict.warned.items():
            examples = [{"model_id": model_id, "name": name} for model_id, name in rows[:MAX_EXAMPLES]]
            self._count(key, len(rows), examples)

    def _count(self, key: tuple[str, str], rows: int, examples: Sequence[Mapping[str, str | None]]) -> None:
        self._failed[key] += rows
        kept = self._examples.setdefault(key, [])
        for example in examples[: MAX_EXAMPLES - len(kept)]:
            kept.append({name: text and cut(text, LONGEST_IN_EXAMPLE) for name, text in example.items()})

    def results(self) -> list[CheckResult]:
        """Return one result per row check of the contract, those that found nothing included.

        ``redacted`` is among them only when it found something: no server should ever repeat a credential.
        """
        results = [
            CheckResult(
                check, column, "row", severity, self.served, self._failed[check, column],
                self._examples.get((check, column), []),
            )
            for check, column, severity in _row_checks(self._shape)
        ]  # fmt: skip
        if self._redacted:
            # Identical repeats were counted when they came, but are served once.
            failed, advice = min(self._redacted, self.served), "the server repeats the credential; renew it"
            results.append(
                CheckResult(_REDACTED, None, "row", "warn", self.served, failed, [{"message": advice}])
            )
        return results


def _row_checks(shape: WireShape) -> list[tuple[str, str, Severity]]:
    """List every row check of a shape by (check, column, severity), in the order of the columns."""
    listed: list[tuple[str, str, Severity]] = [("type", "record", "error")]
    if shape is WireShape.DOCUMENTED:
        listed += [("required", "metadata", "error"), ("type", "metadata", "error")]
    for column in COLUMNS:
        if column.place is Place.PROVIDER:
            continue
        checks = ["required"] if column.required(shape) else []
        if column.key(shape) and column.kind is not Kind.PRICE and not column.measurement:
            checks.append("type")
        checks += {Kind.PRICE: ["price"], Kind.TIMESTAMP: ["timestamp"]}.get(column.kind, [])
        checks += [column.check.name] if column.check else []
        checks += ["unique"] if column.name == "model_id" else []
        listed += [(check, column.name, "error") for check in checks]
    listed.append(("type", "extra", "error"))
    listed += [(check, column, "warn") for check, column in _WARNINGS]
    return listed
