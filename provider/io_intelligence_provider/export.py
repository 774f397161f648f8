"""Writes a snapshot's prices in the forms that tools which route and count traffic read.

Each form is one function from a model's row to an entry. What is unknown is left out, never 0. The consumers
take a missing price for 0, so a model whose needed price is unknown or doubtful is left out whole.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from io_intelligence_provider.errors import ConfigurationError, StorageError
from io_intelligence_provider.storage.local import PendingFile
from io_intelligence_provider.storage.location import storage_of
from io_intelligence_provider.store.store import SnapshotStore, When

__all__ = ["FORMATS", "Export", "build_export", "export_prices", "write_export"]

log = logging.getLogger(__name__)

_PREFIX: Final = "io_intelligence"
_EXACT: Final = Context(prec=100)
"""Decimal arithmetic that never rounds: prices have 38 digits."""

_PRICES: Final = (
    "input_token_price",
    "output_token_price",
    "cache_write_token_price",
    "cache_read_token_price",
)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Export:
    """An exported price list.

    :param snapshot_date: the day of the snapshot.
    :param data: the file, JSON in UTF-8; equal for equal snapshots.
    :param models: number of models in it.
    :param omitted: number of models that are not in it.
    :param left_out: why they are not, by name.
    :param doubtful: the doubtful prices that models in it lack, by name.
    """

    snapshot_date: date
    format: str
    data: bytes
    models: int
    omitted: int
    left_out: Mapping[str, str]
    doubtful: Mapping[str, Sequence[str]]

    def summary(self) -> dict[str, Any]:
        """Return plain JSON values, without the names, of which there may be many."""
        return {
            "snapshot_date": self.snapshot_date.isoformat(),
            "format": self.format,
            "models": self.models,
            "left_out": self.omitted,
            "doubtful_prices": sum(map(len, self.doubtful.values())),
            "bytes": len(self.data),
        }

    def messages(self) -> list[str]:
        """Return one line for each model that was left out, then for each that lacks a doubtful price."""
        return [f"Left out {name!r}: {why}" for name, why in self.left_out.items()] + [
            f"Left out of {name!r}: {' and '.join(fields)} doubtful (0)"
            for name, fields in self.doubtful.items()
        ]


def export_prices(store: SnapshotStore, format: str, *, when: When = "latest") -> bytes:  # noqa: A002 - public
    """Return a snapshot's prices in the form of another tool, as JSON.

    :param format: ``litellm``: the shape of LiteLLM's ``model_prices_and_context_window.json``;
        ``openrouter``: the answer of OpenRouter's ``/api/v1/models``.
    :param when: a date, its ISO form or ``latest``.
    :raises ConfigurationError: when there is no such format.
    :raises NotOnFileError: when there is no such snapshot.
    :raises StorageError: when a file cannot be read.
    """
    return build_export(store, format, when).data


def build_export(store: SnapshotStore, format: str, when: When = "latest") -> Export:  # noqa: A002 - as above
    """Return the export with what was left out; see :func:`export_prices`."""
    if format not in FORMATS:
        raise ConfigurationError(f"format is {format!r}; it is one of {', '.join(FORMATS)}.")
    day = store.resolve(when)
    rows = store.read(day).to_pylist()
    doubtful = _doubtful(store, day, rows)
    entry, whole = FORMATS[format]
    entries: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    doubtful_in: dict[str, list[str]] = {}
    names = Counter(row["name"] for row in rows)
    for row in rows:
        name = row["name"]
        if names[name] > 1:
            left_out[name] = f"{names[name]} models have this name"
            continue
        prices = {field: None if (row["model_id"], field) in doubtful else row[field] for field in _PRICES}
        missing = [field for field in _needed(row) if prices[field] is None]
        if missing:
            zeros = [field for field in missing if (row["model_id"], field) in doubtful]
            unknown = [field for field in missing if field not in zeros]
            reasons = (zeros, "doubtful (0)"), (unknown, "not published")
            left_out[name] = ", ".join(f"{' and '.join(fields)} {why}" for fields, why in reasons if fields)
            continue
        if zeros := [field for field in _PRICES if (row["model_id"], field) in doubtful]:
            doubtful_in[name] = zeros
        per_token = {field: None if price is None else _per_token(price) for field, price in prices.items()}
        found = entry(row, per_token)
        entries[name] = {key: value for key, value in found.items() if value is not None}
    data = msgspec.json.format(_ENCODER.encode(whole(entries)), indent=2) + b"\n"
    return Export(day, format, data, len(entries), len(rows) - len(entries), left_out, doubtful_in)


def _doubtful(store: SnapshotStore, day: date, rows: Sequence[Row]) -> set[tuple[str, str]]:
    """Return the ids and columns of doubtful prices: each 0 where earlier snapshots cannot be read."""
    try:
        found = store.doubtful_zeros(day, day)
    except StorageError as error:
        log.warning("Prices of 0 on %s count as doubtful, as earlier ones cannot be read: %s", day, error)
        return {(row["model_id"], field) for row in rows for field in _PRICES if row[field] == 0}
    return set(found.select("model_id", "field").iter_rows())


def write_export(export: Export, path: str, *, filesystem: Any = None) -> str:
    """Write an export as one file, which is replaced atomically; return its full path.

    :param path: an absolute or relative local path, or an fsspec URL.
    :param filesystem: the fsspec file system of a URL; by default the one that its scheme names.
    :raises ConfigurationError: when the path is no valid location, or ends in a slash.
    :raises StorageError: when the file cannot be written.
    """
    storage = storage_of(path, filesystem)
    # An object store's bucket is a folder too.
    if path.endswith("/") or not (storage.is_local or "/" in storage.key):
        raise ConfigurationError(f"The path {path!r} names a folder; add the name of a file.")
    where = storage.url(storage.key)
    try:
        if storage.is_local:
            with PendingFile(Path(storage.key)) as pending:
                pending.path.write_bytes(export.data)
                pending.replace()
        else:
            storage.put(storage.key, lambda name: storage.filesystem.pipe_file(name, export.data))
    except Exception as error:  # noqa: BLE001 - libraries raise anything; it goes on as one of ours
        raise storage.failure("write", where, error) from None
    return where


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def _needed(row: Row) -> tuple[str, ...]:
    """Return the prices without which a model's cost is unknown: embeddings produce no output tokens."""
    return _PRICES[:1] if _mode(row) == "embedding" else _PRICES[:2]


