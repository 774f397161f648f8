"""Checks a data set: reads and validates it, writes refused and valid rows, and decides the outcome."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from io_intelligence_provider.errors import ConfigurationError, QualityError, StorageError
from io_intelligence_provider.quality.batches import (
    Batch,
    InMemory,
    Source,
    open_files,
    read_all_rows,
    wanted_floats,
)
from io_intelligence_provider.quality.checks import CheckCounts, identified
from io_intelligence_provider.quality.files import (
    ParquetTarget,
    find,
    output_filesystem,
    refuse_output_among_input,
)
from io_intelligence_provider.quality.frames import frame_columns, from_frame
from io_intelligence_provider.quality.policy import (
    CheckOptions,
    outcome_of,
    reasons_of,
    refusals_of,
    score,
    stopping,
)
from io_intelligence_provider.quality.prepare import Prepared, needs_all_rows, prepare, times_as_text
from io_intelligence_provider.quality.profile import Profiler
from io_intelligence_provider.quality.quarantine import quarantine_schema, quarantine_table
from io_intelligence_provider.quality.result import (
    MAX_EXAMPLES,
    CheckResult,
    CheckRun,
    ColumnProfile,
    new_run_id,
)
from io_intelligence_provider.quality.schema import load_schema
from io_intelligence_provider.quality.uniqueness import find_duplicate_keys
from io_intelligence_provider.quality.validator import BatchValidator, DuplicateKeys, validate_batch
from io_intelligence_provider.storage.parquet import no_rows

__all__ = ["RunContext", "check_dataset", "check_frame"]


def check_dataset(
    path: str, schema: Any, options: CheckOptions | None = None, *, filesystem: Any = None
) -> CheckRun:
    """Check Parquet files by a pandera schema.

    Every check is evaluated, even after others failed. Quarantine and valid rows are written before the
    outcome is decided. Rows read = valid rows + refused rows.

    :param path: a file, a glob or a folder, partitioned or not; a local path or an fsspec URL.
    :param schema: ``"module:object"``, the path of a pandera YAML file, or a pandera model or schema.
    :param filesystem: an fsspec file system to use instead of the one that the URL names.
    :raises QualityError: when a finding stops the run; its ``report`` is the :class:`CheckRun`.
    :raises NotOnFileError: when the path matches no file.
    :raises ConfigurationError: when an argument is wrong, or the schema needs all rows at once and they
        do not fit ``memory_limit``.
    :raises StorageError: when a file cannot be read or written.
    """
    options = options or CheckOptions()
    prepared = prepare(load_schema(schema))
    found = find(path, filesystem)
    refuse_output_among_input(found, options)
    return _Run(RunContext.now(path, prepared, options), open_files(found), filesystem).execute()


def check_frame(
    frame: Any,
    schema: Any,
    options: CheckOptions | None = None,
    *,
    name: str | None = None,
    filesystem: Any = None,
) -> CheckRun:
    """Check a frame.

    :param frame: pandas, polars, a LazyFrame (which is collected) or an Arrow table.
    :param name: the name of the data set in the result; by default ``valid_path``, or ``frame``.
    :raises QualityError: when a finding stops the run; an existing file at ``valid_path`` is then kept.
    :raises ConfigurationError: when ``frame`` is no frame, or has columns that cannot be checked.
    """
    options = options or CheckOptions()
    prepared = prepare(load_schema(schema))
    path = name or options.valid_path or "frame"
    source = InMemory(from_frame(frame, index=bool(prepared.index)))
    return _Run(RunContext.now(path, prepared, options), source, filesystem).execute()


class _Run:
    def __init__(self, context: RunContext, source: Source, filesystem: Any) -> None:
        self.context, self.source, self.filesystem = context, source, filesystem
        self.prepared, self.options = context.prepared, context.options
        types = {field.name: str(field.type) for field in source.schema}
        self.reasons = needs_all_rows(self.prepared) + times_as_text(self.prepared, types)
        self.counts = CheckCounts(self.prepared.declared, self.options.policy, self.options.examples)
        self.columns = frame_columns(source.schema, self.prepared)
        self.options.policy.check_names(self.prepared.declared, self.columns)
        _refuse_unknown_keys(self.prepared, self.columns)

    def execute(self) -> CheckRun:
        with ExitStack() as stack:
            refused, valid = (
                stack.enter_context(
                    ParquetTarget(path, output_filesystem(path, self.context.path, self.filesystem))
                )
                if path
                else None
                for path in (self.options.quarantine_file(self.context.run_id), self.options.valid_path)
            )
            if refused is not None and valid is not None and refused.place == valid.place:
                raise ConfigurationError(
                    f"quarantine_path and valid_path are one file, {valid.path}: valid rows would replace "
                    "refused ones. Give each a file of its own."
                )
            profile = self._validate(refused, valid)
            run = self.context.result(
                self.counts,
                self.source,
                self.columns,
                profile.finish() if profile is not None else (),
                whole=bool(self.reasons),
            )
            if refused is not None:
                run = replace(run, quarantine_path=refused.commit())
            if valid is not None and self.context.keeps_valid_rows(run):
                if valid.schema is None:
                    raise ConfigurationError(
                        f"The schema {run.schema} leaves no column of {run.dataset} to write."
                    )
                run = replace(run, valid_path=valid.commit())
            return self.context.finish(run)

    def _pieces(self, validator: BatchValidator) -> Iterator[tuple[Batch, list[DuplicateKeys]]]:
        if self.reasons:
            batch = read_all_rows(self.source, self.options.memory_bytes, self.context.path, self.reasons)
            yield batch, find_duplicate_keys(batch, validator)
            return
        repeats = find_duplicate_keys(self.source, validator)
        read = 0
        for batch in self.source.batches(native=self.prepared.loaded.backend == "polars"):
            read += batch.rows
            yield batch, repeats
        if not read:  # the columns can be validated without any row
            yield Batch(no_rows(self.source.schema), "", 0, 0), []
        if read != self.source.rows:
            raise StorageError(
                f"{self.context.path} changed while it was read: {self.source.rows} rows, then {read}."
            )

    def _validate(self, refused: ParquetTarget | None, valid: ParquetTarget | None) -> Profiler | None:
        profiler = _profiler() if self.options.profile or self.options.history_checks else None
        validator = BatchValidator(self.prepared, wanted_floats(self.prepared, self.source))
        if refused is not None:
            refused.write(no_rows(quarantine_schema()))
        for batch, repeats in self._pieces(validator):
            validated = validate_batch(validator, self.counts, batch, (item.of(batch) for item in repeats))
            if refused is not None:
                for rows in validated.refused_rows():
                    refused.write(quarantine_table(rows, self.context.run_id, self.context.checked_at))
            if valid is not None:
                table = validator.output(batch, validated.parsed)
                if table.num_columns:
                    valid.write(table.filter(validated.valid.to_arrow()))
            if profiler is not None:
                profiler.add(_polars(batch))
        return profiler


def _refuse_unknown_keys(prepared: Prepared, columns: Sequence[str]) -> None:
    """Refuse ``unique`` columns that neither the schema nor the data have; pandera compares the others alone.

    :raises ConfigurationError: when there is one.
    """
    schema: Any = prepared.schema
    if getattr(schema, "parsers", None):  # may add columns
        return
    for name in (name for unique in prepared.unique if not unique.regex for name in unique.columns):
        if name not in columns and prepared.column_of(name) is None:
            raise ConfigurationError(
                f"The schema {prepared.loaded.name} wants {name!r} unique; neither it nor the data have that."
            )


def _profiler() -> Profiler:
    return Profiler()


def _polars(batch: Batch) -> Any:
    return pl.from_arrow(batch.table) if batch.frame is None else batch.frame


@dataclass(frozen=True)
class RunContext:
    """The data set, options and start of a run.

    :param started: ``time.monotonic()`` at the beginning.
    """

    path: str
    prepared: Prepared
    options: CheckOptions
    run_id: str
    checked_at: datetime
    started: float

    @classmethod
    def now(cls, path: str, prepared: Prepared, options: CheckOptions) -> RunContext:
        """Begin a run."""
        now = datetime.now(UTC)
        return cls(path, prepared, options, new_run_id(now), now, time.monotonic())

    def result(
        self,
        counts: CheckCounts,
        source: Source,
        names: Sequence[str],
        profile: tuple[ColumnProfile, ...],
        *,
        engine: str = "local",
        whole: bool = False,
    ) -> CheckRun:
        """Build the result after all rows were validated; :meth:`finish` sets its outcome and duration.

        :param names: the columns that the schema sees.
        :param whole: whether the rows were validated in one batch.
        """
        checks = [*counts.results(names), *_dataset_checks(counts, self.options, source)]
        run = CheckRun(
            run_id=self.run_id,
            dataset=self.path,
            schema=self.prepared.loaded.name,
            checked_at=self.checked_at,
            seconds=0.0,
            engine=engine,
            mode="whole" if whole else "rows",
            outcome="passed",
            score=score(counts.rows, counts.rows - counts.quarantined, checks),
            rows=counts.rows,
            valid=counts.rows - counts.quarantined,
            quarantined=counts.quarantined,
            files=source.files,
            checks=tuple(checks),
            columns=tuple((field.name, str(field.type)) for field in source.schema),
            profile=profile,
            data_interval_start=self.options.data_interval_start,
        )
        if self.options.history_checks:
            earlier = self.options.earlier_runs
            checks += self.options.history.evaluate(run, () if earlier is None else earlier(run))
        return replace(
            run,
            checks=tuple(identified(checks, self.prepared.declared)),
            score=score(run.rows, run.valid, checks),
        )

    def keeps_valid_rows(self, run: CheckRun) -> bool:
        """Return whether to write valid rows: nothing stops the run, and no data-set check failed."""
        if not self.options.valid_path or stopping(run.checks, self.options.fail_on):
            return False
        return not any(map(_is_unsound, run.checks))

    def finish(self, run: CheckRun) -> CheckRun:
        """Return the run with its outcome and duration.

        :raises QualityError: when a finding stops it.
        """
        stopped = stopping(run.checks, self.options.fail_on)
        run = replace(
            run,
            outcome=outcome_of(run.checks, run.quarantined, stopped=bool(stopped)),
            seconds=round(time.monotonic() - self.started, 3),
        )
        if stopped:
            raise QualityError(_why(run, stopped), report=run)
        return run


def _dataset_checks(counts: CheckCounts, options: CheckOptions, source: Source) -> Iterator[CheckResult]:
    """Yield the results of the checks that every data set has."""
    share = counts.governed / counts.rows if counts.rows else 0.0
    limit = options.max_quarantine_share
    yield CheckResult(
        "quarantine_share",
        None,
        "dataset",
        counts.severity("quarantine_share", None),
        int(counts.rows > 0),
        int(share > limit),
        [{"share": share, "max_quarantine_share": limit}] if share > limit else [],
    )
    if options.min_rows is not None:
        few = counts.rows < options.min_rows
        yield CheckResult(
            "min_rows",
            None,
            "dataset",
            counts.severity("min_rows", None),
            1,
            int(few),
            [{"rows": counts.rows, "min_rows": options.min_rows}] if few else [],
        )
    if source.files > 1:
        severity = options.policy.severity_of("same_columns", None, "warn")
        differing = source.differing
        examples = [dict(item) for item in (differing or ())[:MAX_EXAMPLES]]
        evaluated = 0 if differing is None else source.files
        yield CheckResult(
            "same_columns", None, "dataset", severity, evaluated, len(differing or ()), examples
        )


def _is_unsound(check: CheckResult) -> bool:
    """Return whether the data set failed a check, so that its valid rows are not written."""
    fails = not check.passed and check.severity == "error" and check.level == "dataset"
    return fails and check.check != "quarantine_share"


def _why(run: CheckRun, stopped: Sequence[CheckResult]) -> str:
    where = f" They are in {run.quarantine_path}." if run.quarantine_path and run.quarantined else ""
    return f"{run.dataset} was stopped by {reasons_of(stopped)}. {refusals_of(run)}.{where}"
