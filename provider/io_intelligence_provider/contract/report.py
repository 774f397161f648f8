"""Defines the report of a catalogue run. Its JSON form is published in ``quality/report.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Final

import msgspec

from io_intelligence_provider.quality.result import (
    CheckResult,
    CheckRun,
    Count,
    Moment,
    Outcome,
    Presentation,
    checked,
)

__all__ = ["CATALOGUE", "LARGEST_REPORT", "SCHEMA", "KnownChecks", "QualityReport"]


CATALOGUE: Final = "io_intelligence_models"
"""The catalogue's data set name, which is that of its asset."""

SCHEMA: Final = "io_intelligence_provider.contract.columns"

LARGEST_REPORT: Final = 8 << 20
"""Bytes. A report with all findings and five examples each has some hundred kilobytes."""

_OUTCOMES: Final = {
    "passed": "Committed, nothing found",
    "warned": "Committed, with findings",
    "failed": "Not committed",
}


@dataclass(frozen=True, kw_only=True)
class QualityReport(CheckRun):
    """The result of checking the catalogue: a :class:`CheckRun` with the shape, the source and the drift.

    ``outcome`` is ``failed`` when the commit was stopped, ``warned`` when it was made with findings; ``rows``
    are those served. The published form has no ``seconds``, ``columns`` and ``profile``, so a report that was
    read from a file has none.

    :param snapshot_date: the date of the run's snapshot, committed or not.
    :param fields: every key of the records.
    """

    dataset: str = CATALOGUE
    schema: str = SCHEMA
    seconds: float | None = field(default=None, compare=False)
    engine: str = "local"
    mode: str = "rows"
    files: int = 1
    snapshot_date: date
    source_url: str
    wire_shape: str
    fields: tuple[str, ...]
    unknown_fields: tuple[str, ...] = ()
    missing_fields: tuple[str, ...] = ()

    @property
    def snapshot_id(self) -> str:
        """The run's id."""
        return self.run_id

    @property
    def fetched_at(self) -> datetime:
        """When the catalogue was read."""
        return self.checked_at

    @property
    def served(self) -> int:
        """Records that the server sent, identical repeats counted once."""
        return self.rows

    def presentation(self) -> Presentation:
        """Return the texts for the page and the terminal."""
        return Presentation(
            subject=str(self.snapshot_date),
            outcome=_OUTCOMES[self.outcome],
            facts=(
                self.source_url,
                f"{self.wire_shape} shape",
                f"read {self.fetched_at:%Y-%m-%d %H:%M:%S} UTC",
                f"run {self.snapshot_id}",
            ),
            read=f"{self.served} served",
            on_whole="Snapshot checks",
            drift={
                "Unknown": self.unknown_fields,
                "Missing since the previous snapshot": self.missing_fields,
            },
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the published form, plain JSON values only."""
        return {
            "snapshot_id": self.snapshot_id,
            "snapshot_date": self.snapshot_date.isoformat(),
            "fetched_at": self.fetched_at.isoformat(),
            "source_url": self.source_url,
            "wire_shape": self.wire_shape,
            "outcome": self.outcome,
            "score": self.score,
            "rows": {"served": self.served, "valid": self.valid, "quarantined": self.quarantined},
            "checks": [check.to_dict() for check in self.checks],
            "fields": list(self.fields),
            "drift": {
                "unknown_fields": list(self.unknown_fields),
                "missing_fields": list(self.missing_fields),
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> QualityReport:
        """Parse the published form.

        :raises ValueError: when ``data`` does not have that form.
        """
        try:
            form = msgspec.convert(data, _Form)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        return form.report(tuple(map(checked, form.checks)))

    @classmethod
    def from_json(cls, data: bytes | str, known: KnownChecks | None = None) -> QualityReport:
        """Parse the published form from its text.

        :param known: the checks of earlier reports; those of this one are added.
        :raises ValueError: when ``data`` does not have that form.
        """
        try:
            form = _TEXT.decode(data)
            return form.report((known or KnownChecks()).read(bytes(form.checks)))
        except (msgspec.DecodeError, UnicodeDecodeError):
            # By Python, for the position of the error, and because only Python accepts lone surrogates.
            return cls.from_dict(json.loads(data))
        except RecursionError:
            raise ValueError("it is nested too deep") from None


class KnownChecks:
    """Caches the decoded checks of reports by their text, so that equal texts give the same objects.

    Years of reports have few distinct results. Creating a hundred thousand equal objects, and their garbage
    collection, would take longer than the rest of reading the reports.
    """

    def __init__(self) -> None:
        self._checks: dict[bytes, CheckResult] = {}
        self._last: tuple[bytes, tuple[CheckResult, ...]] = b"[]", ()

    def read(self, text: bytes) -> tuple[CheckResult, ...]:
        """Return the checks of a report, the same tuple for the same text."""
        if text != self._last[0]:
            self._last = text, tuple(self._check(bytes(one)) for one in _TEXTS.decode(text))
        return self._last[1]

    def _check(self, text: bytes) -> CheckResult:
        found = self._checks.get(text)
        if found is None:
            found = self._checks[text] = checked(_CHECK.decode(text))
        return found


class _Rows(msgspec.Struct):
    served: Count
    valid: Count
    quarantined: Count


class _Drift(msgspec.Struct):
    unknown_fields: tuple[str, ...]
    missing_fields: tuple[str, ...]


class _Head(msgspec.Struct):
    """The published form without its checks."""

    snapshot_id: str
    snapshot_date: date
    fetched_at: Moment
    source_url: str
    wire_shape: str
    outcome: Outcome
    score: Annotated[float, msgspec.Meta(ge=0, le=1)]
    rows: _Rows
    fields: tuple[str, ...]
    drift: _Drift

    def report(self, checks: tuple[CheckResult, ...]) -> QualityReport:
        """Build the report."""
        return QualityReport(
            run_id=self.snapshot_id,
            checked_at=self.fetched_at,
            outcome=self.outcome,
            score=self.score,
            rows=self.rows.served,
            valid=self.rows.valid,
            quarantined=self.rows.quarantined,
            checks=checks,
            snapshot_date=self.snapshot_date,
            source_url=self.source_url,
            wire_shape=self.wire_shape,
            fields=self.fields,
            unknown_fields=self.drift.unknown_fields,
            missing_fields=self.drift.missing_fields,
        )


class _Form(_Head):
    """The published form."""

    checks: tuple[CheckResult, ...]


class _Text(_Head):
    """The published form with its checks as raw JSON."""

    checks: msgspec.Raw


_TEXT: Final = msgspec.json.Decoder(_Text)
_TEXTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_CHECK: Final = msgspec.json.Decoder(CheckResult)
