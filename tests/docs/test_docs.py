"""Tests the documentation: it is complete, its links work, its tables and examples match the code."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import shlex
import subprocess
import sys
import textwrap
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import get_args

import duckdb
import pytest
import requests

from io_intelligence_provider import errors
from io_intelligence_provider.alerts.evaluate import evaluate
from io_intelligence_provider.alerts.message import DigestMessage
from io_intelligence_provider.alerts.rules import AlertRule, rules_from
from io_intelligence_provider.alerts.traffic import traffic_from
from io_intelligence_provider.catalog.settings import EXTRA_FIELDS
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.cli import main
from io_intelligence_provider.contract.records import batch_schema
from io_intelligence_provider.emulator.faults import Fault, Kind
from io_intelligence_provider.emulator.history import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.operators.alert import IOIntelligenceAlertOperator
from io_intelligence_provider.operators.changes import IOIntelligenceChangesOperator
from io_intelligence_provider.operators.snapshot import IOIntelligenceSnapshotOperator
from io_intelligence_provider.store.store import SnapshotStore

REPO = Path(__file__).parents[2]
PAGES = [*sorted(REPO.glob("*.md")), *sorted((REPO / "docs").glob("*.md"))]


def page(name: str) -> str:
    return (REPO / "docs" / name).read_text("utf-8")


@pytest.mark.long
def test_generated_tables_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(REPO / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}: run `make docs`"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_relative_links_lead_to_files(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.long
def test_the_faults_of_the_emulators_example_strike(tmp_path: Path) -> None:
    (line,) = re.findall(r"^    io-intelligence emulate (--as-of.*)$", page("emulator.md"), re.MULTILINE)
    words = shlex.split(line)
    with EmulatorServer(catalogue=PriceHistory.load(), as_of=date.fromisoformat(words[1])) as server:
        server.faults.add(*(Fault.parse(after) for word, after in pairwise(words) if word == "--fault"))
        assert len(server.faults.pending()) == 2
        assert main(["snapshot", "--url", server.url, "--root", str(tmp_path)]) == 0
        assert server.faults.pending() == ()


def test_the_bodies_of_the_emulators_controls_are_taken() -> None:
    bodies = [json.loads(text) for text in re.findall(r"`({.*?})`", page("emulator.md"))]
    with EmulatorServer(catalogue=PriceHistory.load()) as server:
        for body in bodies:
            method, path = ("PUT", "as-of") if "as_of" in body else ("POST", "faults")
            asked = requests.request(method, f"{server.url}/emulator/{path}", json=body, timeout=30)
            assert asked.ok, asked.text
            assert body.items() <= asked.json().items()
        assert {fault.kind for fault in server.faults.pending()} == set(get_args(Kind))


def test_every_error_has_a_row() -> None:
    listed = set(re.findall(r"^\| `(\w+Error)`", page("errors.md"), re.MULTILINE))
    named = {name for name in errors.__all__ if name.endswith("Error")}
    assert listed == named - {"IOIntelligenceError", "HTTPStatusError"}


def test_every_connection_field_has_a_row() -> None:
    assert [name for name in EXTRA_FIELDS if f"`{name}`" not in page("connection.md")] == []


@pytest.mark.parametrize(
    ("operator", "file", "heading"),
    [
        (IOIntelligenceSnapshotOperator, "operator.md", "## Snapshot"),
        (IOIntelligenceChangesOperator, "operator.md", "## Changes"),
        (IOIntelligenceAlertOperator, "alerts.md", "## Operator"),
    ],
)
def test_every_operator_argument_has_a_row(operator: type, file: str, heading: str) -> None:
    arguments = list(inspect.signature(operator.__init__).parameters)[1:-1]
    table = "\n".join(re.findall(r"^\|.*?\|", section_of(file, heading), re.MULTILINE))
    assert [name for name in arguments if f"`{name}`" not in table] == []


def test_every_field_of_a_rule_has_a_row() -> None:
    names = [field.name for field in dataclasses.fields(AlertRule)]
    assert (
        re.findall(r"^\| `(\w+)` \|", section_of("alerts.md", "## Rules"), re.MULTILINE)[: len(names)]
        == names
    )


def test_every_attribute_of_a_message_has_a_row() -> None:
    listed = re.findall(r"^\| `(\w+)(?:\(\))?` \|", section_of("alerts.md", "## Notifiers"), re.MULTILINE)
    offered = {name for name in dir(DigestMessage) if not name.startswith("_")}
    assert set(listed) == offered


def test_the_rules_of_the_page_are_rules() -> None:
    texts = re.findall(r"(?:^    .*\n)+", section_of("alerts.md", "## Rules"), re.MULTILINE)
    assert [len(rules_from(textwrap.dedent(text))) for text in texts] == [2, 3, 1]


@pytest.mark.long
def test_the_message_of_the_page_is_what_the_code_makes(recorded_store: Path) -> None:
    section = section_of("alerts.md", "## The message")
    indented = re.findall(r"(?:^(?:    .*)?\n)+", section, re.MULTILINE)
    shown, traffic = (textwrap.dedent(text) for text in indented if text.strip())
    rules = [
        AlertRule("prices that moved by 10 % or more", changes="price_changed", min_pct=10),
        AlertRule("models and their status", changes=("model_added", "model_removed", "quarantined")),
    ]
    digest = evaluate(
        SnapshotStore(recorded_store), rules, "2026-05-26", traffic=traffic_from(traffic.strip())
    )
    base = "https://airflow.example.com"
    message = DigestMessage(
        digest, link=f"{base}/io-intelligence/#/changes?start=2026-05-26&end=2026-05-26",
        run_link=f"{base}/dags/io_intelligence_daily_pricing/runs/daily/tasks/alert",
    )  # fmt: skip
    assert shown.strip() == message.text.strip()


def section_of(file: str, heading: str) -> str:
    return page(file).partition(f"{heading}\n")[2].partition("\n## ")[0]


def test_every_check_has_a_row() -> None:
    from io_intelligence_provider.contract import snapshot_checks

    names = {name for name, *_ in snapshot_checks._CHECKS} | {"required", "type", "coerced"}
    names |= {"redacted", "previous_unreadable"}  # in a report only when they found something
    for column in batch_schema(WireShape.DOCUMENTED).columns.values():
        names |= {check.name for check in column.checks}
    listed = set(re.findall(r"^\| `(\w+)` \| (?:error|warn)", page("checks.md"), re.MULTILINE))
    assert listed == names


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (REPO / "README.md").read_text("utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    root = folder / ".demo" / "store"
    assert main(["replay", "--root", str(root), "--start", "2026-06-28", "--json"]) == 0
    return folder


@pytest.mark.long
def test_the_sql_of_the_readme_runs(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo_store)
    (query,) = examples("sql")
    rows = duckdb.sql(query).fetchall()
    assert len(rows) >= 2
    assert str(rows[-1][1]) == "1.678000000000000000"


@pytest.mark.parametrize("code", examples("python"))
def test_the_python_of_the_readme_runs(
    code: str, demo_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(demo_store)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own README
    if "print" in code:
        assert "1.678" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.parametrize("name", ["datasets.md", "pandera.md", "history-checks.md"])
def test_every_block_of_the_page_runs(name: str) -> None:
    """``make wheel`` does the same with what is installed alone."""
    command = [sys.executable, REPO / "tests" / "wheel" / "inside.py", "pages", REPO / "docs" / name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
