"""Who may see what: every route of the page, in a real API server, with both of Airflow's auth managers."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import urllib3

from helpers.datasets import ORDERS, file_runs
from helpers.stores import StoreBuilder, model_row, nth_day, refused_record
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.plugin.app import build_api
from io_intelligence_provider.plugin.listing import StoreSource
from io_intelligence_provider.quality.results_store import ResultHistory

pytestmark = [pytest.mark.timeout(600), pytest.mark.long]

BASE_PATH = "/team/airflow"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
STATIC = "/static"
POSTED = "/api/costs"
TRAFFIC = {"traffic": [{"model": "a", "output": "1"}]}
REFUSED = "/api/dataset/refused"
PARAMS = {
    "/api/model": "?model=a",
    "/api/history": "?models=a&fields=output_token_price",
    "/api/dataset": "?id=io_intelligence_models",
    REFUSED: "?id=io_intelligence_models",
    "/api/dataset/report": "?id=io_intelligence_models",
}
REFUSED_PRICES = (-77.25, -88.5)
"""The values that the two runs of the data set refused."""
REFUSED_RECORDS = {"check_orders": '"refused by the Dag"', None: '"refused by hand"'}
"""The record that each run of the catalogue refused, by the Dag that filed it."""
HIDDEN = ("a-secret-model", "snapshot_id", "Traceback")


def own_access() -> None:
    raise AssertionError("never asked here")


def paths() -> list[str]:
    """Return every path that the app serves and that needs access, however it got there."""
    return [route.path for route in api_routes() if route.path != STATIC]


def api_routes() -> list[Any]:
    routes: list[Any] = build_api(StoreSource(lambda: SnapshotStore("/nowhere")), own_access).routes
    return routes


def test_every_route_but_the_static_files_asks_for_access() -> None:
    from fastapi.routing import APIRoute

    found = api_routes()
    assert len(found) == 21
    for route in found:
        if route.path == STATIC:
            continue
        assert isinstance(route, APIRoute), (
            f"{route.path} is no route of FastAPI: the dependency does not reach it"
        )
        asked = [dependency.call for dependency in route.dependant.dependencies]
        assert asked[0] is own_access, route.path
        assert route.methods == ({"POST"} if route.path == POSTED else {"GET", "HEAD"})


def test_access_is_asked_before_parameters_and_before_the_store(serve: Any) -> None:
    from fastapi import HTTPException

    def refuse() -> None:
        raise HTTPException(403, "no")

    def never() -> SnapshotStore:
        raise AssertionError("the store was opened")

    page = serve(never, refuse)
    for path in paths():
        answer = (
            page.post("costs", b"nonsense")
            if path == POSTED
            else page.get(f"{path.removeprefix('/')}?limit=nonsense&days=x")
        )
        assert answer.status == 403
        assert answer.headers["cache-control"] == "no-store"


class Server:
    """A running API server: its address, and a token for each kind of user."""

    def __init__(self, url: str, tokens: dict[str, str]) -> None:
        self.url = url
        self.tokens = tokens | {"bad token": "abc.def.ghi"}

    def get(self, path: str, user: str | None, bearer: bool = False) -> urllib3.BaseHTTPResponse:
        headers = {}
        if user is not None:
            token = self.tokens[user]
            headers = {"Authorization": f"Bearer {token}"} if bearer else {"Cookie": f"_token={token}"}
        method, body = ("POST", json.dumps(TRAFFIC)) if path.endswith(POSTED) else ("GET", None)
        if body:
            headers["Content-Type"] = "application/json"
        with urllib3.PoolManager() as pool:
            return pool.request(
                method, f"{self.url}{path}", body=body, headers=headers, redirect=False, retries=False
            )

    def status(self, path: str, user: str | None, bearer: bool = False) -> int:
        return self.get(f"/io-intelligence{path}{PARAMS.get(path, '')}", user, bearer).status


@contextmanager
def airflow_server(home: Path, database: Path, root: Path, **settings: str) -> Iterator[Server]:
    """Run Airflow's API server with a home of its own, below a base URL with a path."""
    listener = socket.create_server(("127.0.0.1", 0))  # the server's own: nobody can take the port before
    host = f"http://127.0.0.1:{listener.getsockname()[1]}"
    home.mkdir()
    shutil.copyfile(database, home / "airflow.db")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment = clean | {
        "AIRFLOW_HOME": str(home),
        "TMPDIR": str(home),  # it is killed in the end, and cleans up nothing
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API__BASE_URL": f"{host}{BASE_PATH}",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__IO_INTELLIGENCE__ROOT": str(root),
        "AIRFLOW_VAR_IO_INTELLIGENCE_TRAFFIC": json.dumps({"a": {"output": 1}}),
        **settings,
    }
    log = home / "server.log"
    with listener, log.open("wb") as output:
        command = [sys.executable, str(Path(__file__).with_name("airflow_server.py")), str(listener.fileno())]
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
            pass_fds=[listener.fileno()],
        )
        listener.close()
        try:
            assert process.stdout is not None
            tokens = next((json.loads(line) for line in process.stdout if line.startswith(b"{")), None)
            assert tokens, log.read_text("utf-8", "replace")[-4_000:]
            yield Server(f"{host}{BASE_PATH}", tokens)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the session that we started it in
            process.wait(30)
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture(scope="module")
def store_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = StoreBuilder(tmp_path_factory.mktemp("access") / "store")
    rows = model_row("a", output_token_price="1"), model_row("a-secret-model")
    for number, (dag, value) in enumerate(REFUSED_RECORDS.items()):
        world.file(number, *rows, refused=[refused_record(None, value)], changes=True, dag_id=dag)
    of_dag, of_none = (
        pl.DataFrame({"order": ["A1"], "price": [price], "country": ["DE"]}) for price in REFUSED_PRICES
    )
    file_runs(world.root, [of_dag], datetime(2026, 3, 1, tzinfo=UTC), fail_on="never")
    file_runs(world.root, [of_none], datetime(2026, 3, 2, tzinfo=UTC), fail_on="never", dag_id=None)
    root: Path = world.root
    return root


