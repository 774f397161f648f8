"""Runs schemathesis on the emulator, from the vendor's OpenAPI document, and on the page, from its own.

``fuzz_api.py ST EXAMPLES``: ST is the command of schemathesis, which has an environment of its own, see
``make fuzz``. No response may be an error of the server or differ from what the document declares.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import yaml

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from helpers.http_clients import PREFIX, serve_page
from helpers.stores import file_every_kind
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.plugin.app import build_api
from io_intelligence_provider.plugin.listing import StoreSource

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def vendor_document() -> Any:
    """Return the vendor's document; references that lead nowhere allow any value."""
    document = yaml.safe_load((TESTS / "emulator/vendor_openapi.yaml").read_text("utf-8"))

    def resolved(node: Any) -> Any:
        if isinstance(node, list):
            return [resolved(item) for item in node]
        if not isinstance(node, dict):
            return node
        if not str(node.get("$ref", "#")).startswith("#"):
            return {}
        return {key: resolved(value) for key, value in node.items()}

    return resolved(document)


def page_document() -> Any:
    """Return the page's document, with the errors that it answers in place of FastAPI's own 422."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GET and HEAD of a route have one id
        document = build_api(StoreSource(lambda: SnapshotStore("/nowhere")), lambda: None).openapi()
    text = {"type": "string", "minLength": 1}
    error = {"type": "object", "required": ["message"], "properties": {"message": text}}
    problem = {"type": "object", "required": ["error"], "properties": {"error": error}}
    for path in document["paths"].values():
        path.pop("head", None)
        for operation in path.values():
            operation["responses"].pop("422", None)
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in ("model", "models"):  # any text but that of a model finds nothing
                    parameter["schema"] = {"anyOf": [{"const": "a"}, parameter["schema"]]}
            operation["responses"]["4XX"] = {
                "description": "a parameter is wrong, or there is no such thing",
                "content": {"application/json": {"schema": problem}},
            }
    return document


def fuzz(command: str, examples: str, name: str, document: Any, url: str, folder: str) -> int:
    path = Path(folder) / f"{name}.json"
    path.write_text(json.dumps(document))
    print(f"== {name}: {url}", flush=True)
    options = ["--max-examples", examples, "--checks", CHECKS, "--no-color", "--continue-on-failure"]
    run = [command, "run", str(path), "--url", url, *options, *sys.argv[3:]]
    return subprocess.run(run, cwd=folder, check=False).returncode


def main() -> int:
    logging.disable()
    command, examples = str(Path(sys.argv[1]).absolute()), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        with EmulatorServer() as server:
            codes = [fuzz(command, examples, "emulator", vendor_document(), server.url, folder)]
        root = Path(folder) / "store"
        file_every_kind(root)
        with serve_page(root) as page:
            url = page.host + PREFIX.rstrip("/")
            codes.append(fuzz(command, examples, "page", page_document(), url, folder))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
