"""Detects changes of prices or quotas between the daily runs, and records what was last seen.

The record is in the store, as a chain of small files that are written once and never changed:
``<root>/watch/<endpoint>/00000007.json``. A watcher that finds a difference creates the file with the next
number. Only one writer can create it, and that one sends the event. Therefore several watchers of one
endpoint send one event, and a restarted watcher knows the last state.

The numbered file is written *before* the event is sent, and ``00000007.sent`` after it. A watcher that is
killed in between leaves a number without the mark, and the next poll at least a minute later sends the
event again with its old ``event_id``. Events are sent at least once. One is repeated only when a watcher
died in that instant, and the repetition has the same id.
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

__all__ = ["Fingerprint", "Observation", "Watch", "fingerprint", "fingerprint_on_file", "mark_sent", "poll"]

UNSENT: Final = timedelta(minutes=1)
"""The age from which an event without its mark counts as lost with its watcher."""

_KEPT: Final = 50
"""How many numbers of the chain are kept: far more than a slow writer can be behind."""
_GROUP: Final = 5_000
_HASHED: Final = (PRICE_COLUMNS, QUOTA_COLUMNS, (ACCESS_COLUMN,))
"""The columns of each hash."""
_COLUMNS: Final = tuple(chain(*_HASHED))
_TRIES: Final = 5
_LARGEST: Final = 1 << 20


@dataclass(frozen=True)
class Fingerprint:
    """Holds hashes of the prices, quotas and access tiers of a whole catalogue, and nothing else of it.

    Models are identified by ``name``, the one identity that both wire shapes have. A record that the checks
    refuse counts with the prices and quotas that can be read from it.

    :param prices: SHA-256 of name and prices of every model, independent of their order.
    :param quotas: the same for quotas.
    :param access: the same for access tiers; ``None`` when the writer's version did not have them.
    """

    wire_shape: str
    prices: str
    quotas: str
    access: str | None = None

    def moved_since(self, before: Fingerprint) -> tuple[str, ...]:
        """Return which of ``prices`` and ``quotas`` differ; quotas include access tiers if both have them."""
        prices = ["prices"] if self.prices != before.prices else []
        know_access = self.access is not None and before.access is not None
        quotas = self.quotas != before.quotas or (know_access and self.access != before.access)
        return (*prices, *(["quotas"] if quotas and self.wire_shape == before.wire_shape else []))


@dataclass(frozen=True)
class Observation:
    """Holds one link of the chain: the state that was seen, and whether it is an event.

    :param path: its file in the store, without the extension.
    :param moved: ``prices``, ``quotas`` or both; empty when it is no event.
    :param event_id: stays the same when an event has to be sent again.
    :param sent: whether it is marked as sent.
    """

    path: str
    fingerprint: Fingerprint
    moved: tuple[str, ...]
    event_id: str
    seen_at: datetime
    sent: bool = False

    @property
    def number(self) -> int:
        """Return its position in the chain, from 1."""
        return _number(self.path.rpartition("/")[2])

    def payload(self) -> dict[str, Any]:
        """Return the content of the event as plain JSON values."""
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
    """Return the fingerprint of the latest snapshot's catalogue as served; ``None`` without a snapshot.

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
                f"{store.files.url('')} holds snapshots of the query {info.query!r}, and the "
                f"watcher has {q or ''!r}. A root belongs to one query: give this one a root of its own."
            )
        lines = _Lines(WireShape(info.wire_shape))
        lines.add_rows(models)
        refused = store.quarantine(day, day)
        if store.info(day).snapshot_id == info.snapshot_id:
            lines.add_records(text.encode() for text in refused["record"].to_pylist())
            found = lines.fingerprint()
            return found if knows_access else replace(found, access=None)
    raise StorageError(f"The latest snapshot of {store.files.url('')} kept changing while it was read.")


