"""Runs the short forms of what `make faults` and `make damage` run for long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long


@pytest.mark.parametrize(("script", "runs"), [("faulty_server", 50), ("damaged_bytes", 20)])
def test_short(script: str, runs: int, tmp_path: Path) -> None:
    path = Path(__file__).with_name(f"{script}.py")
    # A new seed each time: what fails is printed with the command that repeats it.
    done = subprocess.run(
        [sys.executable, path, "--runs", str(runs)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert f"{runs} in " in done.stdout
