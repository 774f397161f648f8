"""Compares a run with the earlier runs on the same data set.

Of each data interval, only the latest run is part of the history, so that a day that is checked again and
again counts once. A run without a data interval stands for itself.

Every check but ``column_drift`` compares a figure of this run with the median of the same figure over the
earlier runs. It flags a difference of more than ``deviations`` robust standard deviations and more than
``min_change``, unless the latest ``settle`` runs had that level already. The median and the MAD (median
absolute deviation) are used because a few outliers among the earlier runs do not move them, unlike a mean and
a standard deviation (Hampel's identifier; Leys et al. 2013, "Detecting outliers",
doi 10.1016/j.jesp.2013.03.013).

For small tables, a change of a share that one or two rows explain is not flagged, nor is a median that moved
by less than twice its standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt
from statistics import median
from typing import Any, Final

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.history_rules import DEFAULTS, STANDARD, HistoryRule, rules_from
from io_intelligence_provider.quality.result import (
    MAX_EXAMPLES,
    CheckResult,
    CheckRun,
    ColumnProfile,
)
from io_intelligence_provider.text import cut

__all__ = ["DEFAULTS", "STANDARD", "HistoryChecks", "HistoryRule", "rules_from"]


_MAD_TO_DEVIATION: Final = 1.4826  # of a normal distribution
_MEDIAN_ERROR: Final = 1.2533  # standard error of a median / that of a mean: the root of pi / 2
_FEW_ROWS: Final = 2
_CLOCKS_DIFFER: Final = 1.0
"""Hours by which the newest value may be after the check."""
_ZONES_DIFFER: Final = 15.0
"""The same for a date and for a time without a zone: local time is up to 14 hours ahead of UTC."""


@dataclass(frozen=True)
class HistoryChecks:
    """A set of history checks."""

    rules: tuple[HistoryRule, ...] = ()

    @classmethod
    def from_config(cls, config: object) -> HistoryChecks:
        """Return the checks of a configuration; see
        :func:`~io_intelligence_provider.quality.history_rules.rules_from`.

        :raises ConfigurationError: when a name or a setting is unknown, or a value is wrong.
        """
        return config if isinstance(config, cls) else cls(rules_from(config))

    def evaluate(self, run: CheckRun, past: Iterable[CheckRun]) -> list[CheckResult]:
        """Compare a run with earlier ones on the same data set.

        Runs of the same data interval are left out, and the run itself. So are intervals whose latest run was
        stopped, so that refused data does not become the norm.

        :param past: earlier runs, in any order.
        :returns: results of level ``dataset``, one per column for checks of columns. A check that cannot be
            evaluated has ``evaluated`` 0, and its example says why.
        :raises ConfigurationError: when a setting names a column that the data do not have.
        """
        earlier = [other for other in _one_per_interval(past) if _is_earlier(other, run)]
        results: list[CheckResult] = []
        for rule in self.rules:
            usable = [other for other in earlier if rule.since is None or _place(other) >= rule.since]
            _refuse_unknown_columns(rule, run, usable)
            results += _EVALUATE[rule.name](rule, run, usable)
        return results


def _refuse_unknown_columns(rule: HistoryRule, run: CheckRun, past: Sequence[CheckRun]) -> None:
    # A column that has vanished is known to `column_drift`, which reports it.
    runs = [run, *past] if rule.name == "column_drift" else [run]
    known = dict.fromkeys(name for other in runs for name in _column_names(other))
    if known and (unknown := [name for name in (*(rule.columns or ()), *rule.ignore) if name not in known]):
        raise ConfigurationError(
            f"{rule.name}: {run.dataset} has no column {', '.join(map(repr, unknown))}. "
            f"It has {cut(', '.join(known), 1_000)}."
        )


def _column_names(run: CheckRun) -> list[str]:
    return [*dict(run.columns), *(profile.column for profile in run.profile)]


def _one_per_interval(runs: Iterable[CheckRun]) -> list[CheckRun]:
    """Return, in order, the latest run of each data interval and every run without one, less stopped ones."""
    latest: dict[datetime | str, CheckRun] = {}
    for run in sorted(runs, key=lambda run: run.checked_at):
        latest[run.run_id if run.data_interval_start is None else run.data_interval_start] = run
    return sorted((run for run in latest.values() if run.outcome != "failed"), key=_place)


def _place(run: CheckRun) -> datetime:
    """Return the position of a run in the history."""
    return run.checked_at if run.data_interval_start is None else run.data_interval_start


def _is_earlier(other: CheckRun, run: CheckRun) -> bool:
    if other.run_id == run.run_id:
        return False
    if other.data_interval_start is None or run.data_interval_start is None:
        return other.checked_at < run.checked_at
    return other.data_interval_start < run.data_interval_start


def _volume(rule: HistoryRule, run: CheckRun, past: Sequence[CheckRun]) -> list[CheckResult]:
    counts = [other.rows for other in past]
    return [_compared(rule, None, run.rows, counts, relative=rule.min_change)]


def _null_share(rule: HistoryRule, run: CheckRun, past: Sequence[CheckRun]) -> list[CheckResult]:
    return _per_column(rule, run, past, lambda column: column.null_share, "no rows")


def _distinct_share(rule: HistoryRule, run: CheckRun, past: Sequence[CheckRun]) -> list[CheckResult]:
    return _per_column(rule, run, past, lambda column: column.distinct_share, "no values to tell apart")


def _per_column(
    rule: HistoryRule,
    run: CheckRun,
    past: Sequence[CheckRun],
    figure: Callable[[ColumnProfile], float | None],
    lacks: str,
) -> list[CheckResult]:
    results = []
    for column, before in _columns(rule, run, past):
        if isinstance(column, CheckResult):
            results.append(column)
            continue
        now = figure(column)
        series = [value for other in before if (value := figure(other)) is not None]
        if now is not None:
            floor = max(rule.min_change, _FEW_ROWS / column.rows)
            results.append(_compared(rule, column.column, now, series, floor))
        elif series or rule.columns is not None:  # not for a column that never had values
            results.append(_idle(rule, column.column, f"there are {lacks}"))
    return results


def _numeric_shift(rule: HistoryRule, run: CheckRun, past: Sequence[CheckRun]) -> list[CheckResult]:
    results = []
    for column, before in _columns(rule, run, past):
        if isinstance(column, CheckResult):
            results.append(column)
        elif column.median is not None:
            medians = [other.median for other in before if other.median is not None]
            results.append(
                _compared(
                    rule, column.column, column.median, medians, _least_shift(rule, column, before),
                    relative=rule.min_change,
                )
            )  # fmt: skip
        elif any(other.median is not None for other in before):
            results.append(_idle(rule, column.column, "there are no numbers this time"))
    return results


def _least_shift(rule: HistoryRule, column: ColumnProfile, before: Sequence[ColumnProfile]) -> float:
    """Return the absolute shift of a median that is never flagged."""
    # The usual spread, not today's: that grows with the numbers and would hide a thousandfold increase.
    spread = median([other.mad for other in before if other.mad is not None] or [0.0])
    error = _MEDIAN_ERROR * _MAD_TO_DEVIATION * spread / sqrt(max(column.rows - column.nulls, 1))
    # A relative change means nothing for a column around 0, so the spread is used too.
    return max(2 * error, rule.min_change * spread)


def _freshness(rule: HistoryRule, run: CheckRun, past: Sequence[CheckRun]) -> list[CheckResult]:
    results = []
    for name in rule.columns or ():
        _refuse_without_time(rule, run, name)
        ages = [age for other in past if (age := _age(other, name)) is not None and age >= -_ZONES_DIFFER]
        now = _age(run, name)
        if run.rows and not run.profile:
            results.append(_idle(rule, name, _NO_PROFILE))
        elif now is None:
            results.append(_result(rule, name, True, [{"message": "there are no values"}]))
        elif now < -(_CLOCKS_DIFFER if _has_zone(run, name) else _ZONES_DIFFER):
            message = "the newest value is in the future, so the age of the data is unknown"
            results.append(_result(rule, name, True, [{"age_hours": _short(now), "message": message}]))
        elif rule.max_age_hours is not None:
            examples = [{"age_hours": _short(now), "max_age_hours": rule.max_age_hours}]
            results.append(_result(rule, name, now > rule.max_age_hours, examples))
        else:
            results.append(_compared(rule, name, now, ages, rule.min_change, upwards_only=True))
    return results


def _refuse_without_time(rule: HistoryRule, run: CheckRun, column: str) -> None:
    kind = dict(run.columns).get(column, "null")
    if not kind.startswith(("timestamp", "date", "null")):
        raise ConfigurationError(
            f"{rule.name}: {column!r} is of the type {kind}; a date or timestamp has an age."
        )


def _newest(run: CheckRun, column: str) -> datetime | None:
    text = next((profile.max for profile in run.profile if profile.column == column), None)
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _has_zone(run: CheckRun, column: str) -> bool:
    newest = _newest(run, column)
    return newest is not None and newest.tzinfo is not None


def _age(run: CheckRun, column: str) -> float | None:
    """Return the age of the newest value at the time of the check, in hours."""
    if (newest := _newest(run, column)) is None:
        return None
    # Not converted to UTC, which would leave the range of a datetime at the end of the year 9999.
    newest = newest if newest.tzinfo else newest.replace(tzinfo=UTC)
    return (run.checked_at - newest).total_seconds() / 3_600


def _column_drift(rule: HistoryRule, run: CheckRun, past: Sequence[CheckRun]) -> list[CheckResult]:
    before = next((dict(other.columns) for other in reversed(past) if other.columns), None)
    if before is None:
        return [_idle(rule, None, str(_too_few(rule, 0)))]
    now = dict(run.columns)
    names = [name for name in {**before, **now} if rule.looks_at(name)]
    drifted: list[dict[str, Any]] = [
        {"column": name, "old_type": before.get(name), "new_type": now.get(name)}
        for name in names
        if before.get(name) != now.get(name)
    ]
    return [
        CheckResult(
            rule.name, None, "dataset", rule.severity, len(names), len(drifted), drifted[:MAX_EXAMPLES]
        )
    ]


_NO_PROFILE: Final = "this run has no profile of its columns"


def _columns(
    rule: HistoryRule, run: CheckRun, past: Sequence[CheckRun]
) -> Iterator[tuple[ColumnProfile | CheckResult, list[ColumnProfile]]]:
    """Yield each column to check with its earlier profiles, or a result when there is no profile."""
    lacking = _NO_PROFILE if not run.profile else _too_few(rule, len(past))
    if lacking:  # one result, not one for each of a thousand columns
        yield _idle(rule, None, lacking), []
        return
    names = {profile.column for profile in run.profile}
    for name in rule.columns or ():
        if name not in names:
            yield _idle(rule, name, "this run has no profile of this column"), []
    earlier: dict[str, list[ColumnProfile]] = {}
    for other in past:
        for profile in other.profile:
            earlier.setdefault(profile.column, []).append(profile)
    for profile in run.profile:
        if rule.looks_at(profile.column):
            yield profile, earlier.get(profile.column, [])


def _compared(
    rule: HistoryRule,
    column: str | None,
    now: float,
    series: Sequence[float],
    floor: float = 0.0,
    *,
    relative: float = 0.0,
    upwards_only: bool = False,
) -> CheckResult:
    """Compare a figure with those of earlier runs.

    :param floor: a difference from the centre that is never flagged.
    :param relative: the same, as a share of the centre.
    """
    series = series[-rule.window :]
    if lacking := _too_few(rule, len(series)):
        return _idle(rule, column, lacking)
    centre = median(series)
    deviation = _MAD_TO_DEVIATION * median(abs(value - centre) for value in series)
    tolerance = max(rule.deviations * deviation, floor, relative * abs(centre))
    difference = now - centre if upwards_only else abs(now - centre)
    fine = max(floor, relative * abs(now))
    settled = bool(rule.settle) and all(abs(now - value) <= fine for value in series[-rule.settle :])
    figures = {"value": now, "usual": centre, "tolerance": tolerance}
    example = {name: _short(value) for name, value in figures.items()} | {"runs": len(series)}
    return _result(rule, column, difference > tolerance and not settled, [example])


def _too_few(rule: HistoryRule, have: int) -> str | None:
    """Return a message when the history is too short, else ``None``."""
    if have >= rule.min_runs:
        return None
    return f"earlier runs needed: {rule.min_runs}, on file: {have}"


def _result(
    rule: HistoryRule, column: str | None, flagged: bool, examples: list[dict[str, Any]]
) -> CheckResult:
    shown = examples if flagged else []
    return CheckResult(rule.name, column, "dataset", rule.severity, 1, int(flagged), shown)


def _idle(rule: HistoryRule, column: str | None, why: str) -> CheckResult:
    return CheckResult(
        rule.name, column, "dataset", rule.severity, 0, 0, [{"message": f"not evaluated: {why}"}]
    )


def _short(value: float) -> float | int:
    return value if isinstance(value, int) else float(f"{value:.6g}")


_EVALUATE: Final[dict[str, Callable[[HistoryRule, CheckRun, Sequence[CheckRun]], list[CheckResult]]]] = {
    "volume": _volume,
    "freshness": _freshness,
    "null_share": _null_share,
    "distinct_share": _distinct_share,
    "column_drift": _column_drift,
    "numeric_shift": _numeric_shift,
}
