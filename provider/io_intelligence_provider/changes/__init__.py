"""Compares two days, model by model and field by field, and writes the changes.

May import: ``store`` and the rooms below it.
"""

from __future__ import annotations
