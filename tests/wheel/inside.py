"""Runs checks with the Python of an environment in which the wheel is installed.

``inside.py STEP ARGUMENT…``; each step is a function below. It fails with the traceback of what went wrong.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import io_intelligence_provider

PACKAGE: Final = Path(io_intelligence_provider.__file__).parent
DISTRIBUTION: Final = "airflow-provider-io-intelligence"
FILES: Final = (
    "py.typed",
    "emulator/data/io_net_prices_2026h1.jsonl",
    "quality/report.css",
    "quality/report.schema.json",
    "plugin/static/page.html",
    "plugin/static/app.js",
    "plugin/static/css/page.css",
)
WITH_PARAMETERS: Final[dict[str, Callable[[str], dict[str, str]]]] = {
    "/api/model": lambda model: {"model": model},
    "/api/history": lambda model: {"models": model, "fields": "input_token_price"},
    "/api/dataset": lambda _: {"id": "io_intelligence_models"},
    "/api/dataset/refused": lambda _: {"id": "io_intelligence_models"},
    "/api/dataset/report": lambda _: {"id": "io_intelligence_models"},
    "/api/costs": lambda model: {"traffic": [{"model": model, "input": "1000000"}]},
}


def installed() -> None:
    """Look at the installation: files, metadata, Airflow's view of it, every module."""
    assert "site-packages" in PACKAGE.parts, PACKAGE
    assert importlib.metadata.version(DISTRIBUTION) == io_intelligence_provider.__version__
    for name in FILES:
        assert (PACKAGE / name).is_file(), name
    for name in ("numpy", "pandas", "pyspark", "openlineage", "s3fs"):
        assert importlib.util.find_spec(name) is None, f"{name} is installed, which hides what lacks it"
    _metadata()
    walked = 0
    for module in pkgutil.walk_packages([str(PACKAGE)], "io_intelligence_provider.", onerror=_fail):
        if ".example_dags" in module.name:
            continue
        importlib.import_module(module.name)
        walked += 1
    print(f"{walked} modules imported")


def pages(*paths: str) -> None:
    """Do what pages of the documentation say, each in an empty folder: write its files, run its blocks.

    A block that begins with ``# folder/file.py`` is a file. Output that a page shows has to come.
    """
    for path in paths:
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", Path(path).read_text("utf-8"), re.MULTILINE | re.DOTALL)
        assert blocks, f"{path} has no block"
        with tempfile.TemporaryDirectory() as folder:
            shown = ""
            for language, text in blocks:
                shown = _run_block(language, text, Path(folder), shown)
        print(f"{Path(path).name}: {len(blocks)} blocks")


