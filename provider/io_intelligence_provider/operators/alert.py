"""The operator that tells people what changed, once, through any Airflow notifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow.sdk import BaseNotifier, BaseOperator

from io_intelligence_provider.changes.rules import RulesSource
from io_intelligence_provider.hooks.store import open_store
from io_intelligence_provider.operators.alert_arguments import by_key, read_rules
from io_intelligence_provider.operators.arguments import refuse_locations
from io_intelligence_provider.operators.links import ChangesLink, changes_url
from io_intelligence_provider.operators.notify import notify
from io_intelligence_provider.operators.run_day import run_day

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["IOIntelligenceAlertOperator", "Rules"]

Rules: TypeAlias = RulesSource | Callable[..., RulesSource]


class IOIntelligenceAlertOperator(BaseOperator):
    """Send each notifier one digest of the changes that the rules ask for, and that it was not sent yet.

    Templates of the notifiers find the digest as ``io_intelligence``: ``.subject``, ``.text``,
    ``.markdown``, ``.html``, ``.slack_blocks``, ``.count``, ``.to_dict()``. Without notifiers it is
    written to the task's log. A run whose date has no snapshot is skipped.

    The digest ends with a link to the page when ``[api] base_url`` is set and the page shows this store.

    Every notifier is tried; after each success a ledger says so, and a retry sends only what is missing.

    :param rules: a list of :class:`~io_intelligence_provider.changes.rules.AlertRule` or of their
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
        from io_intelligence_provider.changes.evaluate import evaluate
        from io_intelligence_provider.changes.message import DigestMessage
        from io_intelligence_provider.changes.send import send_pending

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
