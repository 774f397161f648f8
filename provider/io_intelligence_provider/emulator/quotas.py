"""Daily quotas as the vendor published them, by model id."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

__all__ = ["QuotaRow", "QuotaTable", "last_published_quotas"]

_FILE: Final = Path(__file__).parent / "data" / "io_net_quotas_2025.jsonl"


class QuotaRow(msgspec.Struct, frozen=True):
    """One row of a published table: quotas per day, ``None`` where its cell is empty."""

    source_url: str
    seen: str
    name: str
    chat_daily_quota: int | None
    api_completions_daily_quota: int | None
    embeddings_daily_quota: int | None


QuotaTable: TypeAlias = Mapping[str, QuotaRow]


def last_published_quotas() -> QuotaTable:
    """Return the last table of the bundled file.

    Earlier tables are left alone: two of them contradict each other on the same day.
    """
    decoder = msgspec.json.Decoder(QuotaRow)
    rows = [decoder.decode(line) for line in _FILE.read_bytes().splitlines()]
    last = (rows[-1].source_url, rows[-1].seen)
    return {row.name: row for row in rows if (row.source_url, row.seen) == last}
