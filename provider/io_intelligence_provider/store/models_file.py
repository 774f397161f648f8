"""Sorts, hashes and serialises models to Parquet, with the metadata that identify a snapshot."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Final, Literal, Self
from urllib.parse import urlsplit

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.columns import (
    COLUMNS,
    PRICE_COLUMNS,
    Kind,
    arrow_schema,
    volatile_columns,
)
from io_intelligence_provider.errors import ConfigurationError, UnreadableFileError, in_temporary_folder
from io_intelligence_provider.quality.result import is_run_id
from io_intelligence_provider.storage.digest import with_digests
from io_intelligence_provider.storage.file_kind import FileKind
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.parquet import open_parquet
from io_intelligence_provider.store.layout import METADATA_PREFIX, in_utc

__all__ = [
    "MODELS_KIND",
    "SLICE",
    "SORT_KEYS",
    "ModelSorter",
    "NoRunIdError",
    "SerialisedModels",
    "SnapshotInfo",
    "chosen_columns",
    "content_hash",
    "file_metadata",
    "info_of",
    "read_info",
    "serialise_models",
    "writer_options",
]


_DISTINCT: Final = frozenset({"model_id", "name", "description", *PRICE_COLUMNS})
"""Columns that differ from row to row, for which a dictionary saves no space and costs decoding time."""


MODELS_KIND: Final = FileKind("models file", arrow_schema, 1_000_000, 100_000, 1)
"""100,000 models in any file, and up to a million in a file with at least a byte for each."""


def chosen_columns(columns: Iterable[str]) -> pa.Schema:
    """Return the schema of some columns of ``models.parquet``, in the order given.

    :raises ConfigurationError: when a column does not exist or is named twice.
    """
    schema, columns = arrow_schema(), list(columns)
    for name in columns:
        if columns.count(name) > 1:
            raise ConfigurationError(f"The column {name!r} is asked for twice.")
        if name not in schema.names:
            raise ConfigurationError(f"There is no column {name!r}. Columns are: {', '.join(schema.names)}.")
    return pa.schema([schema.field(name) for name in columns])


class _ContentHash:
    """Computes the SHA-256 of the sorted models without the columns that change while the models do not.

    It covers values, not bytes of a file, so that neither a library version nor the compression changes it.
    For each slice of 8,192 rows and each column it takes the lengths in bytes of texts (-1 for null, as eight
    bytes each), or for other types a byte each, 1 for a value and 0 for null; then the values without nulls:
    texts in UTF-8, prices as 16 bytes, booleans as one, others as eight, of lists the number of items, then
    the lengths of all items, none of which is null, and the items. Numbers are in the machine's byte order,
    little-endian wherever polars runs.
    """

    def __init__(self, shape: WireShape) -> None:
        self._digest = hashlib.sha256()
        volatile = volatile_columns(shape)
        self._columns = [column.name for column in COLUMNS if column.name not in volatile]

    def update(self, models: pl.DataFrame) -> None:
        """Add the next slice."""
        present = [name for name in self._columns if models[name].null_count() < models.height]
        # Two queries of all columns: one query each costs 20 ms a snapshot, however few models it has.
        values = models.select(_hashed(pl.col(name), models.schema[name]).alias(name) for name in present)
        sizes = values.select(
            pl.col(pl.String).str.len_bytes().cast(pl.Int64).fill_null(-1),
            pl.exclude(pl.String).is_not_null().cast(pl.UInt8),
        )
        nothing = b"\xff" * 8 * models.height
        for column in self._columns:
            self._digest.update(f"{column}:".encode())
            if column not in present:
                self._digest.update(nothing)
                continue
            self._digest.update(_buffer(sizes[column]))
            known = values[column].drop_nulls() if values[column].null_count() else values[column]
            self._digest.update(_buffer(known))
            if models.schema[column] == pl.List(pl.String):
                items = models[column].explode().drop_nulls()
                self._digest.update(_buffer(items.str.len_bytes().cast(pl.Int64)))
                self._digest.update(_buffer(items))

    def hexdigest(self) -> str:
        """Return the hash of the slices so far."""
        return self._digest.hexdigest()


def content_hash(models: pl.DataFrame, shape: WireShape) -> str:
    """Return the content hash of sorted models: equal for equal models, whenever they were fetched."""
    digest = _ContentHash(shape)
    for start in range(0, models.height, SLICE):
        digest.update(models.slice(start, SLICE))
    return digest.hexdigest()


def _hashed(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Convert what has no bytes of its own that libraries agree on."""
    if dtype == pl.List(pl.String):
        return column.list.len().cast(pl.Int64)
    if dtype == pl.Datetime("us", "UTC"):
        return column.cast(pl.Int64)
    return column.cast(pl.UInt8) if dtype == pl.Boolean else column


