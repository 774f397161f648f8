"""Tests the exports with the packages that read them; ``make test-exports`` runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from helpers.fixtures import RunConsumer
from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, export_prices, take_snapshot
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

pytestmark = pytest.mark.exports

TOKENS = {"input": 1_234_567, "output": 89_012, "cache_read": 345_678}

LITELLM = """
import json, os, sys
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its own list comes from the Internet otherwise
import litellm

tokens = json.loads(sys.argv[2])
with open(sys.argv[1]) as file:
    prices = json.load(file)
litellm.register_model(prices)
costs = {}
for key in prices:
    costs[key] = litellm.cost_per_token(
        model=key,
        prompt_tokens=tokens["input"] + tokens["cache_read"],
        completion_tokens=tokens["output"],
        cache_read_input_tokens=tokens["cache_read"],
    )
print(json.dumps(costs))
"""


LITELLM_BY_URL = """
import functools, http.server, importlib.resources, json, os, pathlib, sys, threading

prices = json.loads(pathlib.Path(sys.argv[1]).read_text())
folder = pathlib.Path(sys.argv[1]).parent
own = importlib.resources.files("litellm") / "model_prices_and_context_window_backup.json"
(folder / "merged.json").write_text(json.dumps(json.loads(own.read_text()) | prices))
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
from litellm.litellm_core_utils.get_model_cost_map import get_model_cost_map

del os.environ["LITELLM_LOCAL_MODEL_COST_MAP"]
url = f"http://127.0.0.1:{server.server_port}/"
found = {name: get_model_cost_map(url + name) for name in ("litellm.json", "merged.json")}
alone, merged = (found[name] for name in ("litellm.json", "merged.json"))
print(json.dumps({key: [key in alone, merged.get(key) == prices[key]] for key in prices}))
"""


OPENROUTER = """
import json, sys
from openrouter import components

with open(sys.argv[1]) as file:
    models = json.load(file)["data"]
prices = {}
for model in models:
    components.ModelArchitecture.model_validate(model["architecture"])
    pricing = components.PublicPricing.model_validate(model["pricing"])
    prices[model["id"]] = [pricing.prompt, pricing.completion, pricing.input_cache_read]
print(json.dumps(prices))
"""


@pytest.fixture(params=["documented", "openai"])
def store(request: Any, tmp_path: Path) -> SnapshotStore:
    """The recorded prices of the last day, in both shapes of the API."""
    store = SnapshotStore(tmp_path / "store")
    with EmulatorServer(catalogue=PriceHistory.load()) as server:
        server.state.shape = request.param
        with IOIntelligenceClient(server.url) as client:
            take_snapshot(client, store)
    return store


@pytest.fixture
def consumed(store: SnapshotStore, tmp_path: Path, run_consumer: RunConsumer) -> Callable[[str, str], Any]:
    """Return a function that exports the prices and returns what a script prints about the file."""

    def run(script: str, form: str) -> Any:
        path = tmp_path / f"{form}.json"
        path.write_bytes(export_prices(store, form))
        found = json.loads(run_consumer(script, str(path), json.dumps(TOKENS), cwd=tmp_path).splitlines()[-1])
        assert len(found) > 20
        return found

    return run


def test_the_cost_functions_of_litellm_give_the_costs_of_the_store(
    store: SnapshotStore, consumed: Callable[[str, str], Any]
) -> None:
    compared = 0
    for key, (prompt, completion) in consumed(LITELLM, "litellm").items():
        name = key.removeprefix("io_intelligence/")
        if store.price_at(name).cache_read is None:
            continue  # LiteLLM takes such tokens for free, the store for unknown
        wanted = store.cost(
            name,
            input_tokens=TOKENS["input"],
            output_tokens=TOKENS["output"],
            cache_read_tokens=TOKENS["cache_read"],
        )
        found = Decimal(prompt) + Decimal(completion)
        assert abs(found - wanted) <= wanted * Decimal("1e-12"), name
        compared += 1
    assert compared > 10


def test_litellm_takes_a_list_by_url_only_merged_with_its_own(consumed: Callable[[str, str], Any]) -> None:
    assert set(map(tuple, consumed(LITELLM_BY_URL, "litellm").values())) == {(False, True)}


def test_the_client_of_openrouter_reads_the_prices_of_the_store(
    store: SnapshotStore, consumed: Callable[[str, str], Any]
) -> None:
    for name, prices in consumed(OPENROUTER, "openrouter").items():
        filed = store.price_at(name)
        per_million = [price and Decimal(price).scaleb(6) for price in prices]
        assert per_million == [filed.input, filed.output, filed.cache_read], name
