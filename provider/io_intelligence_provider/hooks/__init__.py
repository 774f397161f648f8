"""Turns Airflow connections into an API client and a store.

May import: everything that does not import Airflow.
"""

from __future__ import annotations
