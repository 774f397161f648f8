"""Defines the settings of the history checks, and reads them from a configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any, Final

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.result import Severity

__all__ = ["DEFAULTS", "LONGEST_WINDOW", "STANDARD", "HistoryRule", "moment", "rules_from"]


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
    :param columns: columns to check, all unless given; ``freshness`` requires them.
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
        return tuple(_rule(name, {} if settings is None else settings) for name, settings in config.items())
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
    known = [key for key in _READ if key not in _WITHOUT.get(name, ("max_age_hours",))]
    if unknown := [key for key in settings if key not in known]:
        raise ConfigurationError(f"{name}: unknown settings {unknown}. There are: {', '.join(known)}.")
    changes = {key: _setting(name, key, value) for key, value in settings.items()}
    if "window" not in changes and "min_runs" in changes:
        changes["window"] = max(DEFAULTS[name].window, changes["min_runs"])
    rule = replace(DEFAULTS[name], **changes)
    if name == "freshness" and not rule.columns:
        raise ConfigurationError(
            "freshness: columns is missing; name the date or timestamp columns to check."
        )
    return rule


def _setting(name: str, key: str, value: Any) -> Any:
    if value is None:
        return getattr(DEFAULTS[name], key)
    try:
        return _READ[key](value)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{name}: {key} is {value!r}, which cannot be read.") from None


def _names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(column) for column in value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(value)
    return float(value)


def _count(value: Any) -> int:
    number = _number(value)
    if not number.is_integer():
        raise ValueError(value)
    return int(number)


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
    "min_change": _number,
    "severity": str,
    "deviations": _number,
    "min_runs": _count,
    "window": _count,
    "settle": _count,
    "columns": _names,
    "ignore": _names,
    "since": moment,
    "max_age_hours": _number,
}
"""The converter of each setting; ``None`` leaves the default."""

_WITHOUT: Final = {"volume": ("columns", "ignore", "max_age_hours"), "freshness": ("ignore",)}
"""Settings that a check does not have; all others lack ``max_age_hours``."""
