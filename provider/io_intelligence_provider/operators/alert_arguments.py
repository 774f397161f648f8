"""What the alert operator's arguments may be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowRuntimeError

from io_intelligence_provider.changes.rules import AlertRule, RulesSource, rules_from
from io_intelligence_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier

__all__ = ["by_key", "read_rules"]

_SUFFIXES = (".yaml", ".yml", ".json")


def read_rules(source: object, folder: Path) -> tuple[AlertRule, ...]:
    """Return the rules of a rendered argument.

    A text of more than one line, or one that starts like a list or a mapping, is YAML or JSON. Of the
    others one that ends like such a file is a path, and the rest are names of Airflow Variables.

    :param folder: where relative paths start.
    :raises ConfigurationError: when it holds no rules, or the Variable is not there.
    """
    if isinstance(source, str):
        text = source.strip()
        if "\n" not in text and not text.startswith(("[", "{", "- ")):
            source = Path(text) if text.endswith(_SUFFIXES) else _variable(text)
    if isinstance(source, Path):
        source = folder / source
    rules: RulesSource = source  # type: ignore[assignment]  # rules_from checks what it is
    return rules_from(rules)


def _variable(name: str) -> str:
    try:
        return str(Variable.get(name))
    except (AirflowRuntimeError, KeyError):
        raise ConfigurationError(
            f"There is no Airflow Variable {name!r} with alert rules. Give rules as a list, as YAML or JSON "
            f"text, as the path of a file ({', '.join(_SUFFIXES)}), or as the name of a Variable."
        ) from None


def by_key(notifiers: Sequence[BaseNotifier]) -> dict[str, BaseNotifier]:
    """Return the notifiers by what the ledger knows them by.

    :raises ConfigurationError: when two have one class and one ``key``.
    """
    from io_intelligence_provider.changes.ledger import notifier_key  # brings the store along

    found: dict[str, BaseNotifier] = {}
    for position, notifier in enumerate(notifiers):
        key = notifier_key(notifier, position)
        if key in found:
            raise ConfigurationError(
                f"Two notifiers are {key!r} to the ledger; give each a `key` of its own."
            )
        found[key] = notifier
    return found
