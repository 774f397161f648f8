"""Serves the page without Airflow and without access control, over any root."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["served"]

_SCRIPT: Final = Path(__file__).parents[1] / "plugin" / "serve.py"


@contextmanager
def served(root: Path | str, log: Path, now: str | None = None) -> Iterator[str]:
    """Serve the page over a store in a process of its own, and give its URL once it answers.

    :param log: where its log goes. Its temporary files go to the same folder, as it is killed in the end.
    :param now: what it takes for the present, in ISO form.
    :raises RuntimeError: when it ends before it answers; the message holds the end of its log.
    """
    command = [sys.executable, str(_SCRIPT), str(root), "0", *([now] if now else [])]
    environment = os.environ | {"TMPDIR": str(log.parent)}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=output, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            # Airflow, which the page's package imports, may say something first.
            url = next((line.strip() for line in process.stdout if line.startswith("http://")), "")
            if not url:
                told = log.read_text("utf-8", "replace")[-3_000:]
                raise RuntimeError(f"The page's server ended before it answered:\n{told}")
            yield url
        finally:
            process.kill()  # it holds nothing that is worth the wait for its open connections
