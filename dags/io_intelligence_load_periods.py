"""### Prices with their periods, in a SQL database

Loads the price list into a warehouse, as an example: after each snapshot this Dag writes every price with the
period in which it was valid (`valid_from` included, `valid_to` not; null while it is valid) into one table of
any database that Airflow has a hook for.

* **Before the first run**: install the provider of your database, for example
  `apache-airflow-providers-postgres`, and add the connection `io_intelligence_warehouse`. The table is
  created if it does not exist.
* **Reruns** load what the store holds now. The rows are replaced in one transaction, so a reader sees the old
  ones or the new ones, and a failure leaves the old ones. Two runs never load at once: the later one would
  insert rows that it did not see and could not delete. A root without a snapshot fails, and empties no table.

The price of a day: `WHERE valid_from <= day AND (valid_to IS NULL OR day < valid_to)`. No row means that the
price was not known that day, which is not the same as free.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from airflow.sdk import BaseHook, dag, task

from io_intelligence_provider.assets import MODELS

sys.path.append(str(Path(__file__).parent))  # Airflow does it for the Dags folder, not for those below
from io_intelligence_settings import ON_FAILURE

SQL_CONN_ID = "io_intelligence_warehouse"
CHUNK = 10_000

# A name of 512 characters is the longest that MySQL can index here.
CREATE = """
CREATE TABLE IF NOT EXISTS io_intelligence_price_periods (
    model_id VARCHAR(36) NOT NULL,
    name VARCHAR(512) NOT NULL,
    field VARCHAR(32) NOT NULL,
    price DECIMAL(38, 18) NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE,
    PRIMARY KEY (model_id, name, field, valid_from)
)
"""
DELETE = "DELETE FROM io_intelligence_price_periods"
INSERT = """
INSERT INTO io_intelligence_price_periods (model_id, name, field, price, valid_from, valid_to)
VALUES (?, ?, ?, ?, ?, ?)
"""


def as_text(row: dict[str, Any]) -> tuple[str | None, ...]:
    """Return a row as text, which a database casts exactly; some drivers do not support decimals."""
    price = f"{row['price']:f}".rstrip("0").rstrip(".")  # the store has 18 decimals
    days = (day and day.isoformat() for day in (row["valid_from"], row["valid_to"]))
    return row["model_id"], row["name"], row["field"], price, *days


@task
def load_periods() -> dict[str, int]:
    """Replace the rows of the table by the periods of the store; return their number."""
    from io_intelligence_provider.hooks.store import open_store

    store = open_store()
    store.resolve()  # fails when there is no snapshot, as where a volume is not mounted
    periods = store.periods()
    hook: Any = BaseHook.get_connection(SQL_CONN_ID).get_hook()
    # SQLite stores a DECIMAL as a binary float, but text unchanged.
    create = CREATE.replace("DECIMAL(38, 18)", "TEXT") if hook.dialect_name == "sqlite" else CREATE
    insert = INSERT.replace("?", hook.placeholder)
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        if hook.supports_autocommit:
            hook.set_autocommit(connection, False)  # some drivers, such as Snowflake's, begin with True
        cursor.execute(create)
        cursor.execute(DELETE)
        for chunk in periods.to_batches(max_chunksize=CHUNK):
            cursor.executemany(insert, [as_text(row) for row in chunk.to_pylist()])
        connection.commit()
    return {"periods": periods.num_rows}


@dag(
    schedule=MODELS,
    catchup=False,
    max_active_runs=1,
    default_args={"on_failure_callback": ON_FAILURE},
    doc_md=__doc__,
    tags=["io-intelligence", "pricing", "example"],
)
def io_intelligence_load_periods() -> None:
    load_periods()


io_intelligence_load_periods()