@pytest.fixture(scope="module")
def simple(tmp_path_factory: pytest.TempPathFactory, airflow_db: Path, store_root: Path) -> Iterator[Server]:
    with airflow_server(tmp_path_factory.mktemp("simple") / "home", airflow_db, store_root) as server:
        yield server


@pytest.fixture(scope="module")
def fab(tmp_path_factory: pytest.TempPathFactory, airflow_db: Path, store_root: Path) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("fab") / "home"
    with airflow_server(home, airflow_db, store_root, AIRFLOW__CORE__AUTH_MANAGER=FAB) as server:
        yield server


def check_table(server: Server, table: dict[str | None, int], no_dag: dict[str | None, int]) -> None:
    """Compare the status of each route for each user.

    :param no_dag: those for the rows of a run that names no Dag, where they differ.
    """
    found = {path: {user: server.status(path, user) for user in table} for path in paths()}
    assert found == dict.fromkeys(paths(), table) | {REFUSED: table | no_dag}
    for path in paths():
        for user, status in table.items():
            if status != 200:
                text = server.get(f"/io-intelligence{path}{PARAMS.get(path, '')}", user).data.decode()
                assert not any(word in text for word in HIDDEN)
                assert str(server.url) not in text
    signed_in = next(user for user, status in reversed(table.items()) if status == 200)
    assert {server.status(path, signed_in, bearer=True) for path in paths()} == {200}


@pytest.mark.airflow
def test_with_the_simple_auth_manager(simple: Server) -> None:
    check_table(simple, {None: 401, "bad token": 403, "nobody": 403, "viewer": 200, "admin": 200}, {})


@pytest.mark.airflow
def test_with_flask_appbuilder(fab: Server) -> None:
    # Viewer may not: "can read on Plugins", which Airflow asks of who sees a plugin's entry in the side bar,
    # is a right of Op there. A role that has it may.
    users = {
        "public": 403,
        "nobody": 403,
        "viewer": 403,
        "reader": 200,
        "owner": 200,
        "op": 200,
        "admin": 200,
    }
    check_table(fab, {None: 401, "bad token": 403, **users}, {"reader": 403, "owner": 403})
    for user, status in users.items():
        assert fab.get("/api/v2/plugins", user, bearer=True).status == status


