"""The published forms of a result, JSON and HTML, compared with files as they were published.

They change only on purpose: ``python tests/quality/test_golden.py`` writes them anew.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest

from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot
from io_intelligence_provider.emulator.catalogue import FixedCatalogue, PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import QualityError
from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.quality.report_html import report_html
from io_intelligence_provider.quality.run import check_dataset

GOLDEN = Path(__file__).parent / "golden"


def snapshot_forms(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the forms of two snapshots: one with every kind of finding, one that was stopped."""
    store = SnapshotStore(folder / "store")
    records = sorted(PriceHistory.load().records(), key=lambda record: record["name"])[:8]
    with (
        EmulatorServer(catalogue=FixedCatalogue(records)) as server,
        IOIntelligenceClient(server.url) as client,
    ):
        take_snapshot(client, store, snapshot_date="2026-01-01")
    records[0]["status"] = "<b>?</b>"
    records[1]["metadata"]["input_token_price"] = "-1"
    records[2]["metadata"]["output_token_price"] = "0"
    records[3]["new_key"] = 1
    records[4]["metadata"]["tags"] = "one"
    del records[5]["name"]
    for record in records:
        record.pop("description", None)
    with (
        EmulatorServer(catalogue=FixedCatalogue(records)) as server,
        IOIntelligenceClient(server.url) as client,
    ):
        take_snapshot(client, store, snapshot_date="2026-01-02", max_quarantine_share=0.5)
        with pytest.raises(QualityError) as stopped:
            take_snapshot(client, store, snapshot_date="2026-01-03", max_quarantine_share=0.25)
    warned = store.quality("2026-01-02")
    for name, report in (("snapshot_warned", warned), ("snapshot_failed", stopped.value.report)):
        yield f"{name}.json", _plain(report.to_json(), folder)
        yield f"{name}.html", _plain(report_html(report), folder)
    yield "snapshot_failed.txt", _plain(str(stopped.value), folder)


def run_forms(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the forms of two runs over one data set: with findings, and stopped."""
    data = folder / "in" / "orders.parquet"
    data.parent.mkdir()
    pl.DataFrame(
        {"id": [1, 2, 2, 4], "fare": [1.5, -2.0, None, 4.0], "vendor": ["A", "B", "<i>", None]}
    ).write_parquet(data)
    schema = pa.DataFrameSchema(
        {
            "id": pa.Column(pl.Int64, unique=True),
            "fare": pa.Column(pl.Float64, pa.Check.ge(0, name="not_negative")),
            "vendor": pa.Column(pl.String, pa.Check.isin(["A", "B"], raise_warning=True), nullable=True),
            "absent": pa.Column(pl.String, required=False),
        },
        name="Orders",
    )
    options = CheckOptions(
        quarantine_path=str(folder / "refused.parquet"),
        valid_path=str(folder / "valid.parquet"),
        max_quarantine_share=0.75,
        thresholds={"not_negative": 0.5},
        profile=True,
    )
    with pytest.raises(QualityError) as stopped:
        check_dataset(str(data), schema, CheckOptions(max_quarantine_share=0.25))
    warned = check_dataset(str(data), schema, options)
    for name, run in (("run_warned", warned), ("run_failed", stopped.value.report)):
        yield f"{name}.json", _plain(run.to_json(), folder)
        yield f"{name}.html", _plain(report_html(run), folder)
    yield "run_failed.txt", _plain(str(stopped.value), folder)
    yield "run_warned.summary.json", _plain(json.dumps(warned.summary(), indent=1), folder)


_CHANGING = (
    (r"\d{8}T\d{6}Z-[0-9a-f]{8}", "RUN"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00)?( UTC)?", "MOMENT"),
    (r"http://127\.0\.0\.1:\d+", "http://HOST"),
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r'"seconds": [0-9.]+', '"seconds": 0.0'),
    (r"in \d+\.\d s", "in 0.0 s"),
)


def _plain(text: str, folder: Path) -> str:
    """Replace what every run has of its own: ids, moments, ports, folders."""
    text = text.replace(str(folder), "FOLDER")
    for pattern, word in _CHANGING:
        text = re.sub(pattern, word, text)
    return text.rstrip("\n") + "\n"


@pytest.mark.parametrize("forms", [snapshot_forms, run_forms])
def test_the_published_forms_stay_as_they_are(
    forms: Callable[[Path], Iterator[tuple[str, str]]], tmp_path: Path
) -> None:
    found = dict(forms(tmp_path))
    assert found == {name: (GOLDEN / name).read_text("utf-8") for name in found}


if __name__ == "__main__":
    for make in (snapshot_forms, run_forms):
        with tempfile.TemporaryDirectory() as made:
            for file, content in make(Path(made)):
                (GOLDEN / file).write_text(content, "utf-8")
