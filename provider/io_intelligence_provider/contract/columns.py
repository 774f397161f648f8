"""Declares every column: name, type, unit, description, default and checks.

The Arrow schema, the pandera schema, the report, the column table of the documentation and the labels
of the page are derived from :data:`COLUMNS`. A new field of the API is one new entry here.

Types, units, defaults and bounds are those of the vendor's OpenAPI document of ``GET /api/v1/models``;
the observed shape is the one that public clients of the same URL were served (see ``docs/api.md``).
Keep heavy imports out of this module, because Dag files import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from io_intelligence_provider.catalog.wire import MEASUREMENTS, MOVING_OBSERVED, UNSTORED_OBSERVED, WireShape

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "ACCESS_COLUMN",
    "COLUMNS",
    "COLUMN_BY_NAME",
    "OBSERVED_KEYS_WITHOUT_COLUMN",
    "PRICE_COLUMNS",
    "QUOTA_COLUMNS",
    "AllowedValues",
    "Canonical",
    "Column",
    "InRange",
    "Kind",
    "NonNegative",
    "Place",
    "arrow_schema",
    "carried_columns",
    "is_inner",
    "volatile_columns",
]


PRICE_PRECISION: Final = 38
PRICE_SCALE: Final = 18


class Kind(Enum):
    """The type of a column. The value is its name in the documentation."""

    STRING = "string"
    JSON_TEXT = "string (other JSON values as their JSON text)"
    INTEGER = "int64"
    FLOAT = "float64"
    BOOLEAN = "bool"
    STRING_LIST = "list<string>"
    PRICE = f"decimal128({PRICE_PRECISION}, {PRICE_SCALE})"
    TIMESTAMP = "timestamp[us, UTC]"


class Place(Enum):
    """Where the documented shape has a value. ``PROVIDER``: the provider sets it, not the API."""

    RECORD = "record"
    METADATA = "metadata"
    PROVIDER = "provider"


@dataclass(frozen=True)
class Canonical:
    """A UUID in canonical 8-4-4-4-12 form (upper case is lowered first)."""

    name: Final = "uuid"
    message: Final = "is not a UUID in its canonical form"


@dataclass(frozen=True)
class AllowedValues:
    """One of a closed list of strings."""

    values: tuple[str, ...]
    name: Final = "allowed_values"

    @property
    def message(self) -> str:
        return f"is none of {', '.join(self.values)}"


@dataclass(frozen=True)
class InRange:
    """Between two bounds, both included."""

    minimum: int
    maximum: int
    name: Final = "in_range"

    @property
    def message(self) -> str:
        return f"is not within {self.minimum} and {self.maximum}"


@dataclass(frozen=True)
class NonNegative:
    """Zero or more."""

    name: Final = "non_negative"
    message: Final = "is negative"


ValueCheck: TypeAlias = Canonical | AllowedValues | InRange | NonNegative


ABSENT: Final = msgspec.UNSET
"""Marks a key that a record does not have; ``None`` is an explicit JSON ``null``."""


@dataclass(frozen=True)
class Column:
    """One column of ``models.parquet``.

    :param unit: unit of the stored value, ``None`` where there is none.
    :param nullable: whether the Parquet column may hold nulls.
    :param documented_null: whether the documented shape may have ``null`` or no key.
    :param default: the documented default of an absent key; ``ABSENT`` without one. It is used in the
        documented shape only: in the observed one an absent key is unknown.
    :param observed_key: the key in the observed shape, always at the top level; ``None``: never read.
    :param takes_one_string: one string is stored as a list of it, with a ``coerced`` finding.
    :param measurement: a figure that the API measures continuously. It is stored, but neither hashed nor
        compared, and one of a wrong type becomes null with a ``coerced`` finding.
    """

    name: str
    kind: Kind
    description: str
    unit: str | None = None
    place: Place = Place.METADATA
    nullable: bool = True
    documented_null: bool = True
    default: Any = ABSENT
    observed_key: str | None = ""
    check: ValueCheck | None = None
    takes_one_string: bool = False
    measurement: bool = False

    def __post_init__(self) -> None:
        if self.observed_key == "":
            object.__setattr__(self, "observed_key", self.name)

    def key(self, shape: WireShape) -> str | None:
        """Return the key of the value in a shape, ``None`` when the shape does not have it."""
        if self.place is Place.PROVIDER:
            return None
        return self.name if shape is WireShape.DOCUMENTED else self.observed_key

    def required(self, shape: WireShape) -> bool:
        """Return whether a record of that shape without a value is refused."""
        if shape is WireShape.DOCUMENTED:
            return self.place is not Place.PROVIDER and not self.documented_null
        return self.name == "name"


def _quota(kind: str, words: str, unit: str) -> Column:
    return Column(
        f"{kind}_daily_quota_tier_1",
        Kind.INTEGER,
        f"Daily {words} quota of tier 1 users",
        unit=unit,
        place=Place.RECORD,
        documented_null=False,
        check=NonNegative(),
    )


def _price(name: str, words: str) -> Column:
    return Column(name, Kind.PRICE, f"Price of {words}", unit="USD per million tokens")


def _flag(name: str, words: str, default: Any = ABSENT) -> Column:
    return Column(name, Kind.BOOLEAN, words, default=default)


def _measurement(name: str, words: str, unit: str) -> Column:
    return Column(name, Kind.FLOAT, words, unit=unit, measurement=name in MEASUREMENTS)


COLUMNS: Final[tuple[Column, ...]] = (
    Column(
        "model_id",
        Kind.STRING,
        "Identifier of the model, a UUID; in the observed shape derived from `id`",
        place=Place.RECORD,
        nullable=False,
        documented_null=False,
        observed_key=None,
        check=Canonical(),
    ),
    Column(
        "name",
        Kind.STRING,
        "Name the model is called by; in the observed shape its `id`",
        place=Place.RECORD,
        nullable=False,
        documented_null=False,
        observed_key="id",
    ),
    Column("description", Kind.STRING, "Description of the model", place=Place.RECORD),
    Column(
        "status",
        Kind.STRING,
        "Status of the model: active or inactive",
        place=Place.RECORD,
        documented_null=False,
        check=AllowedValues(("active", "inactive")),
    ),
    _quota("chat", "chat", "per day"),
    _quota("api_completions", "API completions", "per day"),
    _quota("embeddings", "embeddings", "per day"),
    _quota("audio_transcriptions", "audio transcription", "seconds per day"),
    _quota("audio_speech", "speech generation", "characters per day"),
    Column("image_url", Kind.STRING, "URL of the picture shown for the model"),
    Column("tags", Kind.STRING_LIST, "Tags that describe features and standing", takes_one_string=True),
    Column("version", Kind.STRING, "Version of the model"),
    Column("developer", Kind.STRING, "Organisation that developed the model"),
    Column("short_description", Kind.STRING, "Description in one line"),
    _flag("enable_api_chat_completions", "Served by the chat completions API", False),
    _flag("enable_api_embeddings", "Served by the embeddings API", False),
    _flag("enable_audio_stt", "Served by the speech-to-text API", False),
    _flag("enable_audio_tts", "Served by the text-to-speech API", False),
    _flag("enable_chat_ui", "Offered in the vendor's chat page", True),
    Column(
        "trendiness",
        Kind.INTEGER,
        "Popularity, higher is more popular",
        unit="score 0-10",
        documented_null=False,
        default=0,
        check=InRange(0, 10),
    ),
    Column("license", Kind.JSON_TEXT, "License of the model"),
    Column("tool_support", Kind.JSON_TEXT, "Tool calling support", default="no"),
    Column("max_tokens", Kind.INTEGER, "Most tokens of one request", unit="tokens", check=NonNegative()),
    Column("context_window", Kind.INTEGER, "Size of the context", unit="tokens", check=NonNegative()),
    _flag("supports_images_input", "Takes images as input", False),
    _flag("supports_prompt_cache", "Can cache prompts", False),
    _price("input_token_price", "input tokens"),
    _price("output_token_price", "output tokens"),
    _price("cache_write_token_price", "tokens written to the prompt cache"),
    _price("cache_read_token_price", "tokens read from the prompt cache"),
    Column("precision", Kind.STRING, "Quantisation the model is served with, such as fp8"),
    Column(
        "display_name",
        Kind.STRING,
        "Name shown to people; in the observed shape its `name`, which may repeat",
        observed_key="name",
    ),
    Column("min_access_tier", Kind.STRING, "Lowest access tier that may call the model, such as standard"),
    _flag("supports_tools", "Can call tools"),
    _flag("supports_reasoning", "Can reason before it answers"),
    _flag("supports_attestation", "Can attest the hardware it runs on"),
    Column("input_modalities", Kind.STRING_LIST, "What the model takes, such as text and image"),
    Column("output_modalities", Kind.STRING_LIST, "What the model gives, such as text"),
    _measurement("avg_latency_ms_per_day", "Mean latency of the last day, as the API measures it", "ms"),
    _measurement(
        "avg_throughput_per_day",
        "Mean throughput of the last day, as the API measures it",
        "tokens per second",
    ),
    Column(
        "created_at",
        Kind.TIMESTAMP,
        "When the API says the model was created",
        place=Place.RECORD,
        documented_null=False,
        observed_key="created",
    ),
    Column(
        "updated_at",
        Kind.TIMESTAMP,
        "When the API says the model was last changed",
        place=Place.RECORD,
        documented_null=False,
    ),
    Column(
        "extra",
        Kind.STRING,
        "JSON object of every key that has no column",
        place=Place.PROVIDER,
        observed_key=None,
    ),
    Column(
        "fetched_at",
        Kind.TIMESTAMP,
        "When this catalogue was read from the API",
        place=Place.PROVIDER,
        nullable=False,
        observed_key=None,
    ),
)

COLUMN_BY_NAME: Final = {column.name: column for column in COLUMNS}
PRICE_COLUMNS: Final = tuple(column.name for column in COLUMNS if column.kind is Kind.PRICE)
QUOTA_COLUMNS: Final = tuple(column.name for column in COLUMNS if "_daily_quota_" in column.name)
ACCESS_COLUMN: Final = "min_access_tier"
"""The column that the live API publishes in place of quotas."""

OBSERVED_KEYS_WITHOUT_COLUMN: Final = (
    frozenset({"object", "owned_by", "root", "parent", "max_model_len"}) | UNSTORED_OBSERVED
)
"""Known keys of the observed shape without a column, which are not reported as drift.

