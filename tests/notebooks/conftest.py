"""Provides the recorded history in a store, and the script that fills it."""

from __future__ import annotations

import importlib.util
import shutil
from datetime import date
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from io_intelligence_provider import SnapshotStore, detect_changes
from io_intelligence_provider.cli import main
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

HERE = Path(__file__).parents[2] / "docs" / "notebooks"


@pytest.fixture(scope="session")
def runner() -> ModuleType:
    """``docs/notebooks/run.py``; it is a script, in no package."""
    spec = importlib.util.spec_from_file_location("notebooks_run", HERE / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def executed(runner: ModuleType, recorded_store: Path) -> dict[str, nbformat.NotebookNode]:
    """All notebooks with what they show of the recorded history."""
    ran: dict[str, nbformat.NotebookNode] = runner.execute(recorded_store)
    return ran


@pytest.fixture(scope="session")
def executed_later(
    runner: ModuleType, recorded_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, nbformat.NotebookNode]:
    """The same of a store as `make demo` leaves it: the last state is filed under a day months later."""
    root = Path(shutil.copytree(recorded_store, tmp_path_factory.mktemp("demo") / "store"))
    history = PriceHistory.load()
    for part in ("models", "changes", "quality", "quarantine"):
        shutil.rmtree(root / part / f"snapshot_date={history.dates[-1]}", ignore_errors=True)
    later = date(2026, 11, 22)
    with EmulatorServer(catalogue=history) as server:
        assert main(["snapshot", "--url", server.url, "--root", str(root), "--date", str(later)]) == 0
    detect_changes(SnapshotStore(root), later)
    ran: dict[str, nbformat.NotebookNode] = runner.execute(root)
    return ran
