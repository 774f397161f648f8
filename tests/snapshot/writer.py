"""Writes snapshots in a process that tests start, and some of them kill.

``writer.py CATALOGUES``: CATALOGUES is a JSON file with lists of records. Each line of standard input is an
order, a JSON object with ``root``, ``day``, ``commits``, ``writers`` and ``steps``: fork as many writers,
each of which files as many snapshots under that day, one catalogue after the other in turn, and writes a
byte to the descriptor ``steps`` before every step it takes in the root. Answered by a line with the process
ids, and by one with the exit codes once all have ended, however that came.

Forking from a process that has imported and built everything makes fifty writers cheap. It has not used
polars, so that no thread of it is lost in the fork.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime

import pandas  # noqa: F401, ICN001 - imported before the forks, as pyarrow does it when it can
import pyarrow.parquet  # noqa: F401
from pandera.backends.polars.register import register_polars_backends

from io_intelligence_provider.catalog.pagination import Catalogue, Spool
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.records import batch_schema
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.quality.report_html import report_html
from io_intelligence_provider.snapshot import take_snapshot
from io_intelligence_provider.store.store import SnapshotStore

STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.scandir")


class Client:
    source_url = "https://host/api/v1/models"

    def __init__(self, records: list[bytes]) -> None:
        self.records = records

    def fetch_catalogue(self, _q: str | None, _page_size: int | None) -> Catalogue:
        spool = Spool()
        spool.append(self.records)
        count, now = len(self.records), datetime.now(UTC)
        return Catalogue(WireShape.DOCUMENTED, count, count, frozenset(), now, None, spool)


def report_steps(root: str, descriptor: int) -> None:
    """Write a byte before each step below the root; an end without a reader ends the process."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in STEPS and arguments and str(arguments[0]).startswith(root):
            os.write(descriptor, b".")

    sys.addaudithook(hook)


def file_snapshots(root: str, clients: list[Client], day: str, commits: int) -> None:
    store = SnapshotStore(root)
    for number in range(commits):
        take_snapshot(clients[number % len(clients)], store, snapshot_date=day, fail_on="never")  # type: ignore[arg-type]


def warm_up() -> None:
    register_polars_backends()
    batch_schema(WireShape.DOCUMENTED)
    now = datetime.now(UTC)
    report = QualityReport(
        run_id="",
        checked_at=now,
        outcome="passed",
        score=1.0,
        rows=0,
        valid=0,
        quarantined=0,
        checks=(),
        snapshot_date=now.date(),
        source_url="",
        wire_shape="documented",
        fields=(),
    )
    report_html(report)


def fork_writer(clients: list[Client], root: str, day: str, commits: int, steps: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        report_steps(root, steps)
        file_snapshots(root, clients, day, commits)
        code = 0
    finally:
        os._exit(code)


def answer(value: object) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201


def main(catalogues: str) -> None:
    with open(catalogues) as file:  # noqa: PTH123
        clients = [Client([json.dumps(record).encode() for record in records]) for records in json.load(file)]
    warm_up()
    answer("ready")
    for line in sys.stdin:
        order = json.loads(line)
        children = [fork_writer(clients, **order) for _ in range(order.pop("writers"))]
        answer(children)
        answer([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])


if __name__ == "__main__":
    main(*sys.argv[1:])
