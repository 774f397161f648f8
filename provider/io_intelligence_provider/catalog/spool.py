"""Raw records on disk until the walk has proved consistent: memory holds one page at a time."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from typing import Final

__all__ = ["Spool"]

_IN_MEMORY: Final = 8 * 1024 * 1024  # bytes; a catalogue of the size of today's never touches the disk


class Spool:
    """A temporary file of pages; gone when it is closed or collected.

    It keeps 8 bytes a record and up to 8 MiB in memory.
    """

    def __init__(self) -> None:
        # The file lives as long as the spool, not as long as a block: close() ends it.
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._pages: list[array[int]] = []

    def append(self, records: list[bytes]) -> None:
        """Add one page of raw records."""
        self._pages.append(array("q", map(len, records)))
        self._file.write(b"".join(records))

    def pages(self) -> Iterator[list[bytes]]:
        """Yield the pages in the order they were added. Not for two threads at a time."""
        position = 0
        for lengths in self._pages:
            self._file.seek(position)  # another reader may be half through
            block = self._file.read(sum(lengths))
            position += len(block)
            page, start = [], 0
            for length in lengths:
                page.append(block[start : start + length])
                start += length
            yield page

    def close(self) -> None:
        """Drop the file."""
        self._file.close()