def _buffer(values: pl.Series) -> memoryview:
    """Return the bytes of values without nulls where they lie: Arrow has those of a column in one piece."""
    array = values.rechunk().to_arrow()
    *_, offsets, data = array.buffers()
    if values.dtype == pl.String:
        bounds = memoryview(offsets).cast("q")
        return memoryview(data)[bounds[array.offset] : bounds[array.offset + len(array)]]
    width = array.type.bit_width // 8
    return memoryview(data)[array.offset * width :][: len(array) * width]


def file_metadata(values: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of a models file, with the prefix."""
    return {f"{METADATA_PREFIX}{key}": value for key, value in values.items()}


def writer_options() -> dict[str, Any]:
    """Return the Parquet options of a models file: zstd, statistics, dictionaries where values repeat."""
    columns = [column for column in COLUMNS if column.name not in _DISTINCT]
    paths = [
        f"{column.name}.list.element" if column.kind is Kind.STRING_LIST else column.name
        for column in columns
    ]
    return {"compression": "zstd", "write_statistics": True, "use_dictionary": paths}


@dataclass(frozen=True)
class SerialisedModels:
    """The bytes of a models file.

    :param unpacked: bytes of the models in memory.
    """

    data: bytes
    content_hash: str
    unpacked: int


def serialise_models(
    slices: Iterable[pl.DataFrame], fetched_at: datetime, metadata: Mapping[str, str]
) -> SerialisedModels:
    """Serialise sorted models as Parquet, one row group per slice.

    :param slices: the models in order, :data:`~io_intelligence_provider.store.models_file.SLICE` rows each.
    :param metadata: of the file, without the prefix; includes ``wire_shape``.
    """
    schema = arrow_schema().with_metadata(file_metadata(metadata))
    stamp = pl.lit(fetched_at, dtype=pl.Datetime("us", "UTC")).alias("fetched_at")
    digest, sink = _ContentHash(WireShape(metadata["wire_shape"])), pa.BufferOutputStream()
    unpacked = 0
    with pq.ParquetWriter(sink, schema, **writer_options()) as writer:
        for models in slices:
            if models.height:
                digest.update(models)
            table = models.with_columns(stamp).select(schema.names).to_arrow()
            # Not `Table.cast`: that loads `pyarrow.compute`, which takes as long as a small snapshot.
            unpacked += int(models.estimated_size())
            reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
            writer.write_table(reader.cast(schema).read_all())
    return SerialisedModels(with_digests(sink.getvalue()), digest.hexdigest(), unpacked)


SLICE: Final = 8_192
"""Rows of a sorted slice, which becomes one row group of the Parquet file."""

SORT_KEYS: Final = ("name", "model_id")

_PIECE: Final = 512
"""Rows of a sorted batch that are read at a time; while slices are made, one piece of each is in memory."""


class _SortedBatch:
    """A sorted batch of models in the temporary file, to be read once from its beginning."""

    def __init__(self, file: IO[bytes], models: pl.DataFrame) -> None:
        self._file = file
        self._pieces: deque[tuple[int, int]] = deque()
        self._left = models.clear()
        for start in range(0, models.height, _PIECE):
            buffer = io.BytesIO()
            models.slice(start, _PIECE).write_ipc_stream(buffer)
            with in_temporary_folder():
                self._pieces.append((file.seek(0, io.SEEK_END), file.write(buffer.getbuffer())))

    def take(self, rows: int) -> pl.DataFrame:
        """Return the next rows."""
        taken = [self._left]
        while (height := sum(frame.height for frame in taken)) < rows:
            offset, length = self._pieces.popleft()
            with in_temporary_folder():  # seeking writes what is buffered
                self._file.seek(offset)
                data = self._file.read(length)
            taken.append(pl.read_ipc_stream(io.BytesIO(data)))
        self._left = taken[-1].tail(height - rows)
        return pl.concat(taken).head(rows)


_IN_MEMORY: Final = 128 << 20
"""Bytes of models up to which they are sorted in memory: 110,000 models with a description of 550 bytes."""


def _size(models: pl.DataFrame) -> int:
    """Return the bytes that models take in memory. The estimate of polars lacks 16 a text."""
    texts = sum(dtype == pl.String for dtype in models.dtypes)
    return int(models.estimated_size()) + 16 * texts * models.height


class ModelSorter:
    """Sorts batches of models by ``name``, then ``model_id``, both compared by code points.

    It is a context manager that deletes its temporary file.

    :param in_memory: bytes of models that are kept in memory; while slices are made it is up to twice as
        much. Of more models, only the keys are.
    """

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._in_memory = in_memory
        with in_temporary_folder():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the sorter
        self._held: list[pl.DataFrame] = []
        self._keys: list[pl.DataFrame] = []
        self._batches: list[_SortedBatch] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # closing writes what is buffered, which nobody needs any more
            self._file.close()

    def add(self, models: pl.DataFrame) -> None:
        """Add a batch. When those in memory become too large, they and all later ones go to the file."""
        self._held.append(models)
        if not self._batches and sum(map(_size, self._held)) <= self._in_memory:
            return
        while self._held:
            batch = self._held.pop().sort(SORT_KEYS)
            self._keys.append(batch.select(SORT_KEYS))
            self._batches.append(_SortedBatch(self._file, batch))

    def slices(self) -> Iterator[pl.DataFrame]:
        """Yield all models in order, :data:`SLICE` rows at a time; one empty slice if there are none.

        Called once, after at least one :meth:`add`.
        """
        if not self._batches:
            models = pl.concat(self._held, rechunk=True)
            self._held.clear()
            order = models.select(pl.arg_sort_by(SORT_KEYS)).to_series()
            for start in range(0, max(models.height, 1), SLICE):
                yield models[order.slice(start, SLICE)]
            return
        order = pl.concat(self._keys).select(pl.arg_sort_by(SORT_KEYS)).to_series()
        heights = enumerate(keys.height for keys in self._keys)
        batch_of = pl.concat([pl.Series("batch", [at]).new_from_index(0, height) for at, height in heights])
        for start in range(0, order.len(), SLICE):
            positions = order.slice(start, SLICE)
            counts = batch_of.gather(positions).value_counts().sort("batch")
            taken = [self._batches[at].take(count) for at, count in counts.rows()]
            rows = pl.concat(taken, rechunk=True)  # from chunks, rows are picked four times slower
            # They came in the order of their positions.
            yield rows[positions.arg_sort().arg_sort()]


_LONGEST: Final = 16_384
"""Bytes of one entry: a URL, a search term, an id."""


@dataclass(frozen=True)
class SnapshotInfo:
    """The metadata of a models file."""

    snapshot_id: str
    fetched_at: datetime
    wire_shape: Literal["documented", "openai"]
    source_url: str
    query: str
    provider_version: str


class NoRunIdError(UnreadableFileError):
    """A models file whose ``snapshot_id`` is no run id; ``info`` holds its metadata, including that id."""

    def __init__(self, message: str, info: SnapshotInfo) -> None:
        super().__init__(message)
        self.info = info


def read_info(files: Files, path: str) -> SnapshotInfo:
    """Read the metadata of a models file.

    :raises NotOnFileError: when the file does not exist.
    :raises NoRunIdError: when its ``snapshot_id`` is no run id.
    :raises UnreadableFileError: when it is damaged, or not a models file.
    """
    with open_parquet(files, path, MODELS_KIND) as file:
        return info_of(file.schema, file.where)


def info_of(schema: pa.Schema, where: str) -> SnapshotInfo:
    """Parse the metadata of a models file's schema.

    :param where: the file that it was read from.
    :raises NoRunIdError: when the ``snapshot_id`` is no run id.
    :raises UnreadableFileError: when entries are missing or wrong.
    """
    try:
        info = _info(schema)
    except (KeyError, ValueError, OverflowError) as error:
        raise UnreadableFileError(
            f"{where} is no snapshot of this provider: its metadata lack {error}. Restore the file, or let a "
            "run of that day replace it."
        ) from error
    if not is_run_id(info.snapshot_id):
        raise NoRunIdError(
            f"{where} names {info.snapshot_id[:100]!r} as its snapshot_id, which is no id of a run, so its "
            "report and quarantine cannot be found. Restore the file, or let a run of that day replace it.",
            info,
        )
    return info


def _info(schema: pa.Schema) -> SnapshotInfo:
    prefix = METADATA_PREFIX.encode()
    if any(len(value) > _LONGEST for key, value in (schema.metadata or {}).items() if key.startswith(prefix)):
        raise ValueError(f"values of at most {_LONGEST} bytes")
    metadata = {
        # Invalid UTF-8 is no run id either, and must not hide the other entries.
        key.decode().removeprefix(METADATA_PREFIX): value.decode("utf-8", "replace")
        for key, value in (schema.metadata or {}).items()
        if key.startswith(prefix)
    }
    shape = metadata["wire_shape"]
    if shape not in ("documented", "openai"):
        raise ValueError("a known wire_shape")
    urlsplit(metadata["source_url"])  # callers that compare hosts parse it
    fetched_at = in_utc(datetime.fromisoformat(metadata["fetched_at"]))
    return SnapshotInfo(
        snapshot_id=metadata["snapshot_id"],
        fetched_at=fetched_at,
        wire_shape="openai" if shape == "openai" else "documented",
        source_url=metadata["source_url"],
        query=metadata["query"],
        provider_version=metadata["provider_version"],
    )
