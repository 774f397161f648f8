"""Defines alert rules, and reads them from Python, YAML and JSON."""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from io_intelligence_provider.changes.kinds import (
    EXTRA,
    FIELDS,
    KINDS,
    NUMERIC_FIELDS,
    PRICE,
    QUARANTINED,
    QUOTA,
    extra_field,
    kind_of,
)
from io_intelligence_provider.errors import ConfigurationError

__all__ = ["AlertRule", "Globs", "RulesSource", "read_source", "rules_from"]


Globs: TypeAlias = str | Sequence[str]
"""One glob or several, any of which may match; case-sensitive."""

_OLDEST: Final = 36_500  # days; a longer span could leave the range of dates


@dataclass(frozen=True)
class AlertRule:
    """Selects the changes to send a message about.

    :param name: the name of the rule, which the ledger also uses.
    :param changes: kinds of change; also ``quarantined``: a known model whose record was refused. It is
        reported once until the model is back, whatever the ``baseline``.
    :param fields: globs for the columns of ``models.parquet``, and for the keys of ``extra`` as
        ``extra.<key>``. A change of a whole model (added, removed) has no field and matches any ``fields``.
    :param models: globs for the names of models.
    :param min_pct: the smallest change in per cent, up or down. A change whose per cent is null matches.
    :param direction: ``up`` or ``down``: only numbers that rose, or that fell. A change from or to null is
        neither.
    :param baseline: ``previous``: compare with the day before; ``last_alert``: with the value of the last
        alert, or the first value in the store; a number: with the value that many days before.
    :raises ConfigurationError: when a value is unknown or can never match.
    """

    name: str
    changes: Sequence[str] = (PRICE, QUOTA)
    fields: Globs = "*"
    models: Globs = "*"
    min_pct: float | None = None
    direction: Literal["up", "down"] | None = None
    baseline: Literal["previous", "last_alert"] | int = "previous"

    def __post_init__(self) -> None:
        name: object = self.name  # YAML may give a value of any type
        if not isinstance(name, str) or not name.strip():
            raise ConfigurationError(f"An alert rule needs a name, not {name!r}.")
        for part in ("changes", "fields", "models"):
            object.__setattr__(self, part, self._texts(part))
        for kind in self.changes:
            self._one_of("changes", kind, (*KINDS, QUARANTINED))
        if self.direction is not None:
            self._one_of("direction", self.direction, ("up", "down"))
        self._check_fields()
        self._check_direction()
        self._check_min_pct()
        self._check_baseline()

    def _texts(self, part: str) -> tuple[str, ...]:
        value = getattr(self, part)
        texts = (value,) if isinstance(value, str) else value
        if not isinstance(texts, Sequence) or not texts:
            raise self._wrong(part, value, "give a text or a list of texts")
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise self._wrong(part, value, "give texts that are not blank")
        return tuple(texts)

    def _one_of(self, part: str, value: object, known: Sequence[str]) -> None:
        if value not in known:
            raise self._wrong(part, value, f"known are {', '.join(known)}")

    def _check_fields(self) -> None:
        possible = [field for field in FIELDS if kind_of(field) in self.changes]
        for glob in self.fields:
            if glob != "*" and not any(_may_match(glob, field) for field in possible):
                shown = [extra_field("<key>") if field == EXTRA else field for field in possible]
                known = ", ".join(shown) or "none: those changes are of whole models"
                raise self._wrong("fields", glob, f"fields of {', '.join(self.changes)} are {known}")

    def _check_direction(self) -> None:
        # A quarantine has no direction, and is reported whatever the rule's.
        if self.direction is None or QUARANTINED in self.changes:
            return
        if not any(self.reads(field) for field in NUMERIC_FIELDS):
            raise self._wrong("direction", self.direction, "none of the fields that it selects is a number")

    def _check_min_pct(self) -> None:
        value = self.min_pct
        if value is None:
            return
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            raise self._wrong("min_pct", value, "give a number")
        if not math.isfinite(value) or value < 0:
            raise self._wrong("min_pct", value, "give a number that is 0 or more")

    def _check_baseline(self) -> None:
        value = self.baseline
        if isinstance(value, int) and not isinstance(value, bool):
            if not 1 <= value <= _OLDEST:
                raise self._wrong("baseline", value, f"give 1 to {_OLDEST} days")
        elif value not in ("previous", "last_alert"):
            raise self._wrong("baseline", value, "give previous, last_alert or a number of days")

    def _wrong(self, part: str, value: object, known: str) -> ConfigurationError:
        return ConfigurationError(f"Alert rule {self.name!r}: {part} {value!r}: {known}.")

    def wants(self, change: str, name: str, field: str | None) -> bool:
        """Return whether the rule selects this kind of change, model and field."""
        listed = field is None or any(fnmatchcase(field, glob) for glob in self.fields)
        return listed and change in self.changes and any(fnmatchcase(name, glob) for glob in self.models)

    def reads(self, column: str) -> bool:
        """Return whether the rule may select a change of a column, for any model and any key of ``extra``."""
        return kind_of(column) in self.changes and any(_may_match(glob, column) for glob in self.fields)

    def passes(self, old: str | None, new: str | None, pct: float | None, direction: str | None) -> bool:
        """Return whether a change is large enough and of the right direction.

        The threshold is compared with the decimal values, not with ``pct``, which is rounded to a binary
        fraction: a change of exactly 5 per cent must pass ``min_pct`` 5.
        """
        if self.direction is not None and direction != self.direction:
            return False
        if self.min_pct is None or pct is None or old is None or new is None:
            return True
        before, after, least = Fraction(old), Fraction(new), Fraction(str(self.min_pct))
        return abs(after - before) * 100 >= least * abs(before)