def _run_block(language: str, text: str, folder: Path, shown: str) -> str:
    """Run a block, or compare it with the output of the one before."""
    if language == "text":
        expected = re.escape(text.strip()).replace("RULE", "[0-9a-f]{8}")
        assert re.fullmatch(expected, shown.strip()), f"{text}\nis shown, this came:\n{shown}"
        return ""
    if named := re.match(r"# (\S+/\S+\.py)\n", text):
        file = folder / named[1]
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
        return ""
    if language == "bash":  # the package is installed
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("pip install"))
    command = {"python": [sys.executable, "-c", text], "bash": ["bash", "-euc", text]}[language]
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}
    environment |= {"AIRFLOW_HOME": str(folder / "airflow")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{text}\n{done.stdout[-3_000:]}\n{done.stderr[-3_000:]}"
    return done.stdout


def _fail(name: str) -> None:
    raise ImportError(f"{name} cannot be imported") from sys.exception()


def _metadata() -> None:
    from jsonschema import validate

    import airflow

    (entry,) = (
        item
        for item in importlib.metadata.entry_points(group="apache_airflow_provider")
        if item.value.startswith("io_intelligence_provider")
    )
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    info = entry.load()()
    validate(info, schema)
    for kind in ("hooks", "operators", "triggers"):
        for name in (module for item in info[kind] for module in item["python-modules"]):
            importlib.import_module(name)
    (plugin,) = (
        item
        for item in importlib.metadata.entry_points(group="airflow.plugins")
        if item.value.startswith("io_intelligence_provider")
    )
    assert plugin.load().external_views, "no page in the plugin"


def _check_exports(package: Any, folder: Path) -> None:
    import pandera.polars as pa
    import polars as pl

    schema = pa.DataFrameSchema({"a": pa.Column(int, pa.Check.gt(0))})
    options = package.CheckOptions(valid_path=str(folder / "valid.parquet"), max_quarantine_share=0.5)
    run = package.check_frame(pl.DataFrame({"a": [1, -1]}), schema, options)
    assert (run.rows, run.valid) == (2, 1)
    assert package.check_dataset(run.valid_path, schema).outcome == "passed"


def exports(url: str, root: str) -> None:
    """Use every export of the package, without Airflow."""
    import io_intelligence_provider as package

    names = set(package.__all__)
    store = package.SnapshotStore(root)
    with package.IOIntelligenceClient(url) as client:
        for day in (date(2026, 6, 28), date(2026, 6, 29)):
            summary: Any = package.take_snapshot(client, store, snapshot_date=day)
    assert isinstance(summary, package.SnapshotSummary)
    assert json.loads(json.dumps(summary.to_dict()))["rows"] > 20
    changes = package.detect_changes(store)
    assert isinstance(changes, package.ChangesSummary)
    assert package.AlertRule(name="all", changes="price_changed", min_pct=1).name == "all"
    model = store.read()["name"][0].as_py()
    assert store.history(models=[model]).num_rows == 2
    assert store.changes().num_rows == store.quarantine().num_rows == 0
    assert store.quality().outcome in {"passed", "warned"}
    assert len(list(store.runs())) == 2
    assert store.price_at(model, "latest").snapshot_date == date(2026, 6, 29)
    store.cost(model, input_tokens=1)
    assert store.price_index()["input"][0].as_py() == 100
    assert len(json.loads(package.export_prices(store, "openrouter"))["data"]) > 20
    _check_exports(package, Path(root))
    used = {
        "AlertRule", "ChangesSummary", "CheckOptions", "IOIntelligenceClient", "SnapshotStore",
        "SnapshotSummary", "__version__", "check_dataset", "check_frame", "detect_changes", "export_prices",
        "take_snapshot",
    }  # fmt: skip
    assert names == used, f"no check here uses {sorted(names ^ used)}"
    assert not [name for name in sys.modules if name.partition(".")[0] == "airflow"], "Airflow was imported"


def in_airflow() -> None:
    """Look at what Airflow finds: the provider, and every Dag of the Dags folder."""
    from airflow.dag_processing.dagbag import BundleDagBag
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk import conf

    assert DISTRIBUTION in ProvidersManager().providers
    folder = Path(conf.get("core", "dags_folder"))
    bag = BundleDagBag(dag_folder=str(folder), bundle_path=folder, bundle_name="dags-folder")
    assert not bag.import_errors, "\n".join(bag.import_errors.values())
    wanted = {path.stem for path in (PACKAGE / "example_dags").glob("*.py")} - {"io_intelligence_settings"}
    assert wanted, "no sample Dag in the wheel"
    assert wanted <= set(bag.dags), wanted - set(bag.dags)


def routes(url: str, user: str, password: str) -> None:
    """Ask a running Airflow for every route of the page and every file beside it."""
    import urllib3
    from fastapi.routing import APIRoute

    from io_intelligence_provider.plugin import URL_PREFIX
    from io_intelligence_provider.plugin.app import build_api
    from io_intelligence_provider.plugin.listing import StoreSource

    pool = urllib3.PoolManager(retries=False, timeout=120)
    login = pool.request("POST", f"{url}/auth/token", json={"username": user, "password": password})
    assert login.status == 201, (login.status, login.data)
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}

    def ask(path: str, parameters: Any = None, method: str = "GET") -> Any:
        sent = {"json": parameters} if method == "POST" else {"fields": parameters}
        answer = pool.request(method, f"{url}{URL_PREFIX}{path}", headers=headers, **sent)
        assert answer.status == 200, f"{method} {path} {parameters}: {answer.status} {answer.data[:2_000]!r}"
        return answer

    model = ask("/api/models").json()["items"][0]["name"]
    app = build_api(StoreSource(_no_store), lambda: None)
    found = [
        (route.path, method)
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    ]
    assert {method for _, method in found} == {"GET", "HEAD", "POST"}
    for path, method in found:
        anonymous = pool.request(method, f"{url}{URL_PREFIX}{path}", redirect=False)
        assert anonymous.status == 401, f"{method} {path} without a login: {anonymous.status}"
        answer = ask(path, WITH_PARAMETERS[path](model) if path in WITH_PARAMETERS else None, method)
        assert (
            method == "HEAD"
            or path in ("/", "/data-quality", "/api/report", "/api/dataset/report")
            or answer.json()
        ), path
    static = PACKAGE / "plugin" / "static"
    files = [str(file.relative_to(static)) for file in static.rglob("*") if file.is_file()]
    for name in files:
        assert ask(f"/static/{name}").data, name
    print(f"{len(found)} routes and {len(files)} files served")


