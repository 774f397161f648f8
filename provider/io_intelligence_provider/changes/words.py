"""A change in words, and foreign text made fit to be shown anywhere."""

from __future__ import annotations

import unicodedata
from typing import Final

from io_intelligence_provider.changes.alert import Alert
from io_intelligence_provider.changes.kinds import MODEL_ADDED, PRICE
from io_intelligence_provider.contract.columns import COLUMN_BY_NAME

__all__ = ["clean", "described"]

_LONGEST_VALUE: Final = 80
_DIRECTIONS: Final = {True: {"up": "dearer", "down": "cheaper"}, False: {"up": "higher", "down": "lower"}}
_JOINERS: Final = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # scripts and emoji need them


def clean(text: str, longest: int = 120) -> str:
    """Return foreign text on one line, without control and direction characters, cut to a length.

    A text that runs from right to left is closed in, so that it does not turn what stands beside it.
    """
    shown = "".join(
        char
        if not unicodedata.category(char).startswith("C") or char in _JOINERS
        else "\N{REPLACEMENT CHARACTER}"
        for char in " ".join(text[: 4 * longest].split())
    )
    if len(shown) > longest or len(text) > 4 * longest:
        shown = f"{shown[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"
    if any(unicodedata.bidirectional(char) in ("R", "AL", "RLE", "RLO", "RLI") for char in shown):
        shown = f"\N{FIRST STRONG ISOLATE}{shown}\N{POP DIRECTIONAL ISOLATE}"
    return shown


def described(alert: Alert) -> str:
    """Return what changed, without the name of the model; no more than 300 characters, all cleaned.

    ``input token price: 0.15 → 0.2 USD per 1M tokens, +33.33 %, dearer``
    """
    if alert.field is None:
        text = _presence(alert)
    else:
        text = f"{_label(alert.field)}: {_value(alert, alert.old_value)} → {_value(alert, alert.new_value)}"
        column = COLUMN_BY_NAME.get(alert.field)  # a key of `extra` is none
        if column and (unit := column.unit):
            text += f" {unit.replace('million', '1M')}"
        if alert.pct is not None:
            text += f", {_per_cent(alert.pct)}"
        if alert.direction is not None:
            text += f", {_DIRECTIONS[alert.change == PRICE][alert.direction]}"
    if alert.correction:
        told = "" if alert.told == alert.old_value else f" (told before: {_value(alert, alert.told)})"
        return f"correction{told}: {text}"
    return f"{text}, since {alert.since}"


def _presence(alert: Alert) -> str:
    if alert.new_value is not None:
        return f"is {alert.new_value} after all"
    return "is new" if alert.change == MODEL_ADDED else "is gone"


def _label(field: str) -> str:
    if field not in COLUMN_BY_NAME:
        return clean(field, _LONGEST_VALUE)  # a key of `extra`: foreign text, shown as it is
    return field.removesuffix("_tier_1").replace("_", " ")


def _value(alert: Alert, value: str | None) -> str:
    if value is None:
        return "not published"
    if alert.change == PRICE and value == "0":
        return "0 (free)"
    return clean(value, _LONGEST_VALUE) or '""'


def _per_cent(pct: float) -> str:
    if abs(pct) >= 1e15:
        return f"{pct:+.3g} %"
    text = f"{pct:+.2f}".rstrip("0").rstrip(".")
    return f"{text} %" if text not in ("+0", "-0") else f"{pct:+.2g} %"
