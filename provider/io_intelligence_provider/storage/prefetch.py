"""Reads many objects of an object store concurrently, in order and with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from io_intelligence_provider.errors import NotOnFileError

__all__ = ["OnDisk", "prefetch"]


Content = TypeVar("Content")

_AT_ONCE: Final = 16
"""Maximum number of concurrent requests."""

_AHEAD_BYTES: Final = 64 << 20
"""Bytes that may wait in memory; with large objects fewer requests run concurrently."""


@dataclass(frozen=True)
class OnDisk:
    """A file of the store on local disk.

    :param path: its path below the root.
    :param file: the path of the file itself, or of a temporary copy of an object.
    :param size: its size in bytes.
    """

    path: str
    file: str
    size: int
    is_copy: bool = False

    def release(self) -> None:
        """Delete the file if it is a temporary copy."""
        if self.is_copy:
            Path(self.file).unlink(missing_ok=True)


def prefetch(read: Callable[[str], Content], paths: Iterable[str]) -> Iterator[tuple[str, Content]]:
    """Yield each path with its content, in the order given; objects that do not exist are left out.

    :param read: reads one object or returns the error; called from several threads.
    """
    left = iter(paths)
    waiting: deque[tuple[str, Future[Content]]] = deque()
    largest = _AHEAD_BYTES // 4  # until the sizes of the first ones are known
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
            size = len(data) if isinstance(data, bytes) else 0
            largest = min(max(size, _AHEAD_BYTES // _AT_ONCE), _AHEAD_BYTES)
            yield path, data
    finally:
        pool.shutdown(cancel_futures=True)
