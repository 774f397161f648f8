"""Evaluates alert rules, records which alerts were sent, and renders messages about changes.

May import: ``changes`` and the rooms below it.
"""

from __future__ import annotations
