"""Defines the contenders: each takes a URL and a folder, reads the catalogue and writes Parquet.

Run as ``python contenders.py NAME URL FOLDER [CONCURRENCY]``; prints the rows written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


class _Hidden:
    """Makes installed packages look as if they were not."""

    def __init__(self, *packages: str) -> None:
        self.packages = packages

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002
        if name.partition(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _hide(*packages: str) -> None:
    """Hide what the wheel's own environment does not have, and others import where it is."""
    sys.meta_path.insert(0, _Hidden(*packages))  # type: ignore[arg-type]


def provider(url: str, folder: Path, concurrency: int = 4) -> int:
    """This provider as in a clean Airflow, which has neither numpy nor pandas."""
    _hide("numpy", "pandas")
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
    """The floor: the fewest instructions that put the columns into Parquet, every one decoded once.

    No check, no retry, no proof that the pages belong together; prices stay text and keys without a column
    are dropped. It falls over at the first broken record.
    """
    _hide("numpy", "pandas")
    import http.client
    from operator import attrgetter
    from urllib.parse import urlsplit

    import msgspec
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = _floor_columns()
    fields = {
        place: [(name, kind | None, None) for name, (where, kind) in columns.items() if where == place]
        for place in ("record", "metadata")
    }
    metadata = msgspec.defstruct("Metadata", fields["metadata"], gc=False)
    record = msgspec.defstruct("Record", [("metadata", metadata), *fields["record"]], gc=False)
    pagination = msgspec.defstruct("Pagination", [("has_next", bool)])
    answer = msgspec.defstruct("Answer", [("data", list[record]), ("pagination", pagination)])  # type: ignore[valid-type]
    decode = msgspec.json.Decoder(answer).decode
    types = {str: pa.string(), int: pa.int64(), bool: pa.bool_(), list[str]: pa.list_(pa.string())}
    schema = pa.schema([(name, types[kind]) for name, (_, kind) in columns.items()])
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    rows, group, page, more = 0, [], 1, True
    with pq.ParquetWriter(folder / "floor.parquet", schema, compression="zstd") as writer:
        while more:
            connection.request("GET", f"/api/v1/models?page={page}&page_size=100")
            found: Any = decode(connection.getresponse().read())
            group += found.data
            page, more = page + 1, found.pagination.has_next
            if len(group) >= 8_192 or not more:
                places = {"record": group, "metadata": [one.metadata for one in group]}
                arrays = [
                    pa.array(list(map(attrgetter(name), places[where])), types[kind])
                    for name, (where, kind) in columns.items()
                ]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
                rows += len(group)
                group = []
    return rows


def _floor_columns() -> dict[str, tuple[str, Any]]:
    """Return place and type of each key of the server's records."""
    texts = ("model_id", "name", "description", "status", "created_at", "updated_at")
    kinds = ("chat", "api_completions", "embeddings", "audio_transcriptions", "audio_speech")
    inner: dict[Any, tuple[str, ...]] = {
        str: (
            "image_url", "version", "developer", "short_description", "license", "tool_support", "precision",
            "input_token_price", "output_token_price", "cache_write_token_price", "cache_read_token_price",
        ),
        int: ("trendiness", "max_tokens", "context_window"),
        bool: (
            "enable_api_chat_completions", "enable_api_embeddings", "enable_audio_stt", "enable_audio_tts",
            "enable_chat_ui", "supports_images_input", "supports_prompt_cache",
        ),
        list[str]: ("tags",),
    }  # fmt: skip
    columns: dict[str, tuple[str, Any]] = dict.fromkeys(texts, ("record", str))
    columns |= {f"{kind}_daily_quota_tier_1": ("record", int) for kind in kinds}
    return columns | {name: ("metadata", kind) for kind, names in inner.items() for name in names}


def by_hand(url: str, folder: Path, concurrency: int = 1) -> int:
    """What one writes by hand: requests, json_normalize, pandera on pandas, to_parquet."""
    from peer_programs import by_hand as program

    return program(url, folder)


if __name__ == "__main__":
    name, url, folder, *rest = sys.argv[1:]
    _hide("hypothesis", "tornado")  # pandera and tenacity import them; a developer's environment has them
    contenders = (provider, beside_pandas, walk, floor, by_hand)
    chosen = next(contender for contender in contenders if contender.__name__ == name)
    print(chosen(url, Path(folder), *map(int, rest)))
