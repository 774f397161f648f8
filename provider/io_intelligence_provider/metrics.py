"""Sends results as Airflow's metrics to StatsD, OpenTelemetry or Datadog, as Airflow is configured.

Like Airflow's own metrics, each is sent twice: under a plain name with tags, and with the data set in the
name for a plain StatsD, which drops tags.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from io_intelligence_provider.quality.result import CheckRun

__all__ = ["PREFIX", "emit_metrics"]

log = logging.getLogger(__name__)

PREFIX: Final = "dataquality"
_LONGEST_NAME: Final = 100
"""Characters of a data set's name in a metric; Airflow drops metrics of more than 250 in all."""


def emit_metrics(result: CheckRun, *, dataset: str | None = None) -> None:
    """Send counts, shares and the duration of one run. Never raises: a failure is a warning in the log.

    :param dataset: the name of the data set, by default the run's own; characters that a metric's name cannot
        have become ``_``.
    """
    dataset = dataset or result.dataset
    try:
        from airflow.sdk.observability.stats import Stats

        tags = {"dataset": dataset}
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", dataset).strip("_")[-_LONGEST_NAME:]
        for metric, value in _gauges(result).items():
            Stats.gauge(f"{PREFIX}.{metric}", value, tags=tags)
            Stats.gauge(f"{PREFIX}.{name}.{metric}", value)
        Stats.incr(f"{PREFIX}.runs.{result.outcome}", tags=tags)
        Stats.incr(f"{PREFIX}.{name}.runs.{result.outcome}")
        if result.seconds is not None:
            # In milliseconds: all three of Airflow's loggers take a plain number as that.
            Stats.timing(f"{PREFIX}.duration", result.seconds * 1_000, tags=tags)
            Stats.timing(f"{PREFIX}.{name}.duration", result.seconds * 1_000)
    except Exception as error:  # noqa: BLE001 - a lost metric must not fail a good run
        log.warning("The metrics of %s could not be sent: %r", dataset, error)


def _gauges(result: CheckRun) -> Mapping[str, Any]:
    counts = result.result()
    gauges = {
        "rows.read": result.rows,
        "rows.valid": result.valid,
        "rows.quarantined": result.quarantined,
        "score": result.score,
        **{f"checks.{word}": counts[word] for word in ("passed", "failed", "warned")},
    }
    # A share of no rows is unknown, not 0.
    return gauges | ({"quarantined_share": result.quarantined / result.rows} if result.rows else {})
