"""One entry of the price history as a record of either shape.

What the history does not know is left out of a record, except where the documented shape requires it.
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


def openai_record(entry: Entry, created: date) -> dict[str, Any]:
    """Return the shape that public clients observe. Prices are ``Decimal``, USD per one token."""
    midnight = datetime(created.year, created.month, created.day, tzinfo=UTC)
    return {
        "id": entry.id,
        "object": "model",
        "created": int(midnight.timestamp()),
        "owned_by": "io-intelligence",
        "name": entry.display_name,
        "context_window": entry.context_window,
        "supports_images_input": entry.supports_images_input,
        "input_token_price": _per_token(entry.input_token_price),
        "output_token_price": _per_token(entry.output_token_price),
        "cache_read_token_price": _per_token(entry.cache_read_token_price),
        "cache_write_token_price": _per_token(entry.cache_write_token_price),
    }


def _per_token(per_million: str | None) -> Decimal | None:
    if per_million is None:
        return None
    # Moving the exponent divides by a million without touching a digit.
    sign, digits, exponent = Decimal(per_million).as_tuple()
    return Decimal((sign, digits, int(exponent) - 6)) if any(digits) else Decimal(0)
