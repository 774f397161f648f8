"""Returns what some traffic costs: today, before, over time, and with other models. It stores nothing.

The traffic comes as the body of a POST, so that it is in no address and no log; the errors quote none of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from datetime import date as Date  # noqa: N812 - fields are called `date`
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final

import polars as pl
from fastapi import APIRouter, Depends
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from io_intelligence_provider.alerts.traffic import (
    MOST_TOKENS,
    TOKEN_PRICES,
    Traffic,
    sum_of,
)
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.plugin.api.common import (
    Answer,
    DatedParameters,
    Integer,
    ModelKey,
    Parameters,
    Texts,
    WarnedAnswer,
    gaps,
    one_of,
    plain,
    refused_on,
)
from io_intelligence_provider.plugin.api.models import CAPABILITIES, TOOLS, capabilities_of
from io_intelligence_provider.plugin.bills import Bill, Bills, change_of, known_part, track_of
from io_intelligence_provider.plugin.errors import Problem, scrub
from io_intelligence_provider.plugin.http import JSON, METHODS, Body, etag_of, render, respond
from io_intelligence_provider.plugin.reader import Reader
from io_intelligence_provider.plugin.timeline import Timeline, doubtful_tracks, tracks_on
from io_intelligence_provider.store.prices import token_cost

__all__ = ["CostsAnswer", "configured_traffic", "get_costs"]


_COMPARED: Final = (0, 30, 90)
"""Days before the date shown whose bills are compared."""
_CANDIDATES: Final = 3
_MOST_LINES: Final = 200
_MOST_BYTES: Final = 256 << 10


def _digits(value: object) -> object:
    # int() would also read signs, underscores and blanks, and pydantic True and 1e300.
    is_digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < _LONGEST
    if not is_digits and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError(f"is no whole number of fewer than {_LONGEST} digits")
    return int(value) if isinstance(value, str) else value


_LONGEST: Final = len(str(MOST_TOKENS))
Tokens = Annotated[int, BeforeValidator(_digits), Field(ge=0, lt=MOST_TOKENS)]


class TrafficLine(Parameters):
    """Holds the tokens a month of one model; a kind that is not given has none."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), extra="forbid")

    model: ModelKey
    input: Tokens = 0
    output: Tokens = 0
    cache_read: Tokens = 0
    cache_write: Tokens = 0

    @property
    def tokens(self) -> dict[str, int]:
        """Return the kinds that have tokens."""
        return {kind: count for kind in TOKEN_PRICES if (count := getattr(self, kind))}


Capability = Annotated[str, one_of(*CAPABILITIES.values(), TOOLS)]


