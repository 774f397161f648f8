"""Detects the wire shape of a response and splits it into one raw record per model.

A raw record is the JSON text of one entry of ``data``, byte for byte as served, so that prices keep
their digits and a refused record can be shown as served. :func:`decode_record` returns its value.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final

import msgspec

from io_intelligence_provider.catalog.http_errors import is_html, quoted
from io_intelligence_provider.errors import ResponseError
from io_intelligence_provider.redaction import MASK, Redactor
from io_intelligence_provider.text import UnstorableNumber, dump_json

__all__ = [
    "MEASUREMENTS",
    "MOVING_OBSERVED",
    "UNSTORED_OBSERVED",
    "Page",
    "WireShape",
    "ascii_json",
    "decode_page",
    "decode_record",
    "record_id",
    "record_ids",
    "stored_form",
]

MEASUREMENTS: Final = frozenset({"avg_latency_ms_per_day", "avg_throughput_per_day"})
"""Keys of figures that the API measures continuously: stored, but not compared."""

UNSTORED_OBSERVED: Final = frozenset({"permission"})
"""Keys of the observed shape that differ on each request and are not stored."""

MOVING_OBSERVED: Final = frozenset({"created"})
"""Keys of the observed shape that are stored, but may differ between requests."""


class WireShape(StrEnum):
    """The two known shapes of the endpoint's response."""

    DOCUMENTED = "documented"
    OPENAI = "openai"


@dataclass(frozen=True)
class Page:
    """One response of the endpoint.

    :param records: the raw records.
    :param total: the server's count of models in the catalogue, ``None`` without one.
    :param has_next: whether the server says that more pages follow.
    :param total_pages: the count of pages in the observed shape, ``None`` without one.
    :param redacted: records in which the server repeated a credential; it is masked in them.
    """

    shape: WireShape
    records: list[bytes]
    total: int | None = None
    has_next: bool = False
    total_pages: int | None = None
    redacted: int = 0


class _Envelope(msgspec.Struct):
    data: list[msgspec.Raw]
    object: Any = None
    pagination: Any = None
    has_more: Any = None
    has_next: Any = None
    has_next_page: Any = None
    next: Any = None
    next_page: Any = None
    next_cursor: Any = None
    total: Any = None
    total_count: Any = None
    total_pages: Any = None
    links: Any = None
    meta: Any = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_VALUE: Final = msgspec.json.Decoder(float_hook=Decimal)
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeError, InvalidOperation)


class _UnusableError(Exception):
    """A body that is not a page: what it is, what to do, and whether a page after the last may be so."""

    def __init__(
        self, what: str, advice: str = "Check the host and the proxy.", *, is_end: bool = False
    ) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice
        self.is_end = is_end


def decode_page(body: bytes, asked: str, redactor: Redactor | None = None, *, status: str = "200") -> Page:
    """Split a response into raw records and detect its shape.

    :param asked: the request, for messages.
    :param redactor: masks credentials in the records, so that none is stored, and in the beginning of the
        body when a message quotes it.
    :param status: status and media type of the response, for messages.
    :raises ResponseError: when it is not JSON, or neither of the known shapes.
    """
    try:
        page = _cut(_envelope(body))
    except _UnusableError as error:
        said = quoted(body, redactor.clean if redactor else str)
        refused = ResponseError(
            f"{asked} answered {status} with {error.what}{said and f': {said}'}. {error.advice}",
            is_end=error.is_end,
        )
    else:
        return _without_credentials(page, body, redactor)
    raise refused  # outside `except`, so that it has no context


def _without_credentials(page: Page, body: bytes, redactor: Redactor | None) -> Page:
    if redactor is None or not redactor.may_be_in(body):
        return page
    records = [_redacted(raw, redactor) for raw in page.records]
    touched = sum(new is not old for new, old in zip(records, page.records, strict=True))
    return replace(page, records=records, redacted=touched)


def _redacted(raw: bytes, redactor: Redactor) -> bytes:
    """Return a raw record with credentials in any spelling masked, unchanged when it holds none."""
    if not redactor.may_be_in(raw):
        return raw
    try:
        clean = dump_json(redactor.clean_value(decode_record(raw))).encode("ascii")
    except RecursionError:
        clean = raw
    return f'"{MASK}"'.encode() if redactor.may_be_in(clean) else clean


