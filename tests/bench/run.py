"""Implements ``make bench``: runs processes in turn and prints ratios of medians with peak memory.

The machine may be shared and its speed may drift: trust the ratios, those of CPU time before those of the
clock, and not the seconds. Every process finds its byte code compiled, whoever made the environment.
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
REAL_SIZE = 100
"""Models, one page of them: what the vendor's catalogue has today, in round figures."""
LARGE = 100_000
# Without the variable each process writes the byte code of what it imports, the warm-up before all others.
COMPILED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass
class Figures:
    """Medians of one contender: seconds of wall time, of CPU, and peak memory in MB."""

    wall: float
    cpu: float
    peak: float


@contextmanager
def server(records: int, kind: str = "broken", delay: float = 0.0) -> Iterator[str]:
    """Run the catalogue server in a process of its own."""
    command = [sys.executable, str(HERE / "catalogue_server.py"), str(records), kind, str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def measure(name: str, url: str, *arguments: str) -> Figures:
    """Run a contender once, as a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return measured([sys.executable, str(HERE / "contenders.py"), name, url, folder, *arguments], name)


def measured(command: list[str], name: str) -> Figures:
    """Run a command and return what it took; its output is dropped."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=COMPILED)
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


def warm_up(names: list[str]) -> None:
    """Run each contender once, so that the byte code of whatever it imports is on disk."""
    with server(REAL_SIZE, "clean") as url:
        for name in names:
            measure(name, url)


def report(title: str, figures: dict[str, Figures], base: str) -> None:
    """Print one line per contender, relative to ``base``."""
    print(f"\n{title}")
    for name, taken in figures.items():
        cpu, wall = taken.cpu / figures[base].cpu, taken.wall / figures[base].wall
        print(
            f"  {name:<13} {cpu:6.2f} x {base} in CPU, {wall:6.2f} x by the clock   "
            f"cpu {taken.cpu:7.2f} s   wall {taken.wall:7.2f} s   peak {taken.peak:6.0f} MB"
        )


def parse_cost() -> None:
    """Print what the first parse of the sample Dag costs over one with an empty operator."""
    dag = HERE.parents[1] / "dags" / "io_intelligence_daily_pricing.py"
    command = [sys.executable, str(HERE / "dag_parse.py"), str(dag)]
    taken = [
        float(
            subprocess.run(command, capture_output=True, text=True, check=True, env=COMPILED).stdout.split()[
                -1
            ]
        )
        for _ in range(3)
    ]
    cost = statistics.median(taken)
    print(f"\nThe first parse of the sample Dag takes {cost:.3f} s more than that of an empty one")


def main() -> None:
    """Print every figure of the documentation's page on performance."""
    rounds = int(os.environ.get("ROUNDS", "3"))
    everybody = ["floor", "provider", "beside_pandas", "by_hand"]
    warm_up(everybody)
    with server(REAL_SIZE, "clean") as url:
        title = f"{REAL_SIZE} clean records, one page: today's catalogue"
        report(title, compare(url, everybody, 3 * rounds), "by_hand")
    with server(LARGE, "clean") as url:
        title = f"{LARGE:,} clean records, half of them with a key that has no column"
        report(title, compare(url, everybody, rounds), "floor")
    with server(LARGE) as url:
        title = f"{LARGE:,} records, a tenth of them broken: the floor and by hand stop at those"
        report(title, compare(url, ["provider", "beside_pandas"], rounds), "provider")
    if os.environ.get("SHORT") == "1":
        return
    parse_cost()
    with server(LARGE, delay=0.05) as url:
        figures = {str(number): measure("walk", url, str(number)) for number in (1, 4, 8, 16)}
        report("The walk over 1,000 pages at 50 ms each, by concurrency", figures, "8")
    million = os.environ.get("MILLION", "1") == "1"
    if million:
        with server(1_000_000) as url:
            report("1,000,000 models", {"provider": measure("provider", url)}, "provider")
    count = "1000000" if million else "100000"
    subprocess.run([sys.executable, str(HERE / "changes.py"), count], check=True, env=COMPILED)


if __name__ == "__main__":
    main()
