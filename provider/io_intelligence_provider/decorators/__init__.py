"""Task decorators: ``@task.pandera``.

May import: ``operators`` and what stands below it.
"""

from __future__ import annotations
