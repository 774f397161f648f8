"""Defines the Airflow notifiers: one posts a digest as JSON to a URL, one reports failed tasks to others.

May import: ``operators``, ``hooks``, and everything that does not import Airflow.
"""

from __future__ import annotations
