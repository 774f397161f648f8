"""Tests the export operator in a real Airflow, and the command beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset

from helpers.airflow_runs import asset_events, catalogue_records, load_dag, task_instance
from io_intelligence_provider import SnapshotStore, export_prices
from io_intelligence_provider.cli import main
from io_intelligence_provider.operators.export import IOIntelligenceExportOperator


@pytest.fixture
def filed(file_day: Callable[..., Any], root: Path) -> SnapshotStore:
    """The snapshot of today, in which one price is not published."""
    served = catalogue_records()
    served[0]["metadata"]["output_token_price"] = None
    file_day(datetime.now(UTC).date(), served)
    return SnapshotStore(root)


def test_the_task_writes_the_prices_of_its_day_and_names_what_it_left_out(
    filed: SnapshotStore,
    run_dag: Callable[..., Any],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with DAG("exporting", schedule=None, params={"folder": str(tmp_path / "out")}) as dag:
        IOIntelligenceExportOperator(
            task_id="export",
            format="litellm",
            path="{{ params.folder }}/{{ task.task_id }}.json",
            outlets=[Asset("prices_of_models")],
        )
    run = run_dag(dag)
    assert run.state == "success"
    path = tmp_path / "out" / "export.json"
    assert path.read_bytes() == export_prices(filed, "litellm")
    models = filed.read().num_rows
    assert task_instance(run, "export").xcom_pull(task_ids="export") == {
        "snapshot_date": datetime.now(UTC).date().isoformat(),
        "format": "litellm",
        "models": models - 1,
        "left_out": 1,
        "doubtful_prices": 0,
        "bytes": path.stat().st_size,
        "path": str(path),
    }
    (extra,) = asset_events(run, "prices_of_models")
    assert (extra["snapshot_date"], extra["models"]) == (datetime.now(UTC).date().isoformat(), models - 1)
    assert set(extra["airflow.dataquality.result"]) == {"score", "passed", "failed", "warned"}
    printed = "".join(capfd.readouterr()) + caplog.text
    assert "output_token_price not published" in printed


def test_a_report_that_cannot_be_read_leaves_no_file_of_a_failed_task(
    filed: SnapshotStore, root: Path, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    (report,) = (root / "quality").glob("*/*.json")
    report.write_text("{")
    with DAG("exporting_unchecked", schedule=None) as dag:
        IOIntelligenceExportOperator(
            task_id="export", format="litellm", path=str(tmp_path / "o.json"), outlets=[Asset("prices")]
        )
    assert run_dag(dag).state == "failed"
    assert not (tmp_path / "o.json").exists()


def test_mapped_tasks_do_not_replace_the_file_of_another(
    filed: SnapshotStore,
    run_dag: Callable[..., Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: Any,
) -> None:
    with DAG("exporting_mapped", schedule=None) as dag:
        for task_id, name in (("one", "prices.json"), ("each", "{{ task.format }}.json")):
            IOIntelligenceExportOperator.partial(task_id=task_id, path=f"{tmp_path}/{name}").expand(
                format=["litellm", "openrouter"]
            )
    run = run_dag(dag)
    states = {item.task_id: item.state for item in run.get_task_instances()}
    assert states == {"one": "failed", "each": "success"}
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["litellm.json", "openrouter.json"]
    printed = "".join(capfd.readouterr()) + caplog.text
    assert "path is the same for several of the mapped tasks of 'one', so each would replace what" in printed


def test_the_sample_dag_writes_both_forms(
    filed: SnapshotStore, run_dag: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dag = load_dag("io_intelligence_export")
    for task in dag.tasks:
        task.path = f"{tmp_path}/{Path(task.path).name}"
    assert run_dag(dag).state == "success"
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["litellm.json", "openrouter.json"]


def test_the_command_writes_or_prints_the_same(
    filed: SnapshotStore, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["export", "--format", "openrouter", "--root", str(root)]
    assert main([*asked, "--out", "-"]) == 0
    captured = capsys.readouterr()
    assert captured.out.encode() == export_prices(filed, "openrouter")
    assert "output_token_price not published" in captured.err
    assert main([*asked, "--out", str(tmp_path / "o.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(tmp_path / "o.json")
    assert (tmp_path / "o.json").read_bytes() == export_prices(filed, "openrouter")
    with pytest.raises(SystemExit):
        main([*asked[:2], "csv", "--out", "-"])
