"""Compares two days, model by model and field by field, and writes what changed.

May import: ``store`` and what stands below it.
"""

from __future__ import annotations
