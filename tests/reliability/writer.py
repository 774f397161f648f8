"""Writes files of every kind in a process that tests start, and some of them kill.

``writer.py CATALOGUES``: CATALOGUES is a JSON file with lists of records. Each line of standard input is an
order, a JSON object with ``job``, ``root``, ``days``, ``commits``, ``writers`` and ``steps``: fork as many
writers, each of which does its job as many times, for one catalogue or day after the other in turn. It
writes a ``.`` to the descriptor ``steps`` before every step it takes in the root, and a ``!`` after every
commit. Answered by a line with the process ids, and by one with the exit codes once all have ended.

Forking from a process that has imported and built everything makes fifty writers cheap. It has not used
polars, so that no thread of it is lost in the fork.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pandas  # noqa: F401, ICN001 - imported before the forks, as pyarrow does it when it can
import pyarrow.parquet  # noqa: F401
from pandera.backends.polars.register import register_polars_backends

from helpers.stores import make_check_run
from io_intelligence_provider.alerts.message import DigestMessage
from io_intelligence_provider.alerts.rules import AlertRule
from io_intelligence_provider.alerts.send import Send, send_pending
from io_intelligence_provider.catalog.pagination import Catalogue, Spool
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.changes.detect import detect_changes
from io_intelligence_provider.contract.records import batch_schema
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.export import build_export, write_export
from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.quality.report_html import report_html
from io_intelligence_provider.quality.result import new_run_id
from io_intelligence_provider.quality.results_store import ResultHistory
from io_intelligence_provider.quality.run import check_dataset
from io_intelligence_provider.snapshot import take_snapshot
from io_intelligence_provider.store import months
from io_intelligence_provider.store.layout import models_path
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


Job = Callable[[SnapshotStore, Sequence[Client], str, int], Any]


def take(store: SnapshotStore, clients: Sequence[Client], day: str, number: int) -> None:
    client: Any = clients[number % len(clients)]
    take_snapshot(client, store, snapshot_date=day, fail_on="never")


def compare(store: SnapshotStore, _clients: Sequence[Client], day: str, _number: int) -> None:
    detect_changes(store, day)


def roll_up(store: SnapshotStore, _clients: Sequence[Client], day: str, number: int) -> None:
    """Roll up a month anew, because one of its days has another time than before."""
    os.utime(f"{store.files.root}/{models_path(date.fromisoformat(day))}", (number, number))
    store.compact()


def add_result(store: SnapshotStore, _clients: Sequence[Client], _day: str, _number: int) -> None:
    now = datetime.now(UTC)
    ResultHistory.of(store.files).add(make_check_run(run_id=new_run_id(now), checked_at=now), "orders")


def check(store: SnapshotStore, _clients: Sequence[Client], _day: str, number: int) -> None:
    """Check two data sets in turn, with the same paths for what is refused and what is valid."""
    root = store.files.root
    options = CheckOptions(
        quarantine_path=f"{root}/out/bad.parquet",
        valid_path=f"{root}/out/good.parquet",
        max_quarantine_share=1.0,
    )
    check_dataset(f"{root}/in/{number % 2}.parquet", f"{root}/in/schema.yaml", options)


def export(store: SnapshotStore, _clients: Sequence[Client], day: str, _number: int) -> None:
    write_export(build_export(store, "litellm", day), f"{store.files.root}/out/prices.json")


def alert(store: SnapshotStore, _clients: Sequence[Client], day: str, _number: int) -> None:
    """Send to two notifiers, which append a line to a file."""

    def send_to(name: str) -> Send:
        def send(_message: DigestMessage) -> None:
            with open(f"{store.files.root}/sent", "a") as file:  # noqa: PTH123
                file.write(f"{name} {day}\n")

        return send

    send_pending(
        store, [AlertRule("any")], {name: send_to(name) for name in "ab"}, date.fromisoformat(day), "run"
    )


JOBS: dict[str, Job] = {
    "snapshot": take,
    "changes": compare,
    "months": roll_up,
    "results": add_result,
    "checks": check,
    "exports": export,
    "alerts": alert,
}


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


def fork_writer(
    clients: Sequence[Client], job: str, root: str, days: Sequence[str], commits: int, steps: int
) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        report_steps(root, steps)
        store = SnapshotStore(root)
        for number in range(commits):
            JOBS[job](store, clients, days[number % len(days)], number)
            os.write(steps, b"!")
        code = 0
    finally:
        os._exit(code)


def answer(value: object) -> None:
    print(json.dumps(value), flush=True)


def main(catalogues: str) -> None:
    with open(catalogues) as file:  # noqa: PTH123
        clients = [Client([json.dumps(record).encode() for record in records]) for records in json.load(file)]
    warm_up()
    months._SETTLED_SECONDS = -60.0  # every file is old enough
    answer("ready")
    for line in sys.stdin:
        order = json.loads(line)
        children = [fork_writer(clients, **order) for _ in range(order.pop("writers"))]
        answer(children)
        answer([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])


if __name__ == "__main__":
    main(*sys.argv[1:])
