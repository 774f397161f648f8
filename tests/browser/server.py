"""The page's own server, without Airflow and without access control, over any root."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import urllib3

from io_intelligence_provider.cli.standalone import free_port

__all__ = ["served"]

_SCRIPT: Final = Path(__file__).parents[1] / "plugin" / "serve.py"
_PATIENCE: Final = 120.0


@contextmanager
def served(root: Path | str, log: Path, now: str | None = None) -> Iterator[str]:
    """Serve the page over a store in a process of its own, and give its URL.

    :param log: where its output goes.
    :param now: what it takes for the present, in ISO form.
    :raises RuntimeError: when it does not answer; the message holds the end of its output.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}/io-intelligence/"
    with log.open("wb") as output:
        command = [sys.executable, str(_SCRIPT), str(root), str(port), *([now] if now else [])]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                told = log.read_text("utf-8", "replace")[-3_000:]
                raise RuntimeError(f"The page's server does not answer at {url}:\n{told}")
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return urllib3.request("GET", url, retries=False, timeout=5).status == 200
    except urllib3.exceptions.HTTPError:
        return False
