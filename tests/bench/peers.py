"""Compares this provider with what people use in its place: ``make peers`` prints tables and draws a plot.

Each program of peer_programs.py runs as a process in an environment of its own, in turns, with compiled byte
code: time, CPU, peak memory, installed size, and what it does with each of a corpus of bad answers. Trust the
ratios of CPU time; the machine may be shared.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from catalogue_server import record
from run import COMPILED, Figures, measured, server

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
ENVIRONMENTS: Final = ROOT / ".venv-peers"
AIRFLOW: Final = ["apache-airflow", "apache-airflow-providers-standard"]
PACKAGES: Final = {
    "airflow": AIRFLOW,
    "provider": [str(ROOT)],
    "by_hand": ["requests", "pandas", "pandera[pandas]", "pyarrow"],
    "http_operator": [*AIRFLOW, "apache-airflow-providers-http", "pandas", "pandera[pandas]", "pyarrow"],
    "dlt": ["dlt[filesystem,parquet]"],
    "check_pandera": ["pandera[polars]", "pyarrow"],
    "check_great_expectations": ["great_expectations", "pandas", "pyarrow"],
}
READERS: Final = ["provider", "by_hand", "http_operator", "dlt"]
CHECKERS: Final = ["check_provider", "check_pandera", "check_great_expectations"]
INSTALLED: Final = {"check_provider": "provider"}
"""The environment of a program that has another name."""


def python(name: str) -> str:
    return str(ENVIRONMENTS / INSTALLED.get(name, name) / "bin" / "python")


def install() -> None:
    """Make the environments that are missing, each with the newest versions."""
    uv = str(Path(sys.executable).with_name("uv"))
    for name, packages in PACKAGES.items():
        folder = ENVIRONMENTS / name
        if (folder / ".ready").exists():
            continue
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        into = ["--quiet", "--compile-bytecode", "--python", python(name)]
        subprocess.run([uv, "pip", "install", *into, *packages], check=True)
        (folder / ".ready").touch()


def print_sizes() -> None:
    """Print packages and megabytes of each environment, and what it adds to a bare Airflow."""
    print(f"\n{'installed':<26}{'packages':>10}{'MB':>8}   added to a bare Airflow")
    airflow = set(_packages("airflow"))
    for name in PACKAGES:
        found = set(_packages(name))
        files = (ENVIRONMENTS / name / "lib").rglob("*")
        size = sum(path.stat().st_size for path in files if path.is_file() and path.suffix != ".pyc")
        print(f"{name:<26}{len(found):>10}{size / 1e6:>8.0f}   {len(found - airflow)} packages")


_LIST: Final = """
from importlib.metadata import distributions
print(*{one.name.lower().replace("_", "-") for one in distributions()})
"""


def _packages(name: str) -> list[str]:
    listed = subprocess.run([python(name), "-c", _LIST], capture_output=True, text=True, check=True)
    return listed.stdout.split()


def command(name: str, source: str, folder: str) -> list[str]:
    return [python(name), str(HERE / "peer_programs.py"), name, source, folder]


def print_ratios(title: str, names: list[str], source: str, rounds: int) -> dict[str, Figures]:
    """Run programs in turn, and print medians relative to the first of them."""
    runs: dict[str, list[Figures]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                runs[name].append(measured(command(name, source, folder), name))
    print(f"\n{title}")
    medians = {}
    for name, figures in runs.items():
        fields = ("wall", "cpu", "peak")
        medians[name] = Figures(
            *(statistics.median(getattr(one, field) for one in figures) for field in fields)
        )
        taken = medians[name]
        print(
            f"  {name:<26}{taken.cpu / medians[names[0]].cpu:7.2f} x CPU   cpu {taken.cpu:8.2f} s   "
            f"wall {taken.wall:8.2f} s   peak {taken.peak:7.0f} MB"
        )
    return medians


@dataclass(frozen=True)
class Bad:
    """A catalogue of :data:`COUNT` models with one fault.

    :param change: changes the first record.
    :param answer: changes the answer of a page, which has a number.
    """

    name: str
    change: Callable[[dict[str, Any]], Any] | None = None
    answer: Callable[[int, dict[str, Any]], Any] | None = None


COUNT: Final = 150
"""Models of the corpus, on two pages."""


def _set(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda model: model.update(values)


def _set_metadata(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda model: model["metadata"].update(values)


def _add_twin(page: int, answer: dict[str, Any]) -> None:
    if page == 1:
        answer["data"][1] = {**answer["data"][1], "model_id": answer["data"][0]["model_id"]}


CORPUS: Final = (
    Bad("price is the word free", _set_metadata(input_token_price="free")),
    Bad("price with a decimal comma", _set_metadata(input_token_price="0,15")),
    Bad("price is NaN", _set_metadata(input_token_price="NaN")),
    Bad("price is negative", _set_metadata(input_token_price="-1")),
    Bad("price has 22 decimals", _set_metadata(input_token_price="0.1234567890123456789012")),
    Bad("price is a JSON number", _set_metadata(input_token_price=0.5)),
    Bad("price in Arabic digits", _set_metadata(input_token_price="\u0663")),
    Bad("trendiness is 11", _set_metadata(trendiness=11)),
    Bad("trendiness is true", _set_metadata(trendiness=True)),
    Bad("status is unknown", _set(status="retired")),
    Bad("quota is text", _set(chat_daily_quota_tier_1="7")),
    Bad("quota is beyond 64 bits", _set(chat_daily_quota_tier_1=2**70)),
    Bad("quota is null", _set(chat_daily_quota_tier_1=None)),
    Bad("model_id is no UUID", _set(model_id="no-uuid")),
    Bad("name is null", _set(name=None)),
    Bad("name is half a character", _set(name="\ud800")),
    Bad("created_at is absent", lambda model: model.pop("created_at")),
    Bad("updated_at is yesterday", _set(updated_at="yesterday")),
    Bad("metadata is null", _set(metadata=None)),
    Bad(
        "the record is a string",
        answer=lambda page, answer: page == 2 or answer["data"].__setitem__(0, "model"),
    ),
    Bad("two models with one id", answer=_add_twin),
    Bad("total is 10 more", answer=lambda _, answer: answer["pagination"].update(total=COUNT + 10)),
    Bad("page 2 is page 1 again", answer=lambda _, answer: answer.update(data=_models(1))),
    Bad(
        "page 2 is empty", answer=lambda page, answer: answer.update(data=answer["data"] if page == 1 else [])
    ),
    Bad("page 2 is an error with status 200", answer=lambda page, answer: page == 1 or answer.clear()),
)


def _models(page: int) -> list[dict[str, Any]]:
    return [record(number, "plain") for number in (range(100) if page == 1 else range(100, COUNT))]


def _body(bad: Bad, page: int) -> bytes:
    models = _models(page)
    if page == 1 and bad.change:
        bad.change(models[0])
    pagination = {"total": COUNT, "page": page, "page_size": 100, "total_pages": 2, "has_next": page == 1}
    answer = {"data": models, "pagination": pagination | {"has_previous": page == 2}}
    if bad.answer:
        bad.answer(page, answer)
    return json.dumps(answer or {"error": "internal"}).encode()


@contextmanager
def _serving(bad: Bad) -> Iterator[str]:
    bodies = {page: _body(bad, page) for page in (1, 2)}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            page = int(parse_qs(urlsplit(self.path).query).get("page", ["1"])[0])
            body = bodies.get(page, b'{"data": [], "pagination": {}}')
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()


def outcome(name: str, bad: Bad) -> str:
    """Return what a program does with a bad catalogue, by what it leaves in Parquet."""
    with tempfile.TemporaryDirectory() as folder, _serving(bad) as url:
        done = subprocess.run(command(name, url, folder), capture_output=True, env=COMPILED, check=False)
        files = [pq.ParquetFile(path) for path in Path(folder).rglob("*.parquet") if _is_result(path)]
        rows = [model for file in files for model in file.read(["model_id"]).column(0).to_pylist()]
    if done.returncode:
        return "stops" if not rows else "stops, part is written"
    served = {model["model_id"] for page in (1, 2) for model in _models(page)}
    good = served - {
        _models(1)[0]["model_id"],
        *([_models(1)[1]["model_id"]] if bad.answer is _add_twin else []),
    }
    if missing := len(good - set(rows)):
        return f"{missing} good models are missing"
    if len(rows) > COUNT:
        return "writes models twice"
    return "refuses the model" if len(rows) == len(good) else "writes it"


def _is_result(path: Path) -> bool:
    """Return whether a file holds models: not refused records, nor dlt's work files and tables of lists."""
    if {"quarantine", "work"} & set(path.parts):
        return False
    return "model_id" in pq.ParquetFile(path).schema_arrow.names