class CostsParameters(DatedParameters):
    """Holds traffic, and what another model has to offer to be a candidate."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), extra="forbid")

    traffic: Annotated[list[TrafficLine], Field(min_length=1, max_length=_MOST_LINES)]
    context_window: Annotated[int, Field(ge=1, le=10**12)] | None = None
    capabilities: Annotated[list[Capability], Field(default_factory=list, max_length=len(CAPABILITIES) + 1)]


def get_costs(reader: Reader, asked: CostsParameters) -> dict[str, Any]:
    """Return the bills of some traffic."""
    day = reader.shown(asked.date)
    rows, timeline = reader.day(day).rows, reader.timeline_with(day)
    tracks = [track_of(timeline, line.model) for line in asked.traffic]
    traffic = zip(asked.traffic, tracks, strict=True)
    bills = Bills(timeline, [(line.model, track, line.tokens) for line, track in traffic])
    compared = [(days, _held(timeline, day - timedelta(days=days))) for days in _COMPARED]
    then = [{} if one is None else bills.on(one, partial(refused_on, reader)) for _, one in compared]
    offers = _offers(timeline, day, rows, asked)
    return {
        "date": day,
        "bills": [
            {
                "days": days,
                "date": one,
                "total": _total(bill, one),
                "unknown": [
                    {"model": asked.traffic[number].model, "kind": kind, "reason": cost}
                    for (number, kind), cost in bill.items()
                    if isinstance(cost, str)
                ],
                "change": _change(bill, then[0]) if days and one else None,
            }
            for (days, one), bill in zip(compared, then, strict=True)
        ],
        "lines": [
            _line(
                timeline,
                line,
                track,
                [(_of_line(bill, number), one) for bill, (_, one) in zip(then, compared, strict=True)],
            )
            | _candidates(offers, track, line.tokens, _of_line(then[0], number))
            for number, (line, track) in enumerate(zip(asked.traffic, tracks, strict=True))
        ],
        "series": [(one, plain(total), unknown) for one, total, unknown in bills.series(day)],
        "warnings": gaps(timeline),
    }


def _held(timeline: Timeline, day: date) -> date | None:
    """Return the readable snapshot that held on a day: the latest one up to it."""
    place = bisect_right(timeline.readable, day)
    return timeline.readable[place - 1] if place else None


def _total(bill: Bill, day: date | None) -> str | None:
    """Return the sum of what is known, ``None`` when nothing is; a bill without tokens is 0.

    :param day: of the snapshot; ``None`` without one.
    """
    known = known_part(bill)
    return plain(sum_of(known.values())) if known or (day and not bill) else None


def _change(then: Bill, now: Bill) -> Texts:
    return {key: plain(one) for key, one in vars(change_of(then, now)).items()}


def _of_line(bill: Bill, number: int) -> Bill:
    return {part: cost for part, cost in bill.items() if part[0] == number}


def _line(
    timeline: Timeline, line: TrafficLine, track: int | str, bills: Sequence[tuple[Bill, date | None]]
) -> dict[str, Any]:
    name, model_id = (None, None) if isinstance(track, str) else timeline.last_key(track)
    return {
        "model": line.model,
        "name": name,
        "model_id": model_id,
        "totals": [
            {"total": _total(bill, day), "complete": len(known_part(bill)) == len(line.tokens)}
            for bill, day in bills
        ],
    }


@dataclass(frozen=True)
class _Offer:
    """Describes a model that satisfies the needs; a price that is unknown or doubtful is ``None``."""

    track: int | None
    name: str
    model_id: str
    context_window: int | None
    prices: Mapping[str, Decimal | None]

    def cost(self, tokens: Mapping[str, int]) -> Decimal | None:
        """Return the cost of some tokens, ``None`` when a price that they take is missing."""
        costs = [
            token_cost(count, price)
            for kind, count in tokens.items()
            if (price := self.prices[kind]) is not None
        ]
        return sum_of(costs) if len(costs) == len(tokens) else None


def _offers(timeline: Timeline, day: date, rows: pl.DataFrame, asked: CostsParameters) -> list[_Offer]:
    doubtful = {price: doubtful_tracks(timeline, price, day) for price in TOKEN_PRICES.values()}
    needed = frozenset(asked.capabilities)
    found = []
    for track, row in zip(tracks_on(timeline, rows), rows.iter_rows(named=True), strict=True):
        context = row["context_window"]
        if row["status"] not in (None, "active") or not needed <= frozenset(capabilities_of(row)):
            continue
        if asked.context_window is not None and (context is None or context < asked.context_window):
            continue
        prices = {
            kind: None if track in doubtful[price] else row[price] for kind, price in TOKEN_PRICES.items()
        }
        found.append(_Offer(track, row["name"], row["model_id"], context, prices))
    return found


def _candidates(
    offers: Sequence[_Offer], own: int | str, tokens: Mapping[str, int], bill: Bill
) -> dict[str, Any]:
    """Return the cheapest other models for the same tokens, and how many lack a price that it takes."""
    others = [offer for offer in offers if offer.track != own] if tokens else []
    costs = [(cost, offer) for offer in others if (cost := offer.cost(tokens)) is not None]
    costs.sort(key=lambda one: (one[0], one[1].name, one[1].model_id))
    known = known_part(bill)
    now = sum_of(known.values()) if len(known) == len(bill) else None
    return {
        "candidates": [
            {
                "name": offer.name,
                "model_id": offer.model_id,
                "context_window": offer.context_window,
                "cost": plain(cost),
                "difference": None if now is None else plain(sum_of((cost, now.copy_negate()))),
            }
            for cost, offer in costs[:_CANDIDATES]
        ],
        "suitable": len(others),
        "unpriced": len(others) - len(costs),
    }


class UnknownPart(Answer):
    """Names a kind of tokens whose cost is unknown on a day: it is not in the bill."""

    model: str
    kind: str
    reason: str


class BillChange(Answer):
    """Splits the change of a bill since a day; ``total`` is ``price`` plus ``models``, exactly.

    It leaves out parts that are unknown on one of the days, unless their model was not in the catalogue then.
    """

    total: str
    price: str
    models: str


class DayBill(Answer):
    """Holds the bill at the prices of a day; ``date``: ``None`` when no snapshot is that old.

    ``total``: of what is known; ``change``: from that day to the date of the answer.
    """

    days: int
    date: Date | None
    total: str | None
    unknown: list[UnknownPart]
    change: BillChange | None


class LineTotal(Answer):
    """Holds the cost of a line at the prices of a day; ``complete``: whether all of it is known."""

    total: str | None
    complete: bool


class Candidate(Answer):
    """Describes another model for the same tokens; ``difference``: from the cost of the line."""

    name: str
    model_id: str
    context_window: Integer | None
    cost: str
    difference: str | None


class CostsLine(Answer):
    """Holds the costs of a line; ``totals`` in the order of the bills.

    ``suitable``: the number of models that satisfy the needs; ``unpriced``: those without a price it takes.
    """

    model: str
    name: str | None
    model_id: str | None
    totals: list[LineTotal]
    candidates: list[Candidate]
    suitable: int
    unpriced: int


class CostsAnswer(WarnedAnswer):
    """Holds the bills of some traffic, in USD a month; ``series``: day, bill, number of unknown parts."""

    date: Date
    bills: list[DayBill]
    lines: list[CostsLine]
    series: list[tuple[Date, str | None, int]]


class TrafficAnswer(WarnedAnswer):
    """Holds the traffic of Airflow's Variable; ``lines``: ``None`` without one, or the right to read it."""

    lines: list[dict[str, str]] | None


