"""``make bench``: whole processes, taken in turn, printed as ratios of medians with peak memory.

The machine may be shared and its speed may drift: trust the ratios, not the seconds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass
class Figures:
    """Medians of one contender: seconds of wall time, of CPU, and peak memory in MB."""

    wall: float
    cpu: float
    peak: float


@contextmanager
def server(records: int, delay: float = 0.0) -> Iterator[str]:
    """Run the catalogue server in a process of its own."""
    command = [sys.executable, str(HERE / "catalogue_server.py"), str(records), str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def measure(name: str, url: str, *arguments: str) -> Figures:
    """Run a contender once, as a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(HERE / "contenders.py"), name, url, folder, *arguments]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} failed")
    return Figures(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def compare(url: str, names: list[str], rounds: int) -> dict[str, Figures]:
    """Take the contenders in turn, so that a drift of the machine meets all of them."""
    runs: dict[str, list[Figures]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            runs[name].append(measure(name, url))
    return {
        name: Figures(
            *(statistics.median(getattr(run, field) for run in taken) for field in ("wall", "cpu", "peak"))
        )
        for name, taken in runs.items()
    }


def report(title: str, figures: dict[str, Figures], base: str) -> None:
    """Print one line per contender, relative to ``base``."""
    print(f"\n{title}")
    for name, taken in figures.items():
        ratio = taken.wall / figures[base].wall
        print(
            f"  {name:<13} {ratio:6.2f} x {base}   wall {taken.wall:7.2f} s   cpu {taken.cpu:7.2f} s   "
            f"peak {taken.peak:6.0f} MB"
        )


def parse_cost() -> None:
    """Print what the first parse of the sample Dag costs over one with an empty operator."""
    dag = HERE.parents[1] / "dags" / "io_intelligence_daily_pricing.py"
    command = [sys.executable, str(HERE / "dag_parse.py"), str(dag)]
    taken = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])
        for _ in range(3)
    ]
    cost = statistics.median(taken)
    print(f"\nThe first parse of the sample Dag takes {cost:.3f} s more than that of an empty one")


def main() -> None:
    """Print every figure of the documentation's page on performance."""
    rounds = int(os.environ.get("ROUNDS", "3"))
    parse_cost()
    with server(100_000) as url:
        report(
            "100,000 models, end to end",
            compare(url, ["floor", "provider", "beside_pandas", "by_hand"], rounds),
            "floor",
        )
    with server(100_000, 0.05) as url:
        figures = {str(number): measure("walk", url, str(number)) for number in (1, 4, 8, 16)}
        report("The walk over 1,000 pages at 50 ms each, by concurrency", figures, "8")
    million = os.environ.get("MILLION", "1") == "1"
    if million:
        with server(1_000_000) as url:
            report("1,000,000 models", {"provider": measure("provider", url)}, "provider")
    count = "1000000" if million else "100000"
    subprocess.run([sys.executable, str(HERE / "changes.py"), count], check=True)


if __name__ == "__main__":
    main()
