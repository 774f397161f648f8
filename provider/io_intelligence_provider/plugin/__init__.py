"""Registers the page with Airflow's UI. Every process that loads plugins imports this module.

It therefore stays light: the first request loads the app, and FastAPI with it (:mod:`.lazy`).
"""

from __future__ import annotations

from typing import Any, Final

from airflow.sdk.plugins_manager import AirflowPlugin

import airflow
from io_intelligence_provider.plugin.lazy import LazyApp

__all__ = ["URL_PREFIX", "IOIntelligencePlugin", "external_view"]

URL_PREFIX: Final = "/io-intelligence"
_NAV_TOP_LEVEL_SINCE: Final = (3, 3)


def external_view(airflow_version: str) -> dict[str, Any]:
    """Return the entry of the side bar. Its URLs are relative, so that a ``base_url`` may have a path.

    :param airflow_version: ``nav_top_level`` came with Airflow 3.3; older ones reject unknown keys.
    """
    view: dict[str, Any] = {
        "name": "IO Intelligence",
        "href": "io-intelligence/",  # with the slash, because the page's relative URLs start here
        "url_route": "io-intelligence",
        "destination": "nav",
        "icon": "io-intelligence/static/icon.svg",
        "icon_dark_mode": "io-intelligence/static/icon-dark.svg",
    }
    major, minor = airflow_version.split(".")[:2]
    if (int(major), int(minor)) >= _NAV_TOP_LEVEL_SINCE:
        view["nav_top_level"] = True
    return view


class IOIntelligencePlugin(AirflowPlugin):
    """Adds a page with prices, quotas, changes and quality of the stored snapshots to Airflow's UI."""

    name = "io_intelligence"
    fastapi_apps = [  # noqa: RUF012 - Airflow's base class declares plain lists
        {
            "app": LazyApp("io_intelligence_provider.plugin.airflow_app:create_app"),
            "url_prefix": URL_PREFIX,
            "name": "IO Intelligence",
        }
    ]
    external_views = [external_view(airflow.__version__)]  # noqa: RUF012
