"""Tests that the information for Airflow about the provider is valid and complete."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import sys
import tomllib
from importlib.metadata import distribution, entry_points, packages_distributions
from pathlib import Path

import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager
from airflow.sdk import BaseNotifier
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import airflow
from helpers.surroundings import REPOSITORY
from io_intelligence_provider.catalog.settings import EXTRA_FIELDS, ClientSettings
from io_intelligence_provider.get_provider_info import get_provider_info
from io_intelligence_provider.hooks.io_intelligence import IOIntelligenceHook

pytestmark = pytest.mark.airflow


def test_the_metadata_fit_airflows_schema() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_the_entry_point_leads_to_the_metadata() -> None:
    (entry,) = (
        item
        for item in entry_points(group="apache_airflow_provider")
        if item.value.startswith("io_intelligence_provider")
    )
    assert entry.load() is get_provider_info
    assert get_provider_info()["package-name"] == distribution("airflow-provider-io-intelligence").name


def test_every_module_that_is_named_can_be_imported() -> None:
    info = get_provider_info()
    for part in ("hooks", "operators", "triggers"):
        for module in (name for item in info[part] for name in item["python-modules"]):
            importlib.import_module(module)
    for notifier in info["notifications"]:
        module, _, name = notifier.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), name), BaseNotifier)
    (connection,) = info["connection-types"]
    module, _, name = connection["hook-class-name"].rpartition(".")
    assert getattr(importlib.import_module(module), name) is IOIntelligenceHook
    assert connection["connection-type"] == IOIntelligenceHook.conn_type


def test_the_connection_form_has_every_field_with_its_true_default() -> None:
    fields = get_provider_info()["connection-types"][0]["conn-fields"]
    assert sorted(fields) == sorted(EXTRA_FIELDS)
    settings = ClientSettings()
    for name, field in fields.items():
        default = field["schema"].get("default")
        expected = getattr(settings, name)
        assert default == ("true" if name == "verify" else expected), name


@pytest.mark.parametrize("name", ["guest_session_id", "client_secret", "proxy"])
def test_secret_fields_are_masked_in_the_form(name: str) -> None:
    fields = get_provider_info()["connection-types"][0]["conn-fields"]
    assert fields[name]["schema"]["format"] == "password"


def test_airflow_builds_the_form_without_importing_the_hook() -> None:
    manager = ProvidersManager()
    widgets = manager.connection_form_widgets
    assert {f"extra__io_intelligence__{name}" for name in EXTRA_FIELDS} <= widgets.keys()
    assert widgets["extra__io_intelligence__client_secret"].is_sensitive
    behaviour = manager.field_behaviours["io_intelligence"]
    assert behaviour["relabeling"]["password"] == "API key"
    hook = ProvidersManagerTaskRuntime().hooks["io_intelligence"]
    assert hook is not None
    assert hook.hook_name == "IO Intelligence"
    assert hook.connection_id_attribute_name == "io_intelligence_conn_id"


def test_the_hook_takes_its_connection_by_the_name_it_declares() -> None:
    hook = IOIntelligenceHook(**{IOIntelligenceHook.conn_name_attr: "one_of_mine"})
    assert getattr(hook, IOIntelligenceHook.conn_name_attr) == "one_of_mine"


def test_the_configuration_section_has_its_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import conf

    monkeypatch.delenv("AIRFLOW__IO_INTELLIGENCE__ROOT", raising=False)
    from airflow.configuration import AIRFLOW_HOME

    assert conf.get("io_intelligence", "root") == f"{AIRFLOW_HOME}/io_intelligence"
    assert not conf.get("io_intelligence", "storage_conn_id", fallback=None)


OPTIONAL = {
    "airflow.providers.openlineage": "openlineage",
    "openlineage": "openlineage",
    "pandas": "pandas",
    "pyspark": "spark",
}
"""What is imported only where somebody installed the extra."""


def imported(folder: Path) -> set[str]:
    """Return the packages that the files of a folder import, anywhere in them; providers by their module."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [str(node.module)]
            else:
                continue
            for module in modules:
                is_provider = module.startswith("airflow.providers.")
                found.add(".".join(module.split(".")[: 3 if is_provider else 1]))
    return found - sys.stdlib_module_names - {"io_intelligence_provider"}


_distributions = functools.cache(packages_distributions)  # reads the files of each distribution for a second


def distributions_of(package: str) -> set[str]:
    """Return the names of the distributions that an imported package may come from."""
    if package.startswith("airflow"):
        return {f"apache-{package.replace('.', '-')}"}
    return {canonicalize_name(name) for name in _distributions().get(package, [package])}


def declared(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def test_every_package_that_is_imported_is_declared() -> None:
    """What comes with something else today may not tomorrow: numpy once came with the tests alone."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    always = declared(project["dependencies"])
    extras = {name: declared(items) for name, items in project["optional-dependencies"].items()}
    beside = {path.stem for path in (REPOSITORY / "dags").glob("*.py")}
    packages = imported(REPOSITORY / "provider") | imported(REPOSITORY / "dags") - beside
    undeclared = {
        package
        for package in packages
        if not distributions_of(package) & (extras[OPTIONAL[package]] if package in OPTIONAL else always)
    }
    assert undeclared == set()
    used = {name for package in packages for name in distributions_of(package)}
    assert always - used == set()
