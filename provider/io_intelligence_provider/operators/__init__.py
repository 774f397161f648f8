"""Defines the operators: each reads its arguments, calls the library, and returns a summary.

May import: ``observability``, ``assets``, ``hooks``, and everything that does not import Airflow.
"""

from __future__ import annotations
