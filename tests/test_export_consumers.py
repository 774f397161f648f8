"""Tests the exports with the packages that read them; ``make test-exports`` runs it."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, export_prices, take_snapshot
from io_intelligence_provider.emulator.history import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

pytestmark = pytest.mark.exports

PYTHON = Path(__file__).parents[1] / ".venv-exports" / "bin" / "python"
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


def consumed(script: str, store: SnapshotStore, form: str, folder: Path) -> dict[str, Any]:
    """Return what a script in the environment of the consumers prints about an export."""
    assert PYTHON.exists(), "the consumers are not installed: run make test-exports"
    path = folder / f"{form}.json"
    path.write_bytes(export_prices(store, form))
    done = subprocess.run(
        [str(PYTHON), "-c", script, str(path), json.dumps(TOKENS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert len(found) > 20
    return found


def test_the_cost_functions_of_litellm_give_the_costs_of_the_store(
    store: SnapshotStore, tmp_path: Path
) -> None:
    compared = 0
    for key, (prompt, completion) in consumed(LITELLM, store, "litellm", tmp_path).items():
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


def test_the_client_of_openrouter_reads_the_prices_of_the_store(store: SnapshotStore, tmp_path: Path) -> None:
    for name, prices in consumed(OPENROUTER, store, "openrouter", tmp_path).items():
        filed = store.price_at(name)
        per_million = [price and Decimal(price).scaleb(6) for price in prices]
        assert per_million == [filed.input, filed.output, filed.cache_read], name
