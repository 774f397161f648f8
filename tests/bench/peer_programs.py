"""Defines what people use in place of this provider; each program runs in an environment of its own.

``python peer_programs.py NAME URL FOLDER`` reads the catalogue at the URL and writes Parquet to the folder;
``python peer_programs.py NAME FILE FOLDER`` checks a Parquet file. The last line printed is the number of
rows written, or refused. Every program does what its own documentation shows first, with the same checks.
"""

from __future__ import annotations

import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

PRICE = r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
PRICES = [f"{kind}_token_price" for kind in ("input", "output", "cache_write", "cache_read")]


def provider(url: str, folder: Path) -> int:
    """This provider."""
    from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot

    with IOIntelligenceClient(url) as client:
        return take_snapshot(client, SnapshotStore(folder), max_quarantine_share=0.2).rows


def by_hand(url: str, folder: Path) -> int:
    """requests, pandas and pandera, written by hand."""
    import requests

    session, records, page, more = requests.Session(), [], 1, True
    while more:
        answer = session.get(f"{url}/api/v1/models", params={"page": page, "page_size": 100}, timeout=30)
        answer.raise_for_status()
        body = answer.json()
        records += body["data"]
        page, more = page + 1, body["pagination"]["has_next"]
    return _checked_with_pandas(records, folder)


def http_operator(url: str, folder: Path) -> int:
    """Airflow's HttpOperator with its pagination, and pandera on pandas in the response filter."""
    from airflow.providers.http.operators.http import HttpOperator

    os.environ["AIRFLOW_CONN_CATALOGUE"] = url

    def next_page(response: Any) -> dict[str, Any] | None:
        pagination = response.json()["pagination"]
        return (
            {"data": {"page": pagination["page"] + 1, "page_size": 100}} if pagination["has_next"] else None
        )

    operator = HttpOperator(
        task_id="read",
        http_conn_id="catalogue",
        method="GET",
        endpoint="api/v1/models",
        data={"page": 1, "page_size": 100},
        pagination_function=next_page,
        response_filter=lambda responses: [record for one in responses for record in one.json()["data"]],
    )
    return _checked_with_pandas(operator.execute({}), folder)


def dlt(url: str, folder: Path) -> int:
    """dlt's REST source into Parquet files; it has no checks of values."""
    import dlt as library
    from dlt.sources.rest_api import rest_api_source

    paginator = {"type": "page_number", "base_page": 1, "total_path": "pagination.total_pages"}
    endpoint = {
        "path": "api/v1/models",
        "params": {"page_size": 100},
        "data_selector": "data",
        "paginator": paginator,
    }
    models = {"name": "models", "endpoint": endpoint}
    source: Any = rest_api_source({"client": {"base_url": url}, "resources": [models]})
    pipeline = library.pipeline(
        "catalogue",
        pipelines_dir=str(folder / "work"),
        destination=library.destinations.filesystem(f"file://{folder}/out"),
        dataset_name="catalogue",
    )
    pipeline.run(source, loader_file_format="parquet")
    return int(pipeline.last_trace.last_normalize_info.row_counts["models"])


def check_provider(file: str, folder: Path) -> int:
    """This provider's engine with a polars schema."""
    import pandera.polars as pa

    from io_intelligence_provider import CheckOptions, check_dataset

    options = CheckOptions(
        quarantine_path=str(folder / "refused.parquet"), fail_on="never", max_quarantine_share=1
    )
    return check_dataset(file, pa.DataFrameSchema(_columns(pa)), options).quarantined


def check_pandera(file: str, folder: Path) -> int:
    """pandera alone, on polars."""
    import pandera.polars as pa
    import polars as pl

    try:
        pa.DataFrameSchema(_columns(pa)).validate(pl.read_parquet(file), lazy=True)
    except pa.errors.SchemaErrors as errors:
        return int(errors.failure_cases["index"].n_unique())
    return 0


def check_great_expectations(file: str, folder: Path) -> int:
    """Great Expectations, on pandas."""
    import great_expectations as gx
    import pandas as pd

    expect, context = gx.expectations, gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("files").add_dataframe_asset("models")
    suite = gx.ExpectationSuite(
        "models",
        expectations=[
            expect.ExpectColumnValuesToBeUnique(column="id"),
            expect.ExpectColumnValuesToBeInSet(column="status", value_set=["active", "inactive"]),
            expect.ExpectColumnValuesToBeBetween(column="trendiness", min_value=0, max_value=10),
            expect.ExpectColumnValuesToMatchRegex(column="price", regex=PRICE),
        ],
    )
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": pd.read_parquet(file)})
    result = batch.validate(suite, result_format={"result_format": "COMPLETE"})
    refused = [one.result.get("unexpected_index_list") or [] for one in result.results]
    return len(set().union(*refused))


def _columns(pa: Any) -> dict[str, Any]:
    return {
        "id": pa.Column(str, unique=True),
        "status": pa.Column(str, pa.Check.isin(["active", "inactive"])),
        "trendiness": pa.Column(int, pa.Check.in_range(0, 10)),
        "price": pa.Column(str, pa.Check.str_matches(PRICE)),
    }


def _checked_with_pandas(records: list[dict[str, Any]], folder: Path) -> int:
    import pandas as pd
    import pandera.pandas as pa

    frame: Any = pd.json_normalize(records)
    price = pa.Check.str_matches(PRICE)
    schema = pa.DataFrameSchema(
        {
            "model_id": pa.Column(str, pa.Check.str_matches(r"^[0-9a-f-]{36}$"), unique=True),
            "name": pa.Column(str),
            "status": pa.Column(str, pa.Check.isin(["active", "inactive"])),
            "chat_daily_quota_tier_1": pa.Column(int, pa.Check.ge(0), coerce=True),
            "metadata.trendiness": pa.Column(int, pa.Check.in_range(0, 10)),
            "metadata.max_tokens": pa.Column(int, pa.Check.ge(0)),
            "created_at": pa.Column(str),
            "updated_at": pa.Column(str, pa.Check.str_matches(r"^\d{4}-\d{2}-\d{2}T")),
            **{f"metadata.{name}": pa.Column(object, price, nullable=True) for name in PRICES},
        }
    )
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        frame = frame.drop(index=errors.failure_cases["index"].dropna().unique())
    for name in PRICES:  # as the exact decimals that a budget needs
        column = f"metadata.{name}"
        frame[column] = frame[column].map(lambda text: None if text is None else Decimal(text))
    frame.to_parquet(folder / "models.parquet")
    return len(frame)


if __name__ == "__main__":
    name, source, folder = sys.argv[1:]
    os.environ["AIRFLOW_HOME"] = folder
    print(globals()[name](source, Path(folder)))
