"""Provides HTTP clients for the page, served on loopback, and for the emulator; they hide nothing."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import urllib3
import uvicorn
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.plugin.api.costs import configured_traffic
from io_intelligence_provider.plugin.app import all_dags_readable, build_api, build_app
from io_intelligence_provider.plugin.listing import StoreSource

PREFIX = "/io-intelligence/"
MODELS = "/api/v1/models"


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class PageClient:
    """Sends requests to a page, with only the given headers and without following redirects."""

    def __init__(self, host: str, pool: urllib3.PoolManager) -> None:
        self.host = host
        self._pool = pool

    def get(self, path: str, params: Any = None, /, method: str = "GET", **headers: str) -> Answer:
        """Request a path below the page's prefix, or an absolute path."""
        url = self.host + (path if path.startswith("/") else PREFIX + path)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        encoded = urlencode(params, doseq=True) if params else ""
        full = f"{url}?{encoded}" if encoded else url
        response = self._pool.request(
            method, full, headers=sent, redirect=False, retries=False, decode_content=False
        )
        return Answer(response.status, response.headers, response.data)

    def api(self, route: str, /, **params: Any) -> Any:
        """Return the JSON of a route that must succeed."""
        answer = self.get(f"api/{route}", params)
        assert answer.status == 200, answer.text
        return answer.json()

    def post(self, route: str, body: Any, /, **headers: str) -> Answer:
        """Send a body to a JSON route: bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.host}{PREFIX}api/{route}"
        response = self._pool.request("POST", url, body=data, headers=sent, redirect=False, retries=False)
        return Answer(response.status, response.headers, response.data)

    def problem(self, route: str, /, **params: Any) -> tuple[int, dict[str, Any]]:
        """Return status and error of a route that must fail."""
        answer = self.get(f"api/{route}", params)
        return answer.status, answer.json()["error"]


def json_paths() -> list[str]:
    """Return the paths of the page's JSON routes."""
    page = build_api(StoreSource(lambda: SnapshotStore("/nowhere")), lambda: None)
    routes = [route for route in page.routes if isinstance(route, APIRoute)]
    return [route.path for route in routes if route.response_model is not None]


def reader_of(*dags: str) -> Callable[[Request], None]:
    """Return an access dependency that lets a user read these Dags only."""

    def access(request: Request) -> None:
        request.state.may_read_dag = lambda dag_id: dag_id in dags

    return access


@contextmanager
def serve_page(
    open_store: Any,
    access: Any = lambda: None,
    seconds: float = 0.0,
    traffic: Any = configured_traffic,
    dag_access: Any = all_dags_readable,
) -> Iterator[PageClient]:
    """Serve the page for a store: a root, or a function that opens one."""
    opener = open_store if callable(open_store) else lambda: SnapshotStore(open_store)
    page = build_app(StoreSource(opener, seconds), access, traffic=traffic, dag_access=dag_access)
    app = Starlette(routes=[Mount("/io-intelligence", page)])
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    ready = threading.Event()
    startup = server.startup

    async def started(*arguments: Any, **options: Any) -> None:
        await startup(*arguments, **options)
        ready.set()

    server.startup = started  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, name="page")
    thread.start()
    try:
        assert ready.wait(60)
        port = server.servers[0].sockets[0].getsockname()[1]
        with urllib3.PoolManager() as pool:
            yield PageClient(f"http://127.0.0.1:{port}", pool)
    finally:
        server.should_exit = True
        thread.join()  # ends after the threads of its event loop


ROUTES: Final[Mapping[str, Mapping[str, str]]] = {
    "status": {},
    "overview": {},
    "models": {},
    "model": {"model": "a"},
    "history": {"models": "a", "fields": "output_token_price"},
    "changes": {"start": "2026-02-01"},
    "changes/days": {},
    "quality": {},
    "quarantine": {},
}
"""Routes of the page that read every kind of file, with parameters for :func:`.file_every_kind`."""


def ask_in_process(
    store: SnapshotStore, routes: Mapping[str, Mapping[str, str]]
) -> dict[str, tuple[int, Any]]:
    """Request routes of the page for a store without a server; return status and JSON by route."""
    app = build_app(StoreSource(lambda: store, 0.0), lambda: None)

    async def ask_one(route: str, params: Mapping[str, str]) -> tuple[int, Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {
            "type": "http", "method": "GET", "path": f"/api/{route}", "root_path": "", "scheme": "http",
            "query_string": urlencode(params).encode(), "headers": [], "server": ("h", 1),
            "http_version": "1.1",
        }  # fmt: skip
        await app(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent)
        return sent[0]["status"], json.loads(body)

    async def ask_all() -> dict[str, tuple[int, Any]]:
        return {route: await ask_one(route, params) for route, params in routes.items()}

    return asyncio.run(ask_all())


def ask(
    server: EmulatorServer,
    path: str = MODELS,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    timeout: float = 10,
) -> Answer:
    """Send a request to an emulator; header names in the response are in lower case."""
    sent = dict(headers or {})
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
        sent["content-type"] = "application/json"
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=timeout)
    with closing(connection):
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        with answer:
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())


PATIENCE: Final = 300.0
"""Seconds until a condition that holds mostly within twenty is given up."""


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Return the first true value of a condition.

    :raises AssertionError: when it does not hold in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.25)
    raise AssertionError(f"{what}: not within {seconds:g} s")
