"""The operator that sends what changed, once, through any Airflow notifier; its arguments and the sending."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from airflow.sdk import BaseNotifier, BaseOperator, Variable
from airflow.sdk.exceptions import AirflowRuntimeError

from io_intelligence_provider.alerts.rules import AlertRule, RulesSource, rules_from
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.hooks.store import open_store
from io_intelligence_provider.operators.common import refuse_locations, run_day
from io_intelligence_provider.operators.links import ChangesLink, changes_url

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier, Context

    from io_intelligence_provider.alerts.message import DigestMessage

__all__ = ["CONTEXT_NAME", "IOIntelligenceAlertOperator", "Rules", "by_key", "notify", "read_rules"]


Rules: TypeAlias = RulesSource | Callable[..., RulesSource]


class IOIntelligenceAlertOperator(BaseOperator):
    """Send each notifier one digest of the changes that the rules ask for, and that it was not sent yet.

    Templates of the notifiers find the digest as ``io_intelligence``: ``.subject``, ``.text``,
    ``.markdown``, ``.html``, ``.slack_blocks``, ``.count``, ``.to_dict()``. Without notifiers it is
    written to the task's log. A run whose date has no snapshot is skipped.

    The digest ends with a link to the page when ``[api] base_url`` is set and the page shows this store.

    Every notifier is tried; after each success a ledger says so, and a retry sends only what is missing.

    :param rules: a list of :class:`~io_intelligence_provider.alerts.rules.AlertRule` or of their
        mappings; YAML or JSON text; the path of such a file, a relative one from the Dag's file on; or
        the name of an Airflow Variable that holds such text.
    :param notifiers: any Airflow notifiers. A ``key`` attribute names one in the ledger, else its position.
    :param root: root of the store, a local path or an fsspec URL; ``[io_intelligence] root`` unless given.
    :param storage_conn_id: Airflow connection of the object store.
    :returns: ``snapshot_date``, ``sent`` (number of changes by notifier), ``nothing_new`` (the others).
    :raises ConfigurationError: when a rule is wrong, or two notifiers cannot be told apart.
    :raises NotificationError: when a notifier failed, after all were tried.
    :raises StorageError: when a file cannot be read or written.
    """

    template_fields: Sequence[str] = ("rules", "root", "storage_conn_id")
    operator_extra_links = (ChangesLink(),)

    def __init__(
        self,
        *,
        rules: Rules,
        notifiers: Sequence[BaseNotifier] = (),
        root: str | None = None,
        storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_locations(root=root)
        super().__init__(**kwargs)
        self.rules = rules
        self.notifiers = notifiers
        self.root = root
        self.storage_conn_id = storage_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Tell what is new of the run's date."""
        from io_intelligence_provider.alerts.evaluate import evaluate
        from io_intelligence_provider.alerts.message import DigestMessage
        from io_intelligence_provider.alerts.send import send_pending

        store = open_store(self.root, self.storage_conn_id)
        day = run_day(context, store)
        rules = read_rules(self.rules, Path(context["dag"].fileloc).parent)
        link = changes_url(day, self.root, self.storage_conn_id)
        senders = {
            key: partial(notify, notifier, context) for key, notifier in by_key(self.notifiers).items()
        }
        if not senders and (digest := evaluate(store, rules, day)):
            self.log.info("There is no notifier to tell:\n%s", DigestMessage(digest, link=link).text)
        run_id = context["dag_run"].run_id
        return send_pending(store, rules, senders, day, run_id, link=link).to_dict()


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
    from io_intelligence_provider.alerts.ledger import notifier_key  # brings the store along

    found: dict[str, BaseNotifier] = {}
    for position, notifier in enumerate(notifiers):
        key = notifier_key(notifier, position)
        if key in found:
            raise ConfigurationError(
                f"Two notifiers are {key!r} to the ledger; give each a `key` of its own."
            )
        found[key] = notifier
    return found


CONTEXT_NAME: Final = "io_intelligence"

_OBJECTS: Final = {
    "slack_blocks": lambda message: message.slack_blocks,
    "to_dict()": lambda message: message.to_dict(),
}
"""What a template can ask for that is no text."""

_WHOLE: Final = re.compile(rf"\s*{{{{-?\s*{CONTEXT_NAME}\.({'|'.join(map(re.escape, _OBJECTS))})\s*-?}}}}\s*")


def notify(notifier: BaseNotifier, context: Context, message: DigestMessage) -> None:
    """Render a copy of a notifier with the message in its context, and send it.

    Rendering writes over a notifier's own fields, and would send the next run this run's message.
    """
    fresh = copy.copy(notifier)
    for field in getattr(fresh, "template_fields", ()):
        setattr(fresh, field, _with_objects(getattr(fresh, field), message))
    # A copy of the context, too: notifiers add their fields to it.
    fresh({**context, CONTEXT_NAME: message})


@dataclass(frozen=True)
class _AsItIs:
    """A value that Airflow's templating asks for with ``resolve`` and does not render: names are foreign."""

    value: Any

    def resolve(self, context: Context) -> Any:  # noqa: ARG002 - Airflow gives it
        return self.value


def _with_objects(value: Any, message: DigestMessage) -> Any:
    """Put objects in the place of templates that are nothing but one of them: a template makes text."""
    if isinstance(value, str):
        found = _WHOLE.fullmatch(value)
        return _AsItIs(_OBJECTS[found.group(1)](message)) if found else value
    if type(value) in (list, tuple):
        return type(value)(_with_objects(item, message) for item in value)
    if type(value) is dict:
        return {key: _with_objects(item, message) for key, item in value.items()}
    return value
