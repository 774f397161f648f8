"""What Airflow's provider manager is told; read at every start of Airflow, so it stays light."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata as ``airflow/provider_info.schema.json`` wants it."""
    return {
        "package-name": "airflow-provider-io-intelligence",
        "name": "IO Intelligence",
        "description": "Checked daily Parquet snapshots of the IO Intelligence (io.net) models catalogue.",
    }
