"""Opens snapshots, and finds what to compare one with: each model's latest day outside of quarantine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Final, Self

import polars as pl
import pyarrow as pa

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.changes.values import extra_texts
from io_intelligence_provider.contract.columns import COLUMN_BY_NAME
from io_intelligence_provider.errors import NotOnFileError, StorageError, UnreadableFileError
from io_intelligence_provider.storage.parquet import CheckedFile, open_parquet, read_parquet
from io_intelligence_provider.store.layout import QUARANTINE_KIND, models_path, quarantine_path
from io_intelligence_provider.store.models_file import MODELS_KIND, chosen_columns, info_of
from io_intelligence_provider.store.store import SnapshotStore

__all__ = [
    "Baseline",
    "Day",
    "Matches",
    "UnreadableDayError",
    "given",
    "in_quarantine",
    "latest_known",
    "match",
]

_TRIES: Final = 5
"""Attempts to open a day; each further one means that another commit came in between."""
_ROWS_READ_AT_ONCE: Final = 8_192


class Day:
    """Holds a snapshot as of the moment it was opened; later commits do not change it.

    Columns are read one at a time, so that a comparison takes the memory of a column, not of a catalogue.
    A file of up to 8,192 models is read at once, because forty reads take longer than one. On an object store
    the file is held as its compressed bytes.

    :param quarantine: ``model_id`` and ``name`` of all refused records.
    """

    quarantined: int
    """Number of refused records."""
    refused: pl.DataFrame
    """``model_id`` and ``name`` of the refused records that have at least one of them."""

    def __init__(
        self, day: date, snapshot_id: str, shape: WireShape, parquet: CheckedFile, quarantine: pl.DataFrame
    ):
        self.day = day
        self.snapshot_id = snapshot_id
        self.shape = shape
        self.quarantined = quarantine.height
        self.refused = quarantine.filter(pl.any_horizontal(pl.all().is_not_null()))
        self._parquet = parquet

    @classmethod
    def open(cls, store: SnapshotStore, day: date) -> Self:
        """Open the snapshot of a date with the quarantine of the same run.

        :raises NotOnFileError: when that date has no snapshot.
        :raises UnreadableDayError: when a file is damaged, or the quarantine of the snapshot is missing:
            without it a refused model would look removed.
        :raises StorageError: when the storage does not answer.
        """
        seen = None
        for _ in range(_TRIES):
            with _of(day):
                parquet = open_parquet(store.files, models_path(day), MODELS_KIND)
            try:
                with _of(day):
                    info = info_of(parquet.schema, parquet.where)
                    keys = pa.schema([("model_id", pa.string()), ("name", pa.string())])
                    path = quarantine_path(day, info.snapshot_id)
                    quarantine = pl.DataFrame(read_parquet(store.files, path, QUARANTINE_KIND, keys))
                return cls(day, info.snapshot_id, WireShape(info.wire_shape), parquet, quarantine)
            except NotOnFileError:
                # A concurrent commit deletes the artifacts of the run it replaces.
                parquet.close()
                if info.snapshot_id == seen:
                    break
                seen = info.snapshot_id
            except BaseException:
                parquet.close()
                raise
        raise UnreadableDayError(
            f"The quarantine of snapshot {seen} of {day} is missing in {store.files.url('')}.", day
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; columns that were read remain available."""
        self._parquet.close()

    @cached_property
    def keys(self) -> pl.DataFrame:
        """Return ``row`` (position in the file), ``model_id`` and ``name`` of every model."""
        return pl.DataFrame([self.column("model_id"), self.column("name")]).with_row_index("row")

    def has(self, name: str) -> bool:
        """Return whether the file has a column; a file older than the column lacks it."""
        return name in COLUMN_BY_NAME and name in self._parquet.schema.names

    def column(self, name: str) -> pl.Series:
        """Read one column, converted to its current type.

        :raises StorageError: when the file lacks it: call :meth:`has` first where a file may be older than
            the column.
        :raises UnreadableDayError: when it is damaged.
        """
        if not self.has(name):
            raise StorageError(f"The models file of {self.day} has no column {name}.")
        with _of(self.day):
            if self._parquet.metadata.num_rows <= _ROWS_READ_AT_ONCE:
                return self._all_columns[name]
            return pl.Series(name, self._parquet.read(chosen_columns([name]))[name])

    @cached_property
    def _all_columns(self) -> pl.DataFrame:
        return pl.DataFrame(self._parquet.read())

    def extra_of(self, text: str | None) -> dict[str, str]:
        """Parse a value of the column ``extra``: see :func:`extra_texts`.

        :raises UnreadableDayError: when it is not a JSON object.
        """
        try:
            return extra_texts(text, self.shape)
        except (StorageError, RecursionError) as error:
            raise UnreadableDayError(f"{self._parquet.where}: {error} Restore it.", self.day) from error


