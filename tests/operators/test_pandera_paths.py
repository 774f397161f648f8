"""Paths of ``PanderaCheckOperator`` and ``@task.pandera``: types, templates, mapped and cleared tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from airflow.sdk import DAG, ObjectStoragePath, task, task_group

from helpers.airflow_runs import prepared, task_instance, write_column
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.operators.pandera import PanderaCheckOperator
from io_intelligence_provider.quality.results_store import ResultHistory

pytestmark = pytest.mark.usefixtures("schemas")


def states_of(run: Any) -> dict[str, list[str]]:
    """Return the states of the instances of each task."""
    states: dict[str, list[str]] = {}
    for item in run.get_task_instances():
        states.setdefault(item.task_id, []).append(str(item.state))
    return states


def test_mapped_tasks_never_replace_each_others_rows(
    run_dag: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [
        str(write_column(tmp_path / f"{name}.parquet", [number, -1])) for number, name in enumerate("abc")
    ]
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


def test_mapped_tasks_are_never_compared_with_each_other(
    run_dag: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(write_column(tmp_path / f"{name}.parquet", [number])) for number, name in enumerate("ab")]
    with DAG("mapped_history", schedule=None) as dag:

        def check(task_id: str, **arguments: Any) -> Any:
            arguments = {"schema": "check_schemas:schema", "history_checks": True} | arguments
            return PanderaCheckOperator.partial(
                task_id=task_id, results_root=str(tmp_path / task_id), **arguments
            )

        @task
        def made() -> list[str]:
            return paths

        @task_group
        def group(path: str, name: str) -> None:
            for task_id, dataset in (("shared", None), ("varied", name), ("by_index", "{{ ti.map_index }}")):
                PanderaCheckOperator(
                    task_id=task_id,
                    path=path,
                    schema="check_schemas:schema",
                    dataset=dataset,
                    history_checks=True,
                    results_root=str(tmp_path / f"group.{task_id}"),
                )

        check("shared", dataset="orders").expand(path=paths)
        check("shared_path", path=f"{tmp_path}/{{{{ 'ab'[ti.map_index] }}}}.parquet").expand(min_rows=[0, 1])
        check("twice").expand_kwargs([{"path": path, "dataset": "orders"} for path in paths])
        check("without_history", dataset="orders", history_checks=None).expand(path=paths)
        check("by_path").expand(path=paths)
        check("by_xcom").expand(path=made())
        check("by_index", dataset="orders {{ ti.map_index }}").expand(path=paths)
        check("paired").expand_kwargs([{"path": path, "dataset": path[-9:]} for path in paths])
        group.expand_kwargs([{"path": path, "name": path[-9:]} for path in paths])
    states = states_of(run_dag(dag))
    said = capsys.readouterr().out
    for name in ("shared", "shared_path", "twice", "group.shared"):
        assert set(states.pop(name)) == {"failed"}, name
        assert f"mapped tasks of '{name}' have one name" in said
    del states["made"]
    assert {state for found in states.values() for state in found} == {"success"}
    for name in states:
        names = {run.dataset for run in ResultHistory(tmp_path / name).runs()}
        assert len(names) == (1 if name == "without_history" else 2), name


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
        write_column(path, [1] + [-1] * refused)
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
    path = write_column(tmp_path / "in.parquet", [1, -1])
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
    path = write_column(tmp_path / "in.parquet", [1])
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
