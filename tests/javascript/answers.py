"""Write the TypeScript declarations of the page's JSON routes from their pydantic models; ``make docs`` runs it.

The page's modules are checked against them, so that a field that is renamed, or may become null, is an error.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.plugin.app import build_api
from io_intelligence_provider.plugin.reader import StoreSource
from io_intelligence_provider.plugin.static_files import FOLDER

__all__ = ["TARGET", "render"]

TARGET: Final = FOLDER / "answers.d.ts"
_PLAIN: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def render() -> str:
    """Return the declarations of all answers, in the namespace ``Api``."""
    routes = build_api(StoreSource(lambda: SnapshotStore(".")), lambda: None).routes
    models = [
        route.response_model for route in routes if isinstance(route, APIRoute) and route.response_model
    ]
    _, schema = models_json_schema([(model, "serialization") for model in models])
    lines = [
        "// The answers of the JSON routes. Generated from the pydantic models in plugin/api: make docs",
        "",
        "declare namespace Api {",
    ]
    for name, form in sorted(schema["$defs"].items()):
        lines += ["", *_comment(form.get("description", ""), "  "), f"  interface {name} {{"]
        lines += [f"    {key}: {_type(value)};" for key, value in form["properties"].items()]
        lines += ["  }"]
    return "\n".join([*lines, "}", ""])


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}/** {' '.join(text.replace('``', '`').split())} */"] if text else []


def _type(form: dict[str, Any]) -> str:
    if "$ref" in form:
        return str(form["$ref"].rpartition("/")[2])
    if "anyOf" in form:
        return " | ".join(dict.fromkeys(_type(one) for one in form["anyOf"]))
    if "enum" in form:
        return " | ".join(f'"{value}"' for value in form["enum"])
    if "prefixItems" in form:
        return f"[{', '.join(_type(one) for one in form['prefixItems'])}]"
    kind = form.get("type")
    if kind == "array":
        item = _type(form["items"])
        return f"({item})[]" if " | " in item else f"{item}[]"
    if kind == "object":
        return f"Record<string, {_type(form['additionalProperties'])}>"
    return _PLAIN.get(kind or "", "unknown")


def main() -> None:
    """Write the file."""
    TARGET.write_text(render(), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
