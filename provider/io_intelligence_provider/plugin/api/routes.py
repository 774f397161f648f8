"""Lists the JSON routes with their paths, parameters, responses and functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from io_intelligence_provider.plugin.api import common as p
from io_intelligence_provider.plugin.api.changes import (
    ChangesAnswer,
    ChangesByDayAnswer,
    get_changes,
    get_changes_by_day,
)
from io_intelligence_provider.plugin.api.common import Answer
from io_intelligence_provider.plugin.api.models import (
    HistoryAnswer,
    ModelAnswer,
    ModelsAnswer,
    get_history,
    get_model,
    get_models,
)
from io_intelligence_provider.plugin.api.overview import OverviewAnswer, get_overview
from io_intelligence_provider.plugin.api.quality import (
    QualityAnswer,
    QuarantineAnswer,
    get_quality,
    get_quarantine,
)
from io_intelligence_provider.plugin.api.status import StatusAnswer, get_status
from io_intelligence_provider.plugin.reader import Reader

__all__ = ["ROUTES", "STATUS", "JsonRoute"]


@dataclass(frozen=True)
class JsonRoute:
    """Describes a route: its path, its parameters, its response, and the function that computes it."""

    path: str
    parameters: type[p.Parameters]
    answer: type[Answer]
    view: Callable[[Reader, Any], dict[str, Any]]


STATUS: Final = JsonRoute("/api/status", p.NoParameters, StatusAnswer, get_status)
ROUTES: Final = (
    STATUS,
    JsonRoute("/api/overview", p.OverviewParameters, OverviewAnswer, get_overview),
    JsonRoute("/api/models", p.ModelsParameters, ModelsAnswer, get_models),
    JsonRoute("/api/model", p.ModelParameters, ModelAnswer, get_model),
    JsonRoute("/api/history", p.HistoryParameters, HistoryAnswer, get_history),
    JsonRoute("/api/changes", p.ChangesParameters, ChangesAnswer, get_changes),
    JsonRoute("/api/changes/days", p.NoParameters, ChangesByDayAnswer, get_changes_by_day),
    JsonRoute("/api/quality", p.DatedParameters, QualityAnswer, get_quality),
    JsonRoute("/api/quarantine", p.QuarantineParameters, QuarantineAnswer, get_quarantine),
)
