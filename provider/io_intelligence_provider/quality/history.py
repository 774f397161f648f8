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

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from math import sqrt
from statistics import median
from typing import Any, Final

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.result import (
    MAX_EXAMPLES,
    CheckResult,
    CheckRun,
    ColumnProfile,
    Severity,
)

__all__ = ["DEFAULTS", "LONGEST_WINDOW", "STANDARD", "HistoryChecks", "HistoryRule", "moment", "rules_from"]


_MAD_TO_DEVIATION: Final = 1.4826  # of a normal distribution
_MEDIAN_ERROR: Final = 1.2533  # standard error of a median / that of a mean: the root of pi / 2
_FEW_ROWS: Final = 2


@dataclass(frozen=True)
class HistoryChecks:
    """A set of history checks."""

    rules: tuple[HistoryRule, ...] = ()

    @classmethod
    def from_config(cls, config: object) -> HistoryChecks:
        """Return the checks of a configuration; see
        :func:`~io_intelligence_provider.quality.history.rules_from`.

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
        """
        earlier = [other for other in _one_per_interval(past) if _is_earlier(other, run)]
        results: list[CheckResult] = []
        for rule in self.rules:
            usable = [other for other in earlier if rule.since is None or _place(other) >= rule.since]
            results += _EVALUATE[rule.name](rule, run, usable)
        return results


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
        ages = [age for other in past if (age := _age(other, name)) is not None]
        now = _age(run, name)
        if now is None:
            results.append(_idle(rule, name, "this run's profile has no date or moment in this column"))
        elif rule.max_age_hours is not None:
            examples = [{"age_hours": _short(now), "max_age_hours": rule.max_age_hours}]
            results.append(_result(rule, name, now > rule.max_age_hours, examples))
        else:
            results.append(_compared(rule, name, now, ages, rule.min_change, upwards_only=True))
    return results


def _age(run: CheckRun, column: str) -> float | None:
    """Return the age of the newest value at the time of the check, in hours."""
    for profile in run.profile:
        if profile.column == column and isinstance(profile.max, str):
            try:
                return (run.checked_at - moment(profile.max)).total_seconds() / 3_600
            except ValueError:
                return None
    return None


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


def _columns(
    rule: HistoryRule, run: CheckRun, past: Sequence[CheckRun]
) -> Iterator[tuple[ColumnProfile | CheckResult, list[ColumnProfile]]]:
    """Yield each column to check with its earlier profiles, or a result when there is no profile."""
    lacking = "this run has no profile of its columns" if not run.profile else _too_few(rule, len(past))
    if lacking:  # one result, not one for each of a thousand columns
        yield _idle(rule, None, lacking), []
        return
    names = {profile.column for profile in run.profile}
    for name in rule.columns or ():
        if name not in names:
            yield _idle(rule, name, "there is no such column"), []
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


LONGEST_WINDOW: Final = 100
"""Maximum number of earlier runs that are read; each is a file."""


@dataclass(frozen=True)
class HistoryRule:
    """One history check with its settings.

    :param min_change: a smaller difference from the centre is never flagged.
        ``volume`` and ``numeric_shift``: relative to the centre; ``null_share`` and ``distinct_share``:
        in points of the share (0.05 is five percentage points); ``freshness``: in hours.
    :param deviations: nor is a difference of fewer robust standard deviations (1.4826 x MAD of the past).
    :param min_runs: earlier runs that are needed; with fewer the check is not evaluated, and says so.
    :param window: number of latest earlier runs to compare with, at most 100.
    :param settle: a level that this many latest runs had is the new norm and is not flagged; 0: the norm
        is that of the whole window.
    :param columns: columns to check, all unless given. ``freshness`` checks none unless given.
    :param ignore: columns to leave out.
    :param since: earlier runs before this moment are left out; use it after an intended change.
    :param max_age_hours: ``freshness`` only: maximum age of the newest value, independent of the past.
    """

    name: str
    min_change: float = 0.0
    severity: Severity = "warn"
    deviations: float = 5.0
    min_runs: int = 7
    window: int = 30
    settle: int = 3
    columns: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    since: datetime | None = None
    max_age_hours: float | None = None

    def __post_init__(self) -> None:
        if self.severity not in ("error", "warn"):
            raise ConfigurationError(f"{self.name}: severity is {self.severity!r}; it is error or warn.")
        if not 1 <= self.min_runs <= self.window <= LONGEST_WINDOW:
            raise ConfigurationError(
                f"{self.name}: min_runs is {self.min_runs} and window {self.window}; min_runs is at least 1, "
                f"window at least min_runs and at most {LONGEST_WINDOW}."
            )
        for setting in ("min_change", "deviations", "settle", "max_age_hours"):
            value = getattr(self, setting)
            if value is not None and not 0 <= value < float("inf"):
                raise ConfigurationError(
                    f"{self.name}: {setting} is {value!r}; it is finite and not negative."
                )

    @property
    def needs_history(self) -> bool:
        """Whether the check compares with earlier runs."""
        return self.max_age_hours is None

    def looks_at(self, column: str) -> bool:
        """Return whether the check covers a column."""
        return (self.columns is None or column in self.columns) and column not in self.ignore