def _per_token(price: Decimal) -> Decimal:
    """Return a price in USD per million tokens as USD per token, without trailing zeros, exactly."""
    return price.normalize(_EXACT).scaleb(-6, _EXACT) if price else Decimal(0)


_MODES: Final = {
    "enable_api_chat_completions": "chat",
    "enable_api_embeddings": "embedding",
    "enable_audio_stt": "audio_transcription",
    "enable_audio_tts": "audio_speech",
}


def _mode(row: Row) -> str | None:
    """Return what a model does, in LiteLLM's words; ``None`` when the API does not say."""
    for field, mode in _MODES.items():
        if row[field]:
            return mode
    outputs = row["output_modalities"] or ()
    return "chat" if "text" in outputs else "embedding" if "embeddings" in outputs else None


def _litellm(row: Row, prices: Mapping[str, Decimal | None]) -> dict[str, Any]:
    return {
        # Its own list of providers is closed; the API is OpenAI's.
        "litellm_provider": "openai",
        "mode": _mode(row),
        "input_cost_per_token": prices["input_token_price"],
        "output_cost_per_token": prices["output_token_price"],
        "cache_creation_input_token_cost": prices["cache_write_token_price"],
        "cache_read_input_token_cost": prices["cache_read_token_price"],
        "max_input_tokens": row["context_window"],
        "max_output_tokens": row["max_tokens"],
        "max_tokens": row["max_tokens"],
        "supports_function_calling": row["supports_tools"],
        "supports_vision": row["supports_images_input"],
        "supports_prompt_caching": row["supports_prompt_cache"],
        "supports_reasoning": row["supports_reasoning"],
    }


def _litellm_file(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{_PREFIX}/{name}": entry for name, entry in entries.items()}


def _openrouter(row: Row, prices: Mapping[str, Decimal | None]) -> dict[str, Any]:
    pricing = {
        "prompt": prices["input_token_price"],
        "completion": prices["output_token_price"],
        "input_cache_read": prices["cache_read_token_price"],
        "input_cache_write": prices["cache_write_token_price"],
    }
    inputs, outputs = row["input_modalities"], row["output_modalities"]
    modality = f"{'+'.join(inputs)}->{'+'.join(outputs)}" if inputs and outputs else None
    return {
        "id": row["name"],
        "canonical_slug": row["name"],
        "name": row["display_name"] or row["name"],
        "created": _seconds(row["created_at"]),
        "description": row["description"] or row["short_description"],
        "context_length": row["context_window"],
        # Clients demand these keys; an empty list says that none is known.
        "architecture": {
            "modality": modality,
            "input_modalities": inputs or [],
            "output_modalities": outputs or [],
        },
        "pricing": {kind: f"{price:f}" for kind, price in pricing.items() if price is not None},
        "top_provider": _known(context_length=row["context_window"], max_completion_tokens=row["max_tokens"]),
        "supported_parameters": _parameters(row),
    }


def _openrouter_file(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": list(entries.values())}


def _known(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _parameters(row: Row) -> list[str]:
    """Return the request parameters that the API says a model takes; it names only these."""
    tools = ["tools", "tool_choice"] if row["supports_tools"] else []
    return tools + (["reasoning", "include_reasoning"] if row["supports_reasoning"] else [])


Entry = Callable[[Row, Mapping[str, Decimal | None]], dict[str, Any]]
Whole = Callable[[Mapping[str, Any]], dict[str, Any]]

FORMATS: Final[Mapping[str, tuple[Entry, Whole]]] = {
    "litellm": (_litellm, _litellm_file),
    "openrouter": (_openrouter, _openrouter_file),
}
"""By name: the function that makes a model's entry, and the one that makes the file of all entries."""