@pytest.mark.airflow
def test_the_traffic_of_the_variable_is_for_who_may_read_variables(simple: Server, fab: Server) -> None:
    asked = {(simple, "viewer"): None, (simple, "admin"): "a", (fab, "reader"): None, (fab, "op"): "a"}
    for (server, user), model in asked.items():
        found = server.get("/io-intelligence/api/traffic", user).json()
        assert found["warnings"] == []
        assert (found["lines"] and found["lines"][0]["model"]) == model, user
    bill = simple.get("/io-intelligence/api/costs", "viewer").json()["bills"][0]
    assert (bill["total"], bill["unknown"]) == ("0.000001", [])


@pytest.mark.airflow
def test_refused_values_need_read_access_to_their_dag(fab: Server, store_root: Path) -> None:
    of_dag, of_none = (run.run_id for run in ResultHistory(store_root).runs())
    table = {"reader": (False, False), "owner": (True, False), "op": (True, True), "admin": (True, True)}
    for user, sees in table.items():
        for run, price, seen in zip((of_dag, of_none), REFUSED_PRICES, sees, strict=True):
            asked = f"?id={ORDERS}&run={run}"
            found = fab.get(f"/io-intelligence/api/dataset{asked}", user)
            assert found.json()["run"]["withheld"] is not seen, (user, run)
            report = fab.get(f"/io-intelligence/api/dataset/report{asked}", user)
            refused = fab.get(f"/io-intelligence/api/dataset/refused{asked}", user)
            assert (found.status, report.status, refused.status) == (200, 200, 200 if seen else 403)
            for answer in (found, report, refused):
                assert (str(price) in answer.data.decode()) is seen, (user, run)
        # The page of prices has the same rule for the records of the catalogue's runs.
        for number, (dag, seen) in enumerate(zip(REFUSED_RECORDS, sees, strict=True)):
            asked = f"/io-intelligence/api/quarantine?date={nth_day(number)}"
            found = fab.get(asked, user).json()
            assert [item["record"] for item in found["items"]] == [REFUSED_RECORDS[dag]] * seen, (user, dag)
            assert found["withheld_by"] == ([] if seen else [dag])


@pytest.mark.airflow
def test_what_the_anonymous_get(simple: Server) -> None:
    index = simple.get("/io-intelligence/", None)
    assert index.headers["content-type"].startswith("text/html")
    text = index.data.decode()
    assert 'href="../auth/login"' in text
    assert text.count("<script") == 1
    assert '<script type="module" src="static/login.js"></script>' in text  # keeps the address for the login
    login = simple.get("/io-intelligence/../auth/login", None)
    assert login.status in (200, 301, 302, 307)
    for path in ("/api/overview", "/api/models?limit=0"):
        answer = simple.get(f"/io-intelligence{path}", None)
        assert answer.status == 401
        assert answer.json()["error"]["kind"] == "login"
    assert simple.get("/io-intelligence/api/nothing", None).status == 404
    icon = simple.get("/io-intelligence/static/icon.svg", None)
    assert icon.status == 200
    assert icon.headers["content-security-policy"]


@pytest.mark.airflow
def test_below_a_base_url_with_a_path(simple: Server) -> None:
    answer = simple.get("/io-intelligence/", "viewer")
    assert answer.status == 200
    assert BASE_PATH not in answer.data.decode()
    status = simple.get("/io-intelligence/api/status", "viewer").json()
    assert (status["state"], status["models"]) == ("ok", 2)
    plugins = simple.get("/api/v2/plugins", "admin", bearer=True).json()["plugins"]
    (ours,) = [plugin for plugin in plugins if plugin["name"] == "io_intelligence"]
    views = {view["name"]: view["href"] for view in ours["external_views"]}
    assert views == {"IO Models": "io-intelligence/", "Quality": "io-intelligence/data-quality"}
    for view in ours["external_views"]:
        for address in (view["href"], view["icon"], view["icon_dark_mode"]):
            assert simple.get(f"/{address}", "viewer").status == 200
