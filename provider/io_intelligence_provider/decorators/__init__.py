"""Defines the task decorator ``@task.pandera``.

May import: ``operators`` and the rooms below it.
"""

from __future__ import annotations
