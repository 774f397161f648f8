"""Converts results to OpenLineage: the data sets that were read, checked and written.

OpenLineage requests them in a forked process after the task. Nothing here may use polars or pyarrow, whose
threads do not survive a fork: all figures come from the finished result.

Without the OpenLineage provider this module is not imported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.lineage_facets import (
    assertions,
    input_metrics,
    output_metrics,
    output_statistics,
    run_facets,
    schema,
)
from io_intelligence_provider.quality.result import CheckRun
from io_intelligence_provider.storage.location import local_path

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    Lineage: TypeAlias = OperatorLineage[Any, Any]

__all__ = ["check_lineage", "dataset_name", "snapshot_lineage"]

log = logging.getLogger(__name__)

_GLOB: Final = frozenset("*?[")


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
        log.warning("The lineage of this task could not be told: %r", error)
        return None


def _check_lineage(run: CheckRun, quarantine_path: str | None) -> Lineage:
    from openlineage.client.event_v2 import InputDataset

    outputs = []
    if run.valid_path:
        outputs.append(_output(run.valid_path, run.valid, schema(run.columns)))
    if run.quarantine_path:
        # A folder that gets a file per run is one data set, not a new one every day.
        folder = (quarantine_path or run.quarantine_path).removesuffix(f"/{run.run_id}.parquet")
        outputs.append(_output(folder.rstrip("/"), run.quarantined))
    namespace, name = dataset_name(run.dataset)
    facets = {"dataQualityAssertions": assertions(run), "dataQualityMetrics": input_metrics(run, run.profile)}
    source = InputDataset(namespace=namespace, name=name, facets=schema(run.columns), inputFacets=facets)
    return _lineage(run, source, outputs)


def _snapshot_lineage(report: QualityReport, root: str) -> Lineage:
    from openlineage.client.event_v2 import InputDataset

    outputs = []
    if report.outcome != "failed":
        # The profile is of the stored models, not of the records that the API served.
        models = schema(report.columns) | output_metrics(report)
        outputs.append(_output(f"{root}/models", report.valid, models))
    if report.quarantined:
        outputs.append(_output(f"{root}/quarantine", report.quarantined))
    url = urlsplit(report.source_url)
    source = InputDataset(
        namespace=f"{url.scheme}://{url.netloc.rpartition('@')[2]}",
        name=url.path or "/",
        inputFacets={
            "dataQualityAssertions": assertions(report),
            "dataQualityMetrics": input_metrics(report, ()),
        },
    )
    return _lineage(report, source, outputs)


def _lineage(run: CheckRun, source: Any, outputs: list[Any]) -> Lineage:
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(inputs=[source], outputs=outputs, run_facets=run_facets(run))


def _output(path: str, rows: int, facets: dict[str, Any] | None = None) -> Any:
    from openlineage.client.event_v2 import OutputDataset

    namespace, name = dataset_name(path)
    return OutputDataset(
        namespace=namespace, name=name, facets=facets or {}, outputFacets=output_statistics(rows)
    )


def dataset_name(path: str) -> tuple[str, str]:
    """Return a path's namespace and name by OpenLineage's naming rules, without a credential.

    A glob is replaced by the folder that contains all its matches. See
    https://openlineage.io/docs/spec/naming: ``file`` and the absolute path; ``s3://bucket`` and the key.
    """
    if (on_disk := local_path(path)) is not None:
        return "file", _before_glob(on_disk)
    scheme, _, rest = path.partition("://")
    host, _, key = rest.partition("/")
    user, at, bare = host.rpartition("@")
    # `container@account` is a container; `user:password@host` holds a credential.
    host = bare if at and ":" in user else host
    return f"{scheme}://{host}", _before_glob(key.strip("/")) or "/"


def _before_glob(path: str) -> str:
    parts = path.split("/")
    for number, part in enumerate(parts):
        if _GLOB & set(part):
            return "/".join(parts[:number]) or "/"
    return path
