"""Defines the operator that sends each change once, through any Airflow notifiers."""

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
from io_intelligence_provider.changes.kinds import KINDS
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.hooks.store import open_store, traffic_text
from io_intelligence_provider.operators.common import processed_date, refuse_locations, run_day
from io_intelligence_provider.operators.results import ChangesLink, changes_view, page_link, page_url, run_url

if TYPE_CHECKING:
    from airflow.sdk import Context

    from io_intelligence_provider.alerts.digest import Digest
    from io_intelligence_provider.alerts.rendering import Message
    from io_intelligence_provider.alerts.traffic import Traffic

__all__ = [
    "CONTEXT_NAME",
    "IOIntelligenceAlertOperator",
    "Rules",
    "by_key",
    "notify",
    "read_rules",
    "read_traffic",
    "refuse_single",
]


Rules: TypeAlias = RulesSource | Callable[..., RulesSource]


class IOIntelligenceAlertOperator(BaseOperator):
    """Send each notifier one digest of the changes that match the rules and that it was not sent yet.

    The changes are those of the snapshot of the run's date. A run whose date has no snapshot is skipped.
    Templates of the notifiers can use the digest as ``io_intelligence``: ``.subject``, ``.text``,
    ``.markdown``, ``.html``, ``.slack_blocks``, ``.count``, ``.to_dict()``. Without notifiers the digest is
    written to the task's log.

    The digest ends with links to the page, if it shows this store, and to the task's run, when ``[api]
    base_url`` is set.

    Every notifier is tried. Each success is recorded in a ledger, so that a retry sends only what is missing.

    Templated arguments: ``rules``, ``traffic``, ``root``, ``storage_conn_id``.
    The result has ``snapshot_date``, ``sent`` (number of changes by notifier), ``nothing_new`` (the others).

    :param rules: a list of :class:`~io_intelligence_provider.alerts.rules.AlertRule` or of mappings with the
        same keys; YAML or JSON text; the path of such a file, relative to the folder of the Dag's file; or
        the name of an Airflow Variable with such text. By default the Variable
        ``io_intelligence_alert_rules``.
    :param traffic: tokens a month of each model, ``{model: {"input", "output", "cache_read",
        "cache_write"}}``, in the same forms: the digest says what the price changes add to the monthly bill.
        By default the Variable ``io_intelligence_traffic``, if there is one.
    :param notifiers: any Airflow notifiers. The ledger identifies one by its class with its ``key``
        attribute, or else with its position.
    :param root: root of the store, a local path or an fsspec URL; ``[io_intelligence] root`` by default.
    :param storage_conn_id: Airflow connection of the object store.
    :raises ConfigurationError: when a rule or the traffic is invalid, ``notifiers`` is no list, or two have
        the same class and ``key``.
    :raises NotificationError: when a notifier failed, after all were tried.
    :raises StorageError: when a file cannot be read or written.
    """

    template_fields: Sequence[str] = ("rules", "traffic", "root", "storage_conn_id")
    operator_extra_links = (ChangesLink(),)

    def __init__(
        self,
        *,
        rules: Rules | None = None,
        notifiers: Sequence[BaseNotifier] = (),
        traffic: Rules | None = None,
        root: str | None = None,
        storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_locations(root=root)
        refuse_single(notifiers)
        super().__init__(**kwargs)
        self.rules = rules
        self.notifiers = notifiers
        self.traffic = traffic
        self.root = root
        self.storage_conn_id = storage_conn_id
        self.page_link = ""

    def execute(self, context: Context) -> dict[str, Any]:
        """Send the new changes of the run's date."""
        from io_intelligence_provider.alerts.evaluate import evaluate
        from io_intelligence_provider.alerts.message import DigestMessage
        from io_intelligence_provider.alerts.send import send_pending

        store = open_store(self.root, self.storage_conn_id)
        view = changes_view(processed_date(context, store))
        self.page_link = page_link(view, self.root, self.storage_conn_id)
        day = run_day(context, store)
        folder = Path(context["dag"].fileloc).parent
        rules = read_rules(self.rules, folder)
        traffic = read_traffic(self.traffic, folder)
        link = page_url(view, self.root, self.storage_conn_id)
        run_link = run_url(context)
        senders = {
            key: partial(notify, notifier, context) for key, notifier in by_key(self.notifiers).items()
        }
        run_id = context["dag_run"].run_id
        summary = send_pending(
            store, rules, senders, day, run_id, link=link, run_link=run_link, traffic=traffic
        )
        if not summary.sent:
            digest = evaluate(store, rules, day, traffic=traffic)
            every = AlertRule("every change", changes=KINDS)
            self._log_why_nothing_was_sent(evaluate(store, [every], day).count, digest)
            if digest and not senders:
                message = DigestMessage(digest, link=link, run_link=run_link)
                self.log.info("No notifier is set; the message would be:\n%s", message.text)
        return summary.to_dict()

    def _log_why_nothing_was_sent(self, changes: int, digest: Digest) -> None:
        found = f"{changes or 'No'} {'change' if changes == 1 else 'changes'} on {digest.snapshot_date}"
        if digest and self.notifiers:
            self.log.info("%s; every notifier was already sent those that the rules select.", found)
        elif not digest:
            self.log.info("%s%s.", found, ", none selected by a rule" if changes else "")


_SUFFIXES = (".yaml", ".yml", ".json")


RULES_VARIABLE: Final = "io_intelligence_alert_rules"


def read_rules(source: object, folder: Path) -> tuple[AlertRule, ...]:
    """Return the rules of a rendered argument, see :func:`_source`.

    :param source: ``None``: the Variable ``io_intelligence_alert_rules``.
    :param folder: the folder that relative paths start from.
    :raises ConfigurationError: when the source holds no valid rules, or the Variable does not exist.
    """
    return rules_from(_source(RULES_VARIABLE if source is None else source, folder, "alert rules"))


def read_traffic(source: object, folder: Path) -> Traffic | None:
    """Return the traffic of a rendered argument, see :func:`_source`.

    :param source: ``None``: the Variable ``io_intelligence_traffic``, or no traffic if there is none.
    :param folder: the folder that relative paths start from.
    :raises ConfigurationError: when the source holds no valid traffic, or a Variable that it names does not
        exist.
    """
    from io_intelligence_provider.alerts.traffic import traffic_from

    if source is None:
        text = traffic_text()
        return traffic_from(text) if text else None
    return traffic_from(_source(source, folder, "traffic"))


def _source(given: object, folder: Path, what: str) -> RulesSource:
    """Return what a rendered argument stands for.

    Text of several lines, or that starts like a list or a mapping, is YAML or JSON. Any other text is a path
    if it ends in ``.yaml``, ``.yml`` or ``.json``, and else the name of an Airflow Variable.
    """
    if isinstance(given, str):
        text = given.strip()
        if "\n" not in text and not text.startswith(("[", "{", "- ")):
            given = Path(text) if text.endswith(_SUFFIXES) else _variable(text, what)
    source: RulesSource = folder / given if isinstance(given, Path) else given  # type: ignore[assignment]
    return source  # whoever parses it checks what it is


def _variable(name: str, what: str) -> str:
    try:
        return str(Variable.get(name))
    except (AirflowRuntimeError, KeyError):
        raise ConfigurationError(
            f"There is no Airflow Variable {name!r} with {what}. Give a value, YAML or JSON text, the path "
            f"of a file ({', '.join(_SUFFIXES)}), or the name of a Variable."
        ) from None


def refuse_single(notifiers: object) -> None:
    """Reject a notifier in place of a list when the Dag file is parsed, not when a message is to be sent.

    :raises ConfigurationError: when it is no list of notifiers.
    """
    if isinstance(notifiers, BaseNotifier):
        raise ConfigurationError("notifiers is a single notifier; give a list: notifiers=[…].")


def by_key(notifiers: Sequence[BaseNotifier]) -> dict[str, BaseNotifier]:
    """Return the notifiers by their key in the ledger.

    :raises ConfigurationError: when two have the same class and ``key``.
    """
    from io_intelligence_provider.alerts.ledger import notifier_key  # imports the store

    found: dict[str, BaseNotifier] = {}
    for position, notifier in enumerate(notifiers):
        key = notifier_key(notifier, position)
        if key in found:
            raise ConfigurationError(f"Two notifiers have the ledger key {key!r}; give each its own `key`.")
        found[key] = notifier
    return found


CONTEXT_NAME: Final = "io_intelligence"

_OBJECTS: Final = {
    "slack_blocks": lambda message: message.slack_blocks,
    "to_dict()": lambda message: message.to_dict(),
}
"""The objects, other than text, that a template can ask for."""

_WHOLE: Final = re.compile(rf"\s*{{{{-?\s*{CONTEXT_NAME}\.({'|'.join(map(re.escape, _OBJECTS))})\s*-?}}}}\s*")


def notify(notifier: BaseNotifier, context: Context, message: Message) -> None:
    """Render a copy of a notifier with the message in its context, and send it.

    Rendering overwrites the notifier's fields, so the original would send this run's message again.
    """
    fresh = copy.copy(notifier)
    for field in getattr(fresh, "template_fields", ()):
        setattr(fresh, field, _with_objects(getattr(fresh, field), message))
    # The context is copied as well, because notifiers add their fields to it.
    fresh({**context, CONTEXT_NAME: message})


@dataclass(frozen=True)
class _AsItIs:
    """Wraps a value that Airflow resolves but does not render as a template: it holds text from outside."""

    value: Any

    def resolve(self, context: Context) -> Any:  # noqa: ARG002 - the interface is Airflow's
        return self.value


def _with_objects(value: Any, message: Message) -> Any:
    """Replace templates that consist of a single object by that object: rendering would turn it into text."""
    if isinstance(value, str):
        found = _WHOLE.fullmatch(value)
        return _AsItIs(_OBJECTS[found.group(1)](message)) if found else value
    if type(value) in (list, tuple):
        return type(value)(_with_objects(item, message) for item in value)
    if type(value) is dict:
        return {key: _with_objects(item, message) for key, item in value.items()}
    return value
