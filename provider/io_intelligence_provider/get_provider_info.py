"""Describes the package to Airflow's provider manager. Every start of Airflow reads it, so it stays light."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["get_provider_info"]

_CONNECTION_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "guest_session_id": {
        "label": "Guest session",
        "description": "Sent as X-Guest-Session-ID",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "page_size": {
        "label": "Page size",
        "description": "Models per page",
        "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": 100, "default": 100},
    },
    "concurrency": {
        "label": "Concurrency",
        "description": "Pages fetched at a time",
        "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": 64, "default": 4},
    },
    "connect_timeout": {
        "label": "Connect timeout",
        "description": "Seconds to connect",
        "schema": {"type": ["number", "null"], "default": 5.0},
    },
    "read_timeout": {
        "label": "Read timeout",
        "description": "Seconds without a byte",
        "schema": {"type": ["number", "null"], "default": 30.0},
    },
    "max_retries": {
        "label": "Retries of a page",
        "description": "Further tries after 429, 5xx and broken connections",
        "schema": {"type": ["integer", "null"], "minimum": 0, "maximum": 100, "default": 5},
    },
    "verify": {
        "label": "Verify TLS",
        "description": "true, or the path of a CA bundle; false for a loopback host only",
        "schema": {"type": ["string", "null"], "default": "true"},
    },
    "proxy": {
        "label": "Proxy",
        "description": "URL of an HTTP proxy; it may hold a password",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "token_url": {
        "label": "OAuth2 token URL",
        "description": "For client credentials; the password above stays blank then",
        "schema": {"type": ["string", "null"]},
    },
    "client_id": {"label": "OAuth2 client id", "schema": {"type": ["string", "null"]}},
    "client_secret": {
        "label": "OAuth2 client secret",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "scope": {"label": "OAuth2 scope", "schema": {"type": ["string", "null"]}},
}


def _option(description: str, default: str | None, example: str) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": "string",
        "example": example,
        "default": default,
    }


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata in the format of ``airflow/provider_info.schema.json``."""
    package = "io_intelligence_provider"
    integration = "IO Intelligence"
    return {
        "package-name": "airflow-provider-io-intelligence",
        "name": integration,
        "description": "Checked daily Parquet snapshots of the IO Intelligence (io.net) models catalogue.",
        "integrations": [
            {
                "integration-name": integration,
                "external-doc-url": "https://docs.io.net/reference/get-started-with-io-intelligence-api",
                "tags": ["service"],
            }
        ],
        "connection-types": [
            {
                "connection-type": "io_intelligence",
                "hook-class-name": f"{package}.hooks.io_intelligence.IOIntelligenceHook",
                "hook-name": integration,
                "conn-fields": _CONNECTION_FIELDS,
                "ui-field-behaviour": {
                    "hidden-fields": ["login", "port", "schema", "extra"],
                    "relabeling": {"host": "Base URL", "password": "API key"},
                    "placeholders": {
                        "host": "https://api.intelligence.io.solutions",
                        "password": "API key or access token; blank for a guest",
                    },
                },
            }
        ],
        "hooks": [{"integration-name": integration, "python-modules": [f"{package}.hooks.io_intelligence"]}],
        "operators": [
            {
                "integration-name": integration,
                "python-modules": [
                    f"{package}.operators.{name}"
                    for name in ("snapshot", "changes", "alert", "export", "pandera")
                ],
            }
        ],
        "task-decorators": [
            {"name": "pandera", "class-name": f"{package}.operators.pandera.pandera_task"},
        ],
        "triggers": [{"integration-name": integration, "python-modules": [f"{package}.triggers.watcher"]}],
        "extra-links": [f"{package}.operators.results.{name}" for name in ("QualityLink", "ChangesLink")],
        "notifications": [f"{package}.notifications.webhook.IOIntelligenceWebhookNotifier"],
        "config": {
            "io_intelligence": {
                "description": "Where the snapshots of the IO Intelligence catalogue are kept.",
                "options": {
                    "root": _option(
                        "Root of the snapshot store: a local path or an fsspec URL.",
                        "{AIRFLOW_HOME}/io_intelligence",
                        "s3://my-bucket/io_intelligence",
                    ),
                    "storage_conn_id": _option(
                        "Airflow connection for the object store of the root.", None, "aws_default"
                    ),
                },
            }
        },
    }
