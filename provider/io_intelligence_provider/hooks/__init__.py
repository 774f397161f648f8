"""Airflow's connections as a client and as a store.

May import: everything that knows no Airflow.
"""

from __future__ import annotations
