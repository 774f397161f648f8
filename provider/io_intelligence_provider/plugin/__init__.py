"""Registers the page with Airflow's UI. Every process that loads plugins imports this module.

It therefore stays light: the first request loads the app, and FastAPI with it (:class:`LazyApp`).
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.plugins_manager import AirflowPlugin

import airflow

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["URL_PREFIX", "AddSlash", "IOIntelligencePlugin", "LazyApp", "external_views"]

URL_PREFIX: Final = "/io-intelligence"
_NAV_TOP_LEVEL_SINCE: Final = (3, 3)


def external_views(airflow_version: str) -> list[dict[str, Any]]:
    """Return the entries of the side bar. Their URLs are relative, so that a ``base_url`` may have a path.

    :param airflow_version: ``nav_top_level`` came with Airflow 3.3; older ones reject unknown keys.
    """
    major, minor = airflow_version.split(".")[:2]
    on_top = {"nav_top_level": True} if (int(major), int(minor)) >= _NAV_TOP_LEVEL_SINCE else {}
    return [
        {
            "name": name,  # the side bar cuts what is longer than 56 pixels
            "href": f"io-intelligence/{path}",  # the slash is part of it, because relative URLs start there
            "url_route": route,
            "destination": "nav",
            "icon": f"io-intelligence/static/{icon}.svg",
            "icon_dark_mode": f"io-intelligence/static/{icon}-dark.svg",
            **on_top,
        }
        for name, path, route, icon in (
            ("IO Models", "", "io-intelligence", "icon"),
            ("Quality", "data-quality", "io-data-quality", "quality"),
        )
    ]


class LazyApp:
    """Creates an app on its first request.

    Importing FastAPI takes 1.7 s, and every task's process imports the plugin.

    :param factory: ``module:function`` that returns the app.
    """

    def __init__(self, factory: str) -> None:
        self._factory = factory
        self._lock = threading.Lock()
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            # Nothing to start or stop, but without replies the server would take the app as failed.
            await _live(receive, send)
            return
        app = self._app
        if app is None:
            app = await asyncio.to_thread(self._make)
        await app(scope, receive, send)

    def _make(self) -> ASGIApp:
        with self._lock:
            if self._app is None:
                module, _, name = self._factory.partition(":")
                made: ASGIApp = getattr(importlib.import_module(module), name)()
                self._app = made
            return self._app


class AddSlash:
    """Redirects the page's address without its slash, which no mounted app receives.

    Airflow would answer with its own page, "not found".

    :param app: Airflow's API server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != scope.get("root_path", "") + URL_PREFIX:
            await self._app(scope, receive, send)
            return
        # Relative, because the server does not know the public URL behind a proxy.
        location = f"{URL_PREFIX.removeprefix('/')}/".encode()
        headers = [(b"location", location), (b"cache-control", b"no-store"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class IOIntelligencePlugin(AirflowPlugin):
    """Adds two pages to Airflow's UI: the snapshots of the models, and the quality of all data sets."""

    name = "io_intelligence"
    fastapi_apps = [  # noqa: RUF012 - Airflow's base class declares plain lists
        {
            "app": LazyApp("io_intelligence_provider.plugin.airflow_app:create_app"),
            "url_prefix": URL_PREFIX,
            "name": "IO Intelligence",
        }
    ]
    fastapi_root_middlewares = [  # noqa: RUF012
        {"middleware": AddSlash, "name": "IO Intelligence: the address without its slash"}
    ]
    external_views = external_views(airflow.__version__)