_LITERAL: Final = re.compile(r"[^*?\[]*")


def _may_match(glob: str, column: str) -> bool:
    """Return whether a glob matches a column or, for ``extra``, could match one of its keys."""
    if column != EXTRA:
        return fnmatchcase(column, glob)
    found = _LITERAL.match(glob)
    start, prefix = found.group() if found else "", extra_field("")
    return start.startswith(prefix) or (start != glob and prefix.startswith(start))


RulesSource: TypeAlias = str | os.PathLike[str] | Mapping[str, Any] | Sequence[Any]
"""YAML or JSON text, a path object, a mapping with ``rules``, or a list of rules or mappings."""


def rules_from(source: RulesSource) -> tuple[AlertRule, ...]:
    """Return validated rules.

    A string is JSON or YAML, never the name of a file: give a ``Path`` to read a file.

    :raises ConfigurationError: when the source cannot be read, an entry has an unknown key or value, two
        rules have the same name, or there is no rule.
    """
    value = read_source(source, "alert rules")
    if isinstance(value, Mapping):
        if set(value) != {"rules"}:
            keys = ", ".join(map(str, value))
            raise ConfigurationError(
                f"Alert rules are a list, or a mapping with the one key rules, not {keys}."
            )
        value = value["rules"]
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ConfigurationError("Alert rules are a list of at least one rule.")
    rules = tuple(_rule(entry) for entry in value)
    names = [rule.name for rule in rules]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigurationError(
            f"Two alert rules are called {min(twice)!r}; the ledger needs one name each."
        )
    return rules


def read_source(source: RulesSource, what: str) -> Any:
    """Return the content of a file, of YAML or JSON text, or a value as it is.

    :param what: what the source holds, for the error.
    :raises ConfigurationError: when it cannot be read, is neither JSON nor YAML, or has a key twice.
    """
    if isinstance(source, os.PathLike):
        path = Path(source)
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"Cannot read the {what} {path}: {error}") from None
    return _parsed(source, what) if isinstance(source, str) else source


def _parsed(text: str, what: str) -> Any:
    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _check_keys((key for key, _ in pairs), what)
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=mapping)
    except ValueError:
        import yaml  # a dependency of Airflow
    except RecursionError:
        raise ConfigurationError(f"The {what} are nested too deeply to be read.") from None

    class Loader(yaml.SafeLoader):
        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            # Before `<<` is merged: a key may replace one that it brings.
            _check_keys((key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)), what)
            return node

    try:
        return yaml.load(text, Loader)  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, ValueError, AttributeError) as error:  # of a value such as 2026-13-45
        raise ConfigurationError(f"The {what} are neither JSON nor YAML: {error}") from None
    except RecursionError:
        raise ConfigurationError(f"The {what} are nested too deeply to be read.") from None


def _check_keys(keys: Iterable[str], what: str) -> None:
    """Reject a key that one mapping has twice: the parsers silently keep the last value."""
    if twice := [key for key, count in Counter(keys).items() if count > 1]:
        raise ConfigurationError(f"The {what} have {twice[0]!r} twice in one mapping; keep one of them.")


def _rule(entry: object) -> AlertRule:
    if isinstance(entry, AlertRule):
        return entry
    if not isinstance(entry, Mapping):
        raise ConfigurationError(f"An alert rule is a mapping, not {entry!r}.")
    known = [item.name for item in fields(AlertRule)]
    if unknown := [key for key in entry if key not in known]:
        raise ConfigurationError(
            f"Alert rule {entry.get('name')!r}: unknown {unknown[0]!r}; known are {', '.join(known)}."
        )
    if "name" not in entry:
        raise ConfigurationError(f"An alert rule needs a name: {dict(entry)!r}.")
    return AlertRule(**entry)
