"""Serves generated documented records; every page is in memory before the server starts.

About 1,370 bytes each. Of the kind ``broken`` a tenth is broken in ten ways; of the kind ``clean`` none is,
and every second one has a key that has no column. Run as
``python catalogue_server.py [RECORDS [KIND [DELAY_SECONDS]]]``; it prints its port and serves until killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import Callable
from typing import Any, Final

PAGE_SIZE: Final = 100
_FILLER: Final = "A model for the benchmark, with a description of the usual length. " * 8

_BREAK: Final[tuple[Callable[[dict[str, Any]], Any], ...]] = (
    lambda record: record.update(status="retired"),
    lambda record: record["metadata"].update(trendiness=11),
    lambda record: record["metadata"].update(input_token_price="free"),
    lambda record: record.pop("created_at"),
    lambda record: record.update(chat_daily_quota_tier_1="7"),
    lambda record: record.update(model_id=f"no-uuid-{record['name']}"),
    lambda record: record["metadata"].update(output_token_price=0.5),
    lambda record: record.update(updated_at="yesterday"),
    lambda record: record["metadata"].update(max_tokens=-1),
    lambda record: record.update(name=None),
)


def record(number: int, kind: str) -> dict[str, Any]:
    """Return the record of that number; ``kind`` says which ones are out of the ordinary, and how."""
    value: dict[str, Any] = {
        "model_id": str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)),
        "name": f"vendor-{number % 97}/model-{number * 7919 % 1_000_003}-{number}",
        "description": _FILLER,
        "status": "active" if number % 5 else "inactive",
        "chat_daily_quota_tier_1": 1_000_000,
        "api_completions_daily_quota_tier_1": 500_000,
        "embeddings_daily_quota_tier_1": 0,
        "audio_transcriptions_daily_quota_tier_1": 0,
        "audio_speech_daily_quota_tier_1": 0,
        "metadata": {
            "image_url": f"https://example.com/pictures/{number}.png",
            "tags": ["New", "Premium"],
            "version": "1.0",
            "developer": f"Vendor {number % 97}",
            "short_description": "The latest and greatest",
            "enable_api_chat_completions": True,
            "enable_api_embeddings": False,
            "enable_audio_stt": False,
            "enable_audio_tts": False,
            "enable_chat_ui": True,
            "trendiness": number % 11,
            "license": "apache-2.0",
            "tool_support": "yes",
            "max_tokens": 8192,
            "context_window": 131072,
            "supports_images_input": False,
            "supports_prompt_cache": True,
            "input_token_price": f"0.{number % 100_000:05d}",
            "output_token_price": f"1.{number % 10_000:04d}",
            "cache_write_token_price": None,
            "cache_read_token_price": "0.05",
            "precision": "fp8",
        },
        "created_at": "2025-04-05T10:20:30Z",
        "updated_at": "2026-06-30T12:00:00.123456Z",
    }
    if kind == "clean" and number % 2:
        value["metadata"]["routing_region"] = f"region {number % 7}"
    if kind == "broken" and number % 10 == 0:
        _BREAK[number // 10 % len(_BREAK)](value)
    return value


def _pages(records: int, kind: str) -> list[bytes]:
    count = -(-records // PAGE_SIZE)
    pages = []
    for page in range(1, count + 1):
        numbers = range((page - 1) * PAGE_SIZE, min(page * PAGE_SIZE, records))
        pagination = {
            "total": records,
            "page": page,
            "page_size": PAGE_SIZE,
            "total_pages": count,
            "has_next": page < count,
            "has_previous": page > 1,
        }
        body = json.dumps(
            {"data": [record(number, kind) for number in numbers], "pagination": pagination}
        ).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        pages.append(head.encode() + body)
    return pages


async def _serve(pages: list[bytes], delay: float) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                number = int(request.split(b"page=", 1)[1].split(b"&", 1)[0].split(b" ", 1)[0])
                if delay:
                    await asyncio.sleep(delay)
                writer.write(pages[number - 1])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    given = sys.argv[1:]
    count, kind, delay = [*given, *("1000", "broken", "0")[len(given) :]]
    asyncio.run(_serve(_pages(int(count), kind), float(delay)))
