"""``required``: absent, null and default, column by column."""

from __future__ import annotations

import pytest

from helpers.records import documented_record, outcomes, validate_records
from io_intelligence_provider.contract.columns import COLUMNS, Kind, Place

REQUIRED = (
    "model_id",
    "name",
    "status",
    "chat_daily_quota_tier_1",
    "api_completions_daily_quota_tier_1",
    "embeddings_daily_quota_tier_1",
    "audio_transcriptions_daily_quota_tier_1",
    "audio_speech_daily_quota_tier_1",
    "created_at",
    "updated_at",
)
DEFAULTS = {
    "trendiness": 0,
    "tool_support": "no",
    "enable_chat_ui": True,
    "enable_api_chat_completions": False,
    "enable_api_embeddings": False,
    "enable_audio_stt": False,
    "enable_audio_tts": False,
    "supports_images_input": False,
    "supports_prompt_cache": False,
}
WIRE = [column for column in COLUMNS if column.place is not Place.PROVIDER]


def test_an_absent_key_is_refused_or_takes_its_documented_default():
    records = [
        documented_record() if column.place is Place.METADATA else documented_record(**{column.name: ...})
        for column in WIRE
    ]
    for column, outcome in zip(WIRE, outcomes(*records), strict=True):
        if column.name in REQUIRED:
            assert outcome == [("required", column.name)]
        else:
            assert outcome[column.name] == DEFAULTS.get(column.name), column.name


def test_an_explicit_null_stays_null_or_is_refused():
    records = [
        documented_record({column.name: None})
        if column.place is Place.METADATA
        else documented_record(**{column.name: None})
        for column in WIRE
    ]
    for column, outcome in zip(WIRE, outcomes(*records), strict=True):
        if column.name in (*REQUIRED, "trendiness"):
            assert outcome == [("required", column.name)]
        else:
            assert outcome[column.name] is None, column.name


def test_the_message_tells_absent_from_null():
    verdict = validate_records(documented_record(name=None), documented_record(name=...))
    assert [(f.value, f.message) for refused in verdict.refused for f in refused.failures] == [
        (None, "is null"),
        (None, "is absent"),
    ]


@pytest.mark.parametrize(
    ("metadata", "check", "message"),
    [
        (..., "required", "is absent"),
        (None, "required", "is null"),
        ([], "type", "is a list, not an object"),
        ("{}", "type", "is a string, not an object"),
        (0, "type", "is a number, not an object"),
    ],
)
def test_metadata_must_be_an_object(metadata, check, message):
    (refused,) = validate_records(documented_record(metadata=metadata)).refused
    assert [(f.check, f.column, f.message) for f in refused.failures] == [(check, "metadata", message)]


def test_empty_strings_are_values():
    (row,) = outcomes(documented_record({"version": ""}, description="", name=""))
    assert (row["name"], row["description"], row["version"]) == ("", "", "")


def test_a_metadata_key_on_the_record_itself_is_unknown():
    names = [column.name for column in WIRE if column.place is Place.METADATA]
    verdict = validate_records(*(documented_record(**{name: "elsewhere"}) for name in names))
    assert verdict.unknown == set(names)
    assert verdict.valid["extra"].to_list() == [f'{{"{name}": "elsewhere"}}' for name in names]
    for name in names:
        assert set(verdict.valid[name]) == {DEFAULTS.get(name)}


def test_every_kind_of_column_was_looked_at():
    assert {column.kind for column in WIRE} == set(Kind)
