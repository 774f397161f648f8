"""Tests the price history of the emulator: which records a day has."""

from __future__ import annotations

import gzip
import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from io_intelligence_provider.emulator.catalogue import FixedCatalogue, PriceHistory, encode
from io_intelligence_provider.errors import ConfigurationError

FIRST, LAST = date(2026, 2, 13), date(2026, 6, 30)


@pytest.fixture(scope="module")
def history() -> PriceHistory:
    return PriceHistory.load()


def lines(*states: dict[str, Any]) -> str:
    return "".join(json.dumps(state) + "\n" for state in states)


def model(name: str, price: str = "1") -> dict[str, Any]:
    return {"id": name, "display_name": name.upper(), "input_token_price": price}


def test_the_bundled_history(history: PriceHistory) -> None:
    assert (len(history.dates), history.dates[0], history.dates[-1]) == (64, FIRST, LAST)
    assert min(len(state.models) for state in history.states) == 9
    assert max(len(state.models) for state in history.states) == 26


def test_a_day_between_two_states_has_the_earlier_one(history: PriceHistory) -> None:
    assert history.records(date(2026, 2, 20)) == history.records(FIRST)
    assert history.records(date(2026, 2, 21)) != history.records(FIRST)
    assert history.records(LAST + timedelta(days=400)) == history.records(LAST) == history.records()


def test_a_day_before_the_first_state_is_refused(history: PriceHistory) -> None:
    with pytest.raises(ConfigurationError, match="begins on 2026-02-13; 2026-02-12"):
        history.records(FIRST - timedelta(days=1))


def test_a_documented_record(history: PriceHistory) -> None:
    (record,) = (r for r in history.records(FIRST) if r["name"] == "Qwen/Qwen3-Next-80B-A3B-Instruct")
    assert record == {
        "model_id": "50996797-427a-58f4-8ccf-0d26bb001d20",
        "name": "Qwen/Qwen3-Next-80B-A3B-Instruct",
        "description": None,
        "status": "active",
        "chat_daily_quota_tier_1": 1_000_000,
        "api_completions_daily_quota_tier_1": 500_000,
        "embeddings_daily_quota_tier_1": 0,
        "audio_transcriptions_daily_quota_tier_1": 0,
        "audio_speech_daily_quota_tier_1": 0,
        "metadata": {
            "developer": "Qwen",
            "short_description": "Qwen3 Next 80B A3B Instruct",
            "context_window": 262144,
            "supports_images_input": False,
            "input_token_price": "0.06",
            "output_token_price": "0.6",
            "cache_write_token_price": "0.12",
            "cache_read_token_price": "0.03",
        },
        "created_at": "2026-02-13T00:00:00Z",
        "updated_at": "2026-02-13T00:00:00Z",
    }


def test_an_openai_record(history: PriceHistory) -> None:
    (record,) = (r for r in history.records(FIRST, "openai") if r["id"] == "Qwen/Qwen3-Next-80B-A3B-Instruct")
    assert record == {
        "id": "Qwen/Qwen3-Next-80B-A3B-Instruct",
        "object": "model",
        "created": 1770940800,
        "owned_by": "io-intelligence",
        "root": None,
        "parent": None,
        "max_model_len": None,
        "permission": record["permission"],
        "name": "Qwen3 Next 80B A3B Instruct",
        "max_tokens": None,
        "context_window": 262144,
        "supports_images_input": False,
        "supports_prompt_cache": True,
        "supports_tools": True,
        "supports_reasoning": True,
        "input_modalities": ["text"],
        "output_modalities": ["text"],
        "input_token_price": Decimal("6E-8"),
        "output_token_price": Decimal("6E-7"),
        "cache_write_token_price": Decimal("1.2E-7"),
        "cache_read_token_price": Decimal("3E-8"),
        "precision": "fp8",
        "avg_latency_ms_per_day": record["avg_latency_ms_per_day"],
        "avg_throughput_per_day": record["avg_throughput_per_day"],
        "supports_attestation": False,
        "min_access_tier": record["min_access_tier"],
    }


def test_quotas_are_of_the_last_table_and_0_where_unpublished(history: PriceHistory) -> None:
    quotas = {r["name"]: r["api_completions_daily_quota_tier_1"] for r in history.records(date(2026, 5, 1))}
    assert quotas["openai/gpt-oss-120b"] == 500_000, "an earlier table has 50,000,000"
    assert quotas["Qwen/Qwen2.5-VL-32B-Instruct"] == 200_000, "an earlier table has 500,000"
    assert quotas["moonshotai/Kimi-K2-Thinking"] == 0


def test_created_and_updated_follow_the_entry(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text(
        lines(
            {"date": "2026-01-01", "models": [model("a"), model("b")]},
            {"date": "2026-01-02", "models": [model("a", "2"), model("b")]},
            {"date": "2026-01-03", "models": [model("a", "2")]},
            {"date": "2026-01-04", "models": [model("a", "2"), model("b")]},
        ),
        encoding="utf-8",
    )
    history = PriceHistory.load(file)

    def moments(day: int) -> dict[str, tuple[str, str]]:
        records = history.records(date(2026, 1, day))
        return {r["name"]: (r["created_at"][8:10], r["updated_at"][8:10]) for r in records}

    assert moments(1) == {"a": ("01", "01"), "b": ("01", "01")}
    assert moments(2) == {"a": ("01", "02"), "b": ("01", "01")}
    assert moments(4) == {"a": ("01", "02"), "b": ("01", "04")}, "b came back: that is a difference"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one state"),
        (lines({"date": "2026-01-02", "models": []}, {"date": "2026-01-01", "models": []}), "increasing"),
        (lines({"date": "2026-01-01", "models": []}) + "{", "Line 2 "),
        (lines({"date": "2026-01-01", "models": [model("a", "free")]}), "Line 1 .*input_token_price"),
    ],
)
def test_a_bad_history_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        PriceHistory.load(file)


def test_a_missing_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Cannot read"):
        PriceHistory.load(tmp_path / "none.jsonl")


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_a_fixed_catalogue_from_a_file(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"catalogue{suffix}"
    raw = b'[{"name": "a", "price": 1.10}]'
    file.write_bytes(gzip.compress(raw) if suffix.endswith("gz") else raw)
    (record,) = FixedCatalogue.from_file(file).rendered(None, "documented")
    assert record.body == b'{"name": "a", "price": 1.10}'


@pytest.mark.parametrize("raw", [b"{}", b"[", b"\xff"])
def test_a_bad_catalogue_is_refused(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "catalogue.json"
    file.write_bytes(raw)
    with pytest.raises(ConfigurationError, match=r"catalogue\.json"):
        FixedCatalogue.from_file(file)


@pytest.mark.parametrize(
    "text", ["1E-7", "0.1000000000000000055511151231257827", "12345678901234567890.5", "0"]
)
def test_decimals_are_written_digit_by_digit(text: str) -> None:
    assert encode({"p": Decimal(text)}) == b'{"p": %b}' % text.encode()


def test_what_json_cannot_write_is_refused() -> None:
    with pytest.raises(TypeError, match="give the record as bytes"):
        encode(Decimal("NaN"))
