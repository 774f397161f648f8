"""Compares parameters and responses of the emulator with the vendor's OpenAPI document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from helpers.http_clients import ask
from io_intelligence_provider.emulator.server import EmulatorServer, create_app

VENDOR = yaml.safe_load((Path(__file__).parent / "vendor_openapi.yaml").read_text(encoding="utf-8"))
OPERATION = VENDOR["paths"]["/api/v1/models"]["get"]
SCHEMAS = VENDOR["components"]["schemas"]
WORDS = {"description", "title"}


def without_words(schema: Any) -> Any:
    """Return types, bounds, defaults and whether a value is required."""
    if isinstance(schema, list):
        return [without_words(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: without_words(value) for key, value in schema.items() if key not in WORDS}


def without_dangling(schema: Any) -> Any:
    """Return a schema without references out of the document, which lead nowhere: any value will do there."""
    if isinstance(schema, list):
        return [without_dangling(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if not schema.get("$ref", "#").startswith("#"):
        return {}
    return {key: without_dangling(value) for key, value in schema.items()}


def validate(body: Any, status: int) -> None:
    """Validate a response against the schema that the vendor gives for its status."""
    (content,) = OPERATION["responses"][str(status)]["content"].values()
    schema = content["schema"] | {"components": without_dangling(VENDOR["components"])}
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(body)


def test_parameters_are_the_vendors() -> None:
    (ours,) = (route for route in create_app().openapi()["paths"].values() if "get" in route)
    assert without_words(ours["get"]["parameters"]) == without_words(OPERATION["parameters"])


@pytest.mark.parametrize("query", ["", "?page=2&page_size=7", "?page=99", "?q=kimi"])
def test_pages_conform_to_the_vendors_schema(history_server: EmulatorServer, query: str) -> None:
    body = ask(history_server, f"/api/v1/models{query}").json()
    validate(body, 200)
    for record in body["data"]:
        assert record.keys() == SCHEMAS["ModelData"]["properties"].keys()
        assert record["metadata"].keys() <= SCHEMAS["ModelMetadata"]["properties"].keys()


@pytest.mark.parametrize("query", ["page=0", "page_size=101", "page=x"])
def test_errors_conform_to_the_vendors_schema(history_server: EmulatorServer, query: str) -> None:
    response = ask(history_server, f"/api/v1/models?{query}")
    assert response.status == 422
    validate(response.json(), 422)
