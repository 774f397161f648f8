"""Builds OpenLineage facets from a finished result, one per function.

Older versions of the client lack some facets and fields; these are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from io_intelligence_provider.quality.result import CheckResult, CheckRun, ColumnProfile
from io_intelligence_provider.text import cut

__all__ = ["assertions", "input_metrics", "output_metrics", "output_statistics", "run_facets", "schema"]

_LONGEST: Final = 500  # characters of an actual value


def schema(columns: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the schema, with Arrow's names of types."""
    from openlineage.client.facet_v2 import schema_dataset

    fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type=type_) for name, type_ in columns]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields=fields)} if fields else {}


def assertions(run: CheckRun) -> Any:
    """Return the evaluated checks; the format cannot express a check that was not evaluated."""
    from openlineage.client.facet_v2 import data_quality_assertions_dataset as quality

    return quality.DataQualityAssertionsDatasetFacet(
        assertions=[
            _of(
                quality.Assertion,
                assertion=check.check,
                success=check.passed,
                column=check.column,
                **_details(check),
            )
            for check in run.checks
            if check.evaluated
        ]
    )


def input_metrics(run: CheckRun, profile: Sequence[ColumnProfile]) -> Any:
    """Return the metrics of the input."""
    from openlineage.client.facet_v2 import data_quality_metrics_input_dataset as quality

    return _of(
        quality.DataQualityMetricsInputDatasetFacet,
        columnMetrics=_columns(quality.ColumnMetrics, profile),
        rowCount=run.rows,
        fileCount=run.files,
    )


def output_metrics(run: CheckRun) -> dict[str, Any]:
    """Return the metrics of the output, if it was profiled."""
    try:
        from openlineage.client.facet_v2 import data_quality_metrics_dataset as quality
    except ImportError:  # an older client, which has metrics of inputs only
        return {}
    facet = _of(
        quality.DataQualityMetricsDatasetFacet,
        columnMetrics=_columns(quality.ColumnMetrics, run.profile),
        rowCount=run.valid,
    )
    return {"dataQualityMetrics": facet} if run.profile else {}


def _columns(metrics: Any, profile: Sequence[ColumnProfile]) -> dict[str, Any]:
    return {
        column.column: _of(
            metrics,
            nullCount=column.nulls,
            distinctCount=column.distinct,
            count=column.rows - column.nulls,
            min=column.min if isinstance(column.min, float) else None,
            max=column.max if isinstance(column.max, float) else None,
            quantiles={} if column.median is None else {"0.5": column.median},
        )
        for column in profile
    }


def output_statistics(rows: int) -> dict[str, Any]:
    """Return the number of rows of one file."""
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    facet = _of(statistics.OutputStatisticsOutputDatasetFacet, rowCount=rows, fileCount=1)
    return {"outputStatistics": facet}


def run_facets(run: CheckRun) -> dict[str, Any]:
    """Return every check with its status, including those that were not evaluated."""
    try:
        from openlineage.client.facet_v2 import test_run as facet
    except ImportError:  # an older client without this facet
        return {}
    # Older clients call it `Test`.
    execution: Any = getattr(facet, "TestExecution", None) or getattr(facet, "Test")  # noqa: B009
    tests = [
        _of(
            execution,
            name=f"{check.check} {check.column}" if check.column else check.check,
            status=_status(check),
            type=check.check,
            **_details(check),
        )
        for check in run.checks
    ]
    return {"test": facet.TestRunFacet(tests=tests)}


def _status(check: CheckResult) -> str:
    if not check.evaluated:
        return "skip"
    return "pass" if check.passed else "fail"


def _details(check: CheckResult) -> dict[str, Any]:
    return {
        "severity": check.severity,
        "expected": f"at most {check.threshold or 0} failing",
        "actual": _actual(check),
        "params": {"level": check.level, "evaluated": check.evaluated, "failed": check.failed},
    }


def _actual(check: CheckResult) -> str:
    """Return the counts, and the figures of a dataset-level check, but never a value of a row."""
    actual = f"{check.failed} of {check.evaluated} failing"
    if check.level != "row" and check.examples:
        figures = [
            f"{key}: {value}" for key, value in check.examples[0].items() if isinstance(value, (int, float))
        ]
        actual = f"{actual} ({', '.join(figures)})" if figures else actual
    return cut(actual, _LONGEST)


def _of(facet: Any, **values: Any) -> Any:
    """Return a facet with those of the values that this version of the client supports."""
    known: Mapping[str, Any] = {field.name: field for field in facet.__attrs_attrs__}
    return facet(**{name: value for name, value in values.items() if name in known})
