"""What ``make demo`` runs: the whole chain on real data, with a real Airflow, below one folder.

It replays every recorded state but the last into a fresh store, lets the sample Dag take the last one as
today's (or the real API, with ``IO_INTELLIGENCE_API_KEY`` set), and prints what came of it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from io_intelligence_provider.cli.arguments import KEY_VARIABLE, api_key
from io_intelligence_provider.cli.init_dag import example_dags
from io_intelligence_provider.cli.tables import column_title, models_table, price, safe
from io_intelligence_provider.emulator.history import PriceHistory
from io_intelligence_provider.emulator.replay import replay
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.quality.contract import PRICE_COLUMNS
from io_intelligence_provider.store.store import SnapshotStore

if TYPE_CHECKING:
    from decimal import Decimal

DAG_ID: Final = "io_intelligence_daily_pricing"


def main(folder: Path) -> int:
    """Run the demo below ``folder``, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    store = SnapshotStore(folder / "store")
    console = Console()
    history = PriceHistory.load()
    with EmulatorServer(catalogue=history) as server:
        days = history.dates[:-1]
        filed = [
            summary.snapshot_date
            for summary in track(
                replay(server, store, days), "Replaying the price history", len(days), console=console
            )
        ]
        console.print(f"{len(filed)} recorded days filed, {filed[0]} to {filed[-1]}.")
        server.set_as_of(None)
        console.print(f"Running the Dag {DAG_ID} in Airflow for today …")
        if code := _run_dag(folder, server.url):
            return code
    _show(console, store)
    return 0


def _run_dag(folder: Path, emulator_url: str) -> int:
    """Run the sample Dag once with a real Airflow on its embedded defaults."""
    home = folder / "airflow"
    connection = {"conn_type": "io_intelligence", "host": emulator_url}
    if key := api_key(None):
        connection = {"conn_type": "io_intelligence", "password": key}
    environment = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE} | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(example_dags()[0].parent),
        "AIRFLOW__IO_INTELLIGENCE__ROOT": str(folder / "store"),
        "AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT": json.dumps(connection),
    }
    log = folder / "airflow.log"
    airflow = str(Path(sys.executable).with_name("airflow"))
    dag_file = next(str(path) for path in example_dags() if path.stem == DAG_ID)
    for command in (["db", "migrate"], ["dags", "test", "-f", dag_file, DAG_ID]):
        with log.open("ab") as output:
            done = subprocess.run(
                [airflow, *command], env=environment, stdout=output, stderr=output, check=False
            )
        if done.returncode:
            print(log.read_text("utf-8", "replace")[-4_000:], file=sys.stderr)
            print(f"`airflow {' '.join(command)}` failed; its log is {log}", file=sys.stderr)
            return done.returncode
    return 0


def _show(console: Console, store: SnapshotStore) -> None:
    """Read the Parquet back and print it."""
    today = store.resolve()
    before = store.before(today)
    rows = store.read(today).to_pylist()
    report = store.quality(today)
    console.print(models_table(rows, f"Models on {today}"))
    if before is not None:
        console.print(_differences(rows, store.read(before).to_pylist(), before))
    console.print(f"Quality: {report.outcome}, score {report.score:g}; {report.served} records served")
    console.print(f"Quarantined: {report.quarantined}")
    for record in store.quarantine(today, today).to_pylist():
        reasons = ", ".join(f"{item['check']} {item['column']}" for item in record["failures"])
        console.print(safe(f"  {record['name'] or record['model_id']}: {reasons}"))
    console.print(f"Snapshots: {len(store.dates())}, in {store.files.url('models')}", soft_wrap=True)
    console.print(
        f"Report:    {store.files.url(f'quality/snapshot_date={today}/{report.snapshot_id}.html')}",
        soft_wrap=True,
    )


def _differences(new: list[dict[str, Any]], old: list[dict[str, Any]], before: date) -> Table:
    """Return what differs from the day before: models that came or went, and prices that moved."""
    title = f"What differs from {before}"
    table = Table(
        "model", *map(column_title, PRICE_COLUMNS), title=title, box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.title_justify = "left"
    now, then = ({row["name"]: row for row in rows} for rows in (new, old))
    for name in sorted(now.keys() | then.keys()):
        if name not in then or name not in now:
            table.add_row(safe(name), "new model" if name in now else "model gone")
            continue
        moves = [_move(then[name][column], now[name][column]) for column in PRICE_COLUMNS]
        if any(moves):
            table.add_row(safe(name), *moves)
    return table


def _move(old: Decimal | None, new: Decimal | None) -> str:
    return "" if old == new else f"{price(old)} → {price(new)}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
