"""Defines the operators: each reads its arguments, calls the library, and returns a summary.

May import: ``hooks``, ``lineage``, ``metrics``, and everything that knows no Airflow.
"""

from __future__ import annotations
