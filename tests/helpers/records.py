"""Builds records of both shapes as the API sends them, and validates them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from io_intelligence_provider.catalog.wire import WireShape, ascii_json
from io_intelligence_provider.contract.records import ValidationResult, validate_records
from io_intelligence_provider.emulator.catalogue import encode

MODEL_ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
QUOTAS = ("chat", "api_completions", "embeddings", "audio_transcriptions", "audio_speech")


def uuid_of(name: str) -> str:
    """Return the id of a model with this name in tests."""
    return str(uuid5(NAMESPACE_URL, name))


def documented_record(metadata: Any = None, /, **fields: Any) -> dict[str, Any]:
    """Return a valid record with some values replaced; ``...`` leaves the key out."""
    record = {
        "model_id": MODEL_ID,
        "name": "org/model",
        "status": "active",
        **{f"{quota}_daily_quota_tier_1": 10 for quota in QUOTAS},
        "metadata": metadata if metadata is not None else {},
        "created_at": "2025-01-02T03:04:05Z",
        "updated_at": "2025-01-03T03:04:05Z",
        **fields,
    }
    return {key: value for key, value in record.items() if value is not ...}


def model_record(name: str = "org/model", metadata: Any = None, /, **fields: Any) -> dict[str, Any]:
    """Return a valid record of a named model, with a unique id and a price."""
    metadata = {"input_token_price": "1"} if metadata is None else metadata
    return documented_record(metadata, **{"model_id": uuid_of(name), "name": name, **fields})


def observed_record(**fields: Any) -> dict[str, Any]:
    """Return a valid record of the observed shape; ``...`` leaves the key out."""
    record = {"id": "org/model", "object": "model", "created": 1738563250, "name": "A Model", **fields}
    return {key: value for key, value in record.items() if value is not ...}


def three_models(number: int) -> list[dict[str, Any]]:
    """Return the models of a day; one of them has as its name an id that no model has."""
    price = f"{number}.000000000000000001"
    return [
        model_record(
            "zai-org/GLM",
            {"input_token_price": price, "tags": ["x", "y"]},
            description="é\U0001f600",
        ),
        model_record("a", {"output_token_price": "12345678901234567890"}),
        model_record("00000000-0000-4000-8000-000000000000", {"max_tokens": number}),
    ]


def numbered_models(count: int) -> list[dict[str, Any]]:
    """Return the minimal records that a client accepts: id and name of ``m0``, ``m1``, …"""
    return [{"model_id": f"id-{number}", "name": f"m{number}"} for number in range(count)]


def names_of(records: Iterable[Any]) -> list[str]:
    return [record["name"] for record in records]


def validate_all(
    *records: Any, shape: WireShape = WireShape.DOCUMENTED, conflicting: Collection[str] = ()
) -> ValidationResult:
    """Validate records: JSON values, or ``bytes`` as served."""
    raw = [record if isinstance(record, bytes) else encode(record) for record in records]
    return validate_records(raw, shape, conflicting)


def outcomes(*records: Any, shape: WireShape = WireShape.DOCUMENTED) -> list[Any]:
    """Validate records in one batch: a hundred take no longer than one.

    :returns: for each record, the stored row as a dict, or (check, column) of each failure.
    """
    result = validate_all(*records, shape=shape)
    refused = {
        refused.record: [(failure.check, failure.column) for failure in refused.failures]
        for refused in result.refused
    }
    texts = [ascii_json(record if isinstance(record, bytes) else encode(record)) for record in records]
    assert result.valid.height + len(result.refused) == len(records)
    rows = iter(result.valid.to_dicts())
    return [refused[text] if text in refused else next(rows) for text in texts]
