"""One entry of the price history as a record of either shape.

What the history does not know is left out of a documented record, except where the shape requires it. An
observed record has every key that public clients of the live URL are served (``docs/api.md``), so that
none is a surprise: what the history does not know of those is made up, and some of it moves.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

if TYPE_CHECKING:
    from io_intelligence_provider.emulator.history import Entry
    from io_intelligence_provider.emulator.quotas import QuotaRow

__all__ = ["documented_record", "model_id", "openai_record"]

_TIERS: Final = ("standard", "developer", "professional")

_ID_PREFIX: Final = "https://api.intelligence.io.solutions/api/v1/models/"


def model_id(name: str) -> str:
    """Return the UUID that stands for a model known by its name only."""
    return str(uuid5(NAMESPACE_URL, _ID_PREFIX + name))


def documented_record(entry: Entry, quotas: QuotaRow | None, created: date, updated: date) -> dict[str, Any]:
    """Return the documented shape. Prices stay the decimal text of the history, USD per million tokens.

    A quota that nobody published is 0: the shape requires an integer.
    """
    organisation, slash, _ = entry.id.partition("/")
    return {
        "model_id": model_id(entry.id),
        "name": entry.id,
        "description": None,
        "status": "active",
        "chat_daily_quota_tier_1": (quotas and quotas.chat_daily_quota) or 0,
        "api_completions_daily_quota_tier_1": (quotas and quotas.api_completions_daily_quota) or 0,
        "embeddings_daily_quota_tier_1": (quotas and quotas.embeddings_daily_quota) or 0,
        "audio_transcriptions_daily_quota_tier_1": 0,
        "audio_speech_daily_quota_tier_1": 0,
        "metadata": {
            "developer": organisation if slash else None,
            "short_description": entry.display_name,
            "context_window": entry.context_window,
            "supports_images_input": entry.supports_images_input,
            "input_token_price": entry.input_token_price,
            "output_token_price": entry.output_token_price,
            "cache_write_token_price": entry.cache_write_token_price,
            "cache_read_token_price": entry.cache_read_token_price,
        },
        "created_at": f"{created}T00:00:00Z",
        "updated_at": f"{updated}T00:00:00Z",
    }


def openai_record(entry: Entry, day: date, request: int = 0) -> dict[str, Any]:
    """Return the shape that public clients observe. Prices are ``Decimal``, USD per one token.

    :param day: of the state that is served.
    :param request: number of the request. As with the live API ``created``, ``permission`` and the two
        measurements differ from one to the next.
    """
    now = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + request
    # The tier stays with the model; a sum over the name is the same in every process, unlike hash().
    of_model = sum(entry.id.encode())
    return {
        "id": entry.id,
        "object": "model",
        "created": now,
        "owned_by": "io-intelligence",
        "root": None,
        "parent": None,
        "max_model_len": None,
        "permission": [_permission(now, request)],
        "name": entry.display_name,
        "max_tokens": None,
        "context_window": entry.context_window,
        "supports_images_input": entry.supports_images_input,
        "supports_prompt_cache": entry.cache_read_token_price is not None,
        "supports_tools": True,
        "supports_reasoning": True,
        "input_modalities": ["text", "image"] if entry.supports_images_input else ["text"],
        "output_modalities": ["text"],
        "input_token_price": _per_token(entry.input_token_price),
        "output_token_price": _per_token(entry.output_token_price),
        "cache_write_token_price": _per_token(entry.cache_write_token_price),
        "cache_read_token_price": _per_token(entry.cache_read_token_price),
        "precision": "fp8",
        "avg_latency_ms_per_day": 90.5 + (of_model + 7 * request) % 700,
        "avg_throughput_per_day": 30.25 + (of_model + 3 * request) % 110,
        "supports_attestation": False,
        "min_access_tier": _TIERS[of_model % len(_TIERS)],
    }


def _permission(now: int, request: int) -> dict[str, Any]:
    return {
        "id": f"modelperm-{request}",
        "object": "model_permission",
        "created": now,
        "allow_create_engine": False,
        "allow_sampling": True,
        "allow_logprobs": True,
        "allow_search_indices": False,
        "allow_view": True,
        "allow_fine_tuning": False,
        "organization": "*",
        "group": None,
        "is_blocking": False,
    }


def _per_token(per_million: str | None) -> Decimal | None:
    if per_million is None:
        return None
    # Moving the exponent divides by a million without touching a digit.
    sign, digits, exponent = Decimal(per_million).as_tuple()
    return Decimal((sign, digits, int(exponent) - 6)) if any(digits) else Decimal(0)
