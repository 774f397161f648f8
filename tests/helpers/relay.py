"""Runs a TCP relay before a server; it forwards bytes, records requests, and cuts connections on demand."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

_REQUEST = re.compile(rb"^(GET|PUT|HEAD|POST|DELETE) (\S+) HTTP/1\.1\r$", re.MULTILINE)


_SOME = 700
"""Bytes of a response that pass before the cut: its head and some of its body."""


@dataclass
class Cut:
    """Selects connections to cut: the request line, how often, and on the way there or back."""

    pattern: re.Pattern[str]
    times: int
    answer: bool


@dataclass
class Relay:
    """Relays TCP connections to the server."""

    target: tuple[str, int]
    asked: list[str] = field(default_factory=list)
    gate: threading.Barrier | None = None
    _cut: Cut | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []
        self._clients: list[socket.socket] = []
        self._begin(self._accept)

    def cut(self, pattern: str, times: int = 10**6, *, answer: bool = False) -> None:
        """Cut the connection of the next matching requests half-way."""
        self._cut = Cut(re.compile(pattern), times, answer)

    def mend(self) -> None:
        self._cut = self.gate = None
        self.asked.clear()

    def close(self) -> None:
        """Close all connections, and wait until their threads end."""
        for one in (self._listener, *self._clients):
            _hang_up(one)  # closing it would not wake the thread that waits for it
        for thread in self._threads:  # these may start others meanwhile
            thread.join()
        self._listener.close()

    def _begin(self, target: Callable[..., None], *arguments: Any) -> threading.Thread:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()
        return self._threads[-1]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                self._begin(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        due: Cut | None = None
        limit: list[int] = []  # one number: the bytes of the response that may pass
        with socket.create_connection(self.target) as server:
            answering = threading.Thread(target=_answer, args=(server, client, limit), daemon=True)
            answering.start()
            with client, suppress(OSError):
                while data := client.recv(1 << 20):
                    due = self._note(data) or due
                    if due and due.answer:
                        limit.append(_SOME)
                    # The body of an upload follows separately, after the server allowed it.
                    elif due and not data.endswith(b"\r\n\r\n"):
                        server.sendall(data[: len(data) // 2])
                        _reset(client)
                        break
                    server.sendall(data)
            _hang_up(server)
            answering.join()

    def _note(self, data: bytes) -> Cut | None:
        """Record a request; return the cut that applies to it."""
        for method, path in _REQUEST.findall(data):
            line = f"{method.decode()} {path.decode()}"
            with self._lock:
                self.asked.append(line)
                if self._cut and self._cut.times and self._cut.pattern.search(line):
                    self._cut.times -= 1
                    return self._cut
            if self.gate and "models.parquet" in line:
                self.gate.wait(30)
        return None


def _answer(server: socket.socket, client: socket.socket, limit: list[int]) -> None:
    with suppress(OSError):
        while data := server.recv(1 << 16):
            if limit:
                client.sendall(data[: limit[0]])
                limit[0] -= len(data)
                if limit[0] <= 0:
                    break
            else:
                client.sendall(data)
        if limit:
            _reset(client)
        client.shutdown(socket.SHUT_RDWR)


def _hang_up(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def _reset(client: socket.socket) -> None:
    """Make the following close a reset, as when the network fails."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
