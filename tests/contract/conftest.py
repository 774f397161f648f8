"""Records of both shapes, and the verdict on them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest

from io_intelligence_provider.catalog.wire import WireShape, ascii_json
from io_intelligence_provider.contract.records import Verdict, judge_records
from io_intelligence_provider.emulator.catalogue import encode

MODEL_ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
QUOTAS = ("chat", "api_completions", "embeddings", "audio_transcriptions", "audio_speech")


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


def observed_record(**fields: Any) -> dict[str, Any]:
    """Return a valid record of the observed shape; ``...`` leaves the key out."""
    record = {"id": "org/model", "object": "model", "created": 1738563250, "name": "A Model", **fields}
    return {key: value for key, value in record.items() if value is not ...}


@pytest.fixture(scope="session")
def documented() -> Callable[..., dict[str, Any]]:
    return documented_record


@pytest.fixture(scope="session")
def observed() -> Callable[..., dict[str, Any]]:
    return observed_record


@pytest.fixture(scope="session")
def judge() -> Callable[..., Verdict]:
    """Return a function that judges records: JSON values, or ``bytes`` as they come over the wire."""

    def judge_all(
        *records: Any, shape: WireShape = WireShape.DOCUMENTED, conflicting: Collection[str] = ()
    ) -> Verdict:
        raw = [record if isinstance(record, bytes) else encode(record) for record in records]
        return judge_records(raw, shape, conflicting)

    return judge_all


@pytest.fixture(scope="session")
def outcomes(judge: Callable[..., Verdict]) -> Callable[..., list[Any]]:
    """Return a function that judges records at once.

    It returns, for each in its turn, the stored row as a dict or (check, column) of each reason to refuse
    it. One batch of a hundred records takes no longer than one of a single record.
    """

    def each(*records: Any, shape: WireShape = WireShape.DOCUMENTED) -> list[Any]:
        verdict = judge(*records, shape=shape)
        refused = {
            refused.record: [(failure.check, failure.column) for failure in refused.failures]
            for refused in verdict.refused
        }
        texts = [ascii_json(record if isinstance(record, bytes) else encode(record)) for record in records]
        assert verdict.valid.height + len(verdict.refused) == len(records)
        rows = iter(verdict.valid.to_dicts())
        return [refused[text] if text in refused else next(rows) for text in texts]

    return each