DEFAULTS: Final[Mapping[str, HistoryRule]] = {
    rule.name: rule
    for rule in (
        HistoryRule("volume", min_change=0.25),
        HistoryRule("freshness", min_change=1.0, columns=()),
        HistoryRule("null_share", min_change=0.05),
        HistoryRule("distinct_share", min_change=0.1),
        HistoryRule("column_drift", min_runs=1, window=1),
        HistoryRule("numeric_shift", min_change=0.1),
    )
}
"""Every history check with its defaults."""

STANDARD: Final = tuple(name for name in DEFAULTS if name != "freshness")
"""Checks that need no settings; ``freshness`` needs the column that holds the age of the data."""


def rules_from(config: object) -> tuple[HistoryRule, ...]:
    """Return the rules of a configuration.

    :param config: ``True`` for the standard ones, a list of names, or a mapping of names to settings, which
        may be empty. Numbers may be text, because a rendered template gives text.
    :raises ConfigurationError: when a name or a setting is unknown, or a value is wrong.
    """
    if config is None or config is False:
        return ()
    if config is True:
        config = STANDARD
    if isinstance(config, Mapping):
        return tuple(_rule(name, settings or {}) for name, settings in config.items())
    if isinstance(config, Iterable) and not isinstance(config, (str, bytes)):
        return tuple(_rule(name, {}) for name in config)
    raise ConfigurationError(
        f"History checks are {config!r}; give True, names, or a mapping of names to settings."
    )


def _rule(name: object, settings: object) -> HistoryRule:
    if not isinstance(name, str) or name not in DEFAULTS:
        raise ConfigurationError(f"There is no history check {name!r}. There are: {', '.join(DEFAULTS)}.")
    if not isinstance(settings, Mapping):
        raise ConfigurationError(f"{name}: the settings are {settings!r}; give a mapping.")
    if unknown := [key for key in settings if key not in _READ]:
        raise ConfigurationError(f"{name}: unknown settings {unknown}. There are: {', '.join(_READ)}.")
    changes = {key: _setting(name, key, value) for key, value in settings.items()}
    if "window" not in changes and "min_runs" in changes:
        changes["window"] = max(DEFAULTS[name].window, changes["min_runs"])
    return replace(DEFAULTS[name], **changes)


def _setting(name: str, key: str, value: Any) -> Any:
    if value is None:
        return getattr(DEFAULTS[name], key)
    try:
        return _READ[key](value)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{name}: {key} is {value!r}, which cannot be read.") from None


def _names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(column) for column in value)


def moment(value: object) -> datetime:
    """Convert a date, a datetime or its ISO form to a datetime in UTC; a date becomes its midnight.

    :raises ValueError: when ``value`` is none of these.
    """
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError(f"{value!r} is no moment")  # noqa: TRY004 - one error for text and for types
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "min_change": float,
    "severity": str,
    "deviations": float,
    "min_runs": int,
    "window": int,
    "settle": int,
    "columns": _names,
    "ignore": _names,
    "since": moment,
    "max_age_hours": float,
}
"""The converter of each setting; ``None`` leaves the default."""
