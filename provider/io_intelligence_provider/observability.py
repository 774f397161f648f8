"""Reports results to what observes Airflow: lineage to OpenLineage, counts to its metrics.

OpenLineage requests lineage in a forked process after the task. Nothing here may use polars or pyarrow, whose
threads do not survive a fork: all figures come from the finished result. Older versions of OpenLineage's
client lack some facets and fields; these are left out.

Metrics go to StatsD, OpenTelemetry or Datadog, as Airflow is configured. Like Airflow's own, each is sent
twice: under a plain name with tags, and with the data set in the name for a plain StatsD, which drops tags.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.quality.result import CheckResult, CheckRun, ColumnProfile
from io_intelligence_provider.storage.location import local_path
from io_intelligence_provider.text import cut, short_hash

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    Lineage: TypeAlias = OperatorLineage[Any, Any]

__all__ = ["PREFIX", "check_lineage", "dataset_name", "emit_metrics", "snapshot_lineage"]

log = logging.getLogger(__name__)

_GLOB: Final = frozenset("*?[")
_LONGEST: Final = 500
"""Characters of an actual value in a facet."""


def check_lineage(run: CheckRun | None, quarantine_path: str | None = None) -> Lineage | None:
    """Return the lineage of a check task.

    :param run: the result; ``None`` when there is none, for example because the data could not be read.
    :param quarantine_path: the folder or file that was given for the quarantine, by default the run's file.
    :returns: the checked data set with schema, assertions and metrics, and as outputs the valid rows and the
        quarantine where they were written; ``None`` without a result. Never raises.
    """
    return _safely(partial(_check_lineage, quarantine_path=quarantine_path), run)


def snapshot_lineage(report: QualityReport | None, root: str) -> Lineage | None:
    """Return the lineage of a snapshot task, also when a check stopped the commit.

    :param root: root of the store, a path or a URL.
    :returns: the endpoint with assertions and metrics, and as outputs the models and the quarantine;
        ``None`` without a report. Never raises.
    """
    return _safely(partial(_snapshot_lineage, root=root), report)


Result = TypeVar("Result", bound=CheckRun)


def _safely(build: Callable[[Result], Lineage], result: Result | None) -> Lineage | None:
    if result is None:
        return None
    try:
        return build(result)
    except Exception as error:  # noqa: BLE001 - missing lineage must not fail a good run
        log.warning("The lineage of this task could not be built: %r", error)
        return None


def _check_lineage(run: CheckRun, quarantine_path: str | None) -> Lineage:
    from openlineage.client.event_v2 import InputDataset

    outputs = []
    if run.valid_path:
        outputs.append(_output(run.valid_path, run.valid, _schema(run.columns)))
    if run.quarantine_path:
        # A folder that gets a file per run is one data set, not a new one every day.
        folder = (quarantine_path or run.quarantine_path).removesuffix(f"/{run.run_id}.parquet")
        outputs.append(_output(folder.rstrip("/"), run.quarantined))
    namespace, name = dataset_name(run.dataset)
    facets = {
        "dataQualityAssertions": _assertions(run),
        "dataQualityMetrics": _input_metrics(run, run.profile),
    }
    source = InputDataset(namespace=namespace, name=name, facets=_schema(run.columns), inputFacets=facets)
    return _lineage(run, source, outputs)


def _snapshot_lineage(report: QualityReport, root: str) -> Lineage:
    from openlineage.client.event_v2 import InputDataset

    outputs = []
    root = root.rstrip("/")  # the folder of the files, however it was written
    if report.outcome != "failed":
        # The profile is of the stored models, not of the records that the API served.
        models = _schema(report.columns) | _output_metrics(report)
        outputs.append(_output(f"{root}/models", report.valid, models))
    if report.quarantined:
        outputs.append(_output(f"{root}/quarantine", report.quarantined))
    url = urlsplit(report.source_url)
    source = InputDataset(
        namespace=f"{url.scheme}://{url.netloc.rpartition('@')[2]}",
        name=url.path or "/",
        inputFacets={
            "dataQualityAssertions": _assertions(report),
            "dataQualityMetrics": _input_metrics(report, ()),
        },
    )
    return _lineage(report, source, outputs)


def _lineage(run: CheckRun, source: Any, outputs: list[Any]) -> Lineage:
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(inputs=[source], outputs=outputs, run_facets=_run_facets(run))


def _output(path: str, rows: int, facets: dict[str, Any] | None = None) -> Any:
    from openlineage.client.event_v2 import OutputDataset

    namespace, name = dataset_name(path, may_be_glob=False)
    return OutputDataset(
        namespace=namespace, name=name, facets=facets or {}, outputFacets=_output_statistics(rows)
    )


def dataset_name(path: str, *, may_be_glob: bool = True) -> tuple[str, str]:
    """Return a path's namespace and name by OpenLineage's naming rules, without a credential.

    See https://openlineage.io/docs/spec/naming: ``file`` and the absolute path; ``s3://bucket`` and the key.

    :param may_be_glob: replace a glob by the folder that contains all its matches; an output is none.
    """
    shown = _before_glob if may_be_glob else str
    if (on_disk := local_path(path)) is not None:
        return "file", shown(on_disk)
    scheme, _, rest = path.partition("://")
    host, _, key = rest.partition("/")
    user, at, bare = host.rpartition("@")
    # `container@account` is a container; `user:password@host` holds a credential.
    host = bare if at and ":" in user else host
    return f"{scheme.lower()}://{host}", shown(key.strip("/")) or "/"


def _before_glob(path: str) -> str:
    parts = path.split("/")
    for number, part in enumerate(parts):
        if _GLOB & set(part):
            return "/".join(parts[:number]) or "/"
    return path


def _schema(columns: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the schema, with Arrow's names of types."""
    from openlineage.client.facet_v2 import schema_dataset

    fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type=type_) for name, type_ in columns]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields=fields)} if fields else {}