def poll(
    client: IOIntelligenceClient, store: SnapshotStore, q: str | None = None, now: datetime | None = None
) -> Observation | None:
    """Poll the endpoint once; return the event to send, ``None`` when there is none.

    The catalogue is compared with the last observation, or, if there is none, with the latest snapshot. A
    state that does not differ from the latest snapshot is no event.

    Send the event, then call :func:`mark_sent`.

    :param q: search term of the API, the same as that of the root's snapshots.
    :param now: the time, for tests.
    :raises ConfigurationError: when the root belongs to another query.
    :raises IOIntelligenceError: when the client or the store fails.
    """
    moment = now or datetime.now(UTC)
    with client.fetch_catalogue((q or "").strip() or None) as catalogue:
        seen = fingerprint(catalogue)
    watch = Watch(store, client.source_url, q)
    last = watch.latest()
    unsent: tuple[str, ...] = ()
    if last is not None and not last.sent and moment - last.seen_at >= UNSENT:
        unsent = last.moved  # its watcher died before it sent the event
    if last is not None and last.fingerprint == seen and not unsent:
        return None
    filed = fingerprint_on_file(store, q)
    before = last.fingerprint if last else filed
    now_moved = seen.moved_since(before) if before is not None and before != seen else ()
    if filed is not None:  # what a run has filed meanwhile needs no event
        unfiled = seen.moved_since(filed)
        unsent = tuple(kind for kind in unsent if kind in unfiled)
        now_moved = now_moved if unfiled else ()
    moved = tuple(sorted({*unsent, *now_moved}))
    observation = watch.advance(last, seen, moved, moment)
    return observation if moved else None


def mark_sent(store: SnapshotStore, observation: Observation) -> None:
    """Record that an event was sent, so that it is not sent again.

    :raises StorageError: when the mark cannot be written.
    """
    store.files.put(f"{observation.path}.sent", b"")


class Watch:
    """Reads and extends the chain of one endpoint and search term in a store."""

    def __init__(self, store: SnapshotStore, source_url: str, q: str | None = None) -> None:
        self._files = store.files
        key = json.dumps([source_url, (q or "").strip()])
        self._folder = f"watch/{hashlib.sha256(key.encode()).hexdigest()[:16]}"

    def latest(self) -> Observation | None:
        """Return the last observation.

        :raises StorageError: when it cannot be read, or is not a file of this provider.
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
                f"{self._files.url(path)}.json is not a file of a watcher: {error!r}. Delete it."
            ) from None

    def advance(
        self, last: Observation | None, seen: Fingerprint, moved: tuple[str, ...], now: datetime
    ) -> Observation | None:
        """Write the next link; ``None`` when another watcher wrote it first, which then sends the event."""
        again = last is not None and last.fingerprint == seen
        event_id = last.event_id if last is not None and again else _event_id(seen, now)
        path = self._path((last.number if last else 0) + 1)
        observation = Observation(path, seen, moved, event_id, now)
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
        self._forget(observation.number - _KEPT)
        return observation

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:08d}"

    def _forget(self, oldest: int) -> None:
        for name in self._files.list(self._folder):
            if _number(name) < oldest:
                self._files.delete(f"{self._folder}/{name}")


class _Lines:
    """Collects one line of JSON per model for prices, quotas and access tier, each with the name."""

    def __init__(self, shape: WireShape) -> None:
        self._shape = shape
        self._lines: tuple[list[pl.Series], ...] = tuple([] for _ in _HASHED)

    def add_records(self, records: Iterable[bytes]) -> None:
        """Add raw records; a value that cannot be stored counts as null."""
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
        """Add typed rows."""
        texts = rows.with_columns([as_text(column, rows[column]) for column in PRICE_COLUMNS])
        for columns, lines in zip(_HASHED, self._lines, strict=True):
            lines.append(texts.select("name", *columns).to_struct("line").struct.json_encode())

    def fingerprint(self) -> Fingerprint:
        """Hash the lines, without duplicates and independent of their order."""
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
