"""Write TypeScript declarations of the page's JSON routes from their pydantic models; ``make docs`` runs it.

The page's modules are checked against them, so that a field that is renamed, or may become null, is an error.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.plugin.app import FOLDER, build_api
from io_intelligence_provider.plugin.listing import StoreSource

__all__ = ["TARGET", "render"]

TARGET: Final = FOLDER / "answers.d.ts"
_PLAIN: Final = {kind: kind for kind in ("string", "number", "boolean", "null")} | {"integer": "number"}


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
    kind = form.get("type")
    if "$ref" in form:
        found = str(form["$ref"]).rpartition("/")[2]
    elif "anyOf" in form:
        found = " | ".join(dict.fromkeys(_type(one) for one in form["anyOf"]))
    elif "enum" in form:
        found = " | ".join(f'"{value}"' for value in form["enum"])
    elif "prefixItems" in form:
        found = f"[{', '.join(_type(one) for one in form['prefixItems'])}]"
    elif kind == "array":
        item = _type(form["items"])
        found = f"({item})[]" if " | " in item else f"{item}[]"
    elif kind == "object":
        found = f"Record<string, {_type(form['additionalProperties'])}>"
    else:
        found = _PLAIN.get(kind or "", "unknown")
    return found


def main() -> None:
    """Write the file."""
    TARGET.write_text(render(), "utf-8")


if __name__ == "__main__":
    main()