def print_corpus() -> None:
    """Print a table of what each program does with each fault."""
    print(f"\n| one fault in {COUNT} models | " + " | ".join(READERS) + " |")
    print("|---" * (1 + len(READERS)) + "|")
    for bad in CORPUS:
        print(f"| {bad.name} | " + " | ".join(outcome(name, bad) for name in READERS) + " |", flush=True)


def _write_rows(path: Path, rows: int) -> None:
    """Write a data set of which each thousandth row is bad."""
    numbers = range(rows)
    table = pa.table(
        {
            "id": [f"model-{number}" for number in numbers],
            "status": ["active" if number % 1000 != 1 else "retired" for number in numbers],
            "trendiness": [number % 11 for number in numbers],
            "price": [f"0.{number % 100_000:05d}" for number in numbers],
        }
    )
    pq.write_table(table, path)


def draw(figures: dict[str, dict[str, Figures]]) -> None:
    """Draw CPU and memory of all programs as ratios to this provider."""
    import matplotlib.pyplot as plt

    plot, axes = plt.subplots(1, 2, figsize=(10, 0.35 * sum(map(len, figures.values())) + 1), sharey=True)
    for place, (field, title) in zip(axes, (("cpu", "CPU time"), ("peak", "peak memory")), strict=True):
        labels, values = [], []
        for series, medians in figures.items():
            base = next(iter(medians.values()))
            labels += [f"{name}, {series}" for name in medians]
            values += [getattr(one, field) / getattr(base, field) for one in medians.values()]
        bars = place.barh(
            labels, values, color=["#2563eb" if "provider" in label else "#9ca3af" for label in labels]
        )
        place.bar_label(bars, [f"{value:.2f}" for value in values], padding=3)
        place.set_title(f"{title}, this provider = 1")
        place.margins(x=0.15)
        place.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    plot.tight_layout()
    plot.savefig(ROOT / "docs" / "images" / "peers.png", dpi=120)


def main() -> None:
    """Print everything; ``SIZES``, ``ROUNDS`` and ``CORPUS=0`` make it shorter."""
    sizes = [int(size) for size in os.environ.get("SIZES", "100 100000").split()]
    rounds = int(os.environ.get("ROUNDS", "3"))
    install()
    print_sizes()
    figures = {}
    for size in sizes:
        with server(size, "clean") as url:
            print_ratios("warm-up", READERS, url, 1)
            figures[f"{size:,} models"] = print_ratios(f"{size:,} models", READERS, url, rounds)
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            _write_rows(Path(folder, "rows.parquet"), size)
            title = f"{size:,} rows of a Parquet file"
            figures[f"{size:,} rows"] = print_ratios(title, CHECKERS, f"{folder}/rows.parquet", rounds)
    draw(figures)
    if os.environ.get("CORPUS") != "0":
        print_corpus()


if __name__ == "__main__":
    main()
