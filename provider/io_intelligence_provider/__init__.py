"""Provides Airflow operators and data-quality checks for the models catalogue of IO Intelligence (io.net).

The names below load on first use, so that importing the package is cheap. None of them imports Airflow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from io_intelligence_provider.alerts.rules import AlertRule
    from io_intelligence_provider.catalog.client import IOIntelligenceClient
    from io_intelligence_provider.changes.detect import ChangesSummary, detect_changes
    from io_intelligence_provider.export import export_prices
    from io_intelligence_provider.quality.policy import CheckOptions
    from io_intelligence_provider.quality.run import check_dataset, check_frame
    from io_intelligence_provider.snapshot import SnapshotSummary, take_snapshot
    from io_intelligence_provider.store.store import SnapshotStore

__version__ = "0.1.0"

__all__ = [
    "AlertRule",
    "ChangesSummary",
    "CheckOptions",
    "IOIntelligenceClient",
    "SnapshotStore",
    "SnapshotSummary",
    "__version__",
    "check_dataset",
    "check_frame",
    "detect_changes",
    "export_prices",
    "take_snapshot",
]

_HOMES: Final = {
    "AlertRule": "alerts.rules",
    "ChangesSummary": "changes.detect",
    "CheckOptions": "quality.policy",
    "IOIntelligenceClient": "catalog.client",
    "SnapshotStore": "store.store",
    "SnapshotSummary": "snapshot",
    "check_dataset": "quality.run",
    "check_frame": "quality.run",
    "detect_changes": "changes.detect",
    "export_prices": "export",
    "take_snapshot": "snapshot",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
