"""Adds digests to the Parquet files of a store, and verifies them before a library parses their bytes.

Damaged bytes may end the process within pyarrow (exceptions of C++ about a footer's statistics) or polars
(while a page is decoded), and a flipped bit of a price may be read without an error. The digests stand
between the last page and the footer, as mark, digest of the pages, digest of the footer, mark. Readers find
pages by their offsets and the footer by its length, so they pass over them. Damage that covers both marks
makes a file one without digests.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["DamagedError", "PagesDigest", "digest_of_pages", "with_digests"]

_MARK: Final = bytes.fromhex("ff996db5851aee15882767427e443def")
"""16 random bytes that are no UTF-8, so that no text of a file holds them."""
_SIZE: Final = 16
_BLOCK: Final = 2 * (len(_MARK) + _SIZE)
_TAIL: Final = 8
"""The last bytes of a Parquet file: the length of its footer, and ``PAR1``."""
_SEARCHED: Final = 16 << 20
"""Bytes at the end, as many as the largest footer, in which a mark is searched that is not at its place."""
_READ_AT_ONCE: Final = 1 << 20


class DamagedError(OSError):
    """The bytes of a file are not those that were written."""

    def __init__(self) -> None:
        super().__init__("its bytes have changed since it was written")


@dataclass(frozen=True)
class PagesDigest:
    """The digest of a file's pages, which are its first ``size`` bytes."""

    digest: bytes
    size: int

    def verify(self, source: Any) -> None:
        """Compare the pages with their digest; one megabyte of them is in memory at a time.

        :param source: the file as a pyarrow ``NativeFile``.
        :raises DamagedError: when they differ.
        """
        found = hashlib.blake2b(digest_size=_SIZE)
        for start in range(0, self.size, _READ_AT_ONCE):
            found.update(source.read_at(min(_READ_AT_ONCE, self.size - start), start))
        if found.digest() != self.digest:
            raise DamagedError


def with_digests(data: Any) -> bytes:
    """Return a Parquet file with its digests.

    :param data: the file's bytes without them, as an object with the buffer protocol.
    """
    view = memoryview(data)
    end = len(view) - _TAIL - int.from_bytes(view[-_TAIL:-4], "little")
    pages, footer = view[:end], view[end:]
    digest = hashlib.blake2b(pages, digest_size=_SIZE).digest()
    return b"".join([pages, _MARK, digest, _of_footer(digest, footer), _MARK, footer])


def digest_of_pages(source: Any, size: int) -> PagesDigest | None:
    """Verify a file's footer and return the digest of its pages.

    :param source: the file as a pyarrow ``NativeFile``.
    :param size: of the file in bytes, at least 8.
    :returns: ``None`` when the file has no digests: older versions and other writers add none.
    :raises DamagedError: when the footer or the digests have changed.
    """
    footer = size - _TAIL - int.from_bytes(source.read_at(4, size - _TAIL), "little")
    start = footer - _BLOCK
    block = source.read_at(_BLOCK, start) if start >= 0 else b""
    if not (block.startswith(_MARK) or block.endswith(_MARK)):
        # Where the length of the footer is damaged, the mark is elsewhere.
        searched = min(size, _SEARCHED)
        if _MARK in source.read_at(searched, size - searched):
            raise DamagedError
        return None
    digest = block[len(_MARK) :][:_SIZE]
    if block != b"".join([_MARK, digest, _of_footer(digest, source.read_at(size - footer, footer)), _MARK]):
        raise DamagedError
    return PagesDigest(digest, start)


def _of_footer(pages: bytes, footer: Any) -> bytes:
    found = hashlib.blake2b(pages, digest_size=_SIZE)
    found.update(footer)
    return found.digest()