def _cut(envelope: _Envelope) -> Page:
    records = [bytes(raw) for raw in envelope.data]
    if envelope.pagination is not None:
        return _documented(records, envelope.pagination)
    if envelope.object == "list":
        return _observed(records, envelope)
    raise _UnusableError(
        "JSON of neither known shape: there is `data`, but neither a `pagination` object nor "
        '`"object": "list"` beside it',
        "Check the host; if the API has changed, upgrade the provider.",
        is_end=not records,
    )


_MORE: Final = ("has_more", "has_next", "has_next_page", "next", "next_page", "next_cursor")
_TOTAL: Final = ("total", "total_count")
_NO: Final = frozenset({"", "0", "false", "no", "none", "null"})


def _observed(records: list[bytes], envelope: _Envelope) -> Page:
    """Return a page of the observed shape with the undocumented pagination fields that the server sends."""
    places = [{name: getattr(envelope, name) for name in envelope.__struct_fields__}]
    places += [place for place in (envelope.links, envelope.meta) if isinstance(place, dict)]
    totals = [_count(place.get(name)) for place in places for name in _TOTAL]
    pages = [_count(place.get("total_pages")) for place in places]
    more = any(_says_yes(place.get(name)) for place in places for name in _MORE)
    largest = [max((one for one in found if one is not None), default=None) for found in (totals, pages)]
    return Page(WireShape.OPENAI, records, largest[0], more, largest[1])


def _says_yes(value: Any) -> bool:
    return value.strip().lower() not in _NO if isinstance(value, str) else bool(value)


