"""Checks a data set on Spark: Arrow batches go to the workers, failures come back.

A worker validates a batch with the same functions as the local engine. Spark finds duplicate keys by a
window over them, because they span batches. A schema that needs all rows at once is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from io_intelligence_provider.errors import ConfigurationError, NotOnFileError, StorageError
from io_intelligence_provider.quality.batches import Batch, InMemory, float_columns
from io_intelligence_provider.quality.checks import CheckCounts
from io_intelligence_provider.quality.files import ParquetTarget, fixed_part, output_filesystem, partitions_of
from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.quality.prepare import Unique, needs_all_rows, prepare
from io_intelligence_provider.quality.profile import Profiler
from io_intelligence_provider.quality.quarantine import (
    RefusedRow,
    quarantine_schema,
    quarantine_table,
)
from io_intelligence_provider.quality.result import CheckFailure, CheckRun, ColumnProfile
from io_intelligence_provider.quality.run import RunContext
from io_intelligence_provider.quality.schema import load_schema
from io_intelligence_provider.quality.spark_worker import (
    FILE,
    REPEATED,
    Worker,
    in_utc,
    parsed_differently,
)
from io_intelligence_provider.quality.validator import BatchValidator, validate_batch
from io_intelligence_provider.storage.location import refusal_of, scrubbed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["check_on_spark"]


_ROWS_AT_A_TIME: Final = 10_000


def check_on_spark(
    path: str,
    schema: Any,
    options: CheckOptions | None = None,
    *,
    spark: Any = None,
    filesystem: Any = None,
) -> CheckRun:
    """Check Parquet files on Spark. Schema, failures, result and quarantine are the same as those of
    :func:`~io_intelligence_provider.quality.run.check_dataset`.

    Spark reads ``path`` and writes ``valid_path`` (a new folder ``<valid_path>/<run_id>`` for each run) with
    its own credentials. This process collects refused rows and writes them as one file. The workers need
    this package and the module that defines the schema.

    :param spark: a session, a Spark Connect URL (``sc://…``), a master URL, or ``None`` for the active one.
    :param filesystem: an fsspec file system for the quarantine.
    :raises ConfigurationError: when pyspark is not installed, or the schema needs all rows at once.
    """
    if refusal := refusal_of(path, "path"):
        del path  # tracebacks may show local variables
        raise ConfigurationError(refusal)
    options = options or CheckOptions()
    prepared = prepare(load_schema(schema))
    if reasons := needs_all_rows(prepared):
        raise ConfigurationError(
            f"The schema {prepared.loaded.name} cannot be validated on Spark, where rows are spread over "
            f"workers: {', '.join(reasons[:3])} may look at all rows. Declare a check that looks at one "
            "value at a time element_wise=True, use a built-in one, or check with engine='local'."
        )
    with _session(spark) as session:
        return _SparkRun(RunContext.now(path, prepared, options), session, filesystem).execute()


@contextmanager
def _session(spark: Any) -> Iterator[SparkSession]:
    """Yield a session and stop it afterwards if it was created here."""
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ConfigurationError(
            "engine='spark' needs pyspark, which is not installed. Install the extra: "
            "pip install 'airflow-provider-io-intelligence[spark]'."
        ) from error
    if spark is not None and not isinstance(spark, str):
        yield spark
        return
    active = SparkSession.getActiveSession()
    if spark is None and active is not None:
        yield active
        return
    builder: Any = SparkSession.builder.appName("io-intelligence")
    if spark:
        builder = builder.remote(spark) if spark.startswith("sc://") else builder.master(spark)
    made = builder.getOrCreate()
    try:
        yield made
    finally:
        if made is not active:
            made.stop()


class _SparkRun:
    def __init__(self, context: RunContext, spark: SparkSession, filesystem: Any) -> None:
        self.context, self.spark, self.filesystem = context, spark, filesystem
        self.path, self.prepared, self.options = context.path, context.prepared, context.options

    def execute(self) -> CheckRun:
        data = self._read()
        source = self._source(data)
        self.options.policy.check_names(self.prepared.declared, source.schema.names)
        validated = self._validated(data, source.schema)
        with _kept(validated), ExitStack() as stack:
            run = self._result(validated, source)
            if quarantine := self.options.quarantine_file(self.context.run_id):
                target = stack.enter_context(
                    ParquetTarget(quarantine, output_filesystem(quarantine, self.path, self.filesystem))
                )
                rows = self._refused(validated) if run.quarantined else iter(())
                run = replace(run, quarantine_path=self._quarantine(rows, target))
            if self.context.keeps_valid_rows(run):
                run = replace(run, valid_path=self._valid(validated))
        return self.context.finish(run)

    def _read(self) -> DataFrame:
        reader = self.spark.read.option("mergeSchema", "true")
        if (above := fixed_part(self.path)) not in ("", self.path):
            reader = reader.option("basePath", above)  # else the folders that a glob matches are no columns
        try:
            data = reader.parquet(self.path)
            _ = data.schema
        except Exception as error:  # noqa: BLE001 - of Spark, Java or the connection; it goes on as one of ours
            if "PATH_NOT_FOUND" in str(error) or "UNABLE_TO_INFER_SCHEMA" in str(error):
                raise NotOnFileError(f"{self.path} matches no Parquet file that Spark can see.") from None
            why = " ".join(str(error).splitlines()[:2])  # Java's stack follows
            raise StorageError(f"Spark could not read {self.path}: {scrubbed(why)}") from None
        # Spark reads integer partitions as 32 bits; the local engine uses 64.
        for name in {name for file in data.inputFiles() for name in partitions_of(file)}:
            if name in data.columns and data.schema[name].dataType.typeName() == "integer":
                data = data.withColumn(name, _column(name).cast("long"))
        return data

    def _source(self, data: DataFrame) -> InMemory:
        schema = in_utc(data.limit(0).toArrow().schema)
        return InMemory(schema.empty_table(), files=len(data.inputFiles()), differing=None)

    def _keys(self, schema: pa.Schema) -> list[tuple[Unique, tuple[str, ...]]]:
        keys = [
            (unique, columns) for unique in self.prepared.unique for columns in unique.resolved(schema.names)
        ]
        changed = parsed_differently(self.prepared, schema)
        for _, columns in keys:
            if parsed := sorted(changed & set(columns)):
                raise ConfigurationError(
                    f"The schema {self.prepared.loaded.name} wants {', '.join(parsed)} unique after it "
                    "changed the values (coerce, default), which Spark cannot see. Store the column as that "
                    "type, or check with engine='local'."
                )
        return keys

    def _validated(self, data: DataFrame, schema: pa.Schema) -> DataFrame:
        """Return a frame of each partition's counts, the refused rows and, if requested, the valid ones."""
        from pyspark.sql.pandas.types import from_arrow_schema

        keys = self._keys(schema)
        floats = self._floats(data, schema)
        # The worker knows the columns by position: a name may be one of the helpers', or one that mapInArrow
        # cannot resolve.
        named = [_column(name).alias(str(number)) for number, name in enumerate(schema.names)]
        file = data.metadataColumn("_metadata").getField("file_path").alias(FILE)
        repeated = [
            _repeats(unique, columns).alias(f"{REPEATED}{index}")
            for index, (unique, columns) in enumerate(keys)
        ]
        data = data.select(*named, file, *repeated)
        marks = tuple((unique.check, columns) for unique, columns in keys)
        worker = Worker(
            self.prepared, self.options.policy, schema, marks, floats, examples=self.options.examples,
            profile=bool(self.options.profile or self.options.history_checks),
            keep_valid=bool(self.options.valid_path),
        )  # fmt: skip
        output = from_arrow_schema(worker.output)
        return data.mapInArrow(worker, output).persist()

    def _floats(self, data: DataFrame, schema: pa.Schema) -> frozenset[str]:
        from pyspark.sql import functions as F  # noqa: N812 - as everyone calls it

        names = sorted(float_columns(self.prepared, schema))
        if not names:
            return frozenset()
        nulls = data.select([F.max(_column(name).isNull()).alias(name) for name in names]).first()
        return frozenset(name for name in names if nulls is not None and nulls[name])

    def _result(self, validated: DataFrame, source: InMemory) -> CheckRun:
        counts = CheckCounts(self.prepared.declared, self.options.policy, self.options.examples)
        profiles = []
        for row in validated.where("counts is not null").select("counts", "profile").collect():
            counts.merge(json.loads(row["counts"]))
            profiles += [bytes(row["profile"])] if row["profile"] else []
        if not counts.rows:  # the columns can be validated without any row
            validate_batch(BatchValidator(self.prepared), counts, Batch(source.table, "", -1, 0), ())
        return self.context.result(counts, source, source.schema.names, _profile(profiles), engine="spark")

    def _refused(self, validated: DataFrame) -> Iterator[RefusedRow]:
        """Yield the refused rows, fetched a partition at a time."""
        refused = validated.where("record is not null").select("record", "failures", "file")
        for row in refused.toLocalIterator(prefetchPartitions=True):
            failures = tuple(
                CheckFailure(item["check"], item["column"], None, item["message"], item["value"])
                for item in row["failures"]
            )
            yield RefusedRow(row["record"], failures, row["file"], None)

    def _quarantine(self, refused: Iterator[RefusedRow], target: ParquetTarget) -> str:
        target.write(quarantine_schema().empty_table())
        while rows := list(islice(refused, _ROWS_AT_A_TIME)):
            target.write(quarantine_table(rows, self.context.run_id, self.context.checked_at))
        return target.commit()

    def _valid(self, validated: DataFrame) -> str:
        path = f"{str(self.options.valid_path).rstrip('/')}/{self.context.run_id}"
        validated.where("counts is null and record is null").select("row.*").write.parquet(path)
        return path


@contextmanager
def _kept(frame: DataFrame) -> Iterator[None]:
    """Unpersist a frame afterwards; it is persisted so that it is validated only once."""
    try:
        yield
    finally:
        frame.unpersist()


def _column(name: str) -> Any:
    from pyspark.sql import functions as F  # noqa: N812 - as everyone calls it

    quoted = name.replace("`", "``")
    return F.col(f"`{quoted}`")


def _repeats(unique: Unique, columns: tuple[str, ...]) -> Any:
    from pyspark.sql import Window
    from pyspark.sql import functions as F  # noqa: N812 - as everyone calls it

    window: Any = Window.partitionBy(*map(_column, columns))
    if unique.keep is False:
        return F.count(F.lit(1)).over(window) > 1
    order = F.monotonically_increasing_id()
    return F.row_number().over(window.orderBy(order if unique.keep == "first" else order.desc())) > 1


def _profile(states: list[bytes]) -> tuple[ColumnProfile, ...]:
    if not states:
        return ()
    return Profiler.merged(states).finish()
