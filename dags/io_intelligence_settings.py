"""Holds whom the sample Dags notify and of what. Edit this file only: the Dags beside it import it."""

from __future__ import annotations

from airflow.sdk import BaseNotifier

from io_intelligence_provider import AlertRule
from io_intelligence_provider.notifications.failure import IOIntelligenceFailureNotifier

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
"""Get the changes, and the failures of every task. While there are none, messages go to the task's log."""

ON_FAILURE = IOIntelligenceFailureNotifier(NOTIFIERS)
"""Is called when a task failed and has no try left."""

RULES = [
    # Compared with the price of the last alert, so that 3 % a day is reported when it adds up to 10 %.
    AlertRule(
        name="prices that moved by 10 % or more", changes="price_changed", min_pct=10, baseline="last_alert"
    ),
    AlertRule(name="quotas and access tiers", changes=("quota_changed", "access_changed")),
    AlertRule(name="models and their status", changes=("model_added", "model_removed", "status_changed")),
    # Models whose record was refused: their prices are unknown until the API serves a valid one.
    AlertRule(name="models in quarantine", changes="quarantined"),
]
"""What the daily Dag reports, unless the Airflow Variable ``io_intelligence_alert_rules`` exists.

With the Variable ``io_intelligence_traffic``, tokens a month by model, it says what the changes cost.
"""
