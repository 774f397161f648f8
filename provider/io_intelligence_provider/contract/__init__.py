"""Turns one catalogue record into one typed row or its failures; ``columns`` declares every column.

May import: ``catalog``, ``quality``, and what stands below those.
"""

from __future__ import annotations
