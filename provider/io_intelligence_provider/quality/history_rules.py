"""What a history check is told: which columns, how far is too far, how much history it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any, Final

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.report import Severity

__all__ = ["DEFAULTS", "LONGEST_WINDOW", "STANDARD", "HistoryRule", "moment", "rules_from"]

LONGEST_WINDOW: Final = 100
"""Earlier runs that are read at most: each is a file."""


@dataclass(frozen=True)
class HistoryRule:
    """One history check with its settings.

    :param min_change: a smaller difference from the centre is never flagged, however steady the past was.
        ``volume`` and ``numeric_shift``: relative to the centre; ``null_share`` and ``distinct_share``:
        in points of the share (0.05 is five percentage points); ``freshness``: in hours.
    :param deviations: nor is one of fewer robust standard deviations (1.4826 x MAD of the past).
    :param min_runs: earlier runs that are needed; with fewer the check is not evaluated, and says so.
    :param window: the latest so many earlier runs are looked at, at most 100.
    :param settle: a level that the latest so many runs had is the new norm and is not flagged again; 0: only
        what the whole window says is the norm.
    :param columns: columns to look at, all unless given. ``freshness`` looks at none unless given.
    :param ignore: columns to leave out.
    :param since: earlier runs before this moment are left out: what follows a change that is meant.
    :param max_age_hours: ``freshness`` only: the newest value may be at most as old, whatever the past says.
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

    def looks_at(self, column: str) -> bool:
        """Tell whether a column is one of those that the check looks at."""
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
"""Those that need to be told nothing: which column tells the age of the data, only the user knows."""


def rules_from(config: object) -> tuple[HistoryRule, ...]:
    """Return the rules of a configuration.

    :param config: ``True``: the standard ones; a list of names; or a mapping of names to settings, each
        mapping of settings may be empty. Numbers may be text, as they are after a template was rendered.
    :raises ConfigurationError: when a name or a setting is unknown or has no such value.
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
    """Return a date, a moment or its ISO form as a moment in UTC; a date is its first.

    :raises ValueError: when it is none.
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
"""How each setting is read; ``None`` leaves the default."""