class UnreadableDayError(UnreadableFileError):
    """Reports an unusable file of a day.

    :ivar day: the day.
    """

    def __init__(self, message: str, day: date) -> None:
        super().__init__(message)
        self.day = day


@contextmanager
def _of(day: date) -> Iterator[None]:
    """Add the day to the error of an unusable file."""
    try:
        yield
    except UnreadableFileError as error:
        raise UnreadableDayError(str(error), day) from error


def _no_rows() -> pl.DataFrame:
    index = pl.UInt32
    return pl.DataFrame(
        schema={
            "part": index,
            "row": index,
            "model_id": pl.String,
            "name": pl.String,
            "same_shape": pl.Boolean,
        }
    )


@dataclass
class Baseline:
    """Holds rows of one or more earlier days.

    :param days: the days that were read, newest first.
    :param rows: ``part`` (position in ``days``), ``row`` (position in that day's file), ``model_id``,
        ``name``, ``same_shape`` (as today). Each model is in it once.
    :param quarantined: such rows of the models whose records today's run refused.
    """

    days: list[Day] = field(default_factory=list)
    rows: pl.DataFrame = field(default_factory=_no_rows)
    quarantined: pl.DataFrame = field(default_factory=_no_rows)

    def add(self, day: Day, keys: pl.DataFrame, today: Day) -> None:
        """Append rows of an earlier day."""
        self.days.append(day)
        part = keys.select(
            pl.lit(len(self.days) - 1, pl.UInt32).alias("part"),
            "row",
            "model_id",
            "name",
            pl.lit(day.shape is today.shape).alias("same_shape"),
        )
        self.rows = pl.concat([self.rows, part])

    def drop_absent(self, ids: Sequence[pl.Series]) -> None:
        """Drop the models that a later day lacked: its record of their name is another model.

        Only the days before it tell that, which were not read yet when the model was found.

        :param ids: the ids of each day.
        """
        parts = [self.rows.filter(part=0)]
        for number, day in enumerate(self.days[1:], start=1):
            rows = self.rows.filter(part=number)
            for at, later in enumerate(self.days[:number] if rows.height else ()):
                known, same_shape = pl.concat(ids[at + 1 :]), later.shape is day.shape
                rows = rows.filter(in_quarantine(rows, later.refused, same_shape=same_shape, known=known))
            parts.append(rows)
        self.rows = pl.concat(parts)

    def set_refused_apart(self, today: Day) -> None:
        """Move the models that today's run refused to ``quarantined``: whether they changed is unknown."""
        if today.refused.is_empty():
            return
        gone = []
        for same_shape, identity in ((True, "model_id"), (False, "name")):
            part = self.rows.with_row_index("position").filter(pl.col("same_shape") == same_shape)
            hidden = part.filter(in_quarantine(part, today.refused, same_shape=same_shape))
            gone.append(hidden.filter(~pl.col(identity).is_in(today.keys[identity].implode()))["position"])
        is_gone = pl.int_range(pl.len()).is_in(pl.concat(gone).implode())
        self.quarantined, self.rows = self.rows.filter(is_gone), self.rows.filter(~is_gone)

    def reference_days(self, added: pl.DataFrame, today: Day) -> list[date]:
        """Return, for each model that is new, the day on which it was known to be absent.

        That is the latest day on which it was not in quarantine. A model that was in quarantine on every day
        that was read gets the latest of them.
        """
        found = [self.days[0].day] * added.height
        pending = added.select("row").with_row_index("position")
        for day in self.days:
            # Of all models: the record of one that is not new does not count for another with its name.
            all_hidden = in_quarantine(today.keys, day.refused, same_shape=day.shape is today.shape)
            hidden = all_hidden.gather(pending["row"])
            for position in pending.filter(~hidden)["position"] if day is not self.days[0] else ():
                found[position] = day.day
            pending = pending.filter(hidden)
            if pending.is_empty():
                break
        return found


def latest_known(today: Day, earlier: Iterable[Day]) -> Baseline:
    """Read the earlier days, newest first, as far back as quarantines make necessary.

    Usually that is one day. A model in quarantine on that day is looked up on the day before, and so on,
    until a day whose run refused no record. Of the further days only such models are kept, and a file without
    any is closed.
    """
    baseline = Baseline()
    later: list[tuple[Day, pl.DataFrame]] = []
    for day in earlier:
        keys = day.keys
        if later:
            keys = _hidden_on(later, keys, day)
            if keys.is_empty():
                day.close()
        baseline.add(day, keys, today)
        # A model of the newest day may have had another name before.
        later.append((day, _of_interest(day.keys, baseline.days[0]) if later else day.keys))
        if day.refused.is_empty():
            break
        del day.keys
    baseline.drop_absent([valid["model_id"] for _, valid in later])
    baseline.set_refused_apart(today)
    return baseline


