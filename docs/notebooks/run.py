"""Run the notebooks over the recorded price history; ``--write`` keeps what they show.

Every recorded state is filed under its own date, the last one too, so the output is the same on any day and
on any machine with the pinned versions.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.cli.emulator import replay
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

HERE: Final = Path(__file__).parent
NOTEBOOKS: Final = ("price-history", "cost-comparison", "quotas", "data-quality")
_SECONDS: Final = 120
"""For one cell; it is only there so that a kernel that hangs ends."""


def path_of(name: str) -> Path:
    """Return the file of a notebook."""
    return HERE / f"{name}.ipynb"


def execute(root: Path, names: Sequence[str] = NOTEBOOKS) -> dict[str, nbformat.NotebookNode]:
    """Run notebooks and return them with their output; :func:`complaints` tells what went wrong.

    One kernel runs them all, emptied before each: to start one and to import takes longer than a notebook.

    :param root: the store they read.
    """
    import matplotlib.font_manager  # noqa: F401 - a first import says on stderr that it looks for fonts

    notebooks = {name: nbformat.read(path_of(name), as_version=4) for name in names}
    cells = []
    for name, notebook in notebooks.items():
        for number, cell in enumerate(notebook.cells, start=1):
            cell.id = (
                f"{name}-{number:02}"  # each counts its own cells; together they need names of their own
            )
        cells += [nbformat.v4.new_code_cell("%reset -f"), *notebook.cells]
    with tempfile.TemporaryDirectory() as scratch, _environment(root, Path(scratch)):
        client = NotebookClient(
            nbformat.v4.new_notebook(cells=cells),
            timeout=_SECONDS,
            kernel_name="python3",
            record_timing=False,
            allow_errors=True,
            resources={"metadata": {"path": str(HERE)}},
        )
        # Over files, not over ports: nobody else can listen in, and the kernel does not warn of it.
        manager = client.create_kernel_manager()
        manager.transport, manager.ip = "ipc", str(Path(scratch) / "kernel")
        client.execute()
    return {name: tidied(notebook) for name, notebook in notebooks.items()}


@contextmanager
def _environment(root: Path, scratch: Path) -> Iterator[None]:
    """Set what the kernel inherits: the store, every warning, and no trace in the home folder."""
    wanted = {
        "IO_INTELLIGENCE_STORE": str(root),
        "PYTHONWARNINGS": "default",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "IPYTHONDIR": str(scratch / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def tidied(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a notebook without what differs from run to run."""
    notebook.metadata = nbformat.NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    counted = 0
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:02}"
        if cell.cell_type == "code":
            counted += 1
            cell.execution_count = counted
        cell.metadata = nbformat.NotebookNode()
        for output in cell.get("outputs", []):
            data: dict[str, Any] = output.get("data", {})
            if "image/png" in data or "text/markdown" in data:
                data.pop("text/plain", None)
    return notebook


def complaints(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what a notebook that ran said on stderr, warnings among it, and what it failed with."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    return said + [f"{output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]


def main(write: bool) -> int:
    """Run all notebooks, and keep their output when asked to. One that complains is not kept."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "store"
        print("Replaying the recorded history …", flush=True)
        history = PriceHistory.load()
        with EmulatorServer(catalogue=history) as server:
            replay(server, SnapshotStore(root), history.dates)
        for name, notebook in execute(root).items():
            if said := complaints(notebook):
                failed = 1
                print(f"{name}: {'; '.join(said)}", file=sys.stderr, flush=True)
            elif write:
                nbformat.write(notebook, path_of(name))
            print(f"{name}: {'written' if write and not said else 'ran'}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv))