def configured_traffic() -> Callable[[], Traffic | None]:
    """Return what reads the configured traffic; there is none without Airflow, which replaces this."""
    return lambda: None


router = APIRouter()


@router.api_route("/traffic", methods=METHODS, response_model=TrafficAnswer)
async def traffic(
    request: Request, read: Annotated[Callable[[], Traffic | None], Depends(configured_traffic)]
) -> Response:
    """Return the traffic of Airflow's Variable."""

    def compute(_: Reader) -> Response:
        warnings, found = [], None
        try:
            found = read()
        except ConfigurationError as error:
            warnings = [f"The Variable io_intelligence_traffic cannot be used: {scrub(str(error))}"]
        lines = (
            None
            if found is None
            else [
                {"model": model} | {kind: str(tokens.get(kind, 0)) for kind in TOKEN_PRICES}
                for model, tokens in found.items()
            ]
        )
        return _once(request, TrafficAnswer(lines=lines, warnings=warnings))

    return await render(request, compute)


@router.api_route("/costs", methods=["POST"], response_model=CostsAnswer)
async def costs(request: Request) -> Response:
    """Return the bills of the traffic in the body."""
    asked = await _asked(request)
    if isinstance(asked, Problem):
        return asked.response

    def compute(reader: Reader) -> Response:
        return _once(request, CostsAnswer.model_validate(get_costs(reader, asked)))

    return await render(request, compute)


def _once(request: Request, found: WarnedAnswer) -> Response:
    raw = found.model_dump_json().encode()
    return respond(request, Body.of(raw, etag_of(raw)), JSON, "no-store")


async def _asked(request: Request) -> CostsParameters | Problem:
    """Return the valid body, or the error; the error names places and bounds, nothing that was sent."""
    problem = partial(
        Problem, kind="invalid", title="This bill cannot be computed", action="Correct it, then try again."
    )
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        # A form of another site cannot send this type without asking the browser first.
        return problem(415, message=f"The body has another type than {JSON}.")
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MOST_BYTES:
            return problem(413, message=f"The body has more than {_MOST_BYTES} bytes.")
    try:
        return CostsParameters.model_validate_json(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    texts = [f"{_place(one['loc'])}: {one['msg'].removeprefix('Value error, ')}" for one in found[:5]]
    more = [f"and {len(found) - 5} more"] if len(found) > 5 else []
    return problem(422, message="; ".join([*texts, *more]))


_PLACES: Final = frozenset(CostsParameters.model_fields) | frozenset(TrafficLine.model_fields)


def _place(path: Sequence[int | str]) -> str:
    """Return where an error is: ``line 2, input``. A key that is not one of ours was typed."""
    words = [
        f"line {one + 1}" if isinstance(one, int) else one if one in _PLACES else "a key" for one in path
    ]
    return ", ".join(words if words[:1] != ["traffic"] or len(words) < 2 else words[1:]) or "the body"
