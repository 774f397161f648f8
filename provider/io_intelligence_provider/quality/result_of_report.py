"""The report of a snapshot in the form that any other data set's result has."""

from __future__ import annotations

from io_intelligence_provider.contract.columns import arrow_schema
from io_intelligence_provider.quality.report import QualityReport
from io_intelligence_provider.quality.result import CheckRun, ColumnProfile

__all__ = ["CATALOGUE", "SCHEMA", "check_run_of"]

CATALOGUE = "io_intelligence_models"
"""The catalogue's name as a data set: that of its asset."""

SCHEMA = "io_intelligence_provider.contract.columns"


def check_run_of(
    report: QualityReport, *, seconds: float = 0.0, profile: tuple[ColumnProfile, ...] = ()
) -> CheckRun:
    """Return a report as a :class:`~io_intelligence_provider.quality.result.CheckRun`.

    What a snapshot's report says and that form has no place for, the drift of the API's keys, is in the
    checks ``unknown_fields`` and ``missing_fields``.

    :param seconds: how long the run took; a report does not say.
    :param profile: of the models' columns, where somebody computed it.
    """
    return CheckRun(
        run_id=report.snapshot_id,
        dataset=CATALOGUE,
        schema=SCHEMA,
        checked_at=report.fetched_at,
        seconds=seconds,
        engine="local",
        mode="rows",
        outcome=report.outcome,
        score=report.score,
        rows=report.served,
        valid=report.valid,
        quarantined=report.quarantined,
        files=1,
        checks=report.checks,
        columns=tuple((field.name, str(field.type)) for field in arrow_schema()),
        profile=profile,
    )