def _no_store() -> Any:
    raise AssertionError("the store is not asked for")


def without_pandas(folder: str) -> None:
    """See that a pandas schema names the extra that it needs."""
    from io_intelligence_provider.errors import ConfigurationError
    from io_intelligence_provider.quality.schema import load_schema

    for source in _pandas_schemas(Path(folder)):
        said = ""
        try:
            load_schema(source)
        except ConfigurationError as error:
            said = str(error)
        assert f"pip install '{DISTRIBUTION}[pandas]'" in said, (source, said)


def with_pandas(folder: str) -> None:
    """Check by pandas schemas: by name, as YAML, and of a pandas frame."""
    import pandas as pd

    from io_intelligence_provider.quality.policy import CheckOptions
    from io_intelligence_provider.quality.run import check_dataset, check_frame

    frame = pd.DataFrame({"a": [1, 2, 2, -1]})
    path = str(Path(folder) / "pandas.parquet")
    frame.to_parquet(path)
    options = CheckOptions(max_quarantine_share=1.0)
    for source in _pandas_schemas(Path(folder)):
        run = check_dataset(path, source, options)
        assert (run.rows, run.valid) == (4, 1), run
        run = check_frame(frame, source, options)
        assert (run.rows, run.valid) == (4, 1), run


def _pandas_schemas(folder: Path) -> tuple[str, str]:
    yaml, module = folder / "pandas.yaml", folder / "schemas_of_pandas.py"
    yaml.write_text("columns:\n  a: {dtype: int64, unique: true, checks: {greater_than_or_equal_to: 0}}\n")
    module.write_text(
        "import pandera.pandas as pa\n"
        "schema = pa.DataFrameSchema({'a': pa.Column(int, pa.Check.ge(0), unique=True)})\n"
    )
    sys.path.insert(0, str(folder))
    return "schemas_of_pandas:schema", str(yaml)


def with_openlineage(folder: str) -> None:
    """Check a data set by the operator and look at the facets that OpenLineage gets of it."""
    facets = _checked(folder).get_openlineage_facets_on_complete(None)
    (source,) = facets.inputs
    assert {"dataQualityAssertions", "dataQualityMetrics"} <= set(source.inputFacets), source
    assert facets.outputs, "no valid rows among the outputs"


def with_spark(folder: str) -> None:
    """Check a data set on a local Spark."""
    run = _checked(folder, engine="spark", spark="local[1]")._run
    assert (run.engine, run.rows, run.valid) == ("spark", 3, 2), run


def _checked(folder: str, **arguments: Any) -> Any:
    import pandera.polars as pa
    import polars as pl

    from io_intelligence_provider.operators.pandera import PanderaCheckOperator

    path = Path(folder) / "facets.parquet"
    pl.DataFrame({"a": [1, 2, -1]}).write_parquet(path)
    operator = PanderaCheckOperator(
        task_id="facets",
        path=str(path),
        schema=pa.DataFrameSchema({"a": pa.Column(int, pa.Check.ge(0))}),
        valid_path=f"{folder}/facets-valid.parquet",
        max_quarantine_share=1.0,
        results_root=f"{folder}/results",
        **arguments,
    )
    operator.execute({})
    return operator


def with_file_system(url: str, connection: str, kind: str) -> None:
    """Open a store and a data set on an object store, without asking it anything."""
    from io_intelligence_provider.hooks.store import filesystem_of, open_store

    assert url.partition("://")[2] in repr(open_store(url, connection))
    found = [cls.__name__ for cls in type(filesystem_of(url, connection)).__mro__]
    assert kind in found, f"{url} is served by {found[0]}"


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
