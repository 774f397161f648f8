"""Tests what the site, its navigation and the pages on installation and security refer to."""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk import conf

import io_intelligence_provider
from io_intelligence_provider.get_provider_info import get_provider_info

REPO = Path(__file__).parents[2]
SITE = tomllib.loads((REPO / "docs" / "site.toml").read_text("utf-8"))
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]
INSTALL = (REPO / "docs" / "install.md").read_text("utf-8")
WORKFLOWS = sorted((REPO / ".github" / "workflows").glob("*.yml"))


def listed(entries: list[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        for target in entry.values():
            yield from [target] if isinstance(target, str) else listed(target)


def block(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", INSTALL, re.MULTILINE | re.DOTALL)
    return text


def test_the_navigation_lists_every_page_once() -> None:
    pages = {f"docs/{path.name}" for path in (REPO / "docs").glob("*.md")}
    pages |= {f"reference/{name}.md" for name in SITE["reference"]}
    pages |= {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
    assert sorted(listed(SITE["project"]["nav"])) == sorted(pages)


def test_the_readme_lists_every_page() -> None:
    readme = (REPO / "README.md").read_text("utf-8")
    pages = sorted(path.name for path in (REPO / "docs").glob("*.md"))
    assert [name for name in pages if f"](docs/{name}" not in readme] == []


def test_the_reference_has_what_is_exported_and_nothing_that_is_not_there() -> None:
    names = [name for page in SITE["reference"].values() for name in page["objects"]]
    for name in names:
        module, _, last = f"io_intelligence_provider.{name}".rpartition(".")
        assert hasattr(importlib.import_module(module), last) or importlib.import_module(f"{module}.{last}")
    last_names = {name.rpartition(".")[2] for name in names}
    assert set(io_intelligence_provider.__all__) - {"__version__"} <= last_names
    info = get_provider_info()
    modules = [module for entry in info["operators"] for module in entry["python-modules"]]
    modules += [module for entry in info["hooks"] for module in entry["python-modules"]]
    documented = {f"io_intelligence_provider.{name}".rpartition(".")[0] for name in names}
    assert set(modules) <= documented


def test_every_test_that_the_security_page_names_exists() -> None:
    page = (REPO / "docs" / "security.md").read_text("utf-8")
    file, named = "", 0
    for path, test in re.findall(r"`([\w/]*(?:\.py)?)::(test_\w+)`", page):
        file = path or file
        text = (REPO / "tests" / file).read_text("utf-8")
        assert re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE), f"{file}::{test}"
        named += 1
    assert named > 30


def test_the_values_of_the_chart_are_yaml_with_a_connection() -> None:
    text = block("yaml")
    values = yaml.safe_load(text)
    (secret,) = values["secret"]
    assert secret["envName"] == "AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT"
    literal = re.search(r"--from-literal=(\w+)='(.*)'", text)
    assert literal
    assert literal[1] == secret["secretKey"]
    assert f"secret generic {secret['secretName']} " in text
    assert json.loads(literal[2])["conn_type"] == "io_intelligence"
    known = conf.configuration_description | get_provider_info()["config"]
    for variable in values["env"]:
        section, option = variable["name"].removeprefix("AIRFLOW__").lower().split("__")
        assert option in known[section]["options"]
    assert values["airflowVersion"] in block("dockerfile").partition("\n")[0]


def test_the_image_installs_this_version_and_extras_that_exist() -> None:
    text = block("dockerfile")
    assert [line.split()[0] for line in text.splitlines() if line[0] != " "] == ["FROM", "COPY", "RUN", "RUN"]
    (lowest,) = [name for name in PROJECT["dependencies"] if name.startswith("apache-airflow>=")]
    assert text.startswith(f"FROM apache/airflow:{lowest.partition('>=')[2]}\n")
    wheels = re.findall(
        r"airflow_provider_io_intelligence-([\w.]+)-py3-none-any\.whl(?:\[([\w,]+)\])?", INSTALL
    )
    assert {version for version, _ in wheels} == {io_intelligence_provider.__version__}
    extras = {extra for _, named in wheels for extra in named.split(",") if extra}
    assert extras <= set(PROJECT["optional-dependencies"])
    rows = " ".join(re.findall(r"^\| (`.*?) \|", INSTALL, re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", rows)) == set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_their_actions_keep_no_credentials_and_run_targets_that_exist(path: Path) -> None:
    """`make audit` looks closer."""
    text = path.read_text("utf-8")
    makefile = (REPO / "Makefile").read_text("utf-8")
    assert re.findall(r"uses: \S+@(?![0-9a-f]{40} # v\d+\.\d+\.\d+$).*", text, re.MULTILINE) == []
    workflow = yaml.safe_load(text)
    assert set(workflow["permissions"].values()) <= {"read"}
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
            for target in re.findall(r"make ((?:[a-z-]+ ?)+)", step.get("run", "")):
                assert [name for name in target.split() if f"\n{name}:" not in makefile] == []
