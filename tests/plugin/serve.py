"""Serve the page over any store, without Airflow and WITHOUT access control: for development only.

``python tests/plugin/serve.py ROOT [PORT [NOW]]`` prints the address once it answers there; PORT 0 is any
free one. NOW is what the page takes for the present, in ISO form: how old a snapshot is hangs on it. What
changes in the store shows with the next request.
"""

from __future__ import annotations

import socket
import sys
from datetime import datetime, tzinfo
from unittest.mock import patch

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.plugin.api import status
from io_intelligence_provider.plugin.app import build_app
from io_intelligence_provider.plugin.listing import StoreSource


def everyone() -> None:
    """Stand in for Airflow's access control: whoever asks may see it."""


def application(root: str) -> ASGIApp:
    """Return the page over a store, mounted as Airflow mounts it."""
    page = build_app(StoreSource(lambda: SnapshotStore(root), seconds=0.0), everyone)
    return Starlette(routes=[Mount("/io-intelligence", page)])


def take_for_present(now: str) -> None:
    """Let the page's clock stand."""

    class Then(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.fromisoformat(now).astimezone(tz)

    patch.object(status, "datetime", Then).start()


class Server(uvicorn.Server):
    """Prints the address of the page as soon as it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for server in self.servers:
            port = server.sockets[0].getsockname()[1]
            print(f"http://127.0.0.1:{port}/io-intelligence/", flush=True)  # noqa: T201


def main() -> None:
    """Serve until interrupted."""
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 8765
    if len(sys.argv) > 3:
        take_for_present(sys.argv[3])
    app = application(sys.argv[1])
    Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")).run()


if __name__ == "__main__":
    main()
