"""Serves the emulator on a real socket, in a thread of the caller's process."""

from __future__ import annotations

import errno
import socket
from datetime import date
from threading import Event, Thread
from types import TracebackType
from typing import Any, Final, Self

import uvicorn

from io_intelligence_provider.emulator.app import EmulatorApp, create_app
from io_intelligence_provider.emulator.faults import Faults
from io_intelligence_provider.emulator.state import EmulatorState
from io_intelligence_provider.errors import ConfigurationError

__all__ = ["EmulatorServer"]

START_TIMEOUT: Final = 10.0
"""Timeout of a start or a stop in seconds."""
_LAST_PORT: Final = 65_535


class EmulatorServer:
    """Serves an emulator while the ``with`` block runs.

    :param app: the application; ``None``: ``create_app(**options)``.
    :param port: 0 is any free port; ``url`` has the one in use.
    :raises ConfigurationError: when the port is invalid.
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
        if not server.settled.wait(START_TIMEOUT) or not server.started:
            listener.close()
            raise RuntimeError("The emulator's server did not start")

    def wait(self) -> None:
        """Block until the server stops; Ctrl-C raises ``KeyboardInterrupt`` here as usual."""
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """Finish running requests within a second, and release the port."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(START_TIMEOUT)
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


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
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            text = f"Port {port} of {host} is taken; choose another one, or 0 for any free one"
            raise OSError(error.errno, text) from error
        raise
    return listener
