"""What is compared: each takes a URL and a folder, reads the whole catalogue and writes Parquet.

Run as ``python contenders.py NAME URL FOLDER [CONCURRENCY]``; prints the rows written.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any


class _Hidden:
    """Makes an installed package look as if it were not, to pandera and to pyarrow."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def provider(url: str, folder: Path, concurrency: int = 4) -> int:
    """This provider as in a clean Airflow, which has no pandas (pandera imports it where it is)."""
    sys.meta_path.insert(0, _Hidden("pandas"))  # type: ignore[arg-type]
    return beside_pandas(url, folder, concurrency)


def walk(url: str, folder: Path, concurrency: int = 4) -> int:
    """The walk alone: fetch all pages and prove them consistent."""
    from io_intelligence_provider import IOIntelligenceClient

    with IOIntelligenceClient(url, concurrency=concurrency) as client, client.fetch_catalogue() as catalogue:
        return catalogue.received


def beside_pandas(url: str, folder: Path, concurrency: int = 4) -> int:
    """This provider where pandas is installed: every check, exact decimals, quarantine, report, sorted."""
    from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot

    with IOIntelligenceClient(url, concurrency=concurrency) as client:
        return take_snapshot(client, SnapshotStore(folder), max_quarantine_share=0.2).rows


def floor(url: str, folder: Path, concurrency: int = 1) -> int:
    """The floor: download, parse and write, without a single check; prices stay text."""
    import msgspec
    import polars as pl
    import pyarrow.parquet as pq
    import urllib3

    pool, decode = urllib3.PoolManager(), msgspec.json.Decoder().decode
    writer, rows, group, page, more = None, 0, [], 1, True
    while more:
        answer = decode(pool.request("GET", f"{url}/api/v1/models?page={page}&page_size=100").data)
        group += answer["data"]
        page, more = page + 1, answer["pagination"]["has_next"]
        if len(group) >= 10_000 or not more:
            flat = [{**record.pop("metadata"), **record} for record in group]
            names = flat[0].keys()
            table = pl.DataFrame(
                [pl.Series(name, [row.get(name) for row in flat], strict=False) for name in names]
            ).to_arrow()
            writer = writer or pq.ParquetWriter(folder / "floor.parquet", table.schema, compression="zstd")
            writer.write_table(table.cast(writer.schema))
            rows += len(group)
            group = []
    if writer:
        writer.close()
    return rows


def by_hand(url: str, folder: Path, concurrency: int = 1) -> int:
    """What one writes by hand: requests, json_normalize, pandera on pandas, to_parquet."""
    import pandas as pd
    import pandera.pandas as pa
    import requests

    session, records, page, more = requests.Session(), [], 1, True
    while more:
        answer = session.get(
            f"{url}/api/v1/models", params={"page": page, "page_size": 100}, timeout=30
        ).json()
        records += answer["data"]
        page, more = page + 1, answer["pagination"]["has_next"]
    frame: Any = pd.json_normalize(records)
    prices = [f"metadata.{kind}_token_price" for kind in ("input", "output", "cache_write", "cache_read")]
    price = pa.Check.str_matches(r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$")
    schema = pa.DataFrameSchema(
        {
            "model_id": pa.Column(str, pa.Check.str_matches(r"^[0-9a-f-]{36}$"), unique=True),
            "name": pa.Column(str),
            "status": pa.Column(str, pa.Check.isin(["active", "inactive"])),
            "chat_daily_quota_tier_1": pa.Column(int, pa.Check.ge(0), coerce=True),
            "metadata.trendiness": pa.Column(int, pa.Check.in_range(0, 10)),
            "metadata.max_tokens": pa.Column(int, pa.Check.ge(0)),
            "created_at": pa.Column(str),
            "updated_at": pa.Column(str, pa.Check.str_matches(r"^\d{4}-\d{2}-\d{2}T")),
            **{name: pa.Column(object, price, nullable=True) for name in prices},
        }
    )
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        frame = frame.drop(index=errors.failure_cases["index"].dropna().unique())
    for name in ("chat_daily_quota_tier_1", "metadata.trendiness", "metadata.max_tokens"):
        frame[name] = pd.to_numeric(frame[name], errors="coerce").astype("Int64")
    for name in prices:  # the strings that are left, as the exact decimals that a budget needs
        frame[name] = frame[name].map(lambda text: None if text is None else Decimal(text))
    frame.to_parquet(folder / "by_hand.parquet")
    return len(frame)


if __name__ == "__main__":
    name, url, folder, *rest = sys.argv[1:]
    contenders = (provider, beside_pandas, walk, floor, by_hand)
    chosen = next(contender for contender in contenders if contender.__name__ == name)
    print(chosen(url, Path(folder), *map(int, rest)))
