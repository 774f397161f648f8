"""Takes a snapshot (fetch, validate, commit) and returns the snapshot date of an Airflow run.

Airflow, replays and tests call the same function.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Any, Final

import polars as pl

from io_intelligence_provider import __version__
from io_intelligence_provider.catalog.client import IOIntelligenceClient
from io_intelligence_provider.catalog.pagination import Catalogue
from io_intelligence_provider.contract.records import DuplicateRecords, RecordCounts, validate_records
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.contract.snapshot_checks import (
    ALWAYS_STOPPING,
    CHECKED_COLUMNS,
    PreviousSnapshot,
    RunFacts,
    missing_fields,
    snapshot_checks,
)
from io_intelligence_provider.errors import (
    ConfigurationError,
    NotOnFileError,
    QualityError,
    StorageError,
    UnreadableFileError,
)
from io_intelligence_provider.quality.policy import (
    check_thresholds,
    outcome_of,
    reasons_of,
    refusals_of,
    score,
    stopping,
)
from io_intelligence_provider.quality.report_html import report_html
from io_intelligence_provider.quality.result import CheckResult, is_run_id, new_run_id
from io_intelligence_provider.quality.results_store import TaskRun
from io_intelligence_provider.storage.parquet import check_bytes
from io_intelligence_provider.store.layout import (
    QuarantineFile,
    models_path,
    quality_path,
    quarantine_path,
    written_now,
)
from io_intelligence_provider.store.models_file import (
    MODELS_KIND,
    ModelSorter,
    NoRunIdError,
    SerialisedModels,
    serialise_models,
)
from io_intelligence_provider.store.store import (
    SnapshotInfo,
    SnapshotStore,
    When,
    as_date,
    compact_or_warn,
    in_utc,
)

__all__ = [
    "GRACE",
    "LateRunError",
    "SnapshotRun",
    "SnapshotSummary",
    "run_snapshot",
    "snapshot_date_for",
    "snapshot_date_for_run",
    "take_snapshot",
]

log = logging.getLogger(__name__)


_GROUP: Final = 16_000
"""Records checked at a time: the cost of a pandera validation hardly depends on their number."""
_SMALL_GROUP, _LARGE = 4_000, 24 << 20
"""A group of this many records is checked early when it has this many bytes."""


@dataclass(frozen=True)
class SnapshotSummary:
    """The summary of a run for XCom.

    :param path: the path of the models file.
    :param score: valid rows / served rows x passed snapshot checks / evaluated ones.
    :param content_hash: SHA-256 of the models without ``fetched_at``, the measurements and, in the observed
        shape, ``created_at``: equal for equal catalogues.
    """

    snapshot_date: date
    snapshot_id: str
    path: str
    rows: int
    quarantined: int
    outcome: str
    score: float
    wire_shape: str
    content_hash: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"snapshot_date": self.snapshot_date.isoformat()}


@dataclass(frozen=True)
class SnapshotRun:
    """The summary and the report of a committed run."""

    summary: SnapshotSummary
    report: QualityReport


def take_snapshot(
    client: IOIntelligenceClient,
    store: SnapshotStore,
    *,
    snapshot_date: When | None = None,
    q: str | None = None,
    page_size: int | None = None,
    fail_on: str = "error",
    max_quarantine_share: float = 0.1,
) -> SnapshotSummary:
    """Read the catalogue, check every record and file the valid ones as the snapshot of a date.

    Refused records go to quarantine with every reason. An existing snapshot of that date is replaced
    atomically.

    :param snapshot_date: the UTC date to file under, today unless given. Any date is accepted, for
        replays and imports; ``fetched_at`` is always the actual time.
    :param q: the API's search term. A root accepts one search term only.
    :param fail_on: ``error``, ``warn`` or ``never``: which failed checks stop the commit.
    :param max_quarantine_share: share of refused records, 0 to 1, above which the commit is stopped.
    :raises QualityError: when a check stopped the commit; quarantine and report are still written.
    :raises ConfigurationError: when an argument is wrong, or the root was filled with another search term.
    :raises IOIntelligenceError: other errors of the client and the store.
    """
    return run_snapshot(
        client,
        store,
        snapshot_date=snapshot_date,
        q=q,
        page_size=page_size,
        fail_on=fail_on,
        max_quarantine_share=max_quarantine_share,
    ).summary


def run_snapshot(
    client: IOIntelligenceClient,
    store: SnapshotStore,
    *,
    snapshot_date: When | None = None,
    q: str | None = None,
    page_size: int | None = None,
    fail_on: str = "error",
    max_quarantine_share: float = 0.1,
    task: TaskRun | None = None,
) -> SnapshotRun:
    """Take a snapshot as :func:`take_snapshot` does, and return the report as well.

    :param task: the task instance that takes it.
    """
    began = monotonic()
    check_thresholds(fail_on, max_quarantine_share)
    day = datetime.now(UTC).date() if snapshot_date is None else as_date(snapshot_date)
    query = (q or "").strip()
    _check_query(store, query)
    previous = _previous(store, day)
    with ModelSorter() as models, client.fetch_catalogue(query or None, page_size) as catalogue:
        snapshot_id = new_run_id(catalogue.fetched_at)
        with QuarantineFile(snapshot_id, catalogue.fetched_at, task) as quarantine:
            counts, checked = _validate(catalogue, models, quarantine)
            store.files.put(quarantine_path(day, snapshot_id), quarantine.finish())
        facts = RunFacts(
            models=checked,
            counts=counts,
            shape=catalogue.shape,
            source_url=client.source_url,
            received=catalogue.received,
            total=catalogue.total,
            on_two_pages=catalogue.on_two_pages,
            max_quarantine_share=max_quarantine_share,
            previous=None if isinstance(previous, str) else previous,
            unreadable=previous if isinstance(previous, str) else None,
        )
        report, stopped = _report(facts, snapshot_id, day, catalogue.fetched_at, fail_on)
        store.files.put(quality_path(day, snapshot_id), report.to_json().encode())
        store.files.put(quality_path(day, snapshot_id, "html"), report_html(report).encode())
        if stopped:
            raise _stopped(replace(report, seconds=monotonic() - began), stopped, store)
        serialised = serialise_models(models.slices(), report.fetched_at, _metadata(report, query))
    _commit(store, report, serialised)
    compact_or_warn(store)
    summary = _summary(store, report, serialised.content_hash)
    return SnapshotRun(summary, replace(report, seconds=monotonic() - began))


def _check_query(store: SnapshotStore, query: str) -> None:
    filed = _filed_query(store)
    if filed is not None and filed != query:
        raise ConfigurationError(
            f"{store.files.url('')} holds snapshots of the query {filed!r}, and this run has {query!r}. "
            "A root belongs to one query: give this one a root of its own."
        )


def _filed_query(store: SnapshotStore) -> str | None:
    """Return the query of the newest readable snapshot."""
    for day in reversed(store.dates()):
        try:
            return _info(store, day).query
        except NotOnFileError:
            continue
        except UnreadableFileError as error:
            log.warning("The query of the root is read from the snapshot before: %s", error)
    return None


def _previous(store: SnapshotStore, day: date) -> PreviousSnapshot | str | None:
    """Return the latest earlier snapshot, or the reason why its file cannot be used."""
    before = store.before(day)
    if before is None:
        return None
    try:
        info = _info(store, before)
        table = store.read(before, list(CHECKED_COLUMNS))
    except UnreadableFileError as error:
        log.warning("Nothing is compared with the snapshot of %s: %s", before, error)
        return str(error)
    try:
        fields = store.quality(before).fields
    except StorageError as error:
        log.warning("The check missing_fields cannot be evaluated: %s", error)
        fields = None
    return PreviousSnapshot(pl.DataFrame(table), info.wire_shape, info.source_url, fields)


def _validate(
    catalogue: Catalogue, models: ModelSorter, quarantine: QuarantineFile
) -> tuple[RecordCounts, pl.DataFrame]:
    """Validate all records; return the counts, and the columns of valid ones that snapshot checks need."""
    counts, checked = RecordCounts(catalogue.shape, catalogue.redacted), []
    duplicates = DuplicateRecords(catalogue)
    for records in _groups(duplicates.distinct(catalogue.pages())):
        result = validate_records(records, catalogue.shape, duplicates.conflicting)
        counts.add(result)
        quarantine.add(result.refused)
        models.add(result.valid)
        checked.append(result.valid.select(CHECKED_COLUMNS))
    return counts, pl.concat(checked)


def _groups(pages: Iterable[list[bytes]]) -> Iterator[list[bytes]]:
    group: list[bytes] = []
    size = 0
    for page in pages:
        group += page
        size += sum(map(len, page))
        if len(group) >= _GROUP or (len(group) >= _SMALL_GROUP and size >= _LARGE):
            yield group
            group, size = [], 0
    yield group  # the last group, also for an empty catalogue


_MOST_UNKNOWN: Final = 3_000
"""Unknown keys that a report lists; with more of a hundred letters each it could not be read again."""


def _report(
    facts: RunFacts, snapshot_id: str, day: date, fetched_at: datetime, fail_on: str
) -> tuple[QualityReport, list[CheckResult]]:
    """Return the report, and the checks that stop the commit."""
    counts = facts.counts
    checks = (*counts.results(), *snapshot_checks(facts))
    stopped = stopping(checks, fail_on, ALWAYS_STOPPING)
    unknown = sorted(counts.unknown)[:_MOST_UNKNOWN]
    report = QualityReport(
        run_id=snapshot_id,
        checked_at=fetched_at,
        outcome=outcome_of(checks, counts.quarantined, stopped=bool(stopped)),
        score=score(counts.served, counts.valid, checks, without_rows=0.0),
        rows=counts.served,
        valid=counts.valid,
        quarantined=counts.quarantined,
        checks=checks,
        snapshot_date=day,
        source_url=facts.source_url,
        wire_shape=facts.shape.value,
        fields=tuple(sorted({*(counts.fields - counts.unknown), *unknown})),
        unknown_fields=tuple(unknown),
        missing_fields=tuple(missing_fields(facts)),
    )
    return report, stopped


def _stopped(report: QualityReport, stopped: list[CheckResult], store: SnapshotStore) -> QualityError:
    where = store.files.url(quality_path(report.snapshot_date, report.snapshot_id, "html"))
    return QualityError(
        f"The snapshot of {report.snapshot_date} was not committed; the last one stays. Failed: "
        f"{reasons_of(stopped)}. {refusals_of(report, 'records')}. See {where}.",
        report=report,
    )


def _metadata(report: QualityReport, query: str) -> dict[str, str]:
    return {
        "snapshot_id": report.snapshot_id,
        "fetched_at": report.fetched_at.isoformat(),
        "wire_shape": report.wire_shape,
        "source_url": report.source_url,
        "query": query,
        "provider_version": __version__,
        **written_now(),
    }


def _commit(store: SnapshotStore, report: QualityReport, models: SerialisedModels) -> None:
    """Write the models file, which commits the run; then delete the artifacts of the superseded snapshot."""
    day = report.snapshot_date
    try:
        found = _info(store, day).snapshot_id
        superseded = found if is_run_id(found) else None
    except NotOnFileError:
        superseded = None
    except UnreadableFileError as error:
        # The superseded run is unknown, so no artifacts are deleted.
        log.warning("The snapshot of %s is replaced: %s", day, error)
        superseded = None
    check_bytes(models.data, store.files.url(models_path(day)), MODELS_KIND, models.unpacked)
    store.files.put(models_path(day), models.data)
    try:
        committed = store.info(day).snapshot_id
        # A concurrent run may have committed meanwhile without having seen this snapshot.
        for gone in {superseded or committed, report.snapshot_id} - {committed}:
            _delete_artifacts(store, day, gone)
        store.files.sweep()
    except (NotOnFileError, StorageError) as error:
        log.warning(
            "Committed, but artifacts of the superseded run of %s could not be deleted: %s", day, error
        )


def _info(store: SnapshotStore, when: When = "latest") -> SnapshotInfo:
    """Return the metadata of a models file, even when its ``snapshot_id`` is no run id.

    A run replaces such a file like any other, but does not look for its artifacts.
    """
    try:
        return store.info(when)
    except NoRunIdError as error:
        return error.info


def _delete_artifacts(store: SnapshotStore, day: date, snapshot_id: str) -> None:
    store.files.delete(quarantine_path(day, snapshot_id))
    store.files.delete(quality_path(day, snapshot_id))
    store.files.delete(quality_path(day, snapshot_id, "html"))


def _summary(store: SnapshotStore, report: QualityReport, content_hash: str) -> SnapshotSummary:
    return SnapshotSummary(
        snapshot_date=report.snapshot_date,
        snapshot_id=report.snapshot_id,
        path=store.files.url(models_path(report.snapshot_date)),
        rows=report.valid,
        quarantined=report.quarantined,
        outcome=report.outcome,
        score=report.score,
        wire_shape=report.wire_shape,
        content_hash=content_hash,
    )


GRACE: Final = timedelta(hours=6)
"""The time after midnight in which a late run may still file the day before, if that has no snapshot."""


class LateRunError(Exception):
    """The run's day is over or in the future: today's prices would be filed under a wrong day."""


def snapshot_date_for(run_after: datetime, now: datetime, *, on_file: bool) -> date:
    """Return the UTC date of a run, if a snapshot may be filed under it now.

    :param run_after: when the run was due; without a time zone it is UTC.
    :param on_file: whether that date has a snapshot already.
    :raises LateRunError: when it may not; the message says why.
    """
    day = in_utc(run_after).date()
    today = in_utc(now).date()
    if today == day:
        return day
    if today < day:
        raise LateRunError(f"The run is of {day}, and today is {today} (UTC): that day has not begun.")
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    late = in_utc(now) - midnight
    if late >= GRACE:
        raise LateRunError(
            f"The run is of {day}, and today is {today} (UTC). The API serves current prices only, so "
            f"today's prices would be filed under {day}. A missed day cannot be filed later."
        )
    if on_file:
        raise LateRunError(
            f"The run is of {day}, which is over (UTC) and has its snapshot: it is not replaced by "
            f"prices of {today}."
        )
    return day


def snapshot_date_for_run(store: SnapshotStore, run_after: datetime, now: datetime) -> date:
    """Return the date under which a run files its snapshot, see :func:`snapshot_date_for`."""
    on_file = in_utc(run_after).date() in store.dates()
    return snapshot_date_for(run_after, now, on_file=on_file)
