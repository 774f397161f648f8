"""Reading many objects of an object store: several at a time, in order, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from io_intelligence_provider.errors import NotOnFileError

__all__ = ["read_ahead"]

_AT_ONCE: Final = 16
"""Objects asked for at the same time."""

_AHEAD_BYTES: Final = 64 << 20
"""Bytes that may wait in memory: when objects prove large, fewer are asked for at the same time."""


def read_ahead(read: Callable[[str], bytes], paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield each path with its content, in the order given; one that is not there is left out.

    :param read: reads one object; called from several threads.
    """
    left = iter(paths)
    waiting: deque[tuple[str, Future[bytes]]] = deque()
    largest = _AHEAD_BYTES // 4  # until the first ones tell how large they are
    pool = ThreadPoolExecutor(_AT_ONCE, "read-ahead")
    try:
        while True:
            for path in left:
                waiting.append((path, pool.submit(read, path)))
                if len(waiting) >= min(_AT_ONCE, _AHEAD_BYTES // largest):
                    break
            if not waiting:
                return
            path, future = waiting.popleft()
            try:
                data = future.result()
            except NotOnFileError:
                continue
            largest = min(max(len(data), _AHEAD_BYTES // _AT_ONCE), _AHEAD_BYTES)
            yield path, data
    finally:
        pool.shutdown(cancel_futures=True)
