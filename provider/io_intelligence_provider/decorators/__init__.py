"""Task decorators: ``@task.pandera``."""

from __future__ import annotations
