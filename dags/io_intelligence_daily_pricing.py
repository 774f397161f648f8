"""### Prices and quotas of IO Intelligence, daily

Reads the models catalogue of [IO Intelligence](https://io.net) once a day, checks every record and writes
the valid ones to one Parquet file: `<root>/models/snapshot_date=YYYY-MM-DD/models.parquet`.

* **Set-up**: add a connection `io_intelligence_default` of type *IO Intelligence* (the API key is its
  password; leave it blank to connect as a guest) and unpause this Dag.
* **Location of the files**: `[io_intelligence] root`, by default `$AIRFLOW_HOME/io_intelligence`.
* **Invalid records** are written to quarantine with all their failures; the others to the snapshot.
* **An invalid catalogue** (incomplete, empty, half of it gone, too many records refused) fails the task. The
  last good file stays; report and quarantine give the reasons.
* **A missed day** stays missing. The API serves only current data, so a late run is skipped rather than
  written under another day.
* **Changes** since the previous snapshot are in `<root>/changes/snapshot_date=…/changes.parquet`.
* **Messages** go to the log of the task `alert` until `NOTIFIERS` below has an entry. `RULES` below, or the
  Airflow Variable `io_intelligence_alert_rules` (YAML or JSON) if it exists, select the changes to report.
* **Dags that follow**: schedule them on the assets `io_intelligence_models` (a snapshot was committed),
  `io_intelligence_price_changes` and `io_intelligence_quota_changes` (there was such a change).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseNotifier, Variable, dag

from io_intelligence_provider import AlertRule
from io_intelligence_provider.operators.alert import IOIntelligenceAlertOperator
from io_intelligence_provider.operators.changes import IOIntelligenceChangesOperator
from io_intelligence_provider.operators.snapshot import IOIntelligenceSnapshotOperator
from io_intelligence_provider.retry_policy import retry_arguments

RULES = [
    # Compared with the price of the last alert, so that 3 % a day is reported when it adds up to 10 %.
    AlertRule(
        name="prices that moved by 10 % or more", changes="price_changed", min_pct=10, baseline="last_alert"
    ),
    AlertRule(name="quotas and access tiers", changes=("quota_changed", "access_changed")),
    AlertRule(name="models and their status", changes=("model_added", "model_removed", "status_changed")),
]

NOTIFIERS: list[BaseNotifier] = [
    # from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier
    # SlackWebhookNotifier(
    #     slack_webhook_conn_id="slack_default",
    #     text="{{ io_intelligence.subject }}",
    #     blocks="{{ io_intelligence.slack_blocks }}",
    # ),
    # from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    # SmtpNotifier(
    #     smtp_conn_id="smtp_default",
    #     to="prices@example.com",
    #     subject="{{ io_intelligence.subject }}",
    #     html_content="{{ io_intelligence.html }}",
    # ),
]


def rules(**_: Any) -> Any:
    """Return the rules of the Variable if it exists, else ``RULES``; called when the task runs."""
    return Variable.get("io_intelligence_alert_rules", default=None) or RULES


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # concurrent runs would be safe, but pointless
    default_args={
        **retry_arguments(),  # Airflow 3.3: failures that waiting cannot cure are not retried
        "retries": 4,
        "retry_delay": timedelta(minutes=5),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(hours=1),
        "execution_timeout": timedelta(minutes=30),
    },
    doc_md=__doc__,
    tags=["io-intelligence", "pricing", "data-quality"],
)
def io_intelligence_daily_pricing() -> None:
    snapshot = IOIntelligenceSnapshotOperator(
        task_id="snapshot", doc_md="Fetch, check and file today's catalogue."
    )
    changes = IOIntelligenceChangesOperator(
        task_id="changes", doc_md="Compare it with the previous snapshot and file the changes."
    )
    alert = IOIntelligenceAlertOperator(
        task_id="alert",
        rules=rules,
        notifiers=NOTIFIERS,
        doc_md="Send the changes that match the rules, once.",
    )
    snapshot >> changes >> alert


io_intelligence_daily_pricing()
