"""What tells two states of a file apart without reading it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

__all__ = ["Stamp", "disk_stamp", "object_stamp"]

_CONTENT: Final = ("ETag", "etag", "generation", "md5Hash", "content_md5")
"""What object stores call the thing that stands for the content; most survive a copy to another bucket."""

_TIMES: Final = ("mtime", "modified", "last_modified", "LastModified", "updated", "created")
"""What they call the time of the last write."""


class Stamp(NamedTuple):
    """One state of a file.

    :param size: its size in bytes.
    :param tag: what every rewrite changes; ``None`` where the file system tells nothing of that kind.
    :param written: when it was written, in seconds since 1970, where the tag is that time: two writes in
        one tick of its clock have the same.
    """

    size: int
    tag: str | None
    written: float | None = None

    def __str__(self) -> str:
        return f"{self.size}-{self.tag}"


def disk_stamp(status: os.stat_result) -> Stamp:
    """Return the stamp of a file on disk. A copy that keeps the time of the last write keeps it as well."""
    return Stamp(status.st_size, str(status.st_mtime_ns), status.st_mtime)


def object_stamp(details: Mapping[str, Any]) -> Stamp:
    """Return the stamp of an object, of what fsspec says of it."""
    tag = None
    for keys in (_CONTENT, _TIMES):
        known = [str(details[key]) for key in keys if details.get(key) is not None]
        if known:
            tag = "-".join(known)
            break
    return Stamp(int(details.get("size") or 0), tag)
