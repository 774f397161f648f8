"""Tasks: read arguments, call one function of the library, return its summary.

May import: ``hooks``, ``lineage``, ``metrics``, and everything that knows no Airflow.
"""

from __future__ import annotations
