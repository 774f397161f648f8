"""Results as Airflow's metrics: to StatsD, OpenTelemetry or Datadog, whichever Airflow is configured for.

Each figure goes out twice, as Airflow's own do: under a plain name with tags, for systems that have those,
and with the data set in the name, for a plain StatsD, which drops tags.
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
"""Characters of a data set's name in a metric; Airflow drops a metric of more than 250 in all."""


def emit_metrics(result: CheckRun, *, dataset: str | None = None) -> None:
    """Send counts, shares and the duration of one run. Never raises: a failure is a warning in the log.

    :param dataset: the name of the data set, the run's own unless given; what no metric's name may hold
        becomes ``_``.
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
            # Milliseconds: a plain number is taken as those by each of Airflow's three loggers.
            Stats.timing(f"{PREFIX}.duration", result.seconds * 1_000, tags=tags)
            Stats.timing(f"{PREFIX}.{name}.duration", result.seconds * 1_000)
    except Exception as error:  # noqa: BLE001 - a metric that is lost must not fail a run that is not
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
