"""Serves the page over a store together with a script that reports when it is drawn: ``watched.py ROOT``.

Prints its port, then a line of JSON for each page that was drawn. As in Airflow, the page's app is made by
its first request, in a process that has loaded FastAPI and nothing else of what the page needs.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Final

import fastapi  # noqa: F401 - Airflow's API server has it
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from io_intelligence_provider.plugin import LazyApp

_SETTLING: Final = 5_000
"""Milliseconds between a page that shows our icon, as all of Airflow's do, and ours."""
_START: Final = f"""<!doctype html><title>Airflow</title><img src="/io-intelligence/static/icon.svg"><script>
setTimeout(() => location.replace("/io-intelligence/" + location.hash), {_SETTLING});
</script>"""
_WATCH: Final = """
const times = {};
function look() {
  const view = document.querySelector("#content .view");
  if (!view || view.querySelector(".skeleton")) return;
  times.figures ??= performance.now();
  const charts = [...view.querySelectorAll(".chart")];
  if (charts.some((chart) => !chart.querySelector(".drawing > *"))) return;
  watching.disconnect();
  requestAnimationFrame(() => setTimeout(() => {
    const body = JSON.stringify({ ...times, charts: performance.now() });
    fetch("/drawn", { method: "POST", body });
  }));
}
const watching = new MutationObserver(look);
watching.observe(document.documentElement, { childList: true, subtree: true });
"""


class _Watched:
    """Puts the watching script into the page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].endswith("/io-intelligence/"):
            await self._app(scope, receive, send)
            return
        sent: list[Message] = []

        async def hold(message: Message) -> None:
            sent.append(message)

        unwanted = (b"accept-encoding", b"if-none-match")  # the plain page is what can be added to
        plain = [header for header in scope["headers"] if header[0] not in unwanted]
        await self._app({**scope, "headers": plain}, receive, hold)
        data = sent[1]["body"].replace(b"<script", b'<script src="/watch.js"></script><script', 1)
        headers = [header for header in sent[0]["headers"] if header[0] != b"content-length"]
        headers.append((b"content-length", str(len(data)).encode()))
        await send({**sent[0], "headers": headers})
        await send({"type": "http.response.body", "body": data})


async def _start(_: Request) -> Response:
    return HTMLResponse(_START)


async def _script(_: Request) -> Response:
    return Response(_WATCH, media_type="text/javascript")


async def _drawn(request: Request) -> Response:
    print(json.dumps(await request.json()), flush=True)
    return Response(status_code=204)


def _tell_port(server: uvicorn.Server) -> None:
    while not server.started:
        threading.Event().wait(0.02)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)


def create_app() -> ASGIApp:
    """Return the page over the store that the command line names."""
    from io_intelligence_provider import SnapshotStore
    from io_intelligence_provider.plugin.app import build_app
    from io_intelligence_provider.plugin.listing import StoreSource

    return build_app(StoreSource(lambda: SnapshotStore(sys.argv[1])), lambda: None)


def main() -> None:
    """Serve until interrupted."""
    routes = [
        Route("/start", _start),
        Route("/watch.js", _script),
        Route("/drawn", _drawn, methods=["POST"]),
        Mount("/io-intelligence", _Watched(LazyApp("__main__:create_app"))),
    ]
    config = uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    threading.Thread(target=_tell_port, args=(server,), daemon=True).start()
    server.run()


if __name__ == "__main__":
    main()
