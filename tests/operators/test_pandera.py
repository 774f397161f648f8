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

import pyarrow as arrow  # noqa: ICN001 - `pa` is pandera here
import pyarrow.parquet as pq
import pytest
from airflow.sdk import DAG, Asset, ObjectStoragePath, task, task_group
from airflow.utils.state import DagRunState

from helpers.airflow_runs import asset_events, task_instance
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.operators.pandera import PanderaCheckOperator
from io_intelligence_provider.quality.results_store import ResultHistory

MODULE = """
import pandera.polars as pa
schema = pa.DataFrameSchema({"a": pa.Column(int, pa.Check.ge(0, name="positive"))})
"""


@pytest.fixture(autouse=True)
def schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "check_schemas.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "check_schemas", raising=False)
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", str(tmp_path / "root"))


def write(path: Path, values: list[int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(arrow.table({"a": values}), path)
    return path


def test_the_operator_returns_its_summary_and_tells_its_asset(
    run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    write(tmp_path / "in" / "day=2026-03-01" / "x.parquet", [1, -1, 3, 4])
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
    path = write(tmp_path / "in.parquet", [1, -1])
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
        write(path, [1] * rows)
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
        write(path, [1] * rows)
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
    path = write(tmp_path / "in.parquet", [1, 2])
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


def states_of(run: Any) -> dict[str, list[str]]:
    """Return the states of the instances of each task."""
    states: dict[str, list[str]] = {}
    for item in run.get_task_instances():
        states.setdefault(item.task_id, []).append(str(item.state))
    return states


def test_mapped_tasks_never_replace_each_others_rows(
    run_dag: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(write(tmp_path / f"{name}.parquet", [number, -1])) for number, name in enumerate("abc")]
    out = tmp_path / "out"
    with DAG("mapped", schedule=None) as dag:

        def check(task_id: str, **arguments: Any) -> Any:
            return PanderaCheckOperator.partial(
                task_id=task_id, schema="check_schemas:schema", max_quarantine_share=1.0, **arguments
            )

        @task
        def made() -> list[str]:
            return paths

        @task.pandera(path=f"{out}/one.parquet", schema="check_schemas:schema")
        def decorated_shared(first: int) -> Any:
            raise AssertionError("not called")

        @task.pandera(
            path=f"{out}/decorated-{{{{ task.op_kwargs.first }}}}.parquet", schema="check_schemas:schema"
        )
        def decorated(first: int) -> Any:
            import polars as pl

            return pl.DataFrame({"a": [first]})

        @task_group
        def group(path: str) -> None:
            for name, valid in (("shared", "one"), ("varied", "group-{{ ti.map_index }}")):
                PanderaCheckOperator(
                    task_id=name,
                    path=path,
                    schema="check_schemas:schema",
                    max_quarantine_share=1.0,
                    valid_path=f"{out}/{valid}.parquet",
                )

        check("shared", valid_path=f"{out}/one.parquet").expand(path=paths)
        check("shared_xcom", valid_path=f"{out}/one.parquet").expand(path=made())
        check("shared_run", valid_path=f"{out}/{{{{ ti.run_id }}}}.parquet").expand(path=paths)
        check("shared_quarantine", quarantine_path=f"{out}/one.parquet").expand(path=paths)
        check("crossed").expand(path=paths, valid_path=[f"{out}/one.parquet", f"{out}/two.parquet"])
        check("twice").expand_kwargs([{"path": path, "valid_path": f"{out}/one.parquet"} for path in paths])
        check("by_index", valid_path=f"{out}/index-{{{{ ti.map_index }}}}.parquet").expand(path=paths)
        check("by_argument", path=paths[0], valid_path=f"{out}/{{{{ task.dataset }}}}.parquet").expand(
            dataset=["x", "y"]
        )
        check("paired").expand_kwargs([{"path": path, "valid_path": f"{path}-valid"} for path in paths])
        check("in_folder", quarantine_path=f"{out}/refused").expand(path=paths)
        decorated_shared.expand(first=[1, 2])
        decorated.expand(first=[1, 2])
        group.expand(path=paths[:2])
    states = states_of(run_dag(dag))
    said = capsys.readouterr().out
    refused = ("shared", "shared_xcom", "shared_run", "shared_quarantine", "crossed", "twice")
    for name in (*refused, "decorated_shared", "group.shared"):
        assert set(states.pop(name)) == {"failed"}, name
        assert f"mapped tasks of '{name}'" in said
    assert states.pop("made") == ["success"]
    varied = {"by_index", "by_argument", "paired", "in_folder", "decorated", "group.varied"}
    assert states.keys() == varied
    assert {state for found in states.values() for state in found} == {"success"}
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.parquet"))
    refused_files = [name for name in written if name.startswith("refused/")]
    assert [name for name in written if name not in refused_files] == [
        "decorated-1.parquet", "decorated-2.parquet", "group-0.parquet", "group-1.parquet",
        "index-0.parquet", "index-1.parquet", "index-2.parquet", "x.parquet", "y.parquet",
    ]  # fmt: skip
    assert len(refused_files) == 3


def test_a_cleared_task_replaces_its_quarantine(run_dag: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    with DAG("cleared", schedule=None) as dag:
        PanderaCheckOperator(
            task_id="check",
            path=str(path),
            schema="check_schemas:schema",
            quarantine_path=f"{tmp_path}/refused/",
            fail_on="never",
        )
    operator = dag.get_task("check")

    def check(refused: int, run_id: str) -> Path:
        """Execute the task as a cleared one is: in the same Dag run."""
        write(path, [1] + [-1] * refused)
        ti = SimpleNamespace(dag_id="cleared", task_id="check", run_id=run_id, map_index=-1)
        return Path(operator.execute({"ti": ti, "outlet_events": {}})["quarantine_path"])

    first = check(2, "scheduled__2026-03-01T00:00:00+00:00")
    again = check(1, "scheduled__2026-03-01T00:00:00+00:00")
    other = check(3, "scheduled__2026-03-02T00:00:00+00:00")
    assert first == again
    assert first.name.startswith("cleared-check-scheduled__2026-03-01T00-00-00-00-00-")
    assert sorted((tmp_path / "refused").iterdir()) == [first, other]
    assert (pq.read_table(first).num_rows, pq.read_table(other).num_rows) == (1, 3)


def test_paths_are_text_or_path_objects_and_none_is_unset(
    run_dag: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "in.parquet", [1, -1])
    unset = {
        "quarantine_path": "{{ none }}", "valid_path": "{{ '' }}", "results_root": "{{ none }}",
        "storage_conn_id": "{{ none }}", "dataset": "{{ none }}",
    }  # fmt: skip
    common: dict[str, Any] = {"schema": "check_schemas:schema", "max_quarantine_share": 1.0}
    with DAG("paths", schedule=None) as dag:
        PanderaCheckOperator(task_id="unset", path=str(path), **common, **unset)
        PanderaCheckOperator(task_id="no_path", path="{{ none }}", **common)
        PanderaCheckOperator(
            task_id="pathlib",
            path=path.parent / "{{ 'in' }}.parquet",
            valid_path=tmp_path / "pathlib.parquet",
            **common,
        )
        PanderaCheckOperator(
            task_id="object_storage",
            path=ObjectStoragePath(f"file://{path}"),
            quarantine_path=ObjectStoragePath(f"file://{tmp_path}/refused"),
            **common,
        )
    run = run_dag(dag)
    states = {name: state for name, (state,) in states_of(run).items()}
    assert states == {
        "unset": "success", "no_path": "failed", "pathlib": "success", "object_storage": "success",
    }  # fmt: skip
    summary = task_instance(run, "unset").xcom_pull(task_ids="unset")
    assert (summary["quarantine_path"], summary["valid_path"], summary["dataset"]) == (None, None, str(path))
    assert len(ResultHistory(tmp_path / "root").runs()) == 3
    assert pq.read_table(tmp_path / "pathlib.parquet")["a"].to_pylist() == [1]
    assert len(list((tmp_path / "refused").iterdir())) == 1
    assert not list(tmp_path.rglob("*None*"))
    assert "{{ 'in' }}.parquet: a positive failed" not in capsys.readouterr().out


def test_natively_rendered_paths(
    run_dag: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "in.parquet", [1])
    with DAG("native", schedule=None, render_template_as_native_obj=True) as dag:
        for name, given in {"none": "{{ none }}", "number": "{{ '1.10' }}"}.items():
            PanderaCheckOperator(
                task_id=name, path=str(path), schema="check_schemas:schema", valid_path=given
            )
        PanderaCheckOperator(task_id="path", path="{{ none }}", schema="check_schemas:schema")
    states = states_of(run_dag(dag))
    assert states == {"none": ["success"], "number": ["failed"], "path": ["failed"]}
    said = capsys.readouterr().out
    assert "valid_path is not text but a number (float), which may have lost digits" in said
    assert "path is not set" in said


def prepared(**arguments: Any) -> PanderaCheckOperator:
    """Return an operator whose arguments have been read as at the beginning of its execution."""
    operator = PanderaCheckOperator(task_id="check", schema="check_schemas:schema", **arguments)
    operator._prepare({"ti": SimpleNamespace(map_index=-1)})  # type: ignore[typeddict-item]
    return operator


def test_the_connection_of_a_path_is_used_unless_one_is_given() -> None:
    path = ObjectStoragePath("s3://lake@bucket/in.parquet")
    operator = prepared(path=path)
    assert (operator.path, operator.storage_conn_id) == ("s3://bucket/in.parquet", "lake")
    assert operator._name() == "s3://bucket/in.parquet"
    assert prepared(path=path, storage_conn_id="other").storage_conn_id == "other"
    results = ObjectStoragePath("s3://results/root", conn_id="other")
    assert prepared(path=path, results_root=results)._results_conn_id() == "other"
    with pytest.raises(ConfigurationError, match="the connections lake, other"):
        prepared(path=path, valid_path=ObjectStoragePath("s3://bucket/v.parquet", conn_id="other"))


@pytest.mark.parametrize("value", [b"in.parquet", ["in.parquet"], True, 1.5])
def test_a_path_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="path is "):
        prepared(path=value)


def test_results_are_kept_unless_declined(tmp_path: Path) -> None:
    path = write(tmp_path / "in.parquet", [1])
    ti = SimpleNamespace(dag_id="d", task_id="check", run_id="r", map_index=-1)

    def check(**arguments: Any) -> int:
        operator = PanderaCheckOperator(
            task_id="check", path=str(path), schema="check_schemas:schema", dataset="kept", **arguments
        )
        operator.execute({"ti": ti, "outlet_events": {}})  # type: ignore[typeddict-item]
        return len(ResultHistory(tmp_path / "root").runs("kept"))

    assert [check(), check(keep_results=False), check(keep_results=False, history_checks=True)] == [1, 1, 1]


def test_an_argument_that_does_nothing_is_refused(tmp_path: Path) -> None:
    path = str(write(tmp_path / "in.parquet", [1]))
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
    write(data, [-1])
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
