"""Defines the operator that validates any Parquet data set with any pandera schema, and ``@task.pandera``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.sdk import BaseOperator
from airflow.sdk.bases.decorator import DecoratedOperator, determine_kwargs, task_decorator_factory

from io_intelligence_provider.assets import RESULT_KEY, publish
from io_intelligence_provider.errors import ConfigurationError, QualityError
from io_intelligence_provider.hooks.store import filesystem_of, path_text
from io_intelligence_provider.operators.common import (
    data_interval_start,
    number,
    refuse_locations,
    refuse_shared_history,
    refuse_shared_outputs,
    run_name,
)
from io_intelligence_provider.operators.results import QualityLink

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath
    from airflow.sdk.bases.decorator import TaskDecorator

    from io_intelligence_provider.quality.policy import CheckOptions, EarlierRuns
    from io_intelligence_provider.quality.result import CheckRun

    AnyPath = str | PathLike[str] | ObjectStoragePath

__all__ = ["PanderaCheckOperator", "pandera_task"]

_PATHS: Final = ("path", "quarantine_path", "valid_path", "results_root")


class PanderaCheckOperator(BaseOperator):
    """Validate Parquet files with a pandera schema, quarantine invalid rows, and fail on serious findings.

    Every check is evaluated, even after others failed. The quarantine is written even if the task fails, the
    valid rows only if it does not. The schema is loaded when the task runs, not when the Dag file is parsed.
    The event of each outlet gets the summary as its extra, with the counts of checks under
    ``airflow.dataquality.result``.

    Templated arguments: all except ``schema``, ``engine``, ``spark``, ``profile`` and ``keep_results``. Paths
    are text, ``pathlib.Path`` or Airflow's ``ObjectStoragePath``, whose connection is used unless
    ``storage_conn_id`` is given. One that is rendered as ``None`` or as blank text is unset.
    The result is the summary of the :class:`~io_intelligence_provider.quality.result.CheckRun` as a dict.

    :param path: a file, a glob or a folder, partitioned (``key=value``) or not; a path or an fsspec URL.
    :param schema: ``"module:object"``, the path of a pandera YAML file, or a ``DataFrameModel`` or
        ``DataFrameSchema``, for pandas or for polars.
    :param quarantine_path: where invalid rows are written with all their failures: a ``.parquet`` file, or a
        folder that gets one file for each Dag run, task and map index, which a rerun replaces. ``None``: they
        are only counted.
    :param fail_on: which findings fail the task: ``error``: failed checks of severity ``error`` of the whole
        data set or beyond their threshold, or too many quarantined rows; ``warn``: any; ``never``: none.
    :param max_quarantine_share: share of quarantined rows, 0 to 1, above which the task fails.
    :param min_rows: fewer rows fail the data set; ``None``: an empty one passes.
    :param examples: how many refused values of each check results and reports show; 0 shows none.
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
    :param keep_results: whether to file the result in the history; ``False``: history checks compare the run
        with those that another task filed under the same ``dataset``.
    :param profile: whether to measure the columns; always done with ``history_checks``.
    :raises QualityError: when a finding fails the task; its ``report`` is the ``CheckRun``.
    :raises ConfigurationError: when an argument is wrong or does nothing, or several mapped tasks would write
        one file, or have their history under one name.
    """

    template_fields: Sequence[str] = (
        "path",
        "quarantine_path",
        "valid_path",
        "fail_on",
        "max_quarantine_share",
        "min_rows",
        "examples",
        "severity",
        "thresholds",
        "memory_limit",
        "storage_conn_id",
        "history_checks",
        "dataset",
        "results_root",
    )
    operator_extra_links = (QualityLink(),)
    _outputs: ClassVar[Sequence[str]] = ("quarantine_path", "valid_path")

    def __init__(  # noqa: PLR0913 - each is an argument that a Dag may want to set
        self,
        *,
        path: AnyPath,
        schema: Any,
        quarantine_path: AnyPath | None = None,
        fail_on: str = "error",
        max_quarantine_share: float | str = 0.0,
        min_rows: int | str | None = None,
        examples: int | str = 5,
        storage_conn_id: str | None = None,
        valid_path: AnyPath | None = None,
        severity: Mapping[str, str] | None = None,
        thresholds: Mapping[str, int | float | str] | None = None,
        memory_limit: int | str = "2GiB",
        engine: str = "local",
        spark: Any = None,
        history_checks: bool | Mapping[str, Any] | None = None,
        dataset: str | None = None,
        results_root: AnyPath | None = None,
        profile: bool = False,
        keep_results: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path: Any = _template(path)
        self.schema = schema
        self.quarantine_path: Any = _template(quarantine_path)
        self.fail_on = fail_on
        self.max_quarantine_share = max_quarantine_share
        self.min_rows = min_rows
        self.examples = examples
        self.storage_conn_id = storage_conn_id
        self.valid_path: Any = _template(valid_path)
        self.severity = severity
        self.thresholds = thresholds
        self.memory_limit = memory_limit
        self.engine = engine
        self.spark = spark
        self.history_checks = history_checks
        self.dataset = dataset
        self.results_root: Any = _template(results_root)
        self.profile = profile
        self.keep_results = keep_results
        self._as_written = {name: getattr(self, name) for name in (*_PATHS, "dataset")}
        self._results_connection: str | None = None
        self._run: CheckRun | None = None
        self.page_link = ""
        self._refuse_locations()
        if spark is not None and engine == "local":
            raise ConfigurationError(
                "spark does nothing with engine='local'. Leave it out, or set engine='spark'."
            )

    def execute(self, context: Context) -> Any:
        """Validate the data set."""
        self._prepare(context)
        return self._checked(context, self._check)

    def _prepare(self, context: Context) -> None:
        """Convert the rendered paths, and reject wrong ones before anything is read.

        :raises ConfigurationError: when an argument is wrong or does nothing.
        """
        connections = {name: getattr(getattr(self, name), "conn_id", None) for name in _PATHS}
        for name in (*_PATHS, "dataset", "storage_conn_id"):
            setattr(self, name, path_text(name, getattr(self, name)))
        if self.path is None:
            raise ConfigurationError("path is not set: it was rendered as None or as blank text.")
        self._refuse_locations()
        self._results_connection = connections.pop("results_root")
        if not self.storage_conn_id and (given := sorted(set(filter(None, connections.values())))):
            if len(given) > 1:
                raise ConfigurationError(
                    f"The paths name the connections {', '.join(given)}, but one is used for all except "
                    "results_root. Give it as storage_conn_id."
                )
            self.storage_conn_id = given[0]
        if self.results_root and not self.keep_results and not self.history_checks:
            raise ConfigurationError(
                "results_root does nothing with keep_results=False and no history_checks."
            )
        written = {name: self._as_written[name] for name in self._outputs if self._is_one_file(name)}
        refuse_shared_outputs(self, context, written)
        if self.history_checks:
            refuse_shared_history(self, context, self._as_written["dataset"])

    def _is_one_file(self, name: str) -> bool:
        path = getattr(self, name)
        if path is None or (
            name == "valid_path" and self.engine == "spark"
        ):  # Spark makes a folder for each run
            return False
        return name != "quarantine_path" or bool(path.endswith(".parquet"))

    def _check(self, options: CheckOptions) -> CheckRun:
        if self.engine == "spark":
            from io_intelligence_provider.quality.spark import check_on_spark

            return check_on_spark(
                self.path, self.schema, options, spark=self.spark, filesystem=self._filesystem()
            )
        if self.engine != "local":
            raise ConfigurationError(f"engine is {self.engine!r}; it is 'local' or 'spark'.")
        from io_intelligence_provider.quality.run import check_dataset

        return check_dataset(self.path, self.schema, options, filesystem=self._filesystem())

    def _filesystem(self) -> Any:
        return filesystem_of(self.path, self.storage_conn_id)

    def _checked(self, context: Context, check: Any) -> dict[str, Any]:
        """Run a check function, record its result even if it failed, and return its summary."""
        from io_intelligence_provider.operators.results import (
            log_findings,
            record_result,
            result_link,
            task_run,
        )
        from io_intelligence_provider.quality.result import CheckRun

        name = self._name()
        try:
            run: CheckRun = check(self._options(context))
            self._run = run
        except QualityError as error:
            if isinstance(error.report, CheckRun):
                self._run = error.report
            raise
        finally:
            if self._run is not None:
                root, connection = self.results_root, self._results_conn_id()
                if self.keep_results:
                    self.page_link = result_link(self._run, name, root, connection)
                log_findings(self._run, self.dataset or self._run.dataset)
                record_result(
                    self._run,
                    dataset=name,
                    root=root,
                    storage_conn_id=connection,
                    keep=self.keep_results,
                    task=task_run(context),
                )
        summary: dict[str, Any] = run.summary(self.dataset or run.dataset)
        self.log.info("Checked %(rows)d rows, refused %(quarantined)d, %(outcome)s: %(dataset)s", summary)
        publish(self, context, summary | {RESULT_KEY: run.result()})
        return summary

    def _refuse_locations(self) -> None:
        """Reject invalid paths before one is used as the name of the data set.

        :raises ConfigurationError: when a path is rejected.
        """
        names = [*_PATHS]
        if isinstance(self.dataset, str) and "://" in self.dataset:
            names.append("dataset")
        refuse_locations(**{name: getattr(self, name) for name in names})

    def _name(self) -> str:
        # The path before rendering, which may add the date of the run. An XCom has no such text.
        written = self._as_written["path"]
        text = None if hasattr(written, "iter_references") else path_text("path", written)
        return self.dataset or text or f"{self.dag_id}.{self.task_id}"

    def _options(self, context: Context) -> CheckOptions:
        from io_intelligence_provider.quality.policy import CheckOptions

        quarantine = self.quarantine_path
        name = run_name(context)
        if quarantine and name and not self._is_one_file("quarantine_path"):
            quarantine = f"{quarantine.rstrip('/')}/{name}.parquet"
        return CheckOptions(
            quarantine_path=quarantine,
            valid_path=self.valid_path,
            fail_on=self.fail_on,
            max_quarantine_share=number("max_quarantine_share", self.max_quarantine_share, float),
            min_rows=number("min_rows", self.min_rows, int),
            examples=number("examples", self.examples, int),
            severity=self.severity,
            thresholds=self.thresholds,
            memory_limit=self.memory_limit,
            profile=self.profile,
            history_checks=self.history_checks,
            earlier_runs=self._earlier_runs() if self.history_checks else None,
            data_interval_start=data_interval_start(context),
        )

    def _earlier_runs(self) -> EarlierRuns:
        from io_intelligence_provider.operators.results import read_history
        from io_intelligence_provider.quality.history import HistoryChecks

        checks = HistoryChecks.from_config(self.history_checks)
        if not self.keep_results and not self.dataset and all(rule.needs_history for rule in checks.rules):
            raise ConfigurationError(
                "With keep_results=False this task files nothing for history_checks to compare with. Give "
                "the dataset that another task files, or leave keep_results out."
            )

        def earlier_runs(run: CheckRun) -> list[CheckRun]:
            return read_history(self._name(), self.results_root, self._results_conn_id(), schema=run.schema)

        return earlier_runs

    def _results_conn_id(self) -> str | None:
        # A separate root may be in the same storage; the configured root has the configured connection.
        from io_intelligence_provider.storage.location import local_path

        root = self.results_root
        if not root or local_path(root) is not None:
            return None
        return self._results_connection or self.storage_conn_id

    def get_openlineage_facets_on_complete(self, _: Any) -> Any:
        """Return the lineage of the run, passed or failed."""
        from io_intelligence_provider.observability import check_lineage

        return check_lineage(self._run, self.quarantine_path)


def _template(path: Any) -> Any:
    """Return a ``pathlib.Path`` as text, which Airflow renders."""
    return fspath(path) if isinstance(path, PathLike) else path


class _PanderaDecoratedOperator(DecoratedOperator, PanderaCheckOperator):
    """Calls the function, validates the returned frame, and writes its valid rows to ``path``."""

    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *PanderaCheckOperator.template_fields,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {**DecoratedOperator.template_fields_renderers}
    custom_operator_name: str = "@task.pandera"
    _outputs: ClassVar[Sequence[str]] = ("quarantine_path", "path")

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        for name in ("valid_path", "engine", "spark"):
            if name in kwargs:
                raise TypeError(
                    f"@task.pandera takes no {name}: valid rows are written to path, by this task"
                )
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            kwargs_to_upstream={},
            **kwargs,
        )

    def execute(self, context: Context) -> Any:
        """Call the function and validate its frame."""
        self._prepare(context)
        arguments = determine_kwargs(self.python_callable, self.op_args, {**context, **self.op_kwargs})
        self._frame = self.python_callable(*self.op_args, **arguments)
        try:
            return self._checked(context, self._check)
        finally:
            del self._frame

    def _check(self, options: CheckOptions) -> CheckRun:
        from io_intelligence_provider.quality.run import check_frame

        options = replace(options, valid_path=self.path)
        return check_frame(self._frame, self.schema, options, filesystem=self._filesystem())


def pandera_task(
    python_callable: Callable[..., Any] | None = None,
    multiple_outputs: bool | None = None,
    **kwargs: Any,
) -> TaskDecorator:
    """Make a task of a function that returns a frame: pandas, polars, a LazyFrame or an Arrow table.

    The valid rows are written to ``path``, replaced in one step, and only when no finding stops the task. The
    XCom result is the summary of the run, not the frame.

    :param python_callable: the function.
    :param kwargs: arguments of :class:`~io_intelligence_provider.operators.pandera.PanderaCheckOperator`,
        including ``path`` and ``schema``; ``valid_path``, ``engine`` and ``spark`` are not accepted.
    :raises TypeError: when one of those three is given.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=_PanderaDecoratedOperator,
        **kwargs,
    )
