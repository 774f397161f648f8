"""Check a data set: read, judge, write what was refused and what is valid, then decide."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from io_intelligence_provider.datasets.classify import needs_all_rows
from io_intelligence_provider.datasets.find import find
from io_intelligence_provider.datasets.frames import frame_columns, from_frame
from io_intelligence_provider.datasets.judgement import Repeats, judge_piece
from io_intelligence_provider.datasets.keys import find_repeats
from io_intelligence_provider.datasets.options import CheckOptions
from io_intelligence_provider.datasets.outcome import score, stopping
from io_intelligence_provider.datasets.paths import refuse_output_among_input
from io_intelligence_provider.datasets.piece import Piece
from io_intelligence_provider.datasets.prepare import Prepared, prepare
from io_intelligence_provider.datasets.rows import RowJudge
from io_intelligence_provider.datasets.schema import load_schema
from io_intelligence_provider.datasets.source import InMemory, Source, open_files
from io_intelligence_provider.datasets.tally import Tally
from io_intelligence_provider.datasets.whole import read_whole, wanted_floats
from io_intelligence_provider.datasets.write import ParquetTarget, quarantine_schema, quarantine_table
from io_intelligence_provider.errors import QualityError, StorageError
from io_intelligence_provider.quality.report import MAX_EXAMPLES, CheckResult, Outcome
from io_intelligence_provider.quality.result import CheckRun

if TYPE_CHECKING:
    from io_intelligence_provider.quality.profiler import Profiler

__all__ = ["check_dataset", "check_frame", "dataset_checks", "finish", "unsound", "with_extra_checks"]


def check_dataset(
    path: str, schema: Any, options: CheckOptions | None = None, *, filesystem: Any = None
) -> CheckRun:
    """Judge Parquet files by a pandera schema.

    Every check is evaluated whatever the others say. Quarantine and valid rows are written first, and the
    outcome is decided then. Rows read are always the valid ones plus the refused ones.

    :param path: a file, a glob or a folder, partitioned or not; a local path or an fsspec URL.
    :param schema: ``"module:object"``, the path of a pandera YAML file, or a pandera model or schema.
    :param filesystem: an fsspec file system to use instead of the one that the URL names.
    :raises QualityError: when a finding stops the run; its ``report`` is the :class:`CheckRun`.
    :raises NotOnFileError: when the path matches no file.
    :raises ConfigurationError: when an argument is wrong, or the schema needs all rows at once and they
        do not fit ``memory_limit``.
    :raises StorageError: when something cannot be read or written.
    """
    options = options or CheckOptions()
    prepared = prepare(load_schema(schema))
    found = find(path, filesystem)
    refuse_output_among_input(found, options)
    return _Run(path, prepared, open_files(found), options, filesystem).execute()


def check_frame(
    frame: Any, path: str, schema: Any, options: CheckOptions | None = None, *, filesystem: Any = None
) -> CheckRun:
    """Judge a frame and write its valid rows to ``path``, replaced in one step; ``path`` names the data set.

    :param frame: pandas, polars, a LazyFrame (which is collected) or an Arrow table.
    :raises QualityError: when a finding stops the run; what lies at ``path`` stays then.
    """
    options = replace(options or CheckOptions(), valid_path=path)
    prepared = prepare(load_schema(schema))
    return _Run(path, prepared, InMemory(from_frame(frame)), options, filesystem).execute()


class _Run:
    def __init__(
        self, path: str, prepared: Prepared, source: Source, options: CheckOptions, filesystem: Any
    ) -> None:
        self.started = time.monotonic()
        self.path, self.prepared, self.source, self.options = path, prepared, source, options
        self.filesystem = filesystem
        self.checked_at = datetime.now(UTC)
        self.run_id = f"{self.checked_at:%Y%m%dT%H%M%S}Z-{secrets.token_hex(4)}"
        self.reasons = needs_all_rows(prepared)
        self.tally = Tally(prepared, options.policy)
        self.columns = frame_columns(source.schema, prepared)
        options.policy.check_names(prepared.declared, self.columns)

    def execute(self) -> CheckRun:
        with ExitStack() as stack:
            refused, valid = (
                stack.enter_context(ParquetTarget(path, self.filesystem)) if path else None
                for path in (self.options.quarantine_file(self.run_id), self.options.valid_path)
            )
            profile = self._judge(refused, valid)
            run = self._result(profile)
            stopped = stopping(run.checks, self.options.fail_on)
            if refused is not None:
                run = replace(run, quarantine_path=refused.commit())
            if valid is not None and not stopped and not unsound(run.checks):
                run = replace(run, valid_path=valid.commit())
            return finish(run, stopped, self.started)

    def _pieces(self, judge: RowJudge) -> Iterator[tuple[Piece, list[Repeats]]]:
        if self.reasons:
            table = read_whole(self.source, self.options.memory_bytes, self.path, self.reasons)
            whole = InMemory(table, self.source.files)
            yield Piece(table, "", 0, 0), find_repeats(whole, self.prepared, judge, whole=True)
            return
        repeats = find_repeats(self.source, self.prepared, judge)
        read = 0
        for piece in self.source.pieces(native=self.prepared.loaded.backend == "polars"):
            read += piece.rows
            yield piece, repeats
        if not read:  # the columns can be judged without any row
            yield Piece(self.source.schema.empty_table(), "", 0, 0), []
        if read != self.source.rows:
            raise StorageError(
                f"{self.path} changed while it was read: {self.source.rows} rows, then {read}."
            )

    def _judge(self, refused: ParquetTarget | None, valid: ParquetTarget | None) -> Profiler | None:
        profiler = _profiler() if self.options.profile else None
        judge = RowJudge(self.prepared, wanted_floats(self.prepared, self.source))
        if refused is not None:
            refused.write(quarantine_schema().empty_table())
        for piece, repeats in self._pieces(judge):
            judged = judge_piece(judge, self.tally, piece, (item.of(piece) for item in repeats))
            if refused is not None:
                for rows in judged.refused_rows():
                    refused.write(quarantine_table(rows, self.run_id, self.checked_at))
            if valid is not None:
                valid.write(judge.valid_table(piece.table, judged.valid, valid.schema))
            if profiler is not None:
                profiler.add(_polars(piece))
        return profiler

    def _result(self, profiler: Profiler | None) -> CheckRun:
        tally, source = self.tally, self.source
        checks = [*tally.results(self.columns), *dataset_checks(tally, self.options, source)]
        run = CheckRun(
            run_id=self.run_id,
            dataset=self.path,
            schema=self.prepared.loaded.name,
            checked_at=self.checked_at,
            seconds=0.0,
            engine="local",
            mode="whole" if self.reasons else "rows",
            outcome="passed",
            score=score(tally.rows, tally.rows - tally.quarantined, checks),
            rows=tally.rows,
            valid=tally.rows - tally.quarantined,
            quarantined=tally.quarantined,
            files=source.files,
            checks=tuple(checks),
            columns=tuple((field.name, str(field.type)) for field in source.schema),
            profile=profiler.finish() if profiler is not None else (),
        )
        return with_extra_checks(run, self.options)


def with_extra_checks(run: CheckRun, options: CheckOptions) -> CheckRun:
    """Return the run with the results of ``extra_checks``."""
    if options.extra_checks is None:
        return run
    checks = (*run.checks, *options.extra_checks(run))
    return replace(run, checks=checks, score=score(run.rows, run.valid, checks))


def dataset_checks(tally: Tally, options: CheckOptions, source: Source) -> Iterator[CheckResult]:
    """Yield the results of the checks that every data set has."""
    share = tally.governed / tally.rows if tally.rows else 0.0
    limit = options.max_quarantine_share
    yield CheckResult(
        "quarantine_share",
        None,
        "dataset",
        tally.severity("quarantine_share", None),
        int(tally.rows > 0),
        int(share > limit),
        [{"share": share, "max_quarantine_share": limit}] if share > limit else [],
    )
    if source.files > 1:
        severity = options.policy.severity_of("same_columns", None, "warn")
        differing = source.differing
        examples = [dict(item) for item in (differing or ())[:MAX_EXAMPLES]]
        evaluated = 0 if differing is None else source.files
        yield CheckResult(
            "same_columns", None, "dataset", severity, evaluated, len(differing or ()), examples
        )


def unsound(checks: tuple[CheckResult, ...]) -> bool:
    """Tell whether the data set as a whole fails, so that its rows are not worth keeping apart."""
    return any(
        not check.passed
        and check.severity == "error"
        and check.level == "dataset"
        and check.check != "quarantine_share"
        for check in checks
    )


def finish(run: CheckRun, stopped: list[CheckResult], started: float) -> CheckRun:
    """Return the run with its outcome, or raise what stops it.

    :param started: ``time.monotonic()`` at the beginning.
    """
    findings = any(not check.passed for check in run.checks) or run.quarantined
    outcome: Outcome = "failed" if stopped else "warned" if findings else "passed"
    run = replace(run, outcome=outcome, seconds=round(time.monotonic() - started, 3))
    if not stopped:
        return run
    reasons = [
        f"{check.check}{f' on {check.column}' if check.column else ''} "
        f"({check.failed} of {check.evaluated}: {check.examples[0] if check.examples else ''})"
        for check in stopped
    ]
    where = f" They are in {run.quarantine_path}." if run.quarantine_path and run.quarantined else ""
    raise QualityError(
        f"{run.dataset} was stopped by {'; '.join(reasons[:5])}"
        f"{f' and {len(reasons) - 5} more' if len(reasons) > 5 else ''}. "
        f"{run.quarantined} of {run.rows} rows were refused.{where}",
        report=run,
    )


def _profiler() -> Profiler:
    from io_intelligence_provider.quality.profiler import Profiler

    return Profiler()


def _polars(piece: Piece) -> Any:
    import polars as pl

    return pl.from_arrow(piece.table) if piece.frame is None else piece.frame
