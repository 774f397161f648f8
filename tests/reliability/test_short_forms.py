"""Runs the short forms of what `make faults` and `make damage` run for long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long


@pytest.mark.parametrize(("script", "runs"), [("faulty_server", 8), ("damaged_bytes", 2)])
def test_short(script: str, runs: int, tmp_path: Path) -> None:
    path = Path(__file__).with_name(f"{script}.py")
    command = [sys.executable, path, "--runs", str(runs), "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert f"{runs} in " in done.stdout
