"""The assets that tell other Dags what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Asset

if TYPE_CHECKING:
    from io_intelligence_provider.quality.report import QualityReport

__all__ = ["MODELS", "RESULT_KEY", "event_extra"]

MODELS: Final = Asset("io_intelligence_models")
"""A snapshot was committed."""

RESULT_KEY: Final = "airflow.dataquality.result"


def event_extra(summary: dict[str, Any], report: QualityReport) -> dict[str, Any]:
    """Return the extra of an asset event: the step's summary and the counts of checks."""
    return summary | {RESULT_KEY: report.result()}
