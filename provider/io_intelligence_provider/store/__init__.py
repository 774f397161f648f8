"""Reads and writes the snapshot store: one Parquet file per day, with reports, quarantine and changes.

May import: ``contract``, ``quality``, ``storage``, and the rooms below those.
"""

from __future__ import annotations
