"""The snapshot store: one Parquet file per day, its reports, quarantine and changes, and how they are read.

May import: ``contract``, ``quality``, ``storage``, and what stands below those.
"""

from __future__ import annotations