def _assertions(run: CheckRun) -> Any:
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


def _input_metrics(run: CheckRun, profile: Sequence[ColumnProfile]) -> Any:
    """Return the metrics of the input."""
    from openlineage.client.facet_v2 import data_quality_metrics_input_dataset as quality

    return _of(
        quality.DataQualityMetricsInputDatasetFacet,
        columnMetrics=_columns(quality.ColumnMetrics, profile),
        rowCount=run.rows,
        fileCount=run.files,
    )


def _output_metrics(run: CheckRun) -> dict[str, Any]:
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


def _output_statistics(rows: int) -> dict[str, Any]:
    """Return the number of rows of one file."""
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    facet = _of(statistics.OutputStatisticsOutputDatasetFacet, rowCount=rows, fileCount=1)
    return {"outputStatistics": facet}


def _run_facets(run: CheckRun) -> dict[str, Any]:
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
    identity = {"rule_id": check.rule_id, "dimension": check.dimension} if check.rule_id else {}
    return {
        "severity": check.severity,
        "expected": f"at most {check.threshold or 0} failing",
        "actual": _actual(check),
        "params": {"level": check.level, "evaluated": check.evaluated, "failed": check.failed} | identity,
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


PREFIX: Final = "dataquality"
_LONGEST_NAME: Final = 100
"""Characters of a data set's name in a metric; Airflow drops metrics of more than 250 in all."""


def emit_metrics(result: CheckRun, *, dataset: str | None = None) -> None:
    """Send counts, shares and the duration of one run. Never raises: a failure is a warning in the log.

    :param dataset: the name of the data set, by default the run's own; characters that a metric's name cannot
        have become ``_``, and a name with letters other than ASCII's ends with its hash.
    """
    dataset = dataset or result.dataset
    try:
        from airflow.sdk.observability.stats import Stats

        tags = {"dataset": dataset}
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", dataset).strip("_")[-_LONGEST_NAME:]
        if not dataset.isascii():  # other letters tell data sets apart, and may be all of the name
            name = f"{name}_{short_hash(dataset)}".lstrip("_")
        for metric, value in _gauges(result).items():
            Stats.gauge(f"{PREFIX}.{metric}", value, tags=tags)
            Stats.gauge(f"{PREFIX}.{name}.{metric}", value)
        Stats.incr(f"{PREFIX}.runs.{result.outcome}", tags=tags)
        Stats.incr(f"{PREFIX}.{name}.runs.{result.outcome}")
        if result.seconds is not None:
            # In milliseconds: all three of Airflow's loggers take a plain number as that.
            Stats.timing(f"{PREFIX}.duration", result.seconds * 1_000, tags=tags)
            Stats.timing(f"{PREFIX}.{name}.duration", result.seconds * 1_000)
    except Exception as error:  # noqa: BLE001 - a lost metric must not fail a good run
        log.warning("The metrics of %s could not be sent: %r", dataset, error)


def _gauges(result: CheckRun) -> Mapping[str, Any]:
    counts = result.result()
    gauges = {
        "rows.read": result.rows,
        "rows.valid": result.valid,
        "rows.quarantined": result.quarantined,
        "score": result.score,
        **{f"checks.{word}": counts[word] for word in ("passed", "failed", "warned")},
    }
    # A share of no rows is unknown, not 0.
    return gauges | ({"quarantined_share": result.quarantined / result.rows} if result.rows else {})
