"""Creates the page's app for Airflow: the configured store, behind Airflow's access control."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, VariableDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_access_view
from airflow.sdk import BaseHook, conf
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp

from io_intelligence_provider.alerts.traffic import Traffic, traffic_from
from io_intelligence_provider.hooks.store import TRAFFIC_VARIABLE, open_store, traffic_text
from io_intelligence_provider.plugin.app import build_app
from io_intelligence_provider.plugin.listing import StoreSource
from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["create_app", "open_configured_store"]


def open_configured_store() -> SnapshotStore:
    """Return the configured store.

    :raises Exception: of any type, from the secrets backends, when the connection does not exist.
    """
    if connection := conf.get("io_intelligence", "storage_conn_id", fallback=None):
        # For S3 an unknown connection counts as no connection, and the store then asks the public Internet.
        BaseHook.get_connection(connection)
    return open_store()


def variable_traffic(user: GetUserDep) -> Callable[[], Traffic | None]:
    """Return what reads the Variable with the traffic: nothing for a user who may not read Variables."""
    details = VariableDetails(key=TRAFFIC_VARIABLE)
    if not get_auth_manager().is_authorized_variable(method="GET", details=details, user=user):
        return lambda: None
    return lambda: traffic_from(text) if (text := traffic_text()) else None


_NO_DAG: Final = "~ no Dag ~"
"""No Dag has this id, so only those who may read all Dags may read it."""


def dag_access(request: Request, user: GetUserDep) -> None:
    """Give a request the function that asks Airflow whether its user may read a Dag."""

    def may_read(dag_id: str | None) -> bool:
        try:
            requires_access_dag("GET", param_dag_id=dag_id or _NO_DAG)(request, user)
        except HTTPException:
            return False
        return True

    request.state.may_read_dag = may_read


def create_app() -> ASGIApp:
    """Return the app; users who may see Airflow's plugins may see it."""
    access = requires_access_view(AccessView.PLUGINS)
    return build_app(
        StoreSource(open_configured_store), access, traffic=variable_traffic, dag_access=dag_access
    )