def _count(value: Any) -> int | None:
    """Return a count of the observed shape, which may have any type; ``None`` when it is not a count."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,15}", value.strip()):
        return int(value)
    is_count = type(value) in (int, float, Decimal) and 0 <= value < 10**15 and value == int(value)
    return int(value) if is_count else None


def _documented(records: list[bytes], pagination: Any) -> Page:
    fields = pagination if isinstance(pagination, dict) else {}
    total, has_next = fields.get("total"), fields.get("has_next")
    if type(total) is not int or total < 0 or type(has_next) is not bool:
        raise _UnusableError(
            "a `pagination` without a usable `total` and `has_next`",
            "Without them it is unknown whether the catalogue is complete: check the host and the proxy.",
        )
    return Page(WireShape.DOCUMENTED, records, total, has_next)


def _envelope(body: bytes) -> _Envelope:
    try:
        return _ENVELOPE.decode(body)
    except (
        msgspec.DecodeError
    ):  # another form, or one bad string, for which the fast parser refuses the whole body
        pass
    except UnicodeError:
        pass
    except RecursionError:
        raise _UnusableError(_TOO_DEEP) from None
    return _careful_envelope(body)


_TOO_DEEP: Final = "JSON that is nested too deeply"


def _careful_envelope(body: bytes) -> _Envelope:
    """Parse a body that the fast parser refuses (lone surrogates, bad UTF-8), or raise what it is instead."""
    if not body.strip():
        raise _UnusableError("an empty body")
    if is_html(body):
        raise _UnusableError(
            "an HTML page, no JSON",
            "A login page, a portal or an error page answers in place of the API: check the host, its path "
            "prefix, the credential and the proxy.",
        )
    try:
        answer = _careful_value(body)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list):
            raise _UnusableError(
                _instead_of_models(answer), "Check the host and its path prefix.", is_end=True
            )
        records = [msgspec.Raw(dump_json(record).encode("ascii")) for record in data]
    except ValueError as error:
        raise _UnusableError(f"no JSON ({error})") from None
    except RecursionError:
        raise _UnusableError(_TOO_DEEP) from None
    return _Envelope(records, **{key: answer.get(key) for key in _Envelope.__struct_fields__[1:]})


def _instead_of_models(answer: Any) -> str:
    """Describe JSON without a list ``data``."""
    if not isinstance(answer, dict):
        kind = "a list" if isinstance(answer, list) else "a value"
        return f"JSON of neither known shape: it is {kind}, no object with `data`"
    if answer.get("data") is not None:
        return "JSON of neither known shape: `data` is no list"
    if any(answer.get(key) for key in ("error", "errors", "detail", "message")):
        return "an error in place of models"
    return "JSON of neither known shape: there is no list `data`"


def decode_record(raw: bytes) -> Any:
    """Return the value of a raw record: numbers as int or Decimal, never as a binary float.

    A number that these cannot hold is an :class:`UnstorableNumber`; lone surrogates stay in their strings.
    """
    try:
        return _VALUE.decode(raw)
    except _UNDECODABLE:
        return _careful_value(raw)


def _careful_value(text: bytes) -> Any:
    # surrogateescape turns invalid UTF-8 into lone surrogates, which the type check refuses later for
    # single records, instead of losing the whole page.
    return json.loads(
        text.decode("utf-8", "surrogateescape"),
        parse_float=_decimal,
        parse_int=_integer,
        parse_constant=_refuse_constant,
    )


def _integer(text: str) -> int | UnstorableNumber:
    return int(text) if len(text) < 4_000 else UnstorableNumber(text)  # CPython's limit is 4,300 digits


def _decimal(text: str) -> Decimal | UnstorableNumber:
    try:
        return Decimal(text)
    except InvalidOperation:
        return UnstorableNumber(text)


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


class _Id(msgspec.Struct, gc=False):
    model_id: Any = None
    id: Any = None


_ID: Final = msgspec.json.Decoder(_Id)


def record_ids(raw_records: list[bytes], shape: WireShape) -> list[str | None]:
    """Return the id of each raw record in its shape (a UUID in lower case), ``None`` where there is none."""
    get, decode = attrgetter(_ID_KEYS[shape]), _ID.decode
    try:
        found = [get(decode(raw)) for raw in raw_records]
    except (*_UNDECODABLE, RecursionError):
        found = [_id_of(raw, _ID_KEYS[shape]) for raw in raw_records]
    if shape is WireShape.DOCUMENTED:
        with suppress(TypeError):  # one is no text
            return list(map(str.lower, found))
    ids = [identity if type(identity) is str else None for identity in found]
    return ids if shape is WireShape.OPENAI else [identity and identity.lower() for identity in ids]


def record_id(raw: bytes, shape: WireShape) -> str | None:
    """Return the id of one raw record, see :func:`record_ids`."""
    return record_ids([raw], shape)[0]


_ID_KEYS: Final = {WireShape.DOCUMENTED: "model_id", WireShape.OPENAI: "id"}


def _id_of(raw: bytes, key: str) -> Any:
    try:
        return getattr(_ID.decode(raw), key)
    except (*_UNDECODABLE, RecursionError):
        return _careful_member(raw, key)


def _careful_member(raw: bytes, key: str) -> Any:
    try:
        value = _careful_value(raw)
    except (ValueError, RecursionError):
        return None
    return value.get(key) if isinstance(value, dict) else None


def stored_form(raw: bytes, shape: WireShape, *, without_moving: bool = False) -> bytes:
    """Return a text that is equal for records with the same stored values.

    White space, the order of keys, measurements and keys that are not stored make no difference.

    :param without_moving: also leave out keys that are stored but may differ between requests.
    """
    try:
        value = decode_record(raw)
        if shape is WireShape.OPENAI:
            unstored = MEASUREMENTS | UNSTORED_OBSERVED | (MOVING_OBSERVED if without_moving else frozenset())
            value = _without(value, unstored)
        elif isinstance(value, dict) and "metadata" in value:
            value = value | {"metadata": _without(value["metadata"], MEASUREMENTS)}
        return dump_json(value, sort_keys=True).encode()
    except (ValueError, RecursionError):
        return raw


def _without(value: Any, keys: frozenset[str]) -> Any:
    return {key: item for key, item in value.items() if key not in keys} if isinstance(value, dict) else value


_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")


def ascii_json(raw: bytes) -> str:
    """Return a raw record as ASCII JSON: the same text with other characters as ``\\u`` escapes."""
    return _NOT_ASCII.sub(
        lambda found: json.dumps(found.group())[1:-1], raw.decode("utf-8", "surrogateescape")
    )
