"""Runs ``make ui``: a real Airflow with the page, the sample Dags and the demo's store.

The connection uses the bundled emulator, so no key is needed. All files are below one folder; the store is
the demo's when there is one, else it is created once.
"""

from __future__ import annotations

import errno
import json
import signal
import sqlite3
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from rich.console import Console

from io_intelligence_provider.cli.arguments import EMULATOR_PORT, EMULATOR_VARIABLE, port_from
from io_intelligence_provider.cli.commands import DAG_ID, SETTINGS, example_dags
from io_intelligence_provider.cli.emulator import file_missing_changes, replay
from io_intelligence_provider.cli.standalone import (
    HOST,
    AirflowError,
    Standalone,
    airflow_environment,
    free_port,
)
from io_intelligence_provider.errors import ConfigurationError, IOIntelligenceError

if TYPE_CHECKING:
    from io_intelligence_provider.emulator.catalogue import PriceHistory
    from io_intelligence_provider.emulator.server import EmulatorServer
    from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["main"]

_PORT: Final = 8080
_AFTER_DAILY: Final = ("io_intelligence_watch", "io_intelligence_watchdog")
"""Dags that compare the present with the snapshot of today."""
_FOLLOWERS_TIMEOUT: Final = 60.0
"""Seconds after the start for which the daily Dag waits for Dags that Airflow does not unpause."""
_USERS: Final = {"admin": "admin", "viewer": "viewer"}


def main(folder: Path, demo: Path, port: int | None, emulator_port: int | None = None) -> int:
    """Serve until Ctrl-C.

    :param folder: Airflow's home, and the store when the demo has none.
    :param demo: the demo's store.
    :param port: ``None``: 8080, or any free one when that is taken.
    :param emulator_port: ``None``: that of the newest snapshot, as the check ``source`` flags another one.
    """
    # Imported here so that a wrong PORT is reported at once.
    from io_intelligence_provider.emulator.catalogue import PriceHistory
    from io_intelligence_provider.emulator.server import EmulatorServer
    from io_intelligence_provider.store.store import SnapshotStore

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _interrupt)
    console = Console()
    history = PriceHistory.load()
    store = demo if demo.exists() else folder / "store"
    if emulator_port is None:
        emulator_port = port_of_newest(SnapshotStore(store)) or EMULATOR_PORT
    try:
        with EmulatorServer(catalogue=history, port=emulator_port) as server:
            _fill(server, history, SnapshotStore(store), console)
            console.print("Starting Airflow, which takes about a minute …")
            _pause_dags(folder / "airflow" / "airflow.db")
            (dags,) = {path.parent for path in example_dags()}
            environment = airflow_environment(folder / "airflow", dags, store, server.url) | {
                # The database of io_intelligence_load_periods.
                "AIRFLOW_CONN_IO_INTELLIGENCE_WAREHOUSE": json.dumps(
                    {"conn_type": "sqlite", "host": str((folder / "warehouse.db").resolve())}
                ),
            }
            with Standalone(
                folder / "airflow", environment, _USERS, port=port or free_port(_PORT)
            ) as airflow:
                _welcome(console, airflow, store)
                _run_dags(airflow, console)
                print(f"Airflow ended by itself; its log is {airflow.log}\n{airflow.tail()}", file=sys.stderr)
                return 1
    except KeyboardInterrupt:
        console.print("\nAll stopped.")
        return 0
    except AirflowError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        print(
            f"The emulator cannot start: {error.strerror}. Another `make demo` or `make ui` may use it: end "
            f"that, or choose another one with {EMULATOR_VARIABLE}=…; the check `source` then flags today's "
            "snapshot, because its host is new.",
            file=sys.stderr,
        )
        return 1


def port_of_newest(store: SnapshotStore) -> int | None:
    """Return the port of this machine that the newest snapshot came from, ``None`` when that is unknown."""
    try:
        source = urlsplit(store.info(dates[-1]).source_url) if (dates := store.dates()) else urlsplit("")
        port = source.port
    except (IOIntelligenceError, ValueError):  # a damaged file, or a URL without a valid port
        return None
    return port if source.hostname == HOST else None