They go to ``extra`` like any other key without a column, except those of ``UNSTORED_OBSERVED``, which
differ on each request and are not stored.
"""


def volatile_columns(shape: WireShape) -> frozenset[str]:
    """Return the columns of a shape that vary while the model does not change.

    They are neither hashed nor compared: the time of reading, the measurements, and ``created`` of the
    observed shape, which is the time of the request.
    """
    moving = MOVING_OBSERVED if shape is WireShape.OPENAI else frozenset()
    return frozenset(
        column.name
        for column in COLUMNS
        if column.measurement or column.name == "fetched_at" or column.key(shape) in moving
    )


@cache
def arrow_schema() -> pa.Schema:
    """Return the Arrow schema of ``models.parquet``; fields carry ``description`` and ``unit``."""
    import pyarrow as pa

    types = {
        Kind.STRING: pa.string(),
        Kind.JSON_TEXT: pa.string(),
        Kind.INTEGER: pa.int64(),
        Kind.FLOAT: pa.float64(),
        Kind.BOOLEAN: pa.bool_(),
        Kind.STRING_LIST: pa.list_(pa.string()),
        Kind.PRICE: pa.decimal128(PRICE_PRECISION, PRICE_SCALE),
        Kind.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    }
    return pa.schema(
        pa.field(
            column.name,
            types[column.kind],
            nullable=column.nullable,
            metadata={"description": column.description} | ({"unit": column.unit} if column.unit else {}),
        )
        for column in COLUMNS
    )


def is_inner(column: Column, shape: WireShape) -> bool:
    """Return whether a record of that shape has the column under ``metadata``."""
    return column.place is Place.METADATA and shape is WireShape.DOCUMENTED


def carried_columns(shape: WireShape) -> list[Column]:
    """Return the columns that records of a shape may have."""
    return [column for column in COLUMNS if column.key(shape) is not None]
