"""Defines the web application of the emulator, and serves it on a real socket in a thread of the caller."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Sequence
from datetime import date
from ipaddress import ip_address
from threading import Event, Thread
from types import TracebackType
from typing import Annotated, Any, Final, Self
from urllib.parse import parse_qs

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

from io_intelligence_provider.emulator.catalogue import Catalogue, PriceHistory, Rendered, Shape
from io_intelligence_provider.emulator.faults import MODELS_PATH, Fault, Faults, serve
from io_intelligence_provider.emulator.state import EmulatorState, OAuthClient, ServerQuirks, same
from io_intelligence_provider.errors import ConfigurationError

__all__ = ["EmulatorApp", "EmulatorServer", "control", "create_app", "openai_body", "page_body"]


class EmulatorApp(FastAPI):
    """A FastAPI application with faults in front of it. ``emulator`` is its :class:`EmulatorState`."""

    def __init__(self, emulator: EmulatorState, api_key: str | None, oauth: OAuthClient | None) -> None:
        super().__init__(title="IO Intelligence (emulated)", openapi_url=None)
        self.emulator = emulator
        self.api_key = api_key
        self.oauth = oauth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await serve(super().__call__, self.emulator, scope, receive, send)


def create_app(
    catalogue: Catalogue | None = None,
    *,
    api_key: str | None = None,
    shape: Shape = "documented",
    as_of: date | None = None,
    quirks: ServerQuirks | None = None,
    oauth: OAuthClient | None = None,
) -> EmulatorApp:
    """Create the emulator's application.

    :param catalogue: the catalogue to serve; ``None``: the bundled price history.
    :param api_key: the only bearer token accepted, besides those of the token endpoint; with neither an
        ``api_key`` nor an ``oauth`` client all requests are accepted.
    :param as_of: the day to serve; ``None``: the last one.
    :param oauth: the client that ``POST /oauth/token`` accepts; ``None``: there is no such endpoint.
    :raises ConfigurationError: when the catalogue has nothing for ``as_of``.
    """
    state = EmulatorState(catalogue or PriceHistory.load(), shape=shape, as_of=as_of, quirks=quirks)
    app = EmulatorApp(state, api_key, oauth)
    app.include_router(models)
    app.include_router(control)
    if oauth is not None:
        app.include_router(oauth_router)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.add_exception_handler(RequestValidationError, _validation_error)
    return app


async def _validation_error(_: Request, error: Exception) -> Response:
    """Return 422 with the three documented keys only, because the fourth would echo the input."""
    details = error.errors() if isinstance(error, RequestValidationError) else []
    kept = [{key: detail[key] for key in ("loc", "msg", "type")} for detail in details]
    return JSONResponse({"detail": kept}, status_code=422)


async def authorize(request: Request) -> None:
    """Accept a valid bearer token, or a guest without one.

    :raises HTTPException: 401.
    """
    app: EmulatorApp = request.app
    if app.api_key is None and app.oauth is None:
        return
    authorization = request.headers.get("authorization")
    if authorization is None and request.headers.get("x-guest-session-id"):
        return
    scheme, _, token = (authorization or "").partition(" ")
    known = app.emulator.tokens.accepts(token) or (app.api_key is not None and same(token, app.api_key))
    if scheme.lower() != "bearer" or not known:
        detail = "Not authenticated" if authorization is None else "Invalid API key or access token"
        raise HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})


models = APIRouter(tags=["models"])
oauth_router = APIRouter(include_in_schema=False)


@models.get(
    MODELS_PATH,
    summary="Get Models List",
    operation_id="get_models_list_v1_models_get",
    dependencies=[Depends(authorize)],
)
async def get_models_list(
    request: Request,
    page: Annotated[int, Query(ge=1)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 50,
    q: Annotated[str | None, Query()] = None,
    guest_session: Annotated[str | None, Header(alias="X-Guest-Session-ID")] = None,
) -> Response:
    """Return one page of the available models, or of those whose name or description has ``q``."""
    del guest_session  # `authorize` reads it; it is a parameter here so that it is documented
    state: EmulatorState = request.app.emulator
    records = state.records(q)
    if state.shape == "openai":
        body = openai_body(records, state.next_request())
    else:
        body = page_body(records, page, page_size, state.quirks)
    return Response(body, media_type="application/json")


@oauth_router.post("/oauth/token")
async def issue_token(request: Request) -> JSONResponse:
    """OAuth2 client credentials: the client by HTTP Basic, the grant in the form."""
    app: EmulatorApp = request.app
    headers = {"Cache-Control": "no-store"}
    if app.oauth is None or not app.oauth.authenticates(request.headers.get("authorization")):
        challenge = {"WWW-Authenticate": 'Basic realm="emulator"'}
        return JSONResponse({"error": "invalid_client"}, status_code=401, headers=headers | challenge)
    form = parse_qs((await request.body()).decode("latin-1"))
    if form.get("grant_type") != ["client_credentials"]:
        return JSONResponse({"error": "unsupported_grant_type"}, status_code=400, headers=headers)
    answer: dict[str, Any] = {
        "access_token": app.emulator.tokens.issue(),
        "token_type": "Bearer",
        "expires_in": app.oauth.expires_in,
    }
    return JSONResponse(answer, headers=headers)


async def _from_here(request: Request) -> None:
    """Refuse requests from other machines.

    :raises HTTPException: 403.
    """
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
        # A server that listens on `::` sees an IPv4 client with an IPv6 address.
        local = (getattr(address, "ipv4_mapped", None) or address).is_loopback
    except ValueError:
        local = False
    if not local:
        raise HTTPException(403, "The controls answer to this machine only")


control = APIRouter(prefix="/emulator", include_in_schema=False, dependencies=[Depends(_from_here)])


class AsOf(BaseModel):
    """The day to serve; ``null`` is the last one."""

    as_of: date | None


@control.get("/faults")
async def list_faults(request: Request) -> list[Fault]:
    """Return the faults still to come."""
    return list(_state(request).faults.pending())


@control.post("/faults", status_code=201)
async def order_fault(request: Request, fault: Fault) -> Fault:
    """Order a fault."""
    _state(request).faults.add(fault)
    return fault


@control.delete("/faults", status_code=204)
async def cancel_faults(request: Request) -> None:
    """Cancel all faults and undo what drifted."""
    _state(request).reset()


@control.put("/as-of")
async def set_as_of(request: Request, wanted: AsOf) -> AsOf:
    """Serve another day."""
    try:
        _state(request).set_as_of(wanted.as_of)
    except ConfigurationError as error:
        raise HTTPException(400, str(error)) from error
    return wanted


@control.get("/requests")
async def list_requests(request: Request) -> list[dict[str, Any]]:
    """Return the last 1,000 requests; of credentials only whether there were any."""
    return _state(request).requests()


def _state(request: Request) -> EmulatorState:
    state: EmulatorState = request.app.emulator
    return state


def page_body(records: Sequence[Rendered], page: int, page_size: int, quirks: ServerQuirks) -> bytes:
    """Return one page of the documented shape; a page after the last one is empty."""
    size = min(page_size, quirks.page_size_cap or page_size)
    pages = -(-len(records) // size)
    pagination = {
        "total": len(records) if quirks.total is None else quirks.total,
        "page": page,
        "page_size": size,
        "total_pages": pages if quirks.total_pages is None else quirks.total_pages,
        "has_next": quirks.endless or page < pages,
        "has_previous": page > 1,
    }
    data = b",".join(record.body for record in records[(page - 1) * size : page * size])
    return b'{"data":[%b],"pagination":%b}' % (data, json.dumps(pagination).encode())


def openai_body(records: Sequence[Rendered], request: int) -> bytes:
    """Return the whole list in the observed shape, which has no pages.

    :param request: number of the request.
    """
    return b'{"object":"list","data":[%b]}' % b",".join(record.served(request) for record in records)


_TIMEOUT: Final = 10.0
"""Timeout of a start or a stop in seconds."""
_LAST_PORT: Final = 65_535


class EmulatorServer:
    """Serves an emulator while the ``with`` block runs.

    :param app: the application; ``None``: ``create_app(**options)``.
    :param port: 0 is any free port; ``url`` has the one in use.
    :raises ConfigurationError: when the port or the host is invalid.
    :raises OSError: when the address is taken or not one of this machine.
    """

    def __init__(
        self, app: EmulatorApp | None = None, *, host: str = "127.0.0.1", port: int = 0, **options: Any
    ) -> None:
        if app is not None and options:
            raise TypeError(f"An app is given, so it cannot be made with {', '.join(options)}")
        self.app = app if app is not None else create_app(**options)
        if not 0 <= port <= _LAST_PORT:
            raise ConfigurationError(f"The port is {port}; ports are 0 to {_LAST_PORT}, 0 for any free one.")
        self._address = (host, port)
        self._server: _Server | None = None
        self._thread: Thread | None = None
        self.url = ""

    @property
    def state(self) -> EmulatorState:
        """The state of the emulator: shape, quirks, tokens, log."""
        return self.app.emulator

    @property
    def faults(self) -> Faults:
        """The pending faults."""
        return self.state.faults

    def set_as_of(self, as_of: date | None) -> None:
        """Serve another day; ``None`` is the last one.

        :raises ConfigurationError: when the catalogue has nothing for that day.
        """
        self.state.set_as_of(as_of)

    def start(self) -> None:
        """Bind the socket and return when the server accepts requests."""
        listener = _listen(*self._address)
        host, port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._server = server = _Server(_config(self.app))
        self._thread = Thread(target=server.run_in_thread, args=(listener,), name="emulator", daemon=True)
        self._thread.start()
        if not server.settled.wait(_TIMEOUT) or not server.started:
            listener.close()
            raise RuntimeError("The emulator's server did not start")

    def wait(self) -> None:
        """Block until the server stops; Ctrl-C raises ``KeyboardInterrupt`` here as usual."""
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """Finish running requests within a second, and release the port.

        :raises RuntimeError: when the server does not stop.
        """
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(_TIMEOUT)
        if self._thread.is_alive():
            raise RuntimeError(f"The emulator's server did not stop within {_TIMEOUT:g} s")
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except RuntimeError as problem:
            if error is None:
                raise
            error.add_note(str(problem))


class _Server(uvicorn.Server):
    """A uvicorn server that signals when it has started or failed to start."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.settled.set()

    def run_in_thread(self, listener: socket.socket) -> None:
        try:
            self.run(sockets=[listener])
        finally:
            self.settled.set()


def _config(app: EmulatorApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",  # resets need its transports
        ws="none",
        lifespan="off",
        log_config=None,  # keep the caller's logging
        log_level="critical",
        access_log=False,
        proxy_headers=False,  # the controls check the real peer
        timeout_graceful_shutdown=1,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (TypeError, UnicodeError):  # a name that cannot be encoded
        listener.close()
        raise ConfigurationError(f"The host {host[:100]!r} is no name or address of a machine.") from None
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            text = f"Port {port} of {host} is taken; choose another one, or 0 for any free one"
            raise OSError(error.errno, text) from error
        raise
    return listener
