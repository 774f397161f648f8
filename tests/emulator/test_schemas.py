"""The emulator's own OpenAPI document describes the operation that the vendor's describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.http_clients import ask
from io_intelligence_provider.emulator.app import create_app
from io_intelligence_provider.emulator.server import EmulatorServer

VENDOR = yaml.safe_load((Path(__file__).parent / "vendor_openapi.yaml").read_text(encoding="utf-8"))
WORDS = {"description", "title", "summary", "examples"}
DANGLING = {"license", "tool_support"}
"""Their schemas refer to nothing in the vendor's document: any schema will do."""


def facts(schema: Any) -> Any:
    """Return a schema without its words: types, formats, bounds, defaults, required fields, references."""
    if isinstance(schema, list):
        return [facts(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: facts(value) for key, value in schema.items() if key not in WORDS or isinstance(value, dict)}
    if "required" in kept and isinstance(kept["required"], list):
        kept["required"] = sorted(kept["required"])
    return kept


def properties(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema's facts property by property; ``description`` is a name here, not a word."""
    found = {name: facts(value) for name, value in schema.get("properties", {}).items()}
    for name in DANGLING & found.keys():
        found[name] = {"default": found[name].get("default")}
    return found


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    return create_app().openapi()


def operation(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"]["/api/v1/models"]["get"]
    return found


def test_only_the_documented_operation_is_described(ours: dict[str, Any]) -> None:
    assert {path: list(item) for path, item in ours["paths"].items()} == {"/api/v1/models": ["get"]}
    assert operation(ours)["operationId"] == operation(VENDOR)["operationId"]
    assert operation(ours)["tags"] == operation(VENDOR)["tags"]


def test_parameters_are_the_vendors(ours: dict[str, Any]) -> None:
    assert facts(operation(ours)["parameters"]) == facts(operation(VENDOR)["parameters"])
    assert len(operation(ours)["parameters"]) == 4


def test_answers_are_the_vendors(ours: dict[str, Any]) -> None:
    assert facts(operation(ours)["responses"]) == facts(operation(VENDOR)["responses"])


def test_the_same_schemas_are_described(ours: dict[str, Any]) -> None:
    assert ours["components"]["schemas"].keys() == VENDOR["components"]["schemas"].keys()


@pytest.mark.parametrize("name", sorted(VENDOR["components"]["schemas"]))
def test_schema_is_the_vendors(ours: dict[str, Any], name: str) -> None:
    mine, theirs = ours["components"]["schemas"][name], VENDOR["components"]["schemas"][name]
    assert properties(mine) == properties(theirs)
    rest = [{k: v for k, v in facts(schema).items() if k != "properties"} for schema in (mine, theirs)]
    assert rest[0] == rest[1]


def test_the_document_is_served(history_server: EmulatorServer, ours: dict[str, Any]) -> None:
    assert ask(history_server, "/openapi.json").json() == ours
