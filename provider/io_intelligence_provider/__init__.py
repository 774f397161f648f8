"""Airflow provider and data-quality plugin for the models catalogue of IO Intelligence (io.net)."""

from __future__ import annotations

__version__ = "0.1.0"
