"""Defines the documented response as pydantic models.

They are only used for the emulator's OpenAPI document, never to build or validate a response, because the
emulator must be able to serve invalid records.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["HTTPValidationError", "PaginatedModelResponse"]


class ModelStatus(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"


class ModelMetadata(BaseModel):
    """Everything optional; unknown keys are allowed. Prices: USD per million tokens, decimal text."""

    model_config = ConfigDict(extra="allow")

    image_url: str | None = None
    tags: list[str] | None = None
    version: str | None = None
    developer: str | None = None
    short_description: str | None = None
    enable_api_chat_completions: bool | None = False
    enable_api_embeddings: bool | None = False
    enable_audio_stt: bool | None = False
    enable_audio_tts: bool | None = False
    enable_chat_ui: bool | None = True
    trendiness: Annotated[int, Field(ge=0, le=10)] = 0
    license: Any = None
    tool_support: Any = "no"
    max_tokens: int | None = None
    context_window: int | None = None
    supports_images_input: bool | None = False
    supports_prompt_cache: bool | None = False
    input_token_price: str | None = None
    output_token_price: str | None = None
    cache_write_token_price: str | None = None
    cache_read_token_price: str | None = None
    precision: str | None = None


class ModelData(BaseModel):
    """One model. Quotas are per day for tier 1; transcription in seconds, speech in characters."""

    model_config = ConfigDict(protected_namespaces=())

    model_id: UUID
    name: str
    description: str | None = None
    status: ModelStatus
    chat_daily_quota_tier_1: int
    api_completions_daily_quota_tier_1: int
    embeddings_daily_quota_tier_1: int
    audio_transcriptions_daily_quota_tier_1: int
    audio_speech_daily_quota_tier_1: int
    metadata: ModelMetadata
    created_at: datetime
    updated_at: datetime


class PaginationResponse(BaseModel):
    total: int
    page: int
    page_size: int
    total_pages: int
    has_next: bool
    has_previous: bool


class PaginatedModelResponse(BaseModel):
    data: list[ModelData]
    pagination: PaginationResponse


class ValidationError(BaseModel):
    loc: Annotated[list[str | int], Field(title="Location")]
    msg: Annotated[str, Field(title="Message")]
    type: Annotated[str, Field(title="Error Type")]


class HTTPValidationError(BaseModel):
    # The vendor does not require it, so it has a default, which is left out of the document.
    detail: Annotated[list[ValidationError], Field(default_factory=list)]
