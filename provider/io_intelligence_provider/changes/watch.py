"""Between the daily runs: did prices or quotas move since somebody looked?

What was seen last is in the store, as a chain of small files that are written once and never again:
``<root>/watch/<endpoint>/00000007.json``. Who finds a difference writes the next number, and only one
writer can: that one tells the others. So several watchers of one endpoint make one event, and one that
was restarted knows what was seen before.

The number is written *before* the event is given away, and ``00000007.sent`` after it: a watcher that is
killed in between leaves a number without a mark, and the next look that comes a minute later or more
gives the event away again under its old ``event_id``. That is at least once. An event is repeated only
when a watcher died in that instant, and a repetition is told by its id.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final

import polars as pl

from io_intelligence_provider.catalog.client import IOIntelligenceClient
from io_intelligence_provider.catalog.pagination import Catalogue
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.changes.values import as_text
from io_intelligence_provider.contract.columns import ACCESS_COLUMN, PRICE_COLUMNS, QUOTA_COLUMNS
from io_intelligence_provider.contract.decode import read_batch
from io_intelligence_provider.contract.parsing import parse_prices
from io_intelligence_provider.errors import (
    ConfigurationError,
    NotOnFileError,
    StorageError,
    UnreadableFileError,
)
from io_intelligence_provider.storage.parquet import open_parquet
from io_intelligence_provider.store.layout import models_path
from io_intelligence_provider.store.models_file import MODELS_KIND, chosen_columns, info_of
from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["Fingerprint", "Observation", "Watch", "fingerprint", "fingerprint_on_file", "look", "mark_sent"]

UNSENT: Final = timedelta(minutes=1)
"""Age from which an event without its mark is taken for one that died with its watcher."""

_KEPT: Final = 50
"""Numbers of the chain that stay: far more than a slow writer can be behind."""
_GROUP: Final = 5_000
_HASHED: Final = (PRICE_COLUMNS, QUOTA_COLUMNS, (ACCESS_COLUMN,))
"""The columns of each hash."""
_COLUMNS: Final = tuple(chain(*_HASHED))
_TRIES: Final = 5
_LARGEST: Final = 1 << 20


@dataclass(frozen=True)
class Fingerprint:
    """Prices, quotas and access tiers of a whole catalogue, as hashes; nothing else of it is in them.

    Models are told apart by ``name``, the one identity that both wire shapes have. A record that the
    checks refuse counts with the prices and quotas that can be read from it.

    :param prices: SHA-256 over name and prices of every model, in no order.
    :param quotas: the same of the quotas.
    :param access: the same of the access tiers; ``None`` where whoever wrote it knew of none.
    """

    wire_shape: str
    prices: str
    quotas: str
    access: str | None = None

    def moved_since(self, before: Fingerprint) -> tuple[str, ...]:
        """Return which of ``prices`` and ``quotas`` differ: quotas, or access tiers, where both know them."""
        prices = ["prices"] if self.prices != before.prices else []
        know_access = self.access is not None and before.access is not None
        quotas = self.quotas != before.quotas or (know_access and self.access != before.access)
        return (*prices, *(["quotas"] if quotas and self.wire_shape == before.wire_shape else []))


@dataclass(frozen=True)
class Observation:
    """One link of the chain: what was seen, and whether that is an event.

    :param path: its file in the store, without the ending.
    :param moved: ``prices``, ``quotas`` or both; nothing: no event.
    :param event_id: stays the same when an event has to be given away again.
    :param sent: whether it is marked as given away.
    """

    path: str
    fingerprint: Fingerprint
    moved: tuple[str, ...]
    event_id: str
    seen_at: datetime
    sent: bool = False

    @property
    def number(self) -> int:
        """Its place in the chain, from 1."""
        return _number(self.path.rpartition("/")[2])

    def payload(self) -> dict[str, Any]:
        """Return what an event says, as plain JSON values."""
        return {
            "event_id": self.event_id,
            "moved": list(self.moved),
            "seen_at": self.seen_at.isoformat(),
            **asdict(self.fingerprint),
        }


def fingerprint(catalogue: Catalogue) -> Fingerprint:
    """Return the fingerprint of a catalogue as it was served."""
    lines = _Lines(catalogue.shape)
    lines.add_records(raw for page in catalogue.pages() for raw in page)
    return lines.fingerprint()


def fingerprint_on_file(store: SnapshotStore, q: str | None = None) -> Fingerprint | None:
    """Return the fingerprint that the latest snapshot had when it was served; ``None`` without one.

    :param q: the search term of the watcher.
    :raises ConfigurationError: when the root belongs to another query.
    :raises StorageError: when a file cannot be read.
    """
    for _ in range(_TRIES):
        try:
            day = store.resolve()
        except NotOnFileError:
            return None
        with open_parquet(store.files, models_path(day), MODELS_KIND) as file:
            info = info_of(file.schema, file.where)
            knows_access = ACCESS_COLUMN in file.schema.names
            models = _polars(file.read(chosen_columns(["name", *_COLUMNS])))
        if info.query != (q or "").strip():
            raise ConfigurationError(
                f"{store.files.url('')} holds snapshots of the query {info.query!r}, the watcher asks "
                f"{q or ''!r}. A root belongs to one query: give this one a root of its own."
            )
        lines = _Lines(WireShape(info.wire_shape))
        lines.add_rows(models)
        refused = store.quarantine(day, day)
        if store.info(day).snapshot_id == info.snapshot_id:
            lines.add_records(text.encode() for text in refused["record"].to_pylist())
            found = lines.fingerprint()
            return found if knows_access else replace(found, access=None)
    raise StorageError(f"The latest snapshot of {store.files.url('')} kept changing while it was read.")


def look(
    client: IOIntelligenceClient, store: SnapshotStore, q: str | None = None, now: datetime | None = None
) -> Observation | None:
    """Look at the endpoint once; return the event to give away, ``None`` when there is none.

    Compared is with what was seen last. What the latest snapshot holds already is no news, whoever filed
    it; and where nobody looked before, that snapshot is what was seen last.

    Give the event away, then call :func:`mark_sent`.

    :param q: the API's search term, that of the root's snapshots.
    :param now: the time, for tests.
    :raises ConfigurationError: when the root belongs to another query.
    :raises IOIntelligenceError: what the client and the store raise.
    """
    moment = now or datetime.now(UTC)
    with client.fetch_catalogue((q or "").strip() or None) as catalogue:
        seen = fingerprint(catalogue)
    moved: tuple[str, ...] = ()
    watch = Watch(store, client.source_url, q)
    last = watch.latest()
    if last is not None and last.fingerprint == seen:
        if not last.moved or last.sent or moment - last.seen_at < UNSENT:
            return None
        moved = last.moved  # its watcher died before it gave the event away
    filed = fingerprint_on_file(store, q)
    before = last.fingerprint if last else filed
    if before is not None and before != seen:
        moved = seen.moved_since(before)
    if filed is not None and not seen.moved_since(filed):
        moved = ()
    sighting = watch.advance(last, seen, moved, moment)
    return sighting if moved else None


def mark_sent(store: SnapshotStore, sighting: Observation) -> None:
    """Write down that an event was given away: it is not given away again.

    :raises StorageError: when the mark cannot be written.
    """
    store.files.put(f"{sighting.path}.sent", b"")


class Watch:
    """The chain of one endpoint and search term in a store."""

    def __init__(self, store: SnapshotStore, source_url: str, q: str | None = None) -> None:
        self._files = store.files
        key = json.dumps([source_url, (q or "").strip()])
        self._folder = f"watch/{hashlib.sha256(key.encode()).hexdigest()[:16]}"

    def latest(self) -> Observation | None:
        """Return what was seen last.

        :raises StorageError: when it cannot be read, or is no file of this provider.
        """
        names = self._files.list(self._folder)
        numbers = [_number(name) for name in names if name.endswith(".json")]
        if not numbers:
            return None
        path = self._path(max(numbers))
        try:
            content = json.loads(self._files.read(f"{path}.json", _LARGEST))
            return Observation(
                path=path,
                fingerprint=Fingerprint(**content["fingerprint"]),
                moved=tuple(content["moved"]),
                event_id=content["event_id"],
                seen_at=datetime.fromisoformat(content["seen_at"]),
                sent=f"{max(numbers):08d}.sent" in names,
            )
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise UnreadableFileError(
                f"{self._files.url(path)}.json is not what a watcher writes: {error!r}. Delete it."
            ) from None

    def advance(
        self, last: Observation | None, seen: Fingerprint, moved: tuple[str, ...], now: datetime
    ) -> Observation | None:
        """Write the next link; ``None`` when another watcher was first: then the event is that one's."""
        again = last is not None and last.fingerprint == seen
        event_id = last.event_id if last is not None and again else _event_id(seen, now)
        path = self._path((last.number if last else 0) + 1)
        sighting = Observation(path, seen, moved, event_id, now)
        content = {
            "version": 1,
            "fingerprint": asdict(seen),
            "moved": list(moved),
            "event_id": event_id,
            "seen_at": now.isoformat(),
            "writer": secrets.token_hex(8),
        }
        if not self._files.create(f"{path}.json", json.dumps(content, indent=1).encode()):
            return None
        self._forget(sighting.number - _KEPT)
        return sighting

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:08d}"

    def _forget(self, oldest: int) -> None:
        for name in self._files.list(self._folder):
            if _number(name) < oldest:
                self._files.delete(f"{self._folder}/{name}")


