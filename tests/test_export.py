"""Tests the price lists for other tools: exact, equal bytes, nothing unknown or doubtful in them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pytest

from helpers.stores import FETCHED_AT, model_row
from io_intelligence_provider import export_prices
from io_intelligence_provider.errors import ConfigurationError, NotOnFileError, StorageError
from io_intelligence_provider.export import FORMATS, build_export, write_export
from io_intelligence_provider.store.layout import models_path

DAY = FETCHED_AT.date()


def priced(name: str, input_price: Any = "1", output_price: Any = "2", **more: Any) -> Any:
    prices = {"input_token_price": input_price, "output_token_price": output_price}
    prices |= {key: more.pop(key) for key in list(more) if key.endswith("_token_price")}
    return model_row(name, **{key: value and Decimal(value) for key, value in prices.items()}, **more)


def exported(store: Any, form: str) -> Any:
    """Return an export as JSON values with exact numbers."""
    return json.loads(export_prices(store, form), parse_float=Decimal, parse_int=Decimal)


WHOLE = {
    "cache_read_token_price": "0.14220000000000001",
    "cache_write_token_price": None,
    "context_window": 128_000,
    "max_tokens": 4_096,
    "supports_tools": True,
    "supports_reasoning": False,
    "supports_images_input": None,
    "supports_prompt_cache": True,
    "input_modalities": ["text", "image"],
    "output_modalities": ["text"],
    "display_name": "GLM 5.2",
    "enable_api_chat_completions": None,
}


def test_litellm_gets_usd_per_token_exactly_and_nothing_that_is_unknown(builder: Any) -> None:
    builder.file(DAY, priced("zai-org/GLM-5.2", "1.422", "0.000000000000000001", **WHOLE))
    assert exported(builder.store, "litellm") == {
        "io_intelligence/zai-org/GLM-5.2": {
            "litellm_provider": "openai",
            "mode": "chat",
            "input_cost_per_token": Decimal("0.000001422"),
            "output_cost_per_token": Decimal("1E-24"),
            "cache_read_input_token_cost": Decimal("1.4220000000000001E-7"),
            "max_input_tokens": 128_000,
            "max_output_tokens": 4_096,
            "max_tokens": 4_096,
            "supports_function_calling": True,
            "supports_prompt_caching": True,
            "supports_reasoning": False,
        }
    }


def test_openrouter_clients_get_text_without_an_exponent(builder: Any) -> None:
    builder.file(DAY, priced("zai-org/GLM-5.2", "1.422", "0.01", **WHOLE))
    (model,) = exported(builder.store, "openrouter")["data"]
    assert model["pricing"] == {
        "prompt": "0.000001422",
        "completion": "0.00000001",
        "input_cache_read": "0.00000014220000000000001",
    }
    assert (model["id"], model["name"], model["context_length"]) == ("zai-org/GLM-5.2", "GLM 5.2", 128_000)
    assert model["architecture"] == {
        "modality": "text+image->text",
        "input_modalities": ["text", "image"],
        "output_modalities": ["text"],
    }
    assert model["top_provider"] == {"context_length": 128_000, "max_completion_tokens": 4_096}
    assert model["supported_parameters"] == ["tools", "tool_choice"]


def test_openrouter_clients_get_the_keys_they_demand_also_where_nothing_is_known(builder: Any) -> None:
    builder.file(DAY, priced("m", input_modalities=None, output_modalities=None, context_window=None))
    (model,) = exported(builder.store, "openrouter")["data"]
    assert model["architecture"] == {"modality": None, "input_modalities": [], "output_modalities": []}
    assert "context_length" not in model


@pytest.mark.parametrize("form", FORMATS)
def test_a_model_whose_price_is_unknown_is_left_out_and_counted(builder: Any, form: str) -> None:
    builder.file(DAY, priced("known"), priced("unknown", output_price=None), priced("free", "0", "0"))
    export = build_export(builder.store, form)
    assert export.models == 2
    assert export.left_out == {"unknown": "output_token_price not published"}
    assert export.summary()["left_out"] == 1
    assert "unknown" not in export.data.decode()


@pytest.mark.parametrize("form", FORMATS)
def test_a_doubtful_zero_is_left_out_and_one_that_lasts_is_free(builder: Any, form: str) -> None:
    builder.file(DAY, priced("glm"), priced("cached", cache_write_token_price="3"))
    zero = (priced("glm", "0"), priced("cached", cache_write_token_price="0"))
    builder.file(DAY + timedelta(days=1), *zero)
    builder.file(DAY + timedelta(days=31), *zero)
    doubtful = build_export(builder.store, form, DAY + timedelta(days=1))
    assert doubtful.left_out == {"glm": "input_token_price doubtful (0)"}
    assert doubtful.doubtful == {"cached": ["cache_write_token_price"]}
    assert doubtful.summary()["doubtful_prices"] == 1
    assert doubtful.messages() == [
        "Left out 'glm': input_token_price doubtful (0)",
        "Left out of 'cached': cache_write_token_price doubtful (0)",
    ]
    assert b"cache_creation" not in doubtful.data
    assert b"input_cache_write" not in doubtful.data
    free = build_export(builder.store, form)
    assert (free.models, free.left_out, free.doubtful) == (2, {}, {})
    assert b"cache_creation" in free.data or b"input_cache_write" in free.data


def test_each_price_that_is_missing_has_its_own_reason(builder: Any) -> None:
    builder.file(DAY, priced("glm"))
    builder.file(DAY + timedelta(days=1), priced("glm", "0", None))
    (message,) = build_export(builder.store, "litellm").messages()
    assert message == "Left out 'glm': input_token_price doubtful (0), output_token_price not published"


def test_each_zero_after_a_snapshot_that_cannot_be_read_is_doubtful(
    builder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rows = (priced("free", "0"), priced("cached", cache_write_token_price="0"))
    for number in range(2):
        builder.file(DAY + timedelta(days=number), *rows)
    builder.damage(builder.root / models_path(DAY))
    export = build_export(builder.store, "litellm")
    assert export.left_out == {"free": "input_token_price doubtful (0)"}
    assert export.doubtful == {"cached": ["cache_write_token_price"]}
    assert f"Prices of 0 on {DAY + timedelta(days=1)} count as doubtful" in caplog.text


def test_a_free_model_costs_a_plain_zero(builder: Any) -> None:
    builder.file(DAY, priced("free", "0", "0"))
    (model,) = exported(builder.store, "openrouter")["data"]
    assert (model["pricing"]["prompt"], model["pricing"]["completion"]) == ("0", "0")


def test_a_hostile_name_stays_one_key_and_one_line(builder: Any) -> None:
    names = ["a/../b c", 'quote" \\ <script>', "tab\tnew\nline \u202e \x1b[31m", "模型 🚀"]
    builder.file(DAY, *(priced(name) for name in names), priced("bad\nname", None))
    assert set(exported(builder.store, "litellm")) == {f"io_intelligence/{name}" for name in names}
    assert {model["id"] for model in exported(builder.store, "openrouter")["data"]} == set(names)
    (message,) = build_export(builder.store, "litellm").messages()
    assert message == "Left out 'bad\\nname': input_token_price not published"


def test_two_models_of_one_name_are_left_out(builder: Any) -> None:
    builder.file(DAY, priced("twice", model_id="1" * 8), priced("twice", model_id="2" * 8), priced("once"))
    export = build_export(builder.store, "litellm")
    assert (export.models, export.omitted) == (1, 2)
    assert export.left_out == {"twice": "2 models have this name"}


@pytest.mark.parametrize(
    ("fields", "mode"),
    [
        ({"enable_api_embeddings": True}, "embedding"),
        ({"enable_audio_stt": True}, "audio_transcription"),
        ({"enable_audio_tts": True}, "audio_speech"),
        ({"output_modalities": ["text"]}, "chat"),
        ({}, None),
    ],
)
def test_the_mode_is_what_the_api_says(builder: Any, fields: Any, mode: str | None) -> None:
    unsaid = {"enable_api_chat_completions": None, "output_modalities": None}
    builder.file(DAY, priced("m", **{**unsaid, **fields}))
    (entry,) = exported(builder.store, "litellm").values()
    assert entry.get("mode") == mode


def test_an_embedding_needs_no_output_price(builder: Any) -> None:
    unsaid = {"enable_api_chat_completions": False, "enable_api_embeddings": True}
    builder.file(DAY, priced("m", "1", None, **unsaid))
    assert build_export(builder.store, "litellm").models == 1


def test_equal_snapshots_give_equal_bytes(builder: Any) -> None:
    builder.file(DAY, priced("a"), priced("b"))
    before = export_prices(builder.store, "litellm")
    builder.file(DAY, priced("b"), priced("a"))
    assert export_prices(builder.store, "litellm") == before


def test_what_is_no_format_and_no_snapshot_is_refused(builder: Any) -> None:
    with pytest.raises(ConfigurationError, match="format is 'csv'; it is one of litellm, openrouter"):
        export_prices(builder.store, "csv")
    with pytest.raises(NotOnFileError):
        export_prices(builder.store, "litellm")


def test_the_file_of_a_url_is_replaced(builder: Any, memory_root: str) -> None:
    builder.file(DAY, priced("a"))
    export = build_export(builder.store, "litellm")
    path = f"{memory_root}/prices/litellm.json"
    assert write_export(replace(export, data=b"old"), path) == write_export(export, path)
    with fsspec.open(path) as file:
        assert file.read() == export.data


def test_the_file_is_replaced_and_its_folder_made(builder: Any, tmp_path: Path) -> None:
    builder.file(DAY, priced("a"))
    export = build_export(builder.store, "litellm")
    path = tmp_path / "deep" / "prices.json"
    assert write_export(export, str(path)) == str(path)
    assert write_export(export, str(path)) == str(path)
    assert path.read_bytes() == export.data
    assert [item.name for item in path.parent.iterdir()] == ["prices.json"]
    with pytest.raises(ConfigurationError, match="names a folder"):
        write_export(export, f"{tmp_path}/")


@pytest.mark.parametrize(
    "name", ["prices (1).json", "2026-06-30T00:00:00+00:00.json", "größe 価格.json", "x" * 250 + ".json"]
)
def test_a_file_may_have_any_name(builder: Any, tmp_path: Path, name: str) -> None:
    builder.file(DAY, priced("a"))
    export = build_export(builder.store, "litellm")
    assert write_export(export, f"{tmp_path}/{name}") == f"{tmp_path}/{name}"
    assert (tmp_path / name).read_bytes() == export.data


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        ("{}/" + "x" * 300, StorageError, "File name too long"),
        ("{}/.", StorageError, "directory"),
        ("", ConfigurationError, "path is blank"),
        ("s3://bucket", ConfigurationError, "names a folder"),
    ],
)
def test_what_can_be_no_file_is_refused(
    builder: Any, tmp_path: Path, path: str, error: type[Exception], says: str
) -> None:
    builder.file(DAY, priced("a"))
    with pytest.raises(error, match=says):
        write_export(build_export(builder.store, "litellm"), path.format(tmp_path))
