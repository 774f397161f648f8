"""Defines the Airflow notifier that posts a digest as JSON to a URL.

May import: ``hooks``, and everything that knows no Airflow.
"""

from __future__ import annotations
