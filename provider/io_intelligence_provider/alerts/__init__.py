"""Rules, the ledger of what was sent, and the messages about changes.

May import: ``changes`` and what stands below it.
"""

from __future__ import annotations