def _fill(server: EmulatorServer, history: PriceHistory, store: SnapshotStore, console: Console) -> None:
    """File the demo's snapshots when there are none, and changes that are missing."""
    if not store.dates():
        replay(server, store, history.dates[:-1], console)
    elif missing := file_missing_changes(store):
        console.print(f"Filed the changes of {missing} snapshots that had none on file.")


def sample_dag_ids() -> list[str]:
    """Return the ids of the sample Dags in the order in which they are unpaused.

    An event starts only the Dags that are unpaused, so those that follow the daily one come before it. What
    compares the store with the present comes last.
    """
    ids = [path.stem for path in example_dags() if path.stem != SETTINGS]
    if version("apache-airflow").startswith("3.2."):
        ids.remove("io_intelligence_by_date")  # its file defines no Dag there
    order = (DAG_ID, *_AFTER_DAILY)
    return sorted(ids, key=lambda dag_id: order.index(dag_id) if dag_id in order else -1)


def _pause_dags(database: Path) -> None:
    """Pause the Dags of an earlier run in its database, however that run ended.

    Airflow's scheduler starts tasks before its API server answers them, or a request to pause a Dag.
    """
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database)) as connection, connection:
            # An end during the first start leaves a database without tables.
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'dag'").fetchone():
                connection.execute("UPDATE dag SET is_paused = 1")
    except sqlite3.Error as error:
        raise AirflowError(
            f"Airflow's database {database} cannot be used: {error}. End any other `make ui`; if that does "
            f"not help, remove {database.parent}, and a new one is created."
        ) from error


def _run_dags(airflow: Standalone, console: Console) -> None:
    """Unpause the Dags, and wait until Airflow ends; name once each one that it does not unpause."""
    waiting, named = sample_dag_ids(), set[str]()
    deadline = time.monotonic() + _FOLLOWERS_TIMEOUT
    while airflow.running():
        late = time.monotonic() > deadline
        refused = _unpause(airflow, waiting, late)
        if late and (new := [dag_id for dag_id in refused if dag_id not in named]):
            named.update(new)
            console.print(
                f"Airflow does not unpause {', '.join(new)} yet, and is asked again each second. Import "
                f"errors are shown at {airflow.url}/dags, others in {airflow.log}.",
                soft_wrap=True,
                markup=False,
                highlight=False,
            )
        time.sleep(1)


def _unpause(airflow: Standalone, waiting: list[str], late: bool) -> list[str]:
    """Unpause each Dag whose turn it is, and remove it from ``waiting``.

    :param waiting: from :func:`sample_dag_ids`.
    :param late: do not keep the daily Dag back for its followers any longer.
    :returns: the Dags that Airflow does not unpause, mostly as it has not parsed them, and with the daily one
        those that come after it.
    """
    refused: list[str] = []
    for dag_id in tuple(waiting):
        if dag_id == DAG_ID and refused and not late:
            break
        if dag_id in _AFTER_DAILY and DAG_ID not in refused and not _daily_ended(airflow):
            break
        if DAG_ID in refused or not airflow.set_paused(dag_id, False):
            refused.append(dag_id)
        else:
            waiting.remove(dag_id)
    return refused


def _daily_ended(airflow: Standalone) -> bool:
    """Return whether the daily Dag's run of today has ended."""
    found = airflow.ask("GET", f"/dags/{DAG_ID}/dagRuns?order_by=-run_after&limit=1") or {}
    return any(
        run["state"] in ("success", "failed") and run["run_after"][:10] == f"{datetime.now(UTC):%Y-%m-%d}"
        for run in found.get("dag_runs", ())
    )


def _welcome(console: Console, airflow: Standalone, store: Path) -> None:
    lines = [
        "",
        f"The page:  {airflow.url}/plugin/io-intelligence   (IO Intelligence in the side bar)",
        f"The Dag:   {airflow.url}/dags/{DAG_ID}",
        *(
            f"Log in as  {name}, password {airflow.passwords[name]}   (role {role})"
            for name, role in _USERS.items()
        ),
        f"The store: {store}",
        f"The log:   {airflow.log}",
        "",
        "Ctrl-C stops all of it.",
    ]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _interrupt(*_: object) -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # a second Ctrl-C would leave processes behind
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        ports = port_from("PORT", lowest=1), port_from(EMULATOR_VARIABLE)
    except ConfigurationError as error:
        sys.exit(str(error))
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), *ports))
