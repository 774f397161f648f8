"""Deferred waiting: an event as soon as prices or quotas move.

May import: ``hooks``, and everything that knows no Airflow.
"""

from __future__ import annotations
