"""Airflow notifiers: a digest as JSON to any URL.

May import: ``hooks``, and everything that knows no Airflow.
"""

from __future__ import annotations
