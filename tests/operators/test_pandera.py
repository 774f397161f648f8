"""Tests ``PanderaCheckOperator`` and ``@task.pandera`` in a real Airflow."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from airflow.sdk import DAG, Asset, task
from airflow.utils.state import DagRunState

from helpers.airflow_runs import asset_events, prepared, task_instance, write_column
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.operators.pandera import PanderaCheckOperator
from io_intelligence_provider.quality.results_store import ResultHistory

pytestmark = pytest.mark.usefixtures("schemas")


def test_the_operator_returns_its_summary_and_tells_its_asset(
    run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    write_column(tmp_path / "in" / "day=2026-03-01" / "x.parquet", [1, -1, 3, 4])
    with DAG("checked", schedule=None) as dag:
        PanderaCheckOperator(
            task_id="check",
            path=f"{tmp_path}/in/day={{{{ params.day }}}}/*.parquet",
            schema="check_schemas:schema",
            quarantine_path=f"{tmp_path}/refused",
            valid_path=f"{tmp_path}/valid.parquet",
            max_quarantine_share="{{ 0.25 }}",
            thresholds={"positive": "{{ 1 }}"},
            params={"day": "2026-03-01"},
            outlets=[Asset("checked_models")],
        )
    run = run_dag(dag)
    assert run.state == DagRunState.SUCCESS
    summary = task_instance(run, "check").xcom_pull(task_ids="check")
    assert len(json.dumps(summary)) < 2048
    assert (summary["rows"], summary["valid"], summary["quarantined"]) == (4, 3, 1)
    assert summary["outcome"] == "warned"
    assert pq.read_table(summary["quarantine_path"]).num_rows == 1
    assert pq.read_table(tmp_path / "valid.parquet")["a"].to_pylist() == [1, 3, 4]
    (extra,) = asset_events(run, "checked_models")
    assert extra["rows"] == 4
    assert extra["airflow.dataquality.result"].keys() == {"score", "passed", "failed", "warned"}


def test_a_stopped_check_fails_its_task_after_writing(run_dag: Callable[..., Any], tmp_path: Path) -> None:
    path = write_column(tmp_path / "in.parquet", [1, -1])
    with DAG("stopped", schedule=None) as dag:
        PanderaCheckOperator(
            task_id="check",
            path=str(path),
            schema="check_schemas:schema",
            quarantine_path=f"{tmp_path}/refused.parquet",
            valid_path=f"{tmp_path}/valid.parquet",
        )
    assert run_dag(dag).state == DagRunState.FAILED
    assert pq.read_table(tmp_path / "refused.parquet").num_rows == 1
    assert not (tmp_path / "valid.parquet").exists()


def test_the_decorator_writes_the_valid_rows(run_dag: Callable[..., Any], tmp_path: Path) -> None:
    with DAG("decorated", schedule=None) as dag:

        @task.pandera(
            schema="check_schemas:schema",
            path=f"{tmp_path}/out-{{{{ params.name }}}}.parquet",
            quarantine_path=f"{tmp_path}/refused.parquet",
            max_quarantine_share=0.5,
            params={"name": "x"},
        )
        def frame(first: int, params: Any = None) -> Any:
            import polars as pl

            assert params["name"] == "x"
            return pl.LazyFrame({"a": [first, -1]})

        frame(7)
    run = run_dag(dag)
    assert run.state == DagRunState.SUCCESS
    assert pq.read_table(tmp_path / "out-x.parquet")["a"].to_pylist() == [7]
    assert (
        task_instance(run, "frame").xcom_pull(task_ids="frame")["valid_path"] == f"{tmp_path}/out-x.parquet"
    )


@pytest.mark.parametrize("name", ["valid_path", "engine", "spark"])
def test_the_decorator_refuses_what_it_cannot_do(name: str) -> None:
    def frame() -> None: ...

    with DAG("refused", schedule=None), pytest.raises(TypeError, match=name):
        task.pandera(schema="x:y", path="z", **{name: "w"})(frame)()


def test_history_is_compared(run_dag: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"

    def check() -> Any:
        with DAG("history", schedule=None) as dag:
            PanderaCheckOperator(
                task_id="check",
                path=str(path),
                schema="check_schemas:schema",
                history_checks={"volume": {"severity": "error"}},
            )
        return run_dag(dag).state

    states = []
    for rows in (*[100] * 8, 1):
        write_column(path, [1] * rows)
        states.append(check())
    assert states == [DagRunState.SUCCESS] * 8 + [DagRunState.FAILED]


def test_an_interval_that_is_checked_again_is_one_point_of_the_history(
    run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "in.parquet"
    with DAG("intervals", schedule=None) as dag:
        PanderaCheckOperator(
            task_id="check",
            path=str(path),
            schema="check_schemas:schema",
            dataset="numbers",
            history_checks={"volume": {"severity": "error", "min_runs": 3}},
        )

    def check(day: int | None, rows: int) -> Any:
        write_column(path, [1] * rows)
        date = None if day is None else datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=day)
        return run_dag(dag, logical_date=date).state

    assert [check(day, 100) for day in (0, 1, 2)] == [DagRunState.SUCCESS] * 3
    assert [check(3, 9) for _ in range(4)] == [DagRunState.FAILED] * 4
    history = ResultHistory(tmp_path / "root")
    intervals = [run.data_interval_start for run in history.runs("numbers")]
    assert [start.day for start in intervals if start] == [1, 2, 3, 4, 4, 4, 4]
    assert check(None, 100) == DagRunState.SUCCESS
    assert history.runs("numbers")[-1].data_interval_start is None, "a run without a logical date has none"


def test_the_name_is_in_the_summary_the_log_and_the_event(
    run_dag: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_column(tmp_path / "in.parquet", [1, 2])
    with DAG("named", schedule=None) as dag:
        PanderaCheckOperator(
            task_id="check",
            path=str(path),
            schema="check_schemas:schema",
            dataset="trips",
            outlets=[Asset("named_trips")],
        )
    run = run_dag(dag)
    summary = task_instance(run, "check").xcom_pull(task_ids="check")
    assert (summary["dataset"], summary["source"]) == ("trips", str(path))
    assert asset_events(run, "named_trips")[0]["dataset"] == "trips"
    assert "Checked 2 rows, refused 0, passed: trips" in capsys.readouterr().out
    assert [(run.dataset, run.schema) for run in ResultHistory(tmp_path / "root").runs()] == [
        ("trips", "check_schemas:schema")
    ]


def test_results_are_kept_unless_declined(tmp_path: Path) -> None:
    path = write_column(tmp_path / "in.parquet", [1])
    ti = SimpleNamespace(dag_id="d", task_id="check", run_id="r", map_index=-1)

    def check(**arguments: Any) -> int:
        operator = PanderaCheckOperator(
            task_id="check", path=str(path), schema="check_schemas:schema", dataset="kept", **arguments
        )
        operator.execute({"ti": ti, "outlet_events": {}})  # type: ignore[typeddict-item]
        return len(ResultHistory(tmp_path / "root").runs("kept"))

    assert [check(), check(keep_results=False), check(keep_results=False, history_checks=True)] == [1, 1, 1]


def test_an_argument_that_does_nothing_is_refused(tmp_path: Path) -> None:
    path = str(write_column(tmp_path / "in.parquet", [1]))
    context: Any = {"ti": SimpleNamespace(dag_id="d", task_id="check", run_id="r", map_index=-1)}
    with pytest.raises(ConfigurationError, match="spark does nothing"):
        prepared(path=path, spark="sc://localhost")
    with pytest.raises(ConfigurationError, match="results_root does nothing"):
        prepared(path=path, keep_results=False, results_root=str(tmp_path))
    with pytest.raises(ConfigurationError, match="files nothing for history_checks"):
        prepared(path=path, keep_results=False, history_checks=True)._options(context)
    limit = {"freshness": {"columns": "at", "max_age_hours": 24}}
    assert prepared(path=path, keep_results=False, history_checks=limit)._options(context).history.rules


def test_nothing_of_the_users_is_called_when_the_dag_is_parsed(tmp_path: Path) -> None:
    (tmp_path / "exploding.py").write_text("raise RuntimeError('imported')")
    dag = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from airflow.sdk import DAG, task
from io_intelligence_provider.operators.pandera import PanderaCheckOperator

with DAG("parsed", schedule=None):
    PanderaCheckOperator(
        task_id="a", path="nowhere", schema="exploding:schema", max_quarantine_share="{{{{ x }}}}"
    )

    @task.pandera(path="nowhere", schema="exploding:schema")
    def b(): raise RuntimeError("called")

    b()
heavy = {{"pandas", "polars", "pandera", "pyarrow", "exploding", "pyspark"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", dag], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_object_makes_the_same_serialised_dag_at_every_parse() -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    def parsed() -> str:
        import pandera.polars as pa

        with DAG("same", schedule=None) as dag:
            schema = pa.DataFrameSchema({"a": pa.Column(int, pa.Check(lambda _: True))})
            PanderaCheckOperator(task_id="a", path="nowhere", schema=schema)
        return json.dumps(DagSerialization.to_dict(dag), sort_keys=True, default=str)

    assert parsed() == parsed()


@pytest.mark.parametrize(("least", "state"), [(None, "success"), ("{{ 1 + 1 }}", "failed"), (1, "success")])
def test_min_rows_and_examples_are_arguments(
    run_dag: Callable[..., Any], tmp_path: Path, least: Any, state: str
) -> None:
    data = tmp_path / "data.parquet"
    write_column(data, [-1])
    with DAG("min_rows", schedule=None) as dag:
        PanderaCheckOperator(
            task_id="check",
            path=str(data),
            schema="check_schemas:schema",
            max_quarantine_share=1.0,
            min_rows=least,
            examples="{{ 0 }}",
            results_root=str(tmp_path / "results"),
            dataset="few",
        )
    assert str(run_dag(dag).state) == state
    (run,) = ResultHistory(tmp_path / "results").runs("few")
    (positive,) = [one for one in run.checks if one.check == "positive"]
    assert (positive.failed, positive.examples) == (1, [])
    assert ("min_rows" in {one.check for one in run.checks}) == (least is not None)
