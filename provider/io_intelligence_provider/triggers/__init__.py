"""Defines the trigger that fires when prices or quotas change.

May import: ``hooks``, and everything that does not import Airflow.
"""

from __future__ import annotations
