"""Converts one catalogue record to a typed row or its failures; ``columns`` declares every column.

May import: ``catalog``, ``quality``, and the rooms below those.
"""

from __future__ import annotations
