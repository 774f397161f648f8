"""Runs the Python examples of the pages that no other test runs, and names what is run nowhere.

Addresses that a page can only give as examples are replaced: the store by the recorded one, the API by the
emulator, object stores by files.
"""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pandera.polars import Column, DataFrameSchema

from io_intelligence_provider import CheckOptions, check_frame
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.quality.results_store import ResultHistory

DOCS = Path(__file__).parents[2] / "docs"

RUN_BY_OTHERS = {
    "analysis.md": "notebooks/test_analysis_page.py",
    "datasets.md": "check_wheel.py",
    "history-checks.md": "check_wheel.py",
    "pandera.md": "check_wheel.py",
    "sql.md": "engines/test_mixed_files.py",
}
NOT_RUN = {
    "exports.md": "import json\nimport litellm",  # `make test-exports` has LiteLLM, and does the same
    "results.md": "import polars as pl\n\ncolumns",  # plots with altair, which nothing here needs
}
"""How the example begins that is run nowhere. Shell commands are run by ``make wheel`` and ``make demo``,
except those that install something or set a variable."""
FOLLOWED_BY = {"operator.md": "def consumer(): ...\n"}
"""What a page leaves out below a decorator."""
DEFINED: dict[str, dict[str, Any]] = {"alerts.md": {"NOTIFIERS": []}}
"""What a page defines elsewhere, here in the settings of the sample Dags."""

_CODE = re.compile(r"^```(\w*)\n(.*?)^```$|((?:^(?:    [^\n]*)?\n)+)", re.MULTILINE | re.DOTALL)


def python_of(page: str) -> list[str]:
    """Return the Python examples of a page, fenced or indented."""
    examples = []
    for language, fenced, indented in _CODE.findall((DOCS / page).read_text("utf-8")):
        code = textwrap.dedent(indented).strip()
        if language == "python":
            examples.append(fenced)
        elif re.match(r"(from|import|with) ", code):
            examples.append(code)
    return examples


PAGES = sorted(path.name for path in DOCS.glob("*.md") if python_of(path.name))
HERE = [page for page in PAGES if page not in RUN_BY_OTHERS]


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with EmulatorServer(catalogue=PriceHistory.load()) as server:
        yield server.url


def test_no_page_is_forgotten() -> None:
    assert RUN_BY_OTHERS.keys() <= set(PAGES)
    assert NOT_RUN.keys() <= set(HERE)
    tests = DOCS.parent / "tests"
    assert [
        page for page, test in RUN_BY_OTHERS.items() if page not in (tests / test).read_text("utf-8")
    ] == []


@pytest.mark.long
@pytest.mark.parametrize("page", HERE)
def test_the_python_of_the_page_runs(
    page: str, emulator: str, recorded_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "store"
    shutil.copytree(recorded_store, root)
    schema = DataFrameSchema({"price": Column(float)}, name="orders")
    run = check_frame(pl.DataFrame({"price": [1.0, 2.5]}), schema, CheckOptions(profile=True))
    ResultHistory(root).add(run, "orders")
    monkeypatch.chdir(tmp_path)
    connection = json.dumps({"conn_type": "io_intelligence", "host": emulator})
    monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT", connection)
    replaced = {
        "/data/io_intelligence": str(root),
        "s3://bucket/io_intelligence": str(root),
        "s3://bucket/": f"{tmp_path}/",
        'token="…"': f'"{emulator}", token="key"',
        "(...)": "()",
    }
    names = dict(DEFINED.get(page, {}))
    for example in python_of(page):
        if page in NOT_RUN and example.startswith(NOT_RUN[page]):
            continue
        code = example
        for shown, real in replaced.items():
            code = code.replace(shown, real)
        if re.search(r"^@dag", code, re.MULTILINE):
            code = f"from airflow.sdk import dag\n{code}\n{FOLLOWED_BY[page]}"
        exec(compile(code, page, "exec"), names)  # noqa: S102 - our own page
