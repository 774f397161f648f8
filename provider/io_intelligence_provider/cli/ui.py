"""Runs ``make ui``: a real Airflow with the page, the sample Dags and the demo's store.

The connection uses the bundled emulator, so no key is needed. All files are below one folder; the store is
the demo's when there is one, else it is created once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from io_intelligence_provider.cli.init_dag import DAG_ID, example_dags
from io_intelligence_provider.cli.replay import file_missing_changes, replay
from io_intelligence_provider.cli.standalone import AirflowError, Standalone, airflow_environment, free_port

if TYPE_CHECKING:
    from io_intelligence_provider.emulator.history import PriceHistory
    from io_intelligence_provider.emulator.server import EmulatorServer

__all__ = ["main"]

_PORT: Final = 8080
_USERS: Final = {"admin": "admin", "viewer": "viewer"}


def main(folder: Path, demo: Path, port: int | None) -> int:
    """Serve until Ctrl-C.

    :param folder: Airflow's home, and the store when the demo has none.
    :param demo: the demo's store.
    :param port: ``None``: 8080, or any free one when that is taken.
    """
    # Imported here so that a wrong PORT is reported at once.
    from io_intelligence_provider.emulator.history import PriceHistory
    from io_intelligence_provider.emulator.server import EmulatorServer

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _interrupt)
    console = Console()
    history = PriceHistory.load()
    try:
        with EmulatorServer(catalogue=history) as server:
            store = _store(server, history, folder, demo, console)
            console.print("Starting Airflow, which takes about a minute …")
            (dags,) = {path.parent for path in example_dags()}
            environment = airflow_environment(folder / "airflow", dags, store, server.url) | {
                # The daily Dag files today's snapshot as soon as Airflow has started.
                "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
                # The database of io_intelligence_load_periods.
                "AIRFLOW_CONN_IO_INTELLIGENCE_WAREHOUSE": json.dumps(
                    {"conn_type": "sqlite", "host": str((folder / "warehouse.db").resolve())}
                ),
            }
            with Standalone(
                folder / "airflow", environment, _USERS, port=port or free_port(_PORT)
            ) as airflow:
                _welcome(console, airflow, store)
                while airflow.running():
                    time.sleep(1)
                print(f"Airflow ended by itself; its log is {airflow.log}\n{airflow.tail()}", file=sys.stderr)
                return 1
    except KeyboardInterrupt:
        console.print("\nAll stopped.")
        return 0
    except AirflowError as error:
        print(error, file=sys.stderr)
        return 1


def _store(server: EmulatorServer, history: PriceHistory, folder: Path, demo: Path, console: Console) -> Path:
    """Return the path of the demo's store, or of a new store with the same content."""
    from io_intelligence_provider.store.store import SnapshotStore

    path = demo if demo.exists() else folder / "store"
    store = SnapshotStore(path)
    if not store.dates():
        replay(server, store, history.dates[:-1], console)
    elif missing := file_missing_changes(store):
        console.print(f"Filed the changes of {missing} snapshots that had none on file.")
    return path


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
    wanted = os.environ.get("PORT") or None
    if wanted and not (wanted.isdecimal() and 0 < int(wanted) < 65_536):
        sys.exit(f"PORT is {wanted!r}; it must be a number from 1 to 65535.")
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), int(wanted) if wanted else None))
