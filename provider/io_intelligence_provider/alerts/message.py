"""Builds the message of a digest: the worst change first, one line a model, and whether to trust the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal
from functools import cached_property
from typing import Any, Final

from io_intelligence_provider.alerts.digest import Alert, DataQuality, Digest, RuleAlerts
from io_intelligence_provider.alerts.rendering import (
    Block,
    Change,
    Fact,
    Heading,
    Link,
    Message,
    Note,
    Omitted,
    Part,
    Title,
    clean,
)
from io_intelligence_provider.alerts.traffic import Bill, sum_of
from io_intelligence_provider.changes.kinds import MODEL_ADDED, NUMERIC_FIELDS, PRICE, QUARANTINED
from io_intelligence_provider.contract.columns import COLUMN_BY_NAME
from io_intelligence_provider.quality.result import CheckResult
from io_intelligence_provider.store.prices import DOUBTFUL_FOR

__all__ = ["MAX_LINES", "DigestMessage", "blocks", "data_blocks", "per_cent"]


class DigestMessage(Message):
    """Renders a digest in each format on first use, all from the same blocks.

    :param digest: the alerts to send.
    :param link: http or https URL of a page with more details.
    :param run_link: http or https URL of the run that sends it.
    """

    def __init__(self, digest: Digest, *, link: str | None = None, run_link: str | None = None) -> None:
        self._digest = digest
        self._links = link, run_link

    @cached_property
    def _blocks(self) -> Sequence[Block]:
        link, run_link = self._links
        return blocks(self._digest, link=link, run_link=run_link)

    @property
    def count(self) -> int:
        """Return the number of changes, including those that a long message leaves out."""
        return self._digest.count

    def to_dict(self) -> dict[str, Any]:
        """Return all changes as plain JSON values; none is left out."""
        return {"subject": self.subject, "count": self.count} | self._digest.to_dict()


MAX_LINES: Final = 40
"""The default number of lines, one a model, that a message shows of all rules."""

_MOST_NAMES: Final = 10
"""Names, findings or bills that a message lists; the rest is counted."""
_MOST_PARTS: Final = 12
"""Changes of one model that its line shows; the rest is counted."""


def blocks(
    digest: Digest, *, link: str | None = None, run_link: str | None = None, max_lines: int = MAX_LINES
) -> list[Block]:
    """Return the content of a message.

    :param link: http or https URL of a page with more details.
    :param run_link: http or https URL of the run that sends it.
    :param max_lines: the number of lines with changes, at least 1; a note counts the changes left out.
    :raises ConfigurationError: when a link is not an http or https URL.
    """
    found: list[Block] = [Title(_title(digest))]
    if digest.bill is not None:
        found += _bill_blocks(digest.bill)
    left, omitted = max(max_lines, 1), 0
    for heading, lines in (section for group in digest.groups for section in _sections(group)):
        shown = lines[:left]
        left -= len(shown)
        found += [heading, *shown] if shown else []
        omitted += sum(line.count for line in lines[len(shown) :])
    if omitted:
        found.append(Omitted(omitted))
    if legend := " ".join(_legend(digest)):
        found.append(Note(legend))
    if digest.data is not None:
        found += data_blocks(digest.data)
    links = (link, "Open the page"), (run_link, "Open the task run")
    return found + [Link(url, text) for url, text in links if url is not None]


def _title(digest: Digest) -> str:
    """Return the worst change and the number of the others: a change that two rules report counts once."""
    alerts = sorted(digest.alerts, key=_by_size)
    distinct: dict[tuple[str, str | None, str], Alert] = {}
    for alert in alerts:
        distinct.setdefault((alert.model_id, alert.field, alert.change), alert)
    if not distinct:
        return f"IO Intelligence: no changes on {digest.snapshot_date}"
    worst, *rest = distinct.values()
    text = f"{'Correction: ' if worst.correction else ''}{_name(worst, 60)} {_in_short(worst)}"
    if rest:
        kind = "price change" if all(alert.change == PRICE for alert in rest) else "change"
        text += f", and {_counted(len(rest), f'more {kind}')}"
        doubtful = sum(alert.doubtful is not None for alert in rest)
        text += f" ({doubtful} doubtful)" if doubtful else ""
    return f"{text} on {digest.snapshot_date}"


def _in_short(alert: Alert) -> str:
    if alert.field is None:
        return _presence(alert)
    if alert.doubtful:
        return f"{_label(alert.field)} price of 0 is doubtful"
    pct = per_cent(alert.old_value, alert.new_value) if alert.pct is not None else None
    if pct and alert.change == PRICE:
        return pct
    label = _label(alert.field) if alert.change != PRICE else f"{_label(alert.field)} price"
    return f"{label} {pct or _move(alert, 30)}"


def _by_size(alert: Alert) -> tuple[bool, int, Decimal, str, str, str]:
    """Sort the worst first: a rise from 0, the largest percentages, an unknown size, then what is no number.

    A doubtful price comes last.
    """
    rank, size = 3, Decimal(0)
    if alert.pct is not None:
        rank, size = 1, _exact_pct(alert.old_value, alert.new_value).copy_abs().copy_negate()
    elif alert.field in NUMERIC_FIELDS:
        rank = 2 if alert.old_value is None or alert.new_value is None else 0
    return alert.doubtful is not None, rank, size, alert.name, alert.field or "", alert.model_id


def _sections(group: RuleAlerts) -> Iterable[tuple[Heading, list[Change]]]:
    """Yield the lines of a rule, and apart from them those of the prices that are doubtful."""
    for is_doubtful in (False, True):
        alerts = [alert for alert in group.alerts if (alert.doubtful is not None) is is_doubtful]
        if not alerts:
            continue
        days = {alert.since for alert in alerts if not alert.correction}
        shared = next(iter(days)) if len(days) == 1 else None
        detail = _counted(len(alerts), "change") + (f", since {shared}" if shared else "")
        of_model: dict[tuple[str, str], list[Alert]] = {}
        for alert in sorted(alerts, key=_by_size):
            of_model.setdefault((alert.model_id, alert.name), []).append(alert)
        name = clean(group.rule) + (": doubtful prices" if is_doubtful else "")
        yield Heading(name, detail), [_line(found, is_dated=shared is None) for found in of_model.values()]


def _line(alerts: Sequence[Alert], *, is_dated: bool) -> Change:
    """Return the line of a model, whose worst change is first."""
    days = {alert.since for alert in alerts if not alert.correction}
    end = f", since {next(iter(days))}" if is_dated and len(days) == 1 else ""
    parts = [_part(alert) for alert in alerts]
    if is_dated and not end:
        parts = [
            part if alert.correction else replace(part, detail=_joined(part.detail, f"since {alert.since}"))
            for part, alert in zip(parts, alerts, strict=True)
        ]
    if (more := len(parts) - _MOST_PARTS) > 0:
        parts = [*parts[:_MOST_PARTS], Part(f"and {more} more")]
    return Change(_name(alerts[0]), tuple(parts), len(alerts), end)


def _joined(*texts: str | None) -> str:
    return ", ".join(text for text in texts if text)


def _name(alert: Alert, longest: int = 120) -> str:
    return clean(alert.name, longest) or "(no name)"


def _part(alert: Alert) -> Part:
    """Describe one change: ``output 0.6 → 0.726`` and ``+21 %``."""
    correction = None
    if alert.correction:
        is_withdrawn = alert.told == alert.old_value
        correction = "correction" if is_withdrawn else f"correction: {_value(alert.told)} was sent"
    if alert.field is None:
        return Part(_presence(alert), correction or "")
    size = None
    if alert.doubtful:
        is_shown = alert.last_price in (None, alert.old_value)
        last = "" if is_shown else f": {alert.last_price} on {alert.last_date}"
        size = f"{'was ' if alert.doubtful == 'old' else ''}doubtful{last}"
    elif alert.pct is not None:
        size = per_cent(alert.old_value, alert.new_value)
    elif alert.field in NUMERIC_FIELDS and (alert.old_value is None or alert.new_value is None):
        size = "size unknown"
    free = None
    if alert.change == PRICE and not alert.doubtful:
        free = {"0": "free"}.get(alert.new_value or "") or {"0": "was free"}.get(alert.old_value or "")
    return Part(f"{_label(alert.field)} {_move(alert)}", _joined(free, size, correction))


def _presence(alert: Alert) -> str:
    if alert.new_value is not None:
        return f"is {alert.new_value} after all"
    if alert.change == QUARANTINED:
        return "is in quarantine"
    return "is new" if alert.change == MODEL_ADDED else "is gone"


def _label(field: str) -> str:
    if field not in COLUMN_BY_NAME:
        return clean(field, 80)  # a key of `extra`: text from the API
    return field.removesuffix("_token_price").removesuffix("_tier_1").replace("_", " ")


def _move(alert: Alert, longest: int = 80) -> str:
    """Return the old and the new value; a unit follows the last number. That of prices is in the legend."""
    column = COLUMN_BY_NAME.get(alert.field or "")  # None for a key of `extra`
    unit = f" {column.unit}" if column and column.unit and alert.change != PRICE else ""
    old, new = _value(alert.old_value, longest), _value(alert.new_value, longest)
    if alert.new_value is not None:
        return f"{old} → {new}{unit}"
    return f"{old}{unit} → {new}"


def _value(value: str | None, longest: int = 80) -> str:
    return "not published" if value is None else clean(value, longest) or '""'


_PRECISE: Final = Context(prec=80)
_SHORT: Final = Context(prec=2)
_LARGE: Final = Decimal("1e15")


def _exact_pct(old: str | None, new: str | None) -> Decimal:
    before, after = Decimal(old or 0), Decimal(new or 0)
    return _PRECISE.divide(_PRECISE.multiply(_PRECISE.subtract(after, before), Decimal(100)), before)


def per_cent(old: str | None, new: str | None) -> str:
    """Return a change of a number as text, with two decimals: ``+21 %``, ``-99.99 %``, ``+0.004 %``.

    It is never rounded to -100 %, which is a fall to 0, nor to 0 %: a smaller change has two digits.

    :param old: a number other than 0.
    """
    pct = _exact_pct(old, new)
    size, hundredth = pct.copy_abs(), Decimal("0.01")  # abs() would round
    if size >= _LARGE:
        return f"{float(pct):+.3g} %"
    if size < hundredth:
        return f"{_SHORT.plus(pct):+g} %"
    shown = pct.quantize(hundredth, ROUND_HALF_EVEN, _PRECISE)
    if shown == -100 != pct:
        shown = pct.quantize(hundredth, ROUND_DOWN, _PRECISE)
    return f"{f'{shown:+f}'.rstrip('0').rstrip('.')} %"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _legend(digest: Digest) -> Iterable[str]:
    if any(alert.change == PRICE for alert in digest.alerts):
        yield "Prices are in USD per 1M tokens."
    if any(alert.doubtful for alert in digest.alerts):
        yield (
            f"A price of 0 is doubtful while its last positive value is at most {DOUBTFUL_FOR.days} days "
            "old: it may be an error of the API."
        )


def _bill_blocks(bill: Bill) -> list[Block]:
    total = _dollars(bill.total) if bill.additions else "no known change"
    found: list[Block] = [Heading(f"Monthly bill: {total}", "by all changes of this message")]
    for one in bill.additions[:_MOST_NAMES]:
        kinds = ", ".join(f"{kind.replace('_', ' ')} {amount:+f}" for kind, amount in one.kinds.items())
        found.append(Fact(clean(one.model) or "(no name)", f"{_dollars(one.amount)} ({kinds})"))
    if rest := bill.additions[_MOST_NAMES:]:
        amount = sum_of(one.amount for one in rest)
        found.append(Fact(_counted(len(rest), "more model"), _dollars(amount)))
    if bill.not_counted:
        kinds_of: dict[tuple[str, str], list[str]] = {}
        for left_out in bill.not_counted:
            kinds_of.setdefault((left_out.model, left_out.reason), []).append(left_out.kind or "")
        found.append(Fact("Not counted", _listed(map(_not_counted, kinds_of.items()))))
    return found


def _dollars(amount: Decimal) -> str:
    return f"{amount:+f} USD" if amount else "0.00 USD"


def _not_counted(one: tuple[tuple[str, str], list[str]]) -> str:
    (model, reason), kinds = one
    names = " and ".join(kind.replace("_", " ") for kind in kinds)
    return f"{clean(model)}{' ' if names else ''}{names} ({reason})"


def _listed(texts: Iterable[str]) -> str:
    """Return the first of some texts, and how many more there are."""
    every = list(texts)
    more = len(every) - _MOST_NAMES
    return ", ".join(every[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


_OUTCOMES: Final = {
    "warned": "committed with findings",
    "failed": "stopped by its checks",
}


def data_blocks(data: DataQuality) -> list[Block]:
    """Return how far the data of a digest can be trusted."""
    if data.outcome is None:
        found: list[Block] = [Heading("Data quality: unknown", "the report of the checks cannot be read")]
    else:
        found = [Heading(f"Data quality: {data.outcome}", _OUTCOMES.get(data.outcome, ""))]
    if data.findings:
        found.append(Fact("Findings", _listed(map(_finding, data.findings))))
    found.append(Fact("Quarantine", _quarantine(data)))
    models, before = data.models, data.models_before
    fewer = before - models if before is not None else 0
    compared = f", {fewer} fewer than on {data.previous_date} ({before})" if fewer > 0 else ""
    found.append(Fact("Models", f"{models}{compared}"))
    return found


def _finding(check: CheckResult) -> str:
    column = f" on {clean(check.column)}" if check.column else ""
    return f"{clean(check.check)}{column} ({check.failed} of {check.evaluated})"


def _quarantine(data: DataQuality) -> str:
    if not data.quarantined:
        return "none"
    names = [clean(name, 80) or "(no name)" for name in data.quarantined_names]
    unnamed = data.quarantined - len(names)
    if unnamed > 0:
        names.append(f"{unnamed} without a name")
    refused = _counted(data.quarantined, "record")
    whose = "it" if data.quarantined == 1 else "them"
    return f"{refused} refused, so what changed in {whose} is unknown: {_listed(names)}"
