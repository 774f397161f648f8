"""The JSON routes: their paths, parameters and answers, and what makes the answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from io_intelligence_provider.plugin import parameters as p
from io_intelligence_provider.plugin.answering.changes import get_changes, get_changes_by_day
from io_intelligence_provider.plugin.answering.models import get_history, get_model, get_models
from io_intelligence_provider.plugin.answering.overview import get_overview
from io_intelligence_provider.plugin.answering.quality import get_quality, get_quarantine
from io_intelligence_provider.plugin.answering.status import get_status
from io_intelligence_provider.plugin.reading import Reader
from io_intelligence_provider.plugin.schemas.base import Answer
from io_intelligence_provider.plugin.schemas.changes import ChangesAnswer, ChangesByDayAnswer
from io_intelligence_provider.plugin.schemas.models import HistoryAnswer, ModelAnswer, ModelsAnswer
from io_intelligence_provider.plugin.schemas.overview import OverviewAnswer
from io_intelligence_provider.plugin.schemas.quality import QualityAnswer, QuarantineAnswer
from io_intelligence_provider.plugin.schemas.status import StatusAnswer

__all__ = ["ROUTES", "STATUS", "JsonRoute"]


@dataclass(frozen=True)
class JsonRoute:
    """A route: its path, its parameters, its answer, and what makes it."""

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
