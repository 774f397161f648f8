"""The bodies of both shapes, put together from records that are JSON already."""

from __future__ import annotations

import json
from collections.abc import Sequence

from io_intelligence_provider.emulator.catalogue import Rendered
from io_intelligence_provider.emulator.state import Quirks

__all__ = ["openai_body", "page_body"]


def page_body(records: Sequence[Rendered], page: int, page_size: int, quirks: Quirks) -> bytes:
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
    """Return the whole list in the shape that public clients observe; it has no pages.

    :param request: number of the request.
    """
    return b'{"object":"list","data":[%b]}' % b",".join(record.served(request) for record in records)
