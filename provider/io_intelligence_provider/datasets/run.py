"""Check a data set: read, judge, write what was refused and what is valid, then decide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import polars as pl

from io_intelligence_provider.datasets.classify import needs_all_rows
from io_intelligence_provider.datasets.conclude import Begun
from io_intelligence_provider.datasets.find import find
from io_intelligence_provider.datasets.frames import frame_columns, from_frame
from io_intelligence_provider.datasets.judgement import Repeats, judge_piece
from io_intelligence_provider.datasets.keys import find_repeats
from io_intelligence_provider.datasets.options import CheckOptions
from io_intelligence_provider.datasets.paths import output_filesystem, refuse_output_among_input
from io_intelligence_provider.datasets.piece import Piece
from io_intelligence_provider.datasets.prepare import prepare
from io_intelligence_provider.datasets.rows import RowJudge
from io_intelligence_provider.datasets.schema import load_schema
from io_intelligence_provider.datasets.source import InMemory, Source, open_files
from io_intelligence_provider.datasets.tally import Tally
from io_intelligence_provider.datasets.whole import read_whole, wanted_floats
from io_intelligence_provider.datasets.write import ParquetTarget, quarantine_schema, quarantine_table
from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.quality.profiler import Profiler
from io_intelligence_provider.quality.result import CheckRun
from io_intelligence_provider.storage.parquet import no_rows

__all__ = ["check_dataset", "check_frame"]


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
    return _Run(Begun.now(path, prepared, options), open_files(found), filesystem).execute()


def check_frame(
    frame: Any, path: str, schema: Any, options: CheckOptions | None = None, *, filesystem: Any = None
) -> CheckRun:
    """Judge a frame and write its valid rows to ``path``, replaced in one step; ``path`` names the data set.

    :param frame: pandas, polars, a LazyFrame (which is collected) or an Arrow table.
    :raises QualityError: when a finding stops the run; what lies at ``path`` stays then.
    """
    options = replace(options or CheckOptions(), valid_path=path)
    prepared = prepare(load_schema(schema))
    begun = Begun.now(path, prepared, options)
    return _Run(begun, InMemory(from_frame(frame)), filesystem).execute()


class _Run:
    def __init__(self, begun: Begun, source: Source, filesystem: Any) -> None:
        self.begun, self.source, self.filesystem = begun, source, filesystem
        self.prepared, self.options = begun.prepared, begun.options
        self.reasons = needs_all_rows(self.prepared)
        self.tally = Tally(self.prepared, self.options.policy)
        self.columns = frame_columns(source.schema, self.prepared)
        self.options.policy.check_names(self.prepared.declared, self.columns)

    def execute(self) -> CheckRun:
        with ExitStack() as stack:
            refused, valid = (
                stack.enter_context(
                    ParquetTarget(path, output_filesystem(path, self.begun.path, self.filesystem))
                )
                if path
                else None
                for path in (self.options.quarantine_file(self.begun.run_id), self.options.valid_path)
            )
            profile = self._judge(refused, valid)
            run = self.begun.result(
                self.tally,
                self.source,
                self.columns,
                profile.finish() if profile is not None else (),
                whole=bool(self.reasons),
            )
            if refused is not None:
                run = replace(run, quarantine_path=refused.commit())
            if valid is not None and self.begun.keeps_valid_rows(run):
                run = replace(run, valid_path=valid.commit())
            return self.begun.finish(run)

    def _pieces(self, judge: RowJudge) -> Iterator[tuple[Piece, list[Repeats]]]:
        if self.reasons:
            table = read_whole(self.source, self.options.memory_bytes, self.begun.path, self.reasons)
            whole = InMemory(table, self.source.files)
            yield Piece(table, "", 0, 0), find_repeats(whole, self.prepared, judge, whole=True)
            return
        repeats = find_repeats(self.source, self.prepared, judge)
        read = 0
        for piece in self.source.pieces(native=self.prepared.loaded.backend == "polars"):
            read += piece.rows
            yield piece, repeats
        if not read:  # the columns can be judged without any row
            yield Piece(no_rows(self.source.schema), "", 0, 0), []
        if read != self.source.rows:
            raise StorageError(
                f"{self.begun.path} changed while it was read: {self.source.rows} rows, then {read}."
            )

    def _judge(self, refused: ParquetTarget | None, valid: ParquetTarget | None) -> Profiler | None:
        profiler = _profiler() if self.options.profile else None
        judge = RowJudge(self.prepared, wanted_floats(self.prepared, self.source))
        if refused is not None:
            refused.write(no_rows(quarantine_schema()))
        for piece, repeats in self._pieces(judge):
            judged = judge_piece(judge, self.tally, piece, (item.of(piece) for item in repeats))
            if refused is not None:
                for rows in judged.refused_rows():
                    refused.write(quarantine_table(rows, self.begun.run_id, self.begun.checked_at))
            if valid is not None:
                valid.write(judge.valid_table(piece.table, judged.valid, valid.schema))
            if profiler is not None:
                profiler.add(_polars(piece))
        return profiler


def _profiler() -> Profiler:
    return Profiler()


def _polars(piece: Piece) -> Any:
    return pl.from_arrow(piece.table) if piece.frame is None else piece.frame