def given(today: Day, day: Day) -> Baseline:
    """Return one day as the baseline; models in quarantine on either day are unknown."""
    baseline = Baseline()
    baseline.add(day, day.keys, today)
    baseline.set_refused_apart(today)
    return baseline


def _of_interest(keys: pl.DataFrame, newest: Day) -> pl.DataFrame:
    """Keep the models that a refused record of the newest day may be: no others are looked up."""
    ids, names = (newest.refused[column].drop_nulls().implode() for column in ("model_id", "name"))
    return keys.filter(pl.col("model_id").is_in(ids) | pl.col("name").is_in(names))


def _hidden_on(later: list[tuple[Day, pl.DataFrame]], keys: pl.DataFrame, day: Day) -> pl.DataFrame:
    """Keep the models of ``day`` that were in quarantine, and not also valid, on every later day."""
    for other, valid in later:
        same_shape = other.shape is day.shape
        identity = "model_id" if same_shape else "name"
        keys = keys.filter(in_quarantine(keys, other.refused, same_shape=same_shape))
        keys = keys.filter(~pl.col(identity).is_in(valid[identity].implode()))
    return keys


@dataclass(frozen=True)
class Matches:
    """Holds the correspondence between the rows of two frames.

    :param pairs: positions ``old`` and ``new`` of the same model.
    :param removed: positions in the old frame of models that are gone.
    :param added: positions in the new frame of models that were not there.
    """

    pairs: pl.DataFrame
    removed: pl.Series
    added: pl.Series


def match(old: pl.DataFrame, new: pl.DataFrame) -> Matches:
    """Match models by ``model_id``, and the rest by a ``name`` that is unique on both sides.

    Ids of different wire shapes cannot be compared: such a row of ``old`` has ``same_shape`` false and
    is matched by name only. If its name exists but is not unique, its model is unknown, and neither
    side counts as removed or added.

    :param old: ``model_id``, ``name``, ``same_shape``.
    :param new: ``model_id``, ``name``.
    """
    left, right = old.with_row_index("old"), new.with_row_index("new")
    by_id = (
        left.filter("same_shape")
        .select("model_id", "old")
        .join(right.select("model_id", "new"), on="model_id", how="inner")
        .select("old", "new")
    )
    left_over = left.filter(_others(by_id["old"], left.height))
    right_over = right.filter(_others(by_id["new"], right.height))
    # Rows without a match may have a new id, or the id of another shape: match them by name.
    lone = [side.filter(pl.col("name").is_unique()) for side in (left_over, right_over)]
    by_name = lone[0].join(lone[1], on="name", how="inner").select("old", "new", "name")
    shared = by_name["name"].implode()
    for side in (left, right):
        names = side["name"].filter(side["name"].is_in(shared))
        by_name = by_name.filter(pl.col("name").is_in(names.filter(names.is_unique()).implode()))
    by_name = by_name.select("old", "new")
    left_over = left_over.join(by_name, on="old", how="anti")
    right_over = right_over.join(by_name, on="new", how="anti")
    foreign = left_over.filter(~pl.col("same_shape"))
    if not foreign.is_empty():
        ambiguous = ~pl.col("same_shape") & pl.col("name").is_in(new["name"].implode())
        left_over = left_over.filter(~ambiguous)
        right_over = right_over.filter(~pl.col("name").is_in(foreign["name"].implode()))
    return Matches(pl.concat([by_id, by_name]).sort("new"), left_over["old"], right_over["new"])


def _others(positions: pl.Series, size: int) -> pl.Series:
    """Return a mask of all positions except the given ones."""
    mask = pl.repeat(value=True, n=size, dtype=pl.Boolean, eager=True)
    return mask.scatter(positions.sort(), False)


def in_quarantine(
    models: pl.DataFrame, refused: pl.DataFrame, *, same_shape: bool, known: pl.Series | None = None
) -> pl.Series:
    """Return for each model whether a refused record is that model: by ``model_id``, else by ``name``.

    A refused record with the id of a known model is that model only. Every other one (without an id, with an
    invalid one, or with an id of another wire shape) counts for all models with its name.

    :param known: the ids of all known models; those of ``models`` unless given.
    """
    named = refused.filter(pl.col("name").is_not_null())
    by_id = pl.lit(value=False)
    if refused.is_empty():
        return pl.Series("refused", [False], dtype=pl.Boolean).new_from_index(0, models.height)
    if same_shape:
        by_id = pl.col("model_id").is_in(refused["model_id"].drop_nulls().implode())
        ids = (models["model_id"] if known is None else known).implode()
        named = named.filter(pl.col("model_id").is_null() | ~pl.col("model_id").is_in(ids))
    by_name = pl.col("name").is_in(named["name"].implode())
    return models.select((by_id | by_name).alias("refused"))["refused"]
