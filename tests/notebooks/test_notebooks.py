"""Runs the notebooks over the recorded history, and compares them with their saved output."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

pytestmark = pytest.mark.long

HERE = Path(__file__).parents[2] / "docs" / "notebooks"
NAMES = ("price-history", "cost-comparison", "quotas", "data-quality")
MOST_BYTES = 300_000


def outputs(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    """Return what the cells show in one form."""
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output["data"][kind] for output in shown if kind in output.get("data", {})]


def committed(name: str) -> nbformat.NotebookNode:
    return nbformat.read(HERE / f"{name}.ipynb", as_version=4)


def test_every_notebook_is_run(runner: ModuleType) -> None:
    assert sorted(path.stem for path in HERE.glob("*.ipynb")) == sorted(NAMES) == sorted(runner.NOTEBOOKS)


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_what_it_shows_in_the_repository(
    name: str, runner: ModuleType, executed: dict[str, nbformat.NotebookNode]
) -> None:
    notebook = executed[name]
    assert runner.complaints(notebook) == []
    for kind in ("text/markdown", "text/plain"):
        assert outputs(notebook, kind) == outputs(committed(name), kind), "run docs/notebooks/run.py --write"
    assert alternatives(notebook) == alternatives(committed(name))


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_it_holds_after_months_without_a_snapshot(
    name: str, runner: ModuleType, executed_later: dict[str, nbformat.NotebookNode]
) -> None:
    notebook = executed_later[name]
    assert runner.complaints(notebook) == []
    assert len(outputs(notebook, "image/png")) == len(outputs(committed(name), "image/png"))
    if name == "cost-comparison":
        # July to November have no snapshot: their bills would be guesses.
        assert alternatives(notebook) == alternatives(committed(name))
    else:
        assert "2026-11-22" in "".join(outputs(notebook, "text/markdown") + outputs(notebook, "text/plain"))


def alternatives(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the alternative texts of the figures: their titles."""
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [
        item.metadata["image/png"].get("alt", "") for item in shown if "image/png" in item.get("data", {})
    ]


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_read_without_running(runner: ModuleType, name: str) -> None:
    notebook = committed(name)
    assert (HERE / f"{name}.ipynb").stat().st_size < MOST_BYTES
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    pictures = [base64.b64decode(picture) for picture in outputs(notebook, "image/png")]
    assert pictures
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert all(alternatives(notebook))
    assert runner.complaints(notebook) == []


@pytest.mark.parametrize("name", NAMES)
def test_it_names_no_machine_and_no_time(name: str) -> None:
    notebook = committed(name)
    text = nbformat.writes(notebook)
    for picture in outputs(notebook, "image/png"):
        text = text.replace(picture.strip(), "")
    assert re.findall(r"/(?:tmp|home|root|Users|work)/|127\.0\.0\.1|localhost", text) == []
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert [cell.metadata for cell in notebook.cells if cell.metadata] == []


@pytest.mark.parametrize("name", NAMES)
def test_its_links_lead_to_files(name: str) -> None:
    prose = [cell.source for cell in committed(name).cells if cell.cell_type == "markdown"]
    text = "\n".join([*prose, *outputs(committed(name), "text/markdown")])
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [link for link in links if not (HERE / link).exists()] == []


def test_a_warning_and_an_error_are_noticed(
    runner: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "HERE", tmp_path)
    warns = nbformat.v4.new_code_cell("import warnings\nwarnings.warn('careful', stacklevel=1)")
    fails = nbformat.v4.new_code_cell("raise ValueError('wrong')")
    for name, cell in (("warns", warns), ("fails", fails)):
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / f"{name}.ipynb")
    ran = runner.execute(tmp_path, ["warns", "fails"])
    (said,) = runner.complaints(ran["warns"])
    assert "careful" in said
    assert runner.complaints(ran["fails"]) == ["ValueError: wrong"]