class _Lines:
    """Name and prices, name and quotas, name and access tier, of every model: one line of JSON each."""

    def __init__(self, shape: WireShape) -> None:
        self._shape = shape
        self._lines: tuple[list[pl.Series], ...] = tuple([] for _ in _HASHED)

    def add_records(self, records: Iterable[bytes]) -> None:
        """Take raw records; a value that cannot be stored counts as null."""
        group: list[bytes] = []
        for raw in records:
            group.append(raw)
            if len(group) >= _GROUP:
                self._add_batch(group)
                group = []
        if group:
            self._add_batch(group)

    def _add_batch(self, records: list[bytes]) -> None:
        frame = read_batch(records, self._shape).frame
        self.add_rows(frame.with_columns([parse_prices(frame[column]) for column in PRICE_COLUMNS]))

    def add_rows(self, rows: pl.DataFrame) -> None:
        """Take typed rows."""
        texts = rows.with_columns([as_text(column, rows[column]) for column in PRICE_COLUMNS])
        for columns, lines in zip(_HASHED, self._lines, strict=True):
            lines.append(texts.select("name", *columns).to_struct("line").struct.json_encode())

    def fingerprint(self) -> Fingerprint:
        """Hash the lines: each once, in no order."""
        return Fingerprint(self._shape.value, *map(_digest, self._lines))


def _digest(parts: list[pl.Series]) -> str:
    digest = hashlib.sha256()
    if parts:
        for line in pl.concat(parts).unique().sort():
            digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _polars(table: Any) -> pl.DataFrame:
    return pl.DataFrame(table)


def _event_id(seen: Fingerprint, now: datetime) -> str:
    content = hashlib.sha256(f"{seen.prices}{seen.quotas}{seen.access}".encode()).hexdigest()[:12]
    return f"{now:%Y%m%dT%H%M%S%f}Z-{content}"


def _number(name: str) -> int:
    stem = name.partition(".")[0]
    return int(stem) if stem.isdecimal() else 0
