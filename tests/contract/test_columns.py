"""Tests the declaration of columns: the exact Arrow schema and the metadata of each column."""

from __future__ import annotations

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.columns import COLUMN_BY_NAME, COLUMNS, PRICE_COLUMNS, arrow_schema
from io_intelligence_provider.contract.records import batch_schema

SCHEMA = """
model_id string not null
name string not null
description string
status string
chat_daily_quota_tier_1 int64
api_completions_daily_quota_tier_1 int64
embeddings_daily_quota_tier_1 int64
audio_transcriptions_daily_quota_tier_1 int64
audio_speech_daily_quota_tier_1 int64
image_url string
tags list<item: string>
version string
developer string
short_description string
enable_api_chat_completions bool
enable_api_embeddings bool
enable_audio_stt bool
enable_audio_tts bool
enable_chat_ui bool
trendiness int64
license string
tool_support string
max_tokens int64
context_window int64
supports_images_input bool
supports_prompt_cache bool
input_token_price decimal128(38, 18)
output_token_price decimal128(38, 18)
cache_write_token_price decimal128(38, 18)
cache_read_token_price decimal128(38, 18)
precision string
display_name string
min_access_tier string
supports_tools bool
supports_reasoning bool
supports_attestation bool
input_modalities list<item: string>
output_modalities list<item: string>
avg_latency_ms_per_day double
avg_throughput_per_day double
created_at timestamp[us, tz=UTC]
updated_at timestamp[us, tz=UTC]
extra string
fetched_at timestamp[us, tz=UTC] not null
"""


def test_names_types_and_nullability_in_their_order():
    found = [f"{field.name} {field.type}{'' if field.nullable else ' not null'}" for field in arrow_schema()]
    assert found == SCHEMA.split("\n")[1:-1]


def test_every_field_carries_its_description_and_its_unit():
    for field in arrow_schema():
        column = COLUMN_BY_NAME[field.name]
        wanted = {b"description": column.description.encode()}
        if column.unit:
            wanted[b"unit"] = column.unit.encode()
        assert field.metadata == wanted
        assert column.description
    units = {column.name: column.unit for column in COLUMNS if column.unit}
    assert {units[name] for name in PRICE_COLUMNS} == {"USD per million tokens"}
    assert units["audio_transcriptions_daily_quota_tier_1"] == "seconds per day"
    assert units["audio_speech_daily_quota_tier_1"] == "characters per day"
    assert units["max_tokens"] == units["context_window"] == "tokens"


def test_every_rule_of_the_contract_is_a_check_of_pandera():
    for shape in WireShape:
        schema = batch_schema(shape)
        for column in COLUMNS:
            if column.check:
                assert column.check.name in {check.name for check in schema.columns[column.name].checks}
            if column.required(shape):
                assert not schema.columns[column.name].nullable
