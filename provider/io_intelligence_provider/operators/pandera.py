"""Defines the operator that validates any Parquet data set with any pandera schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from io_intelligence_provider.assets import RESULT_KEY
from io_intelligence_provider.hooks.store import filesystem_of
from io_intelligence_provider.operators.common import data_interval_start, number, refuse_locations

if TYPE_CHECKING:
    from airflow.sdk import Context

    from io_intelligence_provider.quality.policy import CheckOptions
    from io_intelligence_provider.quality.result import CheckRun

__all__ = ["PanderaCheckOperator"]


class PanderaCheckOperator(BaseOperator):
    """Validate Parquet files with a pandera schema, quarantine invalid rows, and fail on serious findings.

    Every check is evaluated, even after others failed. The quarantine is written even if the task fails, the
    valid rows only if it does not. The schema is loaded when the task runs, not when the Dag file is parsed.
    The event of each outlet gets the summary as its extra, with the counts of checks under
    ``airflow.dataquality.result``.

    Templated arguments: all except ``schema``, ``engine``, ``spark`` and ``profile``.

    :param path: a file, a glob or a folder, partitioned (``key=value``) or not; a path or an fsspec URL.
    :param schema: ``"module:object"``, the path of a pandera YAML file, or a ``DataFrameModel`` or
        ``DataFrameSchema``, for pandas or for polars.
    :param quarantine_path: where invalid rows are written with all their failures: a ``.parquet`` file, or a
        folder that gets one file per run. ``None``: they are only counted.
    :param fail_on: which findings fail the task: ``error``: failed checks of severity ``error`` of the whole
        data set or beyond their threshold, or too many quarantined rows; ``warn``: any; ``never``: none.
    :param max_quarantine_share: share of quarantined rows, 0 to 1, above which the task fails.
    :param storage_conn_id: Airflow connection of the object store, for all paths.
    :param valid_path: where valid rows are written as the schema parses them, replaced in one step. Not
        written if an ``error`` check of the whole data set failed, whatever ``fail_on`` is.
    :param severity: ``error`` or ``warn`` by ``check`` or ``column.check``.
    :param thresholds: how many rows may fail a check, by the same names: a count (int) or a share (float).
    :param memory_limit: the memory a data set may take when a check needs all its rows at once.
    :param engine: ``local``, or ``spark`` to validate on Spark's workers.
    :param spark: a session, a Spark Connect URL (``sc://…``) or a master URL; by default the active session.
    :param history_checks: what to compare with earlier runs of ``dataset``: ``True`` for the usual checks,
        or a mapping of their names to their settings.
    :param dataset: the name of the data set in summaries, history and metrics; by default the path, as
        written in the Dag file. Runs are compared with those of the same name and the same schema.
    :param results_root: root of the result history; ``[io_intelligence] root`` by default.
    :param profile: whether to measure the columns; always done with ``history_checks``.
    :returns: the summary of the :class:`~io_intelligence_provider.quality.result.CheckRun` as a dict.
    :raises QualityError: when a finding fails the task; its ``report`` is the ``CheckRun``.
    """

    template_fields: Sequence[str] = (
        "path",
        "quarantine_path",
        "valid_path",
        "fail_on",
        "max_quarantine_share",
        "severity",
        "thresholds",
        "memory_limit",
        "storage_conn_id",
        "history_checks",
        "dataset",
        "results_root",
    )

    def __init__(  # noqa: PLR0913 - each is an argument that a Dag may want to set
        self,
        *,
        path: str,
        schema: Any,
        quarantine_path: str | None = None,
        fail_on: str = "error",
        max_quarantine_share: float | str = 0.0,
        storage_conn_id: str | None = None,
        valid_path: str | None = None,
        severity: Mapping[str, str] | None = None,
        thresholds: Mapping[str, int | float | str] | None = None,
        memory_limit: int | str = "2GiB",
        engine: str = "local",
        spark: Any = None,
        history_checks: bool | Mapping[str, Any] | None = None,
        dataset: str | None = None,
        results_root: str | None = None,
        profile: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.schema = schema
        self.quarantine_path = quarantine_path
        self.fail_on = fail_on
        self.max_quarantine_share = max_quarantine_share
        self.storage_conn_id = storage_conn_id
        self.valid_path = valid_path
        self.severity = severity
        self.thresholds = thresholds
        self.memory_limit = memory_limit
        self.engine = engine
        self.spark = spark
        self.history_checks = history_checks
        self.dataset = dataset
        self.results_root = results_root
        self.profile = profile
        # The path before rendering, which may add the date of the run. An XCom has no such text.
        self._path_as_written = path if isinstance(path, str) else None  # type: ignore[redundant-expr]
        self._run: CheckRun | None = None
        self._refuse_locations()

    def execute(self, context: Context) -> Any:
        """Validate the data set."""
        return self._checked(context, self._check)

    def _check(self, options: CheckOptions) -> CheckRun:
        if self.engine == "spark":
            from io_intelligence_provider.quality.spark import check_on_spark

            return check_on_spark(
                self.path, self.schema, options, spark=self.spark, filesystem=self._filesystem()
            )
        if self.engine != "local":
            from io_intelligence_provider.errors import ConfigurationError

            raise ConfigurationError(f"engine is {self.engine!r}; it is 'local' or 'spark'.")
        from io_intelligence_provider.quality.run import check_dataset

        return check_dataset(self.path, self.schema, options, filesystem=self._filesystem())

    def _filesystem(self) -> Any:
        return filesystem_of(self.path, self.storage_conn_id)

    def _checked(self, context: Context, check: Any) -> dict[str, Any]:
        """Run a check function, record its result even if it failed, and return its summary."""
        from io_intelligence_provider.errors import QualityError
        from io_intelligence_provider.operators.results import record_result
        from io_intelligence_provider.quality.result import CheckRun

        self._refuse_locations()
        name = self.dataset or self._path_as_written or f"{self.dag_id}.{self.task_id}"
        interval = data_interval_start(context)
        try:
            run = self._run = replace(check(self._options(name, interval)), data_interval_start=interval)
        except QualityError as error:
            if isinstance(error.report, CheckRun):
                self._run = error.report = replace(error.report, data_interval_start=interval)
            raise
        finally:
            if self._run is not None:
                record_result(
                    self._run, dataset=name, root=self.results_root, storage_conn_id=self._results_conn_id()
                )
        summary: dict[str, Any] = run.summary(self.dataset or run.dataset)
        self.log.info("Checked %(rows)d rows, refused %(quarantined)d, %(outcome)s: %(dataset)s", summary)
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = summary | {RESULT_KEY: run.result()}
        return summary

    def _refuse_locations(self) -> None:
        """Reject invalid paths before one is used as the name of the data set.

        :raises ConfigurationError: when a path is rejected.
        """
        names = ["path", "quarantine_path", "valid_path", "results_root"]
        if isinstance(self.dataset, str) and "://" in self.dataset:
            names.append("dataset")
        refuse_locations(**{name: getattr(self, name) for name in names})

    def _options(self, name: str, interval: datetime | None) -> CheckOptions:
        from io_intelligence_provider.quality.policy import CheckOptions

        return CheckOptions(
            quarantine_path=self.quarantine_path,
            valid_path=self.valid_path,
            fail_on=self.fail_on,
            max_quarantine_share=number("max_quarantine_share", self.max_quarantine_share, float),
            severity=self.severity,
            thresholds=self.thresholds,
            memory_limit=self.memory_limit,
            profile=bool(self.profile or self.history_checks),
            extra_checks=self._history(name, interval) if self.history_checks else None,
        )

    def _history(self, name: str, interval: datetime | None) -> Any:
        from io_intelligence_provider.operators.results import read_history
        from io_intelligence_provider.quality.history import HistoryChecks

        checks = HistoryChecks.from_config(self.history_checks)

        def evaluate(run: CheckRun) -> Any:
            past = read_history(name, self.results_root, self._results_conn_id(), schema=run.schema)
            return checks.evaluate(replace(run, data_interval_start=interval), past)

        return evaluate

    def _results_conn_id(self) -> str | None:
        # A separate root may be in the same storage; the configured root has the configured connection.
        from io_intelligence_provider.storage.location import local_path

        root = self.results_root
        return self.storage_conn_id if root and local_path(root) is None else None

    def get_openlineage_facets_on_complete(self, _: Any) -> Any:
        """Return the lineage of the run, passed or failed."""
        from io_intelligence_provider.lineage import check_lineage

        return check_lineage(self._run)
