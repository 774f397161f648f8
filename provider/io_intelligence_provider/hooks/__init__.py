"""Turns Airflow connections into an API client and a store.

May import: everything that knows no Airflow.
"""

from __future__ import annotations
