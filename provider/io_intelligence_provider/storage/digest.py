"""Adds a digest to the Parquet files of a store, and verifies it before a library parses their bytes.

Damaged bytes may end the process within pyarrow (exceptions of C++ about a footer's statistics) or polars
(while a page is decoded), and a flipped bit of a price may be read without an error. The digest stands
between the last page and the footer. Readers find pages by their offsets and the footer by its length, so
they pass over it.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

__all__ = ["has_right_digest", "with_digest"]

_MARK: Final = bytes.fromhex("ff996db5851aee15882767427e443def")
"""16 random bytes that are no UTF-8, so that no text of a file holds them."""
_DIGEST_SIZE: Final = 16
_BLOCK: Final = len(_MARK) + _DIGEST_SIZE
_TAIL: Final = 8
"""The last bytes of a Parquet file: the length of its footer, and ``PAR1``."""
_SEARCHED: Final = 1 << 20
"""Bytes at the end of a file in which the mark is searched when it is not at its place."""
_READ_AT_ONCE: Final = 1 << 20


def with_digest(data: Any) -> bytes:
    """Return a Parquet file with its digest.

    :param data: the file's bytes without one, as an object with the buffer protocol.
    """
    view = memoryview(data)
    end = len(view) - _TAIL - int.from_bytes(view[-_TAIL:-4], "little")
    pages, footer = view[:end], view[end:]
    digest = hashlib.blake2b(pages, digest_size=_DIGEST_SIZE)
    digest.update(_MARK)
    digest.update(footer)
    return b"".join([pages, _MARK, digest.digest(), footer])


def has_right_digest(source: Any, size: int) -> bool | None:
    """Verify a Parquet file; return ``None`` when it has no digest: older versions and others write none.

    :param source: a pyarrow ``NativeFile``.
    :param size: of the file in bytes, at least 8.
    """
    footer = size - _TAIL - int.from_bytes(source.read_at(4, size - _TAIL), "little")
    start = footer - _BLOCK
    block = source.read_at(_BLOCK, start) if start >= 0 else b""
    if not block.startswith(_MARK):
        # Where the length of the footer is damaged, the mark is elsewhere.
        searched = min(size, _SEARCHED)
        return False if _MARK in source.read_at(searched, size - searched) else None
    digest = hashlib.blake2b(digest_size=_DIGEST_SIZE)
    for first, last in ((0, start + len(_MARK)), (footer, size)):
        for at in range(first, last, _READ_AT_ONCE):
            digest.update(source.read_at(min(_READ_AT_ONCE, last - at), at))
    return digest.digest() == block[len(_MARK) :]
